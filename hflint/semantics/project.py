"""The modules of a project, so that a program can be followed from one into another. Each is read and parsed once."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hflint.facts.layout import own_folders
from hflint.files import FileError, display_name, read_source
from hflint.semantics.catalog import LIBRARIES
from hflint.semantics.choice import Outline, outline, outline_and_nodes
from hflint.semantics.importers import LARGEST, Importers
from hflint.semantics.module import Module, picked
from hflint.semantics.survey import TooDeepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hflint.files import Source
    from hflint.semantics import tree
    from hflint.semantics.outlines import Outlines

DOCUMENT = 50_000  # bytes of a settings file: what is larger holds data
KEPT = 400  # parsed statements that are kept from one program to the next, of some 50 KB each
_FOREIGN = (
    LIBRARIES | sys.stdlib_module_names | {"torch", "numpy", "pandas", "tqdm", "sklearn", "scipy", "tensorflow", "jax"}
)


class Foreign:
    """A module of the project: its top-level statements, each parsed when one of its names is asked for from another module."""

    def __init__(self, source: Source, modules: Modules) -> None:
        self.source = source
        self._modules = modules

    def binding(self, name: str) -> Iterator[tuple[int, Module]]:
        """The statements that bind a name or change its object, in order, each with its number."""
        self._modules.read.setdefault(self.source.path, set()).add(name)
        parsed = self._modules.parsed
        for number in self._numbers.get(name, ()):
            key = self.source.path, number
            part = parsed.pop(key, None) or Module(self.source, self._offer.statements[number].selection)
            parsed[key] = part  # at the end: those that were not asked for the longest go first
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
        known = self._modules.outlines and self._modules.outlines.get(self.source)
        return known or self._noted(outline(self.source.text))

    def _noted(self, found: Outline) -> Outline:
        if self._modules.outlines is not None:
            self._modules.outlines.put(self.source, found)
        return found

    def outline_and_nodes(self) -> tuple[Outline, tree.Module | None]:
        """What there is to follow, and the nodes of the file's own part where they were not read before.

        Raises:
            TooDeepError: it is nested too deeply.
        """
        if "outline" in self.__dict__:
            return self.outline, None
        found, nodes = outline_and_nodes(self.source.text)
        self.outline = self._noted(found)
        return found, nodes

    def state(self, names: Iterable[str]) -> str:
        """A hash of what a program sees that asks for these names, of which it is told in one order: it changes with what they stand for."""
        found = blake2b(repr(self.stars).encode(), digest_size=12)
        for name in names:
            found.update(self._states.get(name) or self._states.setdefault(name, self._state(name)))
        return found.hexdigest()

    def _state(self, name: str) -> bytes:
        found = blake2b(name.encode(), digest_size=12)
        for number in self._numbers.get(name, ()):
            found.update(picked(self.source, self._offer.statements[number].selection).encode(errors="replace"))
        return found.digest()

    @cached_property
    def _states(self) -> dict[str, bytes]:
        return {}

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
        self._listed: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._starts: dict[tuple[str, int], list[str]] = {}
        self.parsed: dict[tuple[Path, int], Module] = {}  # the statements that were parsed, of all modules
        self._own: dict[str, list[str]] = {}
        self._found: dict[tuple[str, str], tuple[Foreign | None, str] | None] = {}
        self.importers = Importers(self._folder)
        self.outlines: Outlines | None = None  # what earlier runs found
        self.read: dict[Path, set[str]] = {}  # the modules found since `start`, and the names that were asked of them

    def start(self) -> None:
        """Begin another program. It finds what earlier ones parsed, as long as that is not too much to keep."""
        self.read.clear()
        self.importers.asked = set()
        for key in list(self.parsed)[:-KEPT]:
            del self.parsed[key]

    def text(self, path: PurePosixPath, home: Path) -> str | None:
        """The text of a file that a program in the folder `home` reads; None where it is not the project's, or there are two that it may be."""
        names = {os.path.normpath(folder / path) for folder in (home.absolute(), self._folder)}
        found = [
            one for one in map(Path, names) if one.is_relative_to(self._folder) and self._has(str(one.parent), one.name)
        ]
        if len(found) != 1:
            return None
        self.read.setdefault(found[0], set())
        with suppress(OSError, UnicodeDecodeError):
            return found[0].read_text("utf-8") if found[0].stat().st_size <= DOCUMENT else None
        return None

    def state(self, path: Path, names: Iterable[str]) -> str:
        """`Foreign.state` of a module; empty where it cannot be read, or is none."""
        found = self._module(path) if path.suffix == ".py" else None
        return found.state(names) if found is not None else ""

    def close(self) -> None:
        """Let go of everything, which holds itself."""
        self._known.clear()
        self._found.clear()
        self.parsed.clear()

    def outline(self, source: Source) -> tuple[Outline, tree.Module | None]:
        """What there is to follow in a file, read once for its own sake and for those that import it; with its nodes the first time.

        Raises:
            TooDeepError: it is nested too deeply.
        """
        path = source.path.absolute()
        known = self._known.get(path)
        if known is None or known.source.text != source.text:
            known = Foreign(source, self)
            if len(source.text) <= LARGEST and path.is_relative_to(self._folder):
                self._known[path] = known
        return known.outline_and_nodes()

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
            self.read.setdefault(found[0].source.path, set())
        return found

    def _find(self, importer: Path, name: str) -> tuple[Foreign | None, str] | None:
        level = len(name) - len(name.lstrip("."))
        parts = name.lstrip(".").split(".") if name.strip(".") else []
        beside = str(importer.parent)
        if not level and (not parts or self._is_foreign(parts[0], beside)):
            return None
        if (beside, level) not in self._starts:
            self._starts[beside, level] = self._roots(importer.parent, level)
        own = self._own_folders(beside) if not level and parts[0] in LIBRARIES else ()
        for root in (*self._starts[beside, level], *own):
            found = self._below(root, parts, is_package=level > 0)
            if found is not None:
                return found
        return None

    def _is_foreign(self, top: str, beside: str) -> bool:
        if top not in _FOREIGN:
            return False
        if top not in LIBRARIES:
            return True
        roots = (beside, str(self._folder), *self._own_folders(beside))
        own = self._has(beside, f"{top}.py") or any(self._has(f"{root}/{top}", "__init__.py") for root in roots)
        return not own  # a copy of its own, a namesake, or the project that makes the library

    def _own_folders(self, beside: str) -> list[str]:
        """Where the project around a folder keeps its packages, also above a part of it that is a project of its own."""
        if beside not in self._own:
            self._own[beside] = [str(folder) for folder in own_folders(Path(beside), self._folder)]
        return self._own[beside]

    def _roots(self, folder: Path, level: int) -> list[str]:
        """Where an import starts: the package for a relative one; for others the script's folder, its package's, the project's, `src`."""
        if level:
            start = folder
            for _ in range(level - 1):
                start = start.parent
            return [str(start)] if start.is_relative_to(self._folder) else []
        package = folder
        while (
            package.is_relative_to(self._folder) and self._has(str(package), "__init__.py") and package != self._folder
        ):
            package = package.parent
        found = [folder, package, self._folder, self._folder / "src"]
        return [str(root) for root in dict.fromkeys(found) if root.is_relative_to(self._folder)]

    def _below(self, root: str, parts: list[str], *, is_package: bool) -> tuple[Foreign | None, str] | None:
        """The longest part of a dotted name that is a module below a folder."""
        folder, depth = root, -1
        best = ""  # the module's file; none for a folder without `__init__.py`
        if is_package and self._has(root, "__init__.py"):
            best, depth = f"{root}/__init__.py", 0
        for count, part in enumerate(parts, 1):
            inner = f"{folder}/{part}"
            if self._has(inner, "__init__.py"):
                best, depth, folder = f"{inner}/__init__.py", count, inner
            elif self._has(folder, f"{part}.py"):
                best, depth = f"{inner}.py", count
                break
            elif part in self._inside(folder)[1]:
                best, depth, folder = "", count, inner
            else:
                break
        if depth < 0:
            return None
        return (self._module(Path(best)) if best else None), ".".join(parts[depth:])

    def _has(self, folder: str, file: str) -> bool:
        return file in self._inside(folder)[0]

    def _inside(self, folder: str) -> tuple[frozenset[str], frozenset[str]]:
        """The names of the files and of the folders in a folder, looked up once: imports ask for many that are not there."""
        if folder not in self._listed:
            files: set[str] = set()
            folders: set[str] = set()
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    (folders if entry.is_dir() else files).add(entry.name)
            self._listed[folder] = frozenset(files), frozenset(folders)
        return self._listed[folder]

    def _module(self, path: Path) -> Foreign | None:
        if path not in self._known:
            try:
                small = path.stat().st_size <= LARGEST
                self._known[path] = Foreign(read_source(path, display_name(path)), self) if small else None
            except (FileError, OSError):
                self._known[path] = None
        return self._known[path]
