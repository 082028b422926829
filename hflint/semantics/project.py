"""The modules of a project, so that a program can be followed from one into another. Each is read and parsed once."""

from __future__ import annotations

import os
import re
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hflint.files import FileError, display_name, read_source
from hflint.semantics.catalog import LIBRARIES
from hflint.semantics.choice import Outline, outline
from hflint.semantics.module import Module
from hflint.semantics.survey import TooDeepError, survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.files import Source
    from hflint.semantics.units import Survey

LARGEST = 200_000  # bytes of a module that is followed into
KEPT = 400  # parsed statements that are kept from one program to the next, of some 50 KB each
_FOREIGN = (
    LIBRARIES | sys.stdlib_module_names | {"torch", "numpy", "pandas", "tqdm", "sklearn", "scipy", "tensorflow", "jax"}
)


_SKIPPED = frozenset({"venv", "env", "node_modules", "site-packages", "__pycache__", "build", "dist"})
_CHANGES = re.compile(
    rb"\.(?:pad_token|pad_token_id|padding_side|add_special_tokens|add_tokens|resize_token_embeddings|config\.\w+\s*=[^=])\b"
)
_IMPORTS = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+\(?([\w, \t\r\n]*)|import[ \t]+([\w., \t]+))", re.MULTILINE
)


def _changing_imports(path: Path) -> set[str]:
    """The last parts of the modules that a file imports, where it sets attributes of the kind that rules ask about."""
    try:
        data = path.read_bytes() if path.stat().st_size <= LARGEST else b""
    except OSError:
        return set()
    if not _CHANGES.search(data):
        return set()
    names = b" ".join(part for found in _IMPORTS.findall(data) for part in found)
    return {one.rpartition(".")[2] for one in re.split(r"[\s,]+", names.decode("utf-8", "replace")) if one}


class Foreign:
    """A module of the project: its top-level statements, each parsed when one of its names is asked for from another module."""

    def __init__(self, source: Source, parsed: dict[tuple[Path, int], Module]) -> None:
        self.source = source
        self._parsed = parsed  # the statements of all modules that are parsed

    def binding(self, name: str) -> Iterator[tuple[int, Module]]:
        """The statements that bind a name or change its object, in order, each with its number."""
        for number in self._numbers.get(name, ()):
            key = self.source.path, number
            part = self._parsed.pop(key, None) or Module(self.source, self._offer.statements[number].selection)
            self._parsed[key] = part  # at the end: those that were not asked for the longest go first
            yield number, part

    @property
    def stars(self) -> list[str]:
        """The modules that it imports everything from."""
        return self._offer.stars

    @cached_property
    def outline(self) -> Outline:
        """What there is to follow.

        Raises:
            TooDeepError: it is nested too deeply.
        """
        return outline(self.source.text)

    @property
    def survey(self) -> Survey | None:
        """Its units, read anew; None where they cannot be read."""
        try:
            return survey(self.source.text)
        except TooDeepError:
            return None

    @property
    def _offer(self) -> Outline:
        try:
            return self.outline
        except TooDeepError:
            return Outline(None, [], [])

    @cached_property
    def _numbers(self) -> dict[str, list[int]]:
        """The numbers of the statements for each name."""
        found: dict[str, list[int]] = {}
        for number, statement in enumerate(self._offer.statements):
            for name in statement.names:
                found.setdefault(name, []).append(number)
        return found


class Modules:
    """Finds the modules below a project's folder. Each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._known: dict[Path, Foreign | None] = {}
        self._files: dict[Path, bool] = {}
        self._parsed: dict[tuple[Path, int], Module] = {}
        self._found: dict[tuple[str, str], tuple[Foreign | None, str] | None] = {}
        self.read: set[Path] = set()  # what was asked for since `start`, found or not: what a program depends on

    def start(self) -> None:
        """Begin another program. It finds what earlier ones parsed, as long as that is not too much to keep."""
        self.read = set()
        for key in list(self._parsed)[:-KEPT]:
            del self._parsed[key]

    def outline(self, source: Source) -> Outline:
        """What there is to follow in a file, read once for its own sake and for those that import it.

        Raises:
            TooDeepError: it is nested too deeply.
        """
        path = source.path.absolute()
        known = self._known.get(path)
        if known is None or known.source.text != source.text:
            known = Foreign(source, self._parsed)
            if len(source.text) <= LARGEST and path.is_relative_to(self._folder):
                self._known[path] = known
        return known.outline

    def find(self, importer: Path, name: str) -> tuple[Foreign | None, str] | None:
        """The module that an import of `name` reaches, and what is left of the name within it.

        `name` is absolute, or relative with leading dots. The module is None for a folder without `__init__.py`; the answer is None for what is
        not the project's.
        """
        key = os.path.dirname(importer), name  # noqa: PTH120 - asked for every import, and a Path is slow to hash
        if key not in self._found:
            self._found[key] = self._find(importer.absolute(), name)
        found = self._found[key]
        if found is not None and found[0] is not None:
            self.read.add(found[0].source.path)
        return found

    def _find(self, importer: Path, name: str) -> tuple[Foreign | None, str] | None:
        level = len(name) - len(name.lstrip("."))
        parts = name.lstrip(".").split(".") if name.strip(".") else []
        if not level and (not parts or self._is_foreign(parts[0], importer.parent)):
            return None
        for root in self._roots(importer, level):
            found = self._below(root, parts, is_package=level > 0)
            if found is not None:
                return found
        return None

    def changed_by(self, path: Path) -> str | None:
        """A module of the project that imports this one and changes objects of the libraries: its file's name."""
        stem = path.parent.name if path.name == "__init__.py" else path.stem
        return next((name for name in sorted(self._changers.get(stem, ())) if name != path.name), None)

    @cached_property
    def _changers(self) -> dict[str, set[str]]:
        """For the last part of a module's name, the files that import it and set attributes of the kind that rules ask about."""
        found: dict[str, set[str]] = {}
        for folder, folders, files in os.walk(self._folder):
            folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
            for name in files:
                if name.endswith(".py"):
                    for stem in _changing_imports(Path(folder, name)):
                        found.setdefault(stem, set()).add(name)
        return found

    def _is_foreign(self, top: str, beside: Path) -> bool:
        if top not in _FOREIGN:
            return False
        own = (beside / f"{top}.py", beside / top / "__init__.py", self._folder / top / "__init__.py")
        return top not in LIBRARIES or not any(self._is_file(path) for path in own)  # a copy of its own, or a namesake

    def _roots(self, path: Path, level: int) -> list[Path]:
        """Where an import starts: the package for a relative one; for others the script's folder, its package's, the project's, `src`."""
        if level:
            folder = path.parent
            for _ in range(level - 1):
                folder = folder.parent
            return [folder] if folder.is_relative_to(self._folder) else []
        package = path.parent
        while (
            package.is_relative_to(self._folder) and self._is_file(package / "__init__.py") and package != self._folder
        ):
            package = package.parent
        found = [path.parent, package, self._folder, self._folder / "src"]
        return [root for root in dict.fromkeys(found) if root.is_relative_to(self._folder)]

    def _below(self, root: Path, parts: list[str], *, is_package: bool) -> tuple[Foreign | None, str] | None:
        """The longest part of a dotted name that is a module below a folder."""
        folder = root
        best: tuple[Path | None, int] | None = None
        if is_package and self._is_file(root / "__init__.py"):
            best = root / "__init__.py", 0
        for count, part in enumerate(parts, 1):
            if self._is_file(folder / part / "__init__.py"):
                best, folder = (folder / part / "__init__.py", count), folder / part
                continue
            if self._is_file(folder / f"{part}.py"):
                best = folder / f"{part}.py", count
            elif (folder / part).is_dir():
                best, folder = (None, count), folder / part
                continue
            break
        if best is None:
            return None
        return (self._module(best[0]) if best[0] else None), ".".join(parts[best[1] :])

    def _module(self, path: Path) -> Foreign | None:
        if path not in self._known:
            try:
                small = path.stat().st_size <= LARGEST
                self._known[path] = Foreign(read_source(path, display_name(path)), self._parsed) if small else None
            except (FileError, OSError):
                self._known[path] = None
        return self._known[path]

    def _is_file(self, path: Path) -> bool:
        known = self._files.get(path)
        if known is None:
            known = self._files[path] = path.is_file()
        return known
