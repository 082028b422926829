"""The small files of a model's repository, whoever has them: the local cache or the hub."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN = "main"  # the branch that is loaded where no revision is given
COMMIT = re.compile(r"[0-9a-f]{40}")

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
TOKENIZER = "tokenizer.json"
CHAT_TEMPLATE = "chat_template.jinja"
GENERATION_CONFIG = "generation_config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_TOO_LARGE = 10**12  # more than any number that is meant; a tokenizer writes 10**30 for no limit


class Files(Protocol):
    """The small files of one commit of a repository."""

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """The content of a file, or its first `limit` bytes; None where it is not at hand."""
        ...

    def lacks(self, name: str) -> bool:
        """Whether the repository certainly has no such file."""
        ...

    def note(self, text: str) -> None:
        """Remember that something is wrong with a file."""
        ...


def read_json(files: Files, name: str) -> dict[str, Any] | None:
    """A file that holds a JSON object; None where it is not at hand, and with a note where it holds something else."""
    data = files.read(name)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        files.note(f"{name} is not valid JSON")
        return None
    if not isinstance(value, dict):
        files.note(f"{name} is no JSON object")
        return None
    return value


def first_int(table: Mapping[str, Any], *names: str) -> int | None:
    """The first of these entries that is a positive whole number, and one that can be meant."""
    return next((table[name] for name in names if type(table.get(name)) is int and 0 < table[name] < _TOO_LARGE), None)


def first_text(table: Mapping[str, Any], *names: str) -> str | None:
    """The first of these entries that is a string with something in it."""
    return next((table[name] for name in names if isinstance(table.get(name), str) and table[name]), None)
