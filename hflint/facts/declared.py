"""Which packages a project says that it needs, by name, and whether all that it says could be read.

Only a project of which everything could be read can be said to lack a package; what makes that doubtful is kept as a reason.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hflint.facts.origins import declared, locked, packaged, required
from hflint.facts.requirements import ASKED, brought_by
from hflint.facts.sources import canonical, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hflint.facts.origins import Mention

# Files that tell people and machines what to install, beside those that declare it.
_TELLING = re.compile(r"\.(?:md|rst|txt|sh|ya?ml|in|nix|def|toml|cfg)$|dockerfile|^makefile$", re.IGNORECASE)
_PLACES = ("*", "*/*", "docs/**/*", "requirements/**/*", ".github/workflows/*")
_MANY = 200  # such files, beyond which nobody looks


@dataclass(frozen=True)
class Declared:
    """The packages that a project declares.

    Attributes:
        packages: names as the package index compares them, with where each is declared, for people.
        locked: those of which a lock file holds what they bring, too.
        doubts: why there may be others, a line each.
        told: those of `ASKED` that some other file of the project tells people to install, or may; looked for where there is no doubt otherwise.
        root: the folder that they hold for; None for a script's own.
    """

    packages: Mapping[str, str] = field(default_factory=dict)
    locked: frozenset[str] = frozenset()
    doubts: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()
    root: Path | None = None

    @property
    def whole(self) -> bool:
        """Whether all packages that are installed with those declared are known, as far as hflint may ask for them."""
        return bool(self.packages) and not self.doubts and all(brought_by(name) is not None for name in self._unlocked)

    def brings(self, library: str) -> bool:
        """Whether a library is certainly installed with what is declared, and all that is installed is known."""
        return self.whole and (
            library in self.packages or any(library in (brought_by(name) or ()) for name in self._unlocked)
        )

    def lacks(self, *packages: str) -> bool:
        """Whether certainly none of these is installed where just what is declared is: not itself, nor by what requires it.

        Args:
            packages: names of `ASKED`, of which one would do.
        """
        wanted = set(packages)
        if not self.whole or wanted & self.told or wanted & self.packages.keys():
            return False
        return not any(wanted & (brought_by(name) or set()) for name in self._unlocked)

    @property
    def fingerprint(self) -> str:
        """Equal where the same is said of every package."""
        said = [sorted(self.packages), sorted(self.locked), self.doubts, sorted(self.told)]
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16] if self.packages else ""

    @property
    def _unlocked(self) -> set[str]:
        return self.packages.keys() - self.locked


def declared_packages(folder: Path) -> Declared:
    """What the project around a folder declares, in all its folders up to the repository's root."""
    notes: list[str] = []
    mentions: list[Mention] = []
    for read in (locked, declared, packaged, required):
        for level in read(folder, notes, whole_repository=True):
            mentions += level
    if not any(mention.kind in {"", "locked"} and mention.library != "python" for mention in mentions):
        return Declared()
    found = _declared(mentions, notes, folder)
    return replace(found, told=_told(folder)) if found.whole else found


def script_packages(mentions: Iterable[Mention]) -> Declared:
    """What a script declares in its head."""
    return _declared(mentions, (), None)


def _declared(mentions: Iterable[Mention], notes: Iterable[str], root: Path | None) -> Declared:
    packages: dict[str, str] = {}
    for mention in mentions:
        if mention.library not in {"", "python"}:
            packages.setdefault(canonical(mention.library), mention.where)
    doubts = [mention.where for mention in mentions if mention.kind in {"unread", "extras"}]
    known = {canonical(mention.library) for mention in mentions if mention.kind in {"locked", "own"}}
    return Declared(packages, frozenset(known), tuple(dict.fromkeys((*doubts, *notes))), root=root)


def _told(folder: Path) -> frozenset[str]:
    """The packages that are named where something is said to be installed; all where there is too much to read."""
    paths = {path for place in _PLACES for path in folder.glob(place) if _TELLING.search(path.name) and path.is_file()}
    if len(paths) > _MANY:
        return frozenset(ASKED)
    notes: list[str] = []
    lines = [line for path in sorted(paths) for line in _telling(path, text_of(path, notes))]
    said = "\n".join(lines)
    return frozenset(
        name for name in ASKED if notes or re.search(rf"(?<![\w-]){name.replace('-', '[-_]')}(?![\w-])", said)
    )


def _telling(path: Path, text: str) -> list[str]:
    """The lines of a file that may name what is to be installed, in small letters."""
    lines = text.replace("\\\n", " ").lower().splitlines()
    is_list = "requirements" in path.name + path.parent.name or path.suffix in {".yml", ".yaml", ".toml", ".cfg"}
    return lines if is_list else [line for line in lines if "install" in line or "uv add" in line]
