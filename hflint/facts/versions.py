"""Which releases of each library a project allows, and where that was read.

For each library the first of these that speaks of it decides: the settings' target, a lock file, the project's declared
dependencies, requirements files, the project's own virtual environment. A library that nothing speaks of stands at its
newest known release, for that is what pip would install. A name without a version says nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from hflint.facts.origins import LIBRARIES, Mention, canonical, declared, environment, locked, required

_TABLE = Path(__file__).parent / "tables" / "releases.json"


@dataclass(frozen=True, slots=True)
class Range:
    """The releases of one library that are allowed, and who said so.

    Attributes:
        library: the name on the package index, for example "huggingface_hub".
        origin: for people, for example "pyproject.toml: transformers>=4.50,<6".
        releases: allowed releases, ascending, at least one.
    """

    library: str
    origin: str
    releases: tuple[Version, ...]

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
        wanted = _specifiers(spec)
        return any(wanted.contains(release, prereleases=True) for release in self.releases)

    def all(self, spec: str) -> bool:
        """Whether every allowed release satisfies a specifier."""
        wanted = _specifiers(spec)
        return all(wanted.contains(release, prereleases=True) for release in self.releases)

    def narrowed(self, spec: str) -> Range | None:
        """The part that satisfies a specifier, as under a version check in code; None where nothing is left."""
        wanted = _specifiers(spec)
        left = tuple(release for release in self.releases if wanted.contains(release, prereleases=True))
        if len(left) == len(self.releases):
            return self
        return Range(self.library, f"{self.origin}, here {spec}", left) if left else None

    def __str__(self) -> str:
        """For messages: "transformers 4.57.6", or "transformers 4.50.0 to 5.23.0"."""
        if len(self.releases) == 1:
            return f"{self.library} {self.lowest}"
        return f"{self.library} {self.lowest} to {self.highest}"


class Versions(Mapping[str, Range]):
    """The range of every known library; names are looked up as the package index compares them.

    Attributes:
        notes: one line for each file or statement that could not be used.
    """

    def __init__(self, ranges: Mapping[str, Range], notes: Sequence[str] = ()) -> None:
        self._ranges = dict(ranges)
        self.notes = tuple(notes)

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
        said = ((name, *map(str, self[name].releases)) for name in self)
        return hashlib.sha256(repr(list(said)).encode()).hexdigest()[:16]


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
    for read in (locked, declared, required, environment):
        for level in read(folder, notes):
            for library, mentions in _by_library(level).items():
                found = library not in ranges and _combined(library, mentions, notes)
                if found:
                    ranges[library] = found
    return Versions(ranges, notes)


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
    found = _combined(name, [Mention(name, (spec,), f"target {name} {wanted}")], notes) if spec else None
    if found is None:
        raise _settings_error(notes[0] if notes else f"target {name} {wanted}: is no version or specifier")
    return found


def _known_library(library: str) -> str:
    try:
        return LIBRARIES[canonical(library)]
    except KeyError:
        near = get_close_matches(canonical(library), LIBRARIES, n=1)
        hint = f"; did you mean {LIBRARIES[near[0]]}?" if near else f"; known are {', '.join(LIBRARIES.values())}"
        raise _settings_error(f"target: unknown library {library}{hint}") from None


def _settings_error(message: str) -> Exception:
    from hflint.kinds import SettingsError

    return SettingsError(message)


def _by_library(mentions: Iterable[Mention]) -> dict[str, list[Mention]]:
    grouped: dict[str, list[Mention]] = {}
    for mention in mentions:
        if any(mention.specs):  # a bare name says nothing
            grouped.setdefault(mention.library, []).append(mention)
    return grouped


def _combined(library: str, mentions: Iterable[Mention], notes: list[str]) -> Range | None:
    """What all mentions allow together; what any of them allows where they exclude each other."""
    readable: list[tuple[Mention, list[SpecifierSet]]] = []
    for mention in mentions:
        try:
            readable.append((mention, [_specifiers(spec) for spec in mention.specs]))
        except InvalidSpecifier:
            notes.append(f"{mention.where}: not understood, ignored")
    pool = _pool(library, [spec for _, specs in readable for spec in specs])
    allowed = [{release for release in pool if _is_allowed(library, release, specs)} for _, specs in readable]
    together = (set.intersection(*allowed) or set.union(*allowed)) if allowed else set()
    if not together:
        notes.extend(f"{mention.where}: no known release satisfies it" for mention, _ in readable)
        return None
    origin = "; ".join(dict.fromkeys(mention.where for mention, _ in readable))
    return Range(library, origin, tuple(sorted(together)))


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
        return Range(library, "not stated", _releases(library))
    return Range(library, "newest known", (newest_known(library),))


@lru_cache(maxsize=512)
def _specifiers(spec: str) -> SpecifierSet:
    return SpecifierSet(spec)


@cache
def _releases(library: str) -> tuple[Version, ...]:
    return tuple(map(Version, _table()[library]))


@cache
def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = json.loads(_TABLE.read_text("utf-8"))["releases"]
    return table
