"""Write hflint/facts/tables/<library>.signatures.json: what the callables of a library take, in which of its releases.

    python scripts/facts/make_signatures.py FOLDER

FOLDER is the one that make_facts.py worked in. A table is {"library", "kind", "read": releases, "callables": {names: entry}}, where names
are one name, or several with a blank between of which the same is to be said; an entry has

    takes    the parameters that a keyword can give in every release that has the callable
    some     those of only some of these releases: name to spans
    rest     what happens to other keywords: drops, keeps (as attributes), open; to spans where it changed; they raise where it is left out
    in       spans of the releases that have the callable, where not all
    from     the modules that define it, for the names that are not at the top level as well; a method without has those of its class;
             "albert/modeling" stands for models.albert.modeling_albert
    parents  callables of other libraries that take the rest
    bases    public classes whose methods and parameters it has as well; what these have in turn is left out
    line     all such classes, where following bases would not give exactly these

Several names are one text, with blanks between. Spans are those of spans.py. Of transformers, what loads a model ("model-signatures":
configurations, tokenizers, processors) and what stands in its modeling files ("model-class-signatures") have tables of their own.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from download import FIRST, wanted
from make_facts import load
from packaging.specifiers import SpecifierSet
from rich.progress import track
from spans import spans

if TYPE_CHECKING:
    from packaging.version import Version

TABLES = Path(__file__).parents[2] / "hflint" / "facts" / "tables"
CORRECTIONS = Path(__file__).with_name("corrections.toml")
CONFIGURATION = "PreTrainedConfig"
INNER = re.compile(
    r"diffusers\.|bitsandbytes\.(backends|triton|research)|transformers\.(quantizers|agents|exporters|sagemaker|benchmark|distributed|_typing"
    r"|modeling_(tf|flax)|generation\.(tf|flax)|data\.processors|core_model|conversion|convert_slow_tokenizer|loss|kernels|tf_utils|heterogeneity)"
)
SETTINGS = re.compile(
    r"\.(configuration|tokenization|processing|image_processing|image_processing_pil|feature_extraction|video_processing)_\w+$"
)
Facts = dict[str, Any]
Entry = dict[str, Any]


def main(folder: Path) -> None:
    """Merge the releases of each library and write its tables."""
    rest = tomllib.loads(CORRECTIONS.read_text("utf-8")).get("rest", {})
    for library in track(FIRST, "Merging signatures"):
        releases = wanted(library)
        merged = merge([callables(load(folder, library, one)) for one in releases])
        package = library.replace("-", "_")
        for name, how in rest.get(library, {}).items():
            merged[name]["rest"] = (
                how if isinstance(how, str) else {one: within(spec, releases) for one, spec in how.items()}
            )
        if library == "transformers":
            share_configuration(merged)
        kinds = {name: kind(entry) for name, entry in merged.items()}
        telling = {name for name, entry in merged.items() if says_something(name, entry) or hides(name, merged)}
        kept = {name: compact(merged[name], package) for name in telling}
        shorten(kept)
        for one in sorted({*kinds.values()}):
            write(library, one, releases, {name: entry for name, entry in kept.items() if kinds[name] == one})
        print(package, len(merged))


def callables(facts: Facts) -> dict[str, Facts]:
    """The callables of a release; loading a model takes what it reads from its keywords, wherever it does."""
    top = {*facts["names"]}
    found: dict[str, Facts] = {
        name: one
        for name, one in facts["callables"].items()
        if name.split(".")[0] in top or ("." not in name and not is_inner(one["from"]))
    }
    if "loading" in facts:
        module = "transformers.modeling_utils"
        names = dict.fromkeys(facts["loading"], "?")
        found["PreTrainedModel.from_pretrained"] = {"names": names, "rest": "raises", "parents": [], "from": module}
    return found


def is_inner(module: str) -> bool:
    """Whether people import from it only what stands at the top level as well."""
    return bool(INNER.match(module))


def within(spec: str, releases: list[Version]) -> str:
    """The spans of the releases that satisfy a specifier."""
    return spans([index for index, one in enumerate(releases) if SpecifierSet(spec).contains(one)], len(releases))


def is_model(entry: Entry) -> bool:
    """Whether it belongs to one model of transformers."""
    return all(module.startswith("transformers.models.") and ".auto." not in module for module in entry["from"])


def kind(entry: Entry) -> str:
    """Which table an entry belongs to."""
    if not is_model(entry):
        return "signatures"
    return "model-signatures" if any(map(SETTINGS.search, entry["from"])) else "model-class-signatures"


def merge(releases: list[dict[str, Facts]]) -> dict[str, Entry]:
    """One entry for each callable over all releases."""
    by_name: dict[str, dict[int, Facts]] = defaultdict(dict)
    for index, callables in enumerate(releases):
        for name, facts in callables.items():
            by_name[name][index] = facts
    return {name: merged(by_name[name], len(releases)) for name in sorted(by_name)}


def merged(found: dict[int, Facts], count: int) -> Entry:
    """The entry of a callable from the facts of the releases that have it, by index."""
    taking: dict[str, list[int]] = defaultdict(list)
    rest: dict[str, list[int]] = defaultdict(list)
    for index, facts in found.items():
        rest[resting(facts)].append(index)
        for name in facts["names"]:
            if name.isidentifier() and not name.startswith("_"):
                taking[name].append(index)
    newest = found[max(found)]
    return {
        "takes": " ".join(name for name, held in taking.items() if len(held) == len(found)),
        "some": {name: spans(held, count) for name, held in taking.items() if len(held) < len(found)},
        "rest": next(iter(rest)) if len(rest) == 1 else {how: spans(held, count) for how, held in rest.items()},
        "in": spans(found, count),
        "from": list(dict.fromkeys(facts["from"] for facts in reversed(found.values()))),
        "parents": newest["parents"],
        "bases": list(
            dict.fromkeys(base for index in sorted(found, reverse=True) for base in found[index].get("bases", ()))
        ),
    }


def resting(facts: Facts) -> str:
    """What becomes of keywords that a callable does not name; a configuration keeps them, whatever its code looks like."""
    is_configuration = {"PretrainedConfig", CONFIGURATION} & {*facts.get("bases", ())}
    return "keeps" if is_configuration and facts["rest"] != "raises" else facts["rest"]


def share_configuration(entries: dict[str, Entry]) -> None:
    """What every configuration takes is said once, with the class that all have as a base."""
    base = entries[CONFIGURATION]
    old = entries["PretrainedConfig"]
    shared = {*base["takes"].split(), *base["some"], *old["takes"].split(), *old["some"]}
    for name, entry in entries.items():
        if name not in {CONFIGURATION, "PretrainedConfig"} and {CONFIGURATION, "PretrainedConfig"} & {*entry["bases"]}:
            entry["takes"] = " ".join(one for one in entry["takes"].split() if one not in shared)
            entry["some"] = {one: where for one, where in entry["some"].items() if one not in shared}


def says_something(name: str, entry: Entry) -> bool:
    """Whether an entry can tell a keyword that is taken from one that is not; `AutoModel()` and its like raise whatever they are given."""
    is_empty = entry["rest"] == "drops" and not entry["takes"] and not entry["some"]
    return name in KEPT or (entry["rest"] != "open" and not is_empty)


def hides(name: str, entries: dict[str, Entry]) -> bool:
    """Whether it is a method that stands before the one of a base, which would be taken for it."""
    owner, _, method = name.partition(".")
    bases = entries[owner]["bases"] if method and owner in entries else ()
    return any(f"{base}.{method}" in entries for base in bases)


def compact(entry: Entry, package: str) -> Entry:
    """An entry as it is written, but for its bases; what goes without saying is left out.

    A model class has no bases: it may have methods of its own, which are not read.
    """
    bases = () if kind(entry) == "model-class-signatures" else entry["bases"]
    texts = {
        "from": " ".join(place(module.removeprefix(f"{package}.")) for module in entry["from"]),
        "parents": " ".join(entry["parents"]),
        # one class under two names
        "bases": [*dict.fromkeys(CONFIGURATION if one == "PretrainedConfig" else one for one in bases)],
    }
    said = {**entry, **texts}
    return {field: value for field, value in said.items() if value and (field, value) != ("rest", "raises")}


def place(module: str) -> str:
    """A module as it is written: models.albert.modeling_albert is albert/modeling."""
    parts = module.split(".")
    kind = parts[-1].removesuffix(f"_{parts[-2]}") if len(parts) == 3 and parts[0] == "models" else parts[-1]
    return module if kind == parts[-1] else f"{parts[1]}/{kind}"


def shorten(entries: dict[str, Entry]) -> None:
    """Leave out what other entries say: the modules of a method's class, the bases of bases."""
    lines = {name: entry.pop("bases", []) for name, entry in entries.items()}
    for name, entry in entries.items():
        owner = entries.get(name.rpartition(".")[0], {})
        if owner.get("from") == entry["from"]:
            del entry["from"]
        bases: list[str] = []
        for base in lines[name]:
            bases += [base] if base not in followed(bases, lines) else []
        if lines[name]:
            is_exact = followed(bases, lines) == lines[name]
            entry["bases" if is_exact else "line"] = " ".join(bases if is_exact else lines[name])


def followed(bases: list[str], lines: dict[str, list[str]]) -> list[str]:
    """Classes with all that they inherit from."""
    return [*dict.fromkeys(one for base in bases for one in (base, *lines.get(base, ())))]


def write(library: str, kind: str, releases: list[Version], entries: dict[str, Entry]) -> None:
    """One table, a line for each callable; for classes and functions of one module of which the same is to be said, one for all."""
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, entry in sorted(entries.items()):
        names[json.dumps(entry, separators=(",", ":")), name if "." in name else ""].append(name)
    head = json.dumps({"library": library, "kind": kind, "read": [str(one) for one in releases]}, separators=(",", ":"))
    lines = ",\n".join(f"{json.dumps(' '.join(of))}:{entry}" for (entry, _), of in names.items())
    (TABLES / f"{library}.{kind}.json").write_text(f'{head[:-1]},"callables":{{\n{lines}\n}}}}\n', "utf-8")


KEPT = {
    "pipeline",
    "GenerationMixin.generate",
    "PreTrainedTokenizerBase.__call__",
    "PreTrainedTokenizerBase.apply_chat_template",
    "load_dataset",
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
