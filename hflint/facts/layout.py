"""Where a project keeps its own packages: its root, `src`, and the folders that its build files name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from hflint.facts.sources import as_table, folders, parse_file, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
# What says it for setuptools, poetry, hatch, pdm, uv and maturin: a folder, a list of folders or packages, or a table with either.
_KEYS = frozenset({"package-dir", "where", "from", "packages", "sources", "module-root", "python-source"})
_PACKAGE_DIR = re.compile(r"package_dir\W*=(?:\s*dict\(|\s*\{)?([^})]*)")  # setup.py
_WHERE = re.compile(r"""find_(?:namespace_)?packages\(\s*(?:where\s*=\s*)?["']([^"']+)""")
_OPTION = re.compile(r"^(?:package_dir|where)\s*=(.*(?:\n[ \t]+.*)*)", re.MULTILINE)  # setup.cfg
_FOLDER = re.compile(r"[\w./-]+")


def own_folders(start: Path, project: Path) -> list[Path]:
    """The folders of which code in a folder of a project imports the project's own packages, nearest first; some of them may not be there.

    The project may be a part of a larger one. In its folder, and in each with a build file, these are the folder itself, its `src`, and what the
    build file names.
    """
    inside = [one for one in (start, *start.parents) if one != project and one.is_relative_to(project)]
    around = (*inside, *folders(project, whole_repository=True))
    return list(dict.fromkeys(one for level in around for one in _of(level, is_project=level == project)))


@lru_cache(maxsize=2000)
def _of(level: Path, *, is_project: bool) -> tuple[Path, ...]:
    built = [level / name for name in _BUILD_FILES if (level / name).is_file()]
    if not built and not is_project:
        return ()
    found = [level, level / "src"]
    for path in built:
        for named in _named(path):
            found += [level / named, (level / named).parent]  # "src", or "src/package"
    return tuple(one for one in dict.fromkeys(found) if one == level or not (one / "__init__.py").is_file())


def _named(path: Path) -> Iterator[str]:
    """The folders and packages that a build file names."""
    if path.name == "pyproject.toml":
        import tomllib  # most runs under one settings file need it for that; others not at all

        yield from _under(as_table(parse_file(path, tomllib.loads, [])).get("tool"), wanted=False)
        return
    text = text_of(path, [])
    for pattern in (_OPTION,) if path.name == "setup.cfg" else (_PACKAGE_DIR, _WHERE):
        for said in pattern.findall(text):
            yield from _FOLDER.findall(said)


def _under(value: object, *, wanted: bool) -> Iterator[str]:
    """The texts below the keys that say where packages are."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [key] if wanted else ()
            yield from _under(inner, wanted=wanted or key in _KEYS)
    elif isinstance(value, list):
        for inner in value:
            yield from _under(inner, wanted=wanted)
    elif wanted and isinstance(value, str):
        yield value
