"""What is known of an architecture by its model type: since when transformers has it, its modules, what bitsandbytes reaches of it.

The table is made by scripts/facts/make_architectures.py from transformers' wheels and from models built on torch's meta device.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).parent / "tables" / "architectures.json"


@dataclass(frozen=True, slots=True)
class Reached:
    """How much of an architecture, in its default size, bitsandbytes makes smaller in one release of transformers.

    Attributes:
        parameters: all of them.
        exact: share of the parameters in layers that are nn.Linear or Conv1D themselves: what is replaced since 5.5.
        derived: the same with layers of classes derived from these: what was replaced before 5.5.
    """

    parameters: int
    exact: float
    derived: float


@dataclass(frozen=True, slots=True)
class Architecture:
    """One model type.

    Attributes:
        model_type: transformers' name of it, for example "llama".
        since: first release of transformers with code for it; "4.40" stands for all before as well.
        heads: those of the Auto classes named in scripts/facts/make_architectures.py that load it, in any release read.
        linear: last parts of the names of linear layers without the output head; empty where they were not read.
        modules: the same for all other modules.
        top: names of the modules that have no dot before them.
        reached: by the release of transformers that was read.
    """

    model_type: str
    since: str | None
    heads: frozenset[str]
    linear: frozenset[str]
    modules: frozenset[str]
    top: frozenset[str]
    reached: dict[str, Reached]


def architecture(model_type: str | None) -> Architecture | None:
    """What is known of a model type; None for types that are not in the table."""
    found = _types().get(model_type or "")
    if found is None or model_type is None:
        return None
    names = {key: frozenset(found.get(key, ())) for key in ("heads", "linear", "modules", "top")}
    reached = {release: Reached(**shares) for release, shares in found["reached"].items() if shares}
    return Architecture(model_type, found["since"], reached=reached, **names)


def native_since(model_type: str | None) -> str | None:
    """The first release of transformers with code for a model type; None where it is not known to have any."""
    found = _types().get(model_type or "")
    return found["since"] if found else None


@cache
def inner_names() -> frozenset[str]:
    """Last parts of module names that some architecture has below another module, and none has at the top."""
    every = {name for found in _types().values() for key in ("linear", "modules") for name in found.get(key, ())}
    return frozenset(every - {name for found in _types().values() for name in found.get("top", ())})


@cache
def _types() -> dict[str, dict[str, Any]]:
    types: dict[str, dict[str, Any]] = json.loads(_TABLE.read_text("utf-8"))["types"]
    return types
