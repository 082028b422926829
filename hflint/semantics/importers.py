"""Which files of a project import a module of some name: told by their bytes."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 200_000  # bytes of a module that is looked into
_FILES = 1500  # of a project; of a larger one nobody knows who calls what
_SKIPPED = frozenset({"venv", "env", "node_modules", "site-packages", "__pycache__", "build", "dist"})
_FROM = re.compile(rb"from[ \t]+\.*([\w.]*)[ \t]+import[ \t]+(\([^)]*|[^\r\n#]*)")
_IMPORT = re.compile(rb"\n[ \t]*import[ \t]+([\w., \t]+)")
_NAME = re.compile(rb"\b[A-Za-z_]\w*")
_CHANGES = re.compile(
    rb"\.(?:pad_token|pad_token_id|padding_side|add_special_tokens|add_tokens|resize_token_embeddings|config\.\w+\s*=[^=])\b"
)


class Importers:
    """Who imports what in a project; its files are read when that is first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The names of the modules whose importers were asked for: what an answer depends on.
        self.asked: set[str] = set()

    def of(self, path: Path) -> list[Path]:
        """The files that may import a module, those included that import it from the package that offers it."""
        path = path.absolute()
        self.asked |= {f"calls {module_name(path)}", f"calls {path.parent.name}"}
        found = dict.fromkeys(self._importing.get(module_name(path), ()))
        if path.parent / "__init__.py" in found:
            found.update(dict.fromkeys(self._importing.get(path.parent.name, ())))
        return [one for one in found if one != path]

    def changer_of(self, path: Path) -> str | None:
        """The name of a file that imports a module and sets attributes of the kind that rules ask about."""
        stem = module_name(path.absolute())
        self.asked.add(f"changes {stem}")
        return next((name for name in sorted(self._changing.get(stem, ())) if name != path.name), None)

    @cached_property
    def _importing(self) -> dict[str, list[Path]]:
        """For a module's name, the files that import it; empty for a project of too many files."""
        found: dict[str, list[Path]] = {}
        for count, path in enumerate(python_files(self._folder)):
            if count == _FILES:
                return {}
            for name in imported(path):
                found.setdefault(name, []).append(path)
        return found

    @cached_property
    def _changing(self) -> dict[str, set[str]]:
        """For a module's name, the names of the files that import it and set such attributes."""
        found: dict[str, set[str]] = {}
        for path in python_files(self._folder):
            if _CHANGES.search(data := _read(path)):
                for name in _imported(data):
                    found.setdefault(name, set()).add(path.name)
        return found


def python_files(folder: Path) -> Iterator[Path]:
    """The modules below a folder, without those of environments and builds."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        yield from (Path(root, name) for name in sorted(files) if name.endswith(".py"))


def module_name(path: Path) -> str:
    """The last part of a module's dotted name."""
    return path.parent.name if path.name == "__init__.py" else path.stem


def imported(path: Path) -> set[str]:
    """The names in a file's imports that may be a module's: the last parts of what it imports from, and what it imports."""
    return _imported(_read(path))


def touched(path: Path) -> set[str]:
    """What `asked` holds of programs on which a file may have a bearing."""
    data = _read(path)
    names = _imported(data)
    return {f"calls {name}" for name in names} | (
        {f"changes {name}" for name in names} if _CHANGES.search(data) else set()
    )


def _imported(data: bytes) -> set[str]:
    found = {
        source.partition(b" as ")[0].strip().rpartition(b".")[2]
        for sources in _IMPORT.findall(b"\n" + data)
        for source in sources.split(b",")
    }
    for source, names in _FROM.findall(data):
        found.add(source.rpartition(b".")[2])
        found.update(_NAME.findall(names))
    return {name.decode("utf-8", "replace") for name in found}


def _read(path: Path) -> bytes:
    """A file's bytes; none where it is large or cannot be read."""
    try:
        return path.read_bytes() if path.stat().st_size <= LARGEST else b""
    except OSError:
        return b""
