"""Write <library>.defaults.json and <library>.deprecations.json: what arguments are by default, and what the source itself calls deprecated.

A table of defaults is {"library", "kind", "read": releases, "callables": {name: {argument: default}}}, a callable a line. A default is
Python source, "..." where that is long, or source to spans (spans.py) where it changed; an argument that must be given has "!"; one
whose default is None in every release is left out. They are kept for what stands at the top level of a library, its methods included, of
diffusers for what is no pipeline; not for transformers' models, for a checkpoint brings its own values.

A table of deprecations has {"callables": {name: {argument: [since, until, instead, file]}}}: the first release that calls it so,
the first that no longer does ("" where the newest still does), and the argument to use instead, where the source names one. The
argument "" is the callable itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from changes import Releases
from download import FIRST, releases, wanted
from make_facts import load
from make_signatures import callables, is_model
from rich.progress import track
from spans import spans

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

TABLES = Path(__file__).parents[2] / "hflint" / "facts" / "tables"
Facts = dict[str, Any]


def main(folder: Path) -> None:
    """Merge the releases of each library and write its tables."""
    for library in track(FIRST, "Merging defaults and deprecations"):
        known = Releases(wanted(library), releases(library))
        found = [callables(load(folder, library, one)) for one in known.read]
        top = load(folder, library, known.read[-1])["names"]
        shown = [name for name in names(found) if is_shown(name, library, top)]
        write(library, "defaults", known, {name: defaults(name, found) for name in shown})
        write(library, "deprecations", known, {name: deprecations(name, found, known) for name in names(found)})


def is_shown(name: str, library: str, top: Collection[str]) -> bool:
    """Whether the defaults of a callable are kept: of most callables below the top level nobody writes the arguments."""
    owner, _, method = name.partition(".")
    return owner in top and not (library == "diffusers" and (method or owner.endswith("Pipeline")))


def names(found: Sequence[dict[str, Facts]]) -> list[str]:
    """The callables of all releases, those of single models left out."""
    places: dict[str, list[str]] = defaultdict(list)
    for one in found:
        for name, facts in one.items():
            places[name].append(facts["from"])
    return sorted(name for name, modules in places.items() if not is_model({"from": modules}))


def defaults(name: str, found: Sequence[dict[str, Facts]]) -> dict[str, Any]:
    """The defaults of one callable."""
    values: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    has = [index for index, one in enumerate(found) if name in one]
    for index in has:
        facts = found[index][name]
        for argument, default in facts["names"].items():
            values[argument]["None" if default == "?" else default or "!"].append(index)
    result: dict[str, Any] = {}
    for argument, by_default in values.items():
        if set(by_default) == {"None"}:
            continue
        one = len(by_default) == 1
        result[argument] = (
            next(iter(by_default)) if one else {of: spans(at, len(found)) for of, at in by_default.items()}
        )
    return result


def deprecations(name: str, found: Sequence[dict[str, Facts]], known: Releases) -> dict[str, list[str]]:
    """The deprecations of one callable, those of its bases left out."""
    told: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(found):
        facts = one.get(name, {})
        bases = [one[base] for base in facts.get("bases", ()) if base in one]
        for argument in {
            **facts.get("declared", {}),
            **facts.get("old", {}),
            **({"": ""} if facts.get("deprecated") else {}),
        }:
            if argument == "" or not any(argument in base["declared"] for base in bases):
                told[argument].append(index)
    result = {}
    for argument, at in told.items():
        facts = found[at[-1]][name]
        instead = facts["declared"].get(argument) or facts["old"].get(argument) or ""
        until = known.label(at[-1] + 1) if at[-1] + 1 < len(found) else ""
        result[argument] = [known.label(at[0]), until, instead, facts["source"]]
    return result


def write(library: str, kind: str, known: Releases, entries: dict[str, dict[str, Any]]) -> None:
    """One table, a callable a line; what nothing is said of is left out."""
    head = json.dumps(
        {"library": library, "kind": kind, "read": [str(one) for one in known.read]}, separators=(",", ":")
    )
    lines = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}"
        for name, entry in sorted(entries.items())
        if entry
    )
    (TABLES / f"{library}.{kind}.json").write_text(f'{head[:-1]},"callables":{{\n{lines}\n}}}}\n', "utf-8")
