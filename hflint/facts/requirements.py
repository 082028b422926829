"""What the releases of the libraries require, and which packages bring which others along; read from the metadata of wheels.

The table is made by scripts/facts/make_requirements.py. A package that it does not name may require anything.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLE = Path(__file__).parent / "tables" / "requirements.json"
ASKED = (  # packages that code may need without importing them
    "accelerate",
    "bitsandbytes",
    "flash-attn",
    "gguf",
    "kernels",
    "liger-kernel",
    "mlflow",
    "mlflow-skinny",
    "sentencepiece",
    "swanlab",
    "tensorboard",
    "tensorboardx",
    "trackio",
    "wandb",
)


@lru_cache(maxsize=4096)
def required_by(library: str, release: Version) -> Mapping[str, str | None]:
    """What a release of a library requires whatever its extras: package to specifier, None where it does so under a condition.

    Of a release between two that were read and differ, only that is said in which they agree; of one outside those read, nothing.
    """
    before: Mapping[str, str | None] | None = None
    for first, last, wanted in _runs(library):
        if release < first:
            return {name: spec for name, spec in wanted.items() if before and before.get(name) == spec}
        if release <= last:
            return wanted
        before = wanted
    return {}


def is_read(library: str, release: Version) -> bool:
    """Whether it is known what a release requires, or its newer neighbour does."""
    runs = _runs(library)
    return bool(runs) and release >= runs[0][0]


@cache
def _runs(library: str) -> list[tuple[Version, Version, Mapping[str, str | None]]]:
    return [(Version(first), Version(last), wanted) for first, last, wanted in _table()["requires"].get(library, ())]


def brought_by(package: str) -> frozenset[str] | None:
    """The packages of `ASKED`, and the libraries, that a package requires, directly or not, in any release that was read; None where not known."""
    found = _table()["brings"].get(package)
    return None if found is None else frozenset(found)


@cache
def _table() -> Mapping[str, Any]:
    table: dict[str, Any] = json.loads(_TABLE.read_text("utf-8"))
    return table
