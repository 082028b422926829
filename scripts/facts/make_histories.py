"""Write hflint/facts/tables/<library>.history.json: what else the wheels say, with the releases that have it.

    python scripts/facts/make_histories.py FOLDER

FOLDER is the one that make_facts.py worked in. A table is {"library", "kind", "read": releases, ...} with

    types        model types of transformers: name to {"in": spans, Auto mapping: class, as of the newest release that has the type}
    tasks        tasks of transformers.pipeline and their aliases: name to spans
    lora         peft's default LoRA targets by model type, as of the newest release that has them, and spans
    environment  variables of the environment that are read where their name is written out: name to spans
    requires     runs of releases with the same requirements: [first release, {"python": ..., "torch": ...}]

Spans are those of spans.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from download import FIRST, wanted
from make_facts import load
from rich.progress import track
from spans import spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TABLES = Path(__file__).parents[2] / "hflint" / "facts" / "tables"


def main(folder: Path) -> None:
    """Merge the releases of each library and write its table."""
    for library in track(FIRST, "Merging histories"):
        releases = wanted(library)
        facts = [load(folder, library, one) for one in releases]
        read = [str(one) for one in releases]
        table: dict[str, Any] = {"library": library, "kind": "history", "read": read, "requires": runs(read, facts)}
        table["environment"] = held([one["environment"] for one in facts])
        if library == "transformers":
            table["tasks"] = held([[*one["tasks"], *one["task aliases"]] for one in facts])
            table["types"] = newest([one["types"] for one in facts])
        if library == "peft":
            table["lora"] = newest([{name: {"modules": value} for name, value in one["lora"].items()} for one in facts])
        lines = ",\n".join(
            f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in table.items()
        )
        (TABLES / f"{library}.history.json").write_text(f"{{{lines}}}\n", "utf-8")


def held(releases: Sequence[Iterable[str]]) -> dict[str, str]:
    """Each name with the spans of the releases that have it."""
    sets = [set(one) for one in releases]
    names = sorted(set().union(*sets))
    return {name: spans([index for index, one in enumerate(sets) if name in one], len(sets)) for name in names}


def newest(releases: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Each name with its spans, and what the newest release that has it says of it."""
    last = {name: value for one in releases for name, value in one.items()}
    return {name: {"in": where, **last[name]} for name, where in held(releases).items()}


def runs(read: list[str], facts: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, str]]]:
    """Requirements, and the first release of each run that has them."""
    found: list[tuple[str, dict[str, str]]] = []
    for release, one in zip(read, facts, strict=True):
        if not found or found[-1][1] != one["requires"]:
            found.append((release, one["requires"]))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
