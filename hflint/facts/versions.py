"""Which releases of each library a project allows, and where that was read.

For each library the first of these that speaks of it decides: the settings' target, a lock file, the project's declared
dependencies, the metadata of the built package, requirements files, the project's own virtual environment. Requirements
narrow what is declared where they lie nearer, or beside it and name one release. A library that nothing speaks of stands
at its newest known release, for that is what pip would install. A name without a version says nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from hflint.facts.declared import Declared, declared_packages, script_packages
from hflint.facts.environments import INSTALLED, environment
from hflint.facts.origins import LIBRARIES, Mention, declared, in_script, locked, packaged, required
from hflint.facts.sources import canonical

_TABLE = Path(__file__).parent / "tables" / "releases.json"
_TARGET = "target "  # begins the origin of a range that the settings ask for
_UNSTATED = ("newest known", "not stated")  # the origins of ranges of which nothing in the project speaks
_SEVERAL = 3  # files that say the same, which are not all named
_BESIDE = "newest known beside "  # begins the origin of a range that only the releases of other libraries decide


@dataclass(frozen=True, slots=True)
class Range:
    """The releases of one library that are allowed, and who said so.

    Attributes:
        library: the name on the package index, for example "huggingface_hub".
        origin: for people, for example "pyproject.toml: transformers>=4.50,<6".
        releases: allowed releases, ascending, at least one.
        commit: that code is asked for which is no release, so that it may be like any of these, or like none.
    """

    library: str
    origin: str
    releases: tuple[Version, ...]
    commit: bool = False

    @property
    def stated(self) -> bool:
        """Whether something in the project speaks of the library; else its newest release is the only one here."""
        return self.origin not in _UNSTATED and not self.beside

    @property
    def beside(self) -> str:
        """Beside what it is the newest release that can be installed, where nothing in the project speaks of it; else empty."""
        return self.origin.removeprefix(_BESIDE) if self.origin.startswith(_BESIDE) else ""

    def part(self, releases: Collection[Version], other: Range) -> Range:
        """Those of its releases that go with another library's."""
        left = tuple(release for release in self.releases if release in releases)
        return self if left == self.releases else replace(self, origin=f"{self.origin}, beside {other}", releases=left)

    @property
    def asked(self) -> bool:
        """Whether the settings ask for it, whatever the project says."""
        return self.origin.startswith(_TARGET)

    @property
    def installed(self) -> bool:
        """Whether it is what lies in an environment, however it came there."""
        return self.origin.startswith(INSTALLED)

    @property
    def lowest(self) -> Version:
        """The oldest release allowed."""
        return self.releases[0]

    @property
    def highest(self) -> Version:
        """The newest release allowed."""
        return self.releases[-1]

    def any(self, spec: str) -> bool:
        """Whether some allowed release satisfies a specifier such as ">=5,<5.19"."""
        wanted = specifiers(spec)
        return any(wanted.contains(release, prereleases=True) for release in self.releases)

    def all(self, spec: str) -> bool:
        """Whether every allowed release satisfies a specifier."""
        wanted = specifiers(spec)
        return all(wanted.contains(release, prereleases=True) for release in self.releases)

    def narrowed(self, spec: str) -> Range | None:
        """The part that satisfies a specifier, as under a version check in code; None where nothing is left."""
        wanted = specifiers(spec)
        left = tuple(release for release in self.releases if wanted.contains(release, prereleases=True))
        if len(left) == len(self.releases):
            return self
        return Range(self.library, f"{self.origin}, here {spec}", left, self.commit) if left else None

    def __str__(self) -> str:
        """For messages: "transformers 4.57.6", or "transformers 4.50.0 to 5.23.0"."""
        if self.commit:
            return f"{self.library} of some commit"
        if len(self.releases) == 1:
            return f"{self.library} {self.lowest}"
        return f"{self.library} {self.lowest} to {self.highest}"


class Versions(Mapping[str, Range]):
    """The range of every known library; names are looked up as the package index compares them.

    Attributes:
        notes: one line for each file or statement that could not be used.
        declared: the packages that the project declares.
    """

    def __init__(
        self, ranges: Mapping[str, Range], notes: Sequence[str] = (), declared: Declared | None = None
    ) -> None:
        self._ranges = dict(ranges)
        self.notes = tuple(notes)
        self.declared = declared or Declared()

    def __getitem__(self, library: str) -> Range:
        name = LIBRARIES[canonical(library)]
        if name not in self._ranges:
            self._ranges[name] = _last_resort(name)
        return self._ranges[name]

    def __iter__(self) -> Iterator[str]:
        return iter(LIBRARIES.values())

    def __len__(self) -> int:
        return len(LIBRARIES)

    def fingerprint(self) -> str:
        """Equal for equal ranges, wherever they were read; for cache keys."""
        said = [(name, self[name].stated, self[name].commit, *map(str, self[name].releases)) for name in self]
        return hashlib.sha256(repr((said, self.declared.fingerprint)).encode()).hexdigest()[:16]

    def of_script(self, source: str) -> Versions:
        """The ranges for a script that declares its dependencies in its head: nothing but a target of the settings counts beside that."""
        mentions = in_script(source)
        if mentions is None:
            return self
        notes: list[str] = []
        ranges = {name: one for name, one in self._ranges.items() if one.asked}
        for library, said in _by_library(mentions).items():
            if library not in ranges and (found := _combined(library, said, notes)):
                ranges[library] = found
        return Versions(ranges, (*self.notes, *notes), script_packages(mentions))

    @cached_property
    def installable(self) -> Mapping[str, Range]:
        """The releases that can be installed together, of those libraries of which that is known.

        Left out are those that stand at a commit. Libraries of which nothing in the project speaks stand at their newest release that goes with
        what is stated, and are left out where there is none, or where transformers is so old that nobody knows.
        """
        from hflint.facts.together import together

        return together({name: self[name] for name in self})


def project_versions(folder: Path, target: Mapping[str, str]) -> Versions:
    """The releases that the project around a folder allows.

    Args:
        folder: where to start; parents are searched up to the repository's root, or the folder with pyproject.toml.
        target: versions by library that the settings ask for: "5.23" (all its patches), "4.57.6", ">=4.50,<6".

    Raises:
        SettingsError: the target names an unknown library or is no version or specifier.
    """
    ranges = {_known_library(name): _target_range(name, wanted) for name, wanted in target.items()}
    notes: list[str] = []
    declared_at: dict[str, int] = {}  # how many folders up
    for read in (locked, declared, packaged, required, environment):
        for above, level in enumerate(read(folder, notes)):
            for library, mentions in _by_library(level).items():
                unknown = library not in ranges or (read is environment and ranges[library].commit)
                if unknown and (found := _combined(library, mentions, notes)):
                    ranges[library] = found
                    declared_at |= {library: above} if read in (declared, packaged) else {}
                elif read is required and library in declared_at:
                    nearer = above < declared_at[library]
                    if nearer or (above == declared_at[library] and all(mention.pins for mention in mentions)):
                        ranges[library] = _narrowed(ranges[library], _combined(library, mentions, notes), nearer=nearer)
                        del declared_at[library]
    return Versions(ranges, notes, declared_packages(folder))


def _narrowed(stated: Range, required: Range | None, *, nearer: bool) -> Range:
    """What is declared and required as well; where these exclude each other, what is nearer to the code."""
    left = tuple(release for release in stated.releases if required and release in required.releases)
    if required is None or not left:
        return required if required and nearer else stated
    return Range(stated.library, f"{stated.origin}; {required.origin}", left, stated.commit or required.commit)


def known_releases(library: str) -> tuple[Version, ...]:
    """The releases of a library, named as in `LIBRARIES`, that this hflint knows of; ascending."""
    return _releases(library)


def newest_beside(library: str, release: Version, others: str) -> Range:
    """The range of a library of which nothing in the project speaks, and whose newest release does not go with others."""
    return Range(library, f"{_BESIDE}{others}", (release,))


def newest_known(library: str) -> Version:
    """The newest release of a library that this hflint knows of.

    Raises:
        KeyError: the library is none that hflint knows.
    """
    return Version(_table()[LIBRARIES[canonical(library)]][-1])


def _target_range(library: str, wanted: str) -> Range:
    name, spec = _known_library(library), wanted.strip()
    with contextlib.suppress(InvalidVersion):
        spec = f"=={spec}" if Version(spec).micro or spec.count(".") > 1 else f"=={spec}.*"
    notes: list[str] = []
    found = _combined(name, [Mention(name, (spec,), f"{_TARGET}{name} {wanted}")], notes) if spec else None
    if found is None:
        raise _settings_error(notes[0] if notes else f"target {name} {wanted}: is no version or specifier")
    return found


def _known_library(library: str) -> str:
    try:
        return LIBRARIES[canonical(library)]
    except KeyError:
        from difflib import get_close_matches  # for an error only

        near = get_close_matches(canonical(library), LIBRARIES, n=1)
        hint = f"; did you mean {LIBRARIES[near[0]]}?" if near else f"; known are {', '.join(LIBRARIES.values())}"
        raise _settings_error(f"target: unknown library {library}{hint}") from None


def _settings_error(message: str) -> Exception:
    from hflint.kinds import SettingsError

    return SettingsError(message)


def _by_library(mentions: Iterable[Mention]) -> dict[str, list[Mention]]:
    grouped: dict[str, list[Mention]] = {}
    for mention in mentions:
        says = any(mention.specs) or mention.commit  # a bare name says nothing
        if canonical(mention.library) in LIBRARIES and says:
            grouped.setdefault(mention.library, []).append(mention)
    return grouped


def _combined(library: str, mentions: Iterable[Mention], notes: list[str]) -> Range | None:
    """What all mentions allow together; what any of them allows where they exclude each other."""
    readable: list[tuple[Mention, list[SpecifierSet]]] = []
    for mention in mentions:
        try:
            readable.append((mention, [specifiers(spec) for spec in mention.specs]))
        except InvalidSpecifier:
            notes.append(f"{mention.where}: not understood, ignored")
    pool = _pool(library, [spec for _, specs in readable for spec in specs])
    allowed = [{release for release in pool if _is_allowed(library, release, specs)} for _, specs in readable]
    together = (set.intersection(*allowed) or set.union(*allowed)) if allowed else set()
    if not together:
        notes.extend(f"{mention.where}: no known release satisfies it" for mention, _ in readable)
        return None
    origin = _said(mention.where for mention, _ in readable)
    return Range(library, origin, tuple(sorted(together)), any(mention.commit for mention, _ in readable))


def _said(places: Iterable[str]) -> str:
    """What is said and where, such as "setup.py: trl>=1"; what several files say alike is told once, and so is a file that says several things."""
    files: dict[str, list[str]] = {}
    for place in dict.fromkeys(places):
        file, _, said = place.partition(": ")
        files.setdefault(said or f"{file}:", []).append(file)
    told: dict[str, list[str]] = {}
    for said, found in files.items():
        others = f"{found[0]} and {len(found) - 1} other files"
        told.setdefault(" and ".join(found) if len(found) < _SEVERAL else others, []).append(said)
    return "; ".join(file if said == [f"{file}:"] else f"{file}: {', '.join(said)}" for file, said in told.items())


def _is_allowed(library: str, release: Version, specs: Iterable[SpecifierSet]) -> bool:
    # Python is known by minors: 3.11 is allowed where its first or its last patch is.
    patches = (release, Version(f"{release}.99")) if library == "python" else (release,)
    return any(spec.contains(patch, prereleases=True) for spec in specs for patch in patches)


def _pool(library: str, wanted: Iterable[SpecifierSet]) -> set[Version]:
    """The known releases, and those named that are not known: withdrawn ones, and newer ones than any known."""
    known = _releases(library)
    pool = set(known)
    for specifier in (one for specs in wanted for one in specs):
        try:
            named = Version(specifier.version.removesuffix(".*"))
        except InvalidVersion:  # "===" may be followed by anything
            continue
        exact = specifier.operator in {"==", "==="}
        is_known = any(specifier.contains(release, prereleases=True) for release in known)
        if not is_known and (exact or (named > known[-1] and specifier.operator in {">=", "~=", ">"})):
            pool.add(named)
    return pool


def _last_resort(library: str) -> Range:
    if library == "python":
        return Range(library, _UNSTATED[1], _releases(library))
    return Range(library, _UNSTATED[0], (newest_known(library),))


@lru_cache(maxsize=512)
def specifiers(spec: str) -> SpecifierSet:
    """A specifier, parsed."""
    return SpecifierSet(spec)


@cache
def _releases(library: str) -> tuple[Version, ...]:
    return tuple(map(Version, _table()[library]))


@cache
def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = json.loads(_TABLE.read_text("utf-8"))["releases"]
    return table
