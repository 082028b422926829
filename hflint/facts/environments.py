"""What is installed in a project's virtual environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hflint.facts.origins import LIBRARIES, Mention, public_version
from hflint.facts.sources import canonical, entries, folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INSTALLED = "installed in "  # begins what is said of an environment


def environment(start: Path, _notes: list[str]) -> Iterator[list[Mention]]:
    """What is installed in the project's virtual environment; hflint's own is not asked unless it is the project's."""
    for root in _environments(folders(start)):
        packages = [*root.glob("lib/python3*/site-packages"), root / "Lib" / "site-packages"]
        installed = (entry for folder in packages for entry in entries(folder))
        pairs = (_distribution(entry) for entry in installed if entry.endswith(".dist-info"))
        yield [
            Mention(LIBRARIES[name], (f"=={public_version(version)}",), f"{INSTALLED}{root.name}")
            for name, version in pairs
            if name in LIBRARIES
        ]


def _environments(folders: Sequence[Path]) -> Iterator[Path]:
    """The active environment, unless it is hflint's own and lies outside the project; then .venv and venv."""
    active = os.environ.get("VIRTUAL_ENV")
    if active and (Path(active).is_relative_to(folders[-1]) or Path(active).resolve() != Path(sys.prefix).resolve()):
        yield Path(active)
    yield from (
        folder / name for folder in folders for name in (".venv", "venv") if (folder / name / "pyvenv.cfg").is_file()
    )


def _distribution(entry: str) -> tuple[str, str]:
    name, _, version = entry.removesuffix(".dist-info").partition("-")
    return canonical(name), version
