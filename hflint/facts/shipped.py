"""The tables that hflint ships of the libraries; scripts/facts makes them from the published wheels."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARIES = {  # what is imported: how the library is called
    "transformers": "transformers",
    "trl": "trl",
    "peft": "peft",
    "datasets": "datasets",
    "huggingface_hub": "huggingface_hub",
    "accelerate": "accelerate",
    "sentence_transformers": "sentence-transformers",
    "diffusers": "diffusers",
    "bitsandbytes": "bitsandbytes",
}
_TABLES = Path(__file__).parent / "tables"


@cache
def read_table(library: str, kind: str) -> Mapping[str, Any]:
    """A table such as "name" or "history" of a library; empty where there is none."""
    entries: dict[str, Any] = json.loads(table_text(library, kind) or "{}")
    return entries


def table_text(library: str, kind: str) -> str:
    """The text of a table; empty where there is none."""
    path = _TABLES / f"{library}.{kind}.json"
    return path.read_text("utf-8") if path.is_file() else ""
