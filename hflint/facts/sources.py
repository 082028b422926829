"""Reading what lies in a project: its folders, and files that may be missing or broken; nothing is ever imported or run."""

from __future__ import annotations

import ast
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGE = 20_000_000  # bytes; what is larger was not written by a project
_NEAR = 4  # parents of a folder that may be of its project, where nothing marks the root
_SAYING = ("requirements.txt", "setup.py", "setup.cfg", "environment.yml", "environment.yaml", "Pipfile.lock")


@lru_cache(maxsize=10_000)
def canonical(name: str) -> str:
    """A name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def folders(start: Path, *, whole_repository: bool = False) -> list[Path]:
    """The folder and its parents up to the project's root.

    The root is the nearest folder with pyproject.toml, or with .git; for `whole_repository` .git where there is one. Where there is neither, as
    in what was downloaded or unpacked, it is the highest near parent that says what to install; the folder alone where it says nothing itself.
    """
    start = Path(os.path.abspath(start))  # noqa: PTH100  resolve() would follow links out of the project
    seen: list[Path] = []
    project: list[Path] = []
    for folder in (start, *start.parents):
        seen.append(folder)
        if (folder / ".git").exists():
            return seen if whole_repository or not project else project
        if not project and (folder / "pyproject.toml").is_file():
            project = [*seen]
            if not whole_repository:
                return project
    return project or _unrooted(seen)


def _unrooted(seen: list[Path]) -> list[Path]:
    """Up to the highest of a few parents that says what to install; never as far as the user's home, where anything may lie."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises where there is none
    near = [folder for folder in seen[: 1 + _NEAR] if not home.is_relative_to(folder)]
    saying = [at for at, folder in enumerate(near, 1) if any((folder / name).is_file() for name in _SAYING)]
    return near[: saying[-1]] if saying and saying[0] == 1 else seen[:1]


def entries(folder: Path) -> list[str]:
    """The names in a folder; none where it cannot be read."""
    try:
        return os.listdir(folder)  # noqa: PTH208  names are all we need, and there may be hundreds
    except OSError:
        return []


def wheel_metadata(folder: Path) -> Path | None:
    """The METADATA of the one package that was unpacked into a folder; None for a folder with none or, as an environment, with many."""
    found = [name for name in entries(folder) if name.endswith(".dist-info")]
    path = folder / found[0] / "METADATA" if len(found) == 1 else None
    return path if path and path.is_file() else None


def text_of(path: Path, notes: list[str]) -> str:
    """The text of a file; empty where it is missing, or cannot be read, which is noted."""
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGE else b""
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"{path.name}: cannot be read, ignored ({type(error).__name__})")
        return ""


def parse_file(path: Path, parse: Callable[[str], Any], notes: list[str]) -> Any:
    """What a parser makes of a file; an empty table where it is missing or broken."""
    text = text_of(path, notes)
    try:
        return parse(text) if text else {}
    except (ValueError, SyntaxError, RecursionError):
        notes.append(f"{path.name}: cannot be parsed, ignored")
        return {}


def as_table(value: object) -> dict[str, Any]:
    """The value where it is a table of a TOML or JSON file, else an empty one."""
    return value if isinstance(value, dict) else {}


def literal_of(node: ast.expr, constants: dict[str, ast.expr]) -> object:
    """What an expression is written as, if need be through a constant of its module; None for what is no literal."""
    if isinstance(node, ast.Name):
        node = constants.get(node.id, node)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
