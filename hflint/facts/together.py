"""Which releases of the libraries pip installs together, as far as their own metadata say."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.version import Version

from hflint.facts.requirements import is_read, required_by
from hflint.facts.sources import canonical
from hflint.facts.versions import Range, known_releases, newest_beside, specifiers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HUB = "huggingface_hub"  # what nearly all require, each its own releases of it
_Wants = tuple[str | None, str | None]  # what a release requires of the other library, and of the hub's


def compatible(library: str, release: Version, other: str, beside: Version) -> bool:
    """Whether pip installs two releases together, as far as each says what it requires of the other."""
    return _admits(library, release, other, beside) and _admits(other, beside, library, release)


def together(ranges: Mapping[str, Range]) -> Mapping[str, Range]:
    """What is left of the ranges of all libraries where they are installed together; see `Versions.installable`."""
    known = {name: one for name, one in ranges.items() if not one.commit}
    if "transformers" not in known:
        return known
    stated = [name for name, one in known.items() if one.stated and name != "transformers"]
    for name in stated:
        known["transformers"], _ = fitting(known["transformers"], known[name])
    for name in stated:
        _, known[name] = fitting(known["transformers"], known[name])
    beside = [known["transformers"], *(known[name] for name in stated)]
    found = ((name, one if one.stated else _newest(one, beside)) for name, one in known.items())
    return {name: one for name, one in found if one is not None}


def fitting(one: Range, other: Range) -> tuple[Range, Range]:
    """The parts of two ranges whose releases can be installed with some of the other; both as they are where none can.

    What the settings ask for stays beside what they do not, and so does Python.
    """
    mine: set[Version] = set()
    theirs: set[Version] = set()
    for wants, releases in _groups(one, other).items():
        for wanted, others in _groups(other, one).items():
            if _share_hub(wants[1], wanted[1]):
                admitted = [release for release in releases if _contains(wanted[0], one.library, release)]
                admitting = [release for release in others if _contains(wants[0], other.library, release)]
                mine.update(admitted if admitting else ())
                theirs.update(admitting if admitted else ())
    if not mine:
        return one, other
    return _part(one, mine, other), _part(other, theirs, one)


def _part(one: Range, releases: set[Version], other: Range) -> Range:
    fixed = one.library == "python" or (one.asked and not other.asked)
    return one if fixed else one.part(releases, other)


def _newest(unstated: Range, beside: Iterable[Range]) -> Range | None:
    """The newest release of a library of which nothing speaks that goes with the others; None where that is not known."""
    others = [one for one in beside if one.stated]
    if unstated.library in {"python", "transformers"}:
        return unstated
    if any(not is_read(one.library, one.highest) for one in others if one.library == "transformers"):
        return None
    held = ""
    for release in reversed(known_releases(unstated.library)):
        one = Range(unstated.library, "", (release,))
        clash = next((other for other in others if not _go(one, other)), None)
        if clash is None:
            return newest_beside(unstated.library, release, held) if held else unstated
        held = str(clash)
    return None


def _go(one: Range, other: Range) -> bool:
    """Whether some releases of two ranges go together."""
    return any(
        _share_hub(wants[1], wanted[1])
        and any(_contains(wanted[0], one.library, release) for release in releases)
        and any(_contains(wants[0], other.library, release) for release in others)
        for wants, releases in _groups(one, other).items()
        for wanted, others in _groups(other, one).items()
    )


def _groups(one: Range, other: Range) -> Mapping[_Wants, list[Version]]:
    """The releases of a range by what they require."""
    found: dict[_Wants, list[Version]] = {}
    for release in one.releases:
        wants = required_by(canonical(one.library), release)
        hub = None if other.library == _HUB else wants.get(canonical(_HUB))
        found.setdefault((wants.get(canonical(other.library)), hub), []).append(release)
    return found


@lru_cache(maxsize=1024)
def _share_hub(one: str | None, other: str | None) -> bool:
    """Whether some release of huggingface_hub suits both."""
    return not one or not other or any(specifiers(f"{one},{other}").contains(hub) for hub in known_releases(_HUB))


def _admits(library: str, release: Version, other: str, beside: Version) -> bool:
    return _contains(required_by(canonical(library), release).get(canonical(other)), other, beside)


@lru_cache(maxsize=8192)
def _contains(spec: str | None, library: str, release: Version) -> bool:
    patches = (release, Version(f"{release}.99")) if library == "python" else (release,)
    return not spec or any(specifiers(spec).contains(patch, prereleases=True) for patch in patches)
