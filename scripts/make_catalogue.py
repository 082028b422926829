#!/usr/bin/env python3
"""Makes hflint/facts/tables/models.json of hflint/facts/catalogue.toml; with --check only says whether it is up to date."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from hflint.facts.shape import shape_of

FACTS = Path(__file__).resolve().parent.parent / "hflint" / "facts"
SOURCE, TABLE = FACTS / "catalogue.toml", FACTS / "tables" / "models.json"
_OTHER_IDS = {"also": "same", "copies": "copies", "bnb_4bit": "bnb_4bit"}  # in the catalogue: in the table


def build(catalogue: dict[str, Any]) -> dict[str, Any]:
    """The table: families' and models' own fields, and the other ids of a model's repository and of its copies.

    Raises:
        ValueError: an id is there twice, a source is not declared, a field or model has none, or sizes do not fit.
    """
    table: dict[str, Any] = {"version": 1, "sources": catalogue["sources"], "families": {}, "models": {}}
    table.update({relation: {} for relation in _OTHER_IDS.values()})
    seen: set[str] = set()
    for name, family in catalogue["family"].items():
        table["families"][name] = _family(name, family, set(catalogue["sources"]))
        for model in family["model"]:
            own = dict(model)
            model_id = own.pop("id")
            others = {relation: own.pop(key, []) for key, relation in _OTHER_IDS.items()}
            for one in (model_id, *(other for ids in others.values() for other in ids)):
                if one.lower() in seen:
                    raise ValueError(f"{one} is there twice")
                seen.add(one.lower())
            if not own.get("from") or not set(own["from"]) <= set(catalogue["sources"]):
                raise ValueError(f"{model_id} names no declared source")
            _check_sizes(model_id, {**family, **own})
            table["models"][model_id] = [name, own]
            for relation, ids in others.items():
                table[relation].update(dict.fromkeys(ids, model_id))
    return table


def _family(name: str, family: dict[str, Any], sources: set[str]) -> dict[str, Any]:
    shared = {field: value for field, value in family.items() if field not in {"model", "from"}}
    sourced = {field for fields in family["from"].values() for field in fields}
    if sourced != set(shared):
        raise ValueError(f"family {name}: sources and fields differ: {sorted(sourced ^ set(shared))}")
    if not set(family["from"]) <= sources:
        raise ValueError(f"family {name} names a source that is not declared")
    return {**shared, "family_from": list(family["from"])}


def _check_sizes(model_id: str, facts: dict[str, Any]) -> None:
    """A model's sizes must give its parameters, which another source counted."""
    if "config" in facts:
        shape = shape_of({**facts, **facts["config"]})
        if shape is None or shape.parameters != facts.get("parameters"):
            counted = "no known architecture" if shape is None else f"{shape.parameters:_} parameters"
            raise ValueError(f"{model_id}: the sizes of its layers give {counted}")


def render(table: dict[str, Any]) -> str:
    """The file's text: one model a line, so that changes can be read."""
    parts = []
    for name, value in table.items():
        if isinstance(value, dict):
            rows = [f" {_compact(key)}:{_compact(row)}" for key, row in value.items()]
            parts.append(f"{_compact(name)}:{{\n" + ",\n".join(rows) + "\n}")
        else:
            parts.append(f"{_compact(name)}:{_compact(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main(arguments: list[str]) -> int:
    """Writes the table; with --check returns 1 if that would change it."""
    text = render(build(tomllib.loads(SOURCE.read_text(encoding="utf-8"))))
    if "--check" in arguments:
        return int(not TABLE.exists() or TABLE.read_text(encoding="utf-8") != text)
    TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
