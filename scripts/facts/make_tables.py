"""Write hflint/facts/tables/<library>.<kind>.json: what appeared, was deprecated and went in which release of each library.

The wheels' facts (make_facts.py) say what is there in which release; corrections.toml says what no wheel says by itself: what to use instead,
whether that is the same, what becomes of keywords that are handed on.

A table is {"library", "kind", "read": [first, last release], "source", "inherits"?, "changes": {owner: {name: entry}}, "came"?};
an entry has the fields of `hflint.facts.libraries.Change` that differ from their defaults. Names of which only `since` is to be said
stand in "came": {owner: {release: names in one text}}.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import typing
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from changes import Entry, Releases
from download import FIRST, releases, wanted, wheel
from make_facts import load
from members import OWN, changed_methods, defining
from release import Release
from rich.progress import track

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

TABLES = Path(__file__).parents[2] / "hflint" / "facts" / "tables"
CORRECTIONS = Path(__file__).with_name("corrections.toml")
TRAINING = "transformers.TrainingArguments"
LOADING = {"transformers.AutoTokenizer.from_pretrained": "transformers.PreTrainedTokenizerBase.from_pretrained"}
# What is called with keywords that it names itself: all of what it takes and took can be read. Others stand in the corrections.
OWNERS = {
    "transformers": r"(Seq2Seq)?Trainer|TrainingArguments",
    "trl": r"\w+(Config|Trainer)",
    "peft": r"LoraConfig",
    "datasets": r"load_from_disk|Dataset(Dict)?\.push_to_hub|Dataset\.save_to_disk",
    "huggingface_hub": r"(notebook_|interpreter_)?login|list_(models|datasets|spaces)|upload_folder",
    "sentence-transformers": r"(CrossEncoder|SparseEncoder|SentenceTransformer)Trainer|SentenceTransformer",
}
# Whose modules are files and nothing else: no library's hook finds them under an old name, or which names it finds is read too.
WITH_MODULES = {"transformers", "trl", "peft", "datasets", "huggingface_hub", "accelerate"}
OWN_VARIABLE = re.compile(
    r"(HF|HUGGINGFACE|TRANSFORMERS|PYTORCH_TRANSFORMERS|PYTORCH_PRETRAINED|ACCELERATE|DIFFUSERS|DATASETS|TRL|PEFT|BNB)_\w+"
    r"|USE_(TF|TORCH|FLAX|JAX)"
)
SOURCE = {
    "name": "public names of every release read",
    "module": "files of every release read",
    "argument": "signatures and dataclass fields of every release read",
    "method": "classes of every release read",
    "pipeline-task": "pipelines/__init__.py",
    "environment": "texts of every release read",
}
Facts = dict[str, Any]
Tables = dict[tuple[str, str], dict[str, dict[str, Entry]]]


def main(folder: Path) -> None:
    """Read what every release says, lay the corrections over it, write the tables."""
    corrections = tomllib.loads(CORRECTIONS.read_text("utf-8"))
    corrections.pop("rest")  # of the signatures
    patterns = corrections.pop("patterns")
    tables: Tables = {}
    inherits: dict[str, dict[str, Any]] = defaultdict(dict)
    newest_words = {one: load(folder, one, wanted(one)[-1])["words"] for one in FIRST}
    fields: set[str] = set()  # of transformers' TrainingArguments, in any release
    for library in track(FIRST, "Merging changes"):
        known = Releases(wanted(library), releases(library))
        facts = [load(folder, library, one) for one in known.read]
        newest = Release(wheel(folder, library, known.read[-1]), library.replace("-", "_"), {})  # type: ignore[arg-type]
        add_names(tables, library, known, facts, newest)
        if library in WITH_MODULES:
            add_modules(tables, library, known, facts)
        if library == "transformers":
            add_submodules(tables, known, facts)
            add_tasks(tables, known, facts)
            fields = {name for one in facts for name in one["callables"]["TrainingArguments"]["names"]}
        add_arguments(tables, library, known, facts, fields)
        inherits[library] = inheriting(library, facts, fields)
        add_methods(tables, library, known, facts, folder)
        others = {word for one, words in newest_words.items() if one != library for word in words}
        add_environment(tables, library, known, facts, others)
        if known.between:
            print(f"{library}: something changed in or about {', '.join(map(str, sorted(known.between)))}, not read")
    for library, rules in patterns.items():
        follow(tables[library, "name"][library], rules, load(folder, library, wanted(library)[-1])["names"])
    correct(tables, corrections)
    share_advice(tables["transformers", "name"])
    for (library, kind), changes in tables.items():
        write(library, kind, changes, inherits[library] if kind == "argument" else {})


def put(tables: Tables, table: tuple[str, str], owner: str, name: str, entry: Entry) -> None:
    """Add an entry, if it says that anything changed; fields that are empty are left out."""
    fields = {field: value for field, value in entry.items() if value not in (None, "", False, [])}
    if fields.keys() & {"since", "deprecated", "removed"}:
        tables.setdefault(table, {}).setdefault(owner, {})[name] = fields


def held(facts: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    """Each name with the indexes of the releases that have it."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, names in enumerate(facts):
        for name in names:
            found[name].append(index)
    return found


# --- names and modules ------------------------------------------------------------------------------------------------


def add_names(tables: Tables, library: str, known: Releases, facts: list[Facts], release: Release) -> None:
    """Names of the top level; those that transformers still finds by another way are no change."""
    package = library.replace("-", "_")
    offered = [{*one["names"]} for one in facts]
    found = [names | stood_in(one, set().union(*offered) - names) for names, one in zip(offered, facts, strict=True)]
    newest = facts[-1]
    for name, at in held(found).items():
        last = max(index for index in at if name in offered[index])
        source = facts[last]["names"][name]
        entry = known.change(at)
        if name in typing.__all__ or name in sys.stdlib_module_names or name == "logger":
            continue  # merely imported there
        if "removed" in entry:
            # Where it is still defined, though no longer offered, an import from there still works.
            still = release.bound(f"{package}.{source.replace('/', '.')}") if source else None
            entry["source"] = "__init__" if still and name in still else source
            same = [index for index in at if name in facts[index]["aliases"]]
            original = facts[last]["aliases"].get(name)
            if original and original in newest["names"]:
                entry |= {
                    "replacement": f"{package}.{original}",
                    "replacement_since": known.label(same[0]),
                    "certain": True,
                }
        put(tables, (library, "name"), package, name, entry)


def stood_in(facts: Facts, gone: set[str]) -> set[str]:
    """The names that a release of transformers finds though it does not list them: its lazy module drops endings and follows converters."""
    rules, names = facts.get("stand-ins", {}), facts["names"]
    converters = rules.get("converters", {})
    found = set()
    for name in gone:
        ending = next((one for one in rules.get("endings", ()) if name.endswith(one)), "")
        plain = name.removesuffix("Fast") if ending else name
        if ending and plain in names:
            found.add(name)
        elif plain in converters and plain.endswith("Tokenizer"):
            base = converters[plain].removesuffix("Converter") + "Tokenizer"
            others = {one for one, converter in converters.items() if converter == converters[plain]}
            if {base, *others} & names.keys():
                found.add(name)
    return found


def add_modules(tables: Tables, library: str, known: Releases, facts: list[Facts]) -> None:
    """Modules, those of transformers' models left out: their names stand at the top level."""
    package = library.replace("-", "_")
    found = [
        {*one["modules"]} | {f"{package}.{name}" for name in one.get("stand-ins", {}).get("modules", ())}
        for one in facts
    ]
    for module, at in held(found).items():
        owner, _, name = module.rpartition(".")
        if owner and not module.startswith("transformers.models."):
            put(tables, (library, "module"), owner, name, known.change(at))


def add_submodules(tables: Tables, known: Releases, facts: list[Facts]) -> None:
    """Names that people import from modules of transformers."""
    modules = {module for one in facts for module in one["within"]}
    for module in sorted(modules):
        among = [index for index, one in enumerate(facts) if one["within"].get(module) is not None]
        found = held(facts[index]["within"][module] for index in among)
        for name, at in found.items():
            entry = known.change([among[one] for one in at], among)
            if "removed" in entry and not is_incidental(name):
                entry.pop("since", None)
                put(tables, ("transformers", "name"), module, name, entry)


def is_incidental(name: str) -> bool:
    """Whether a module merely imported it from typing, the standard library or another package."""
    return (
        name in typing.__all__ or name in sys.stdlib_module_names or re.fullmatch(r"[a-z0-9]+|[A-Z]", name) is not None
    )


def add_tasks(tables: Tables, known: Releases, facts: list[Facts]) -> None:
    """Tasks of pipeline() and their aliases."""
    for task, at in held([*one["tasks"], *one["task aliases"]] for one in facts).items():
        put(tables, ("transformers", "pipeline-task"), "transformers.pipeline", task, known.change(at))


def add_methods(tables: Tables, library: str, known: Releases, facts: list[Facts], folder: Path) -> None:
    """Methods and attributes that the objects of a kind lost, but for the classes that define them again."""
    for kind in facts[-1]["members"]:
        lost = dict(changed_methods(library.replace("-", "_"), kind, known, facts))
        own: dict[str, set[str]] = {}
        if kind in OWN:
            place, pattern = OWN[kind]
            own = defining(folder, place, wanted(place)[-1], pattern, {*lost})
        for name, entry in lost.items():
            if name in own and kind != "tokenizer" and "removed" in entry:
                continue  # which of these objects has it is not known well enough
            endings = ("TokenizerFast", "Tokenizer")
            kept = {
                next((one.removesuffix(end) for end in endings if one.endswith(end)), one) for one in own.get(name, ())
            }
            put(tables, (library, "method"), kind, name, {**entry, "unless": sorted(kept)})


def add_environment(tables: Tables, library: str, known: Releases, facts: list[Facts], elsewhere: set[str]) -> None:
    """Variables of the libraries' own that were read, and that no later release so much as writes, nor the newest of another library."""
    read = {
        name: at
        for name, at in held(one["environment"] for one in facts).items()
        if OWN_VARIABLE.fullmatch(name) and name not in elsewhere
    }
    written = held(one["words"] for one in facts)
    for name, at in read.items():
        entry = known.change({*at, *written.get(name, ())})
        if "removed" in entry and "restored" not in entry:
            put(
                tables, (library, "environment"), "os.environ", name, {"removed": entry["removed"], "effect": "ignored"}
            )


# --- arguments --------------------------------------------------------------------------------------------------------


def add_arguments(tables: Tables, library: str, known: Releases, facts: list[Facts], fields: set[str]) -> None:
    """What the owners take by name, and which of it their source calls deprecated or renames by a decorator.

    A field that TRL only redefines is TrainingArguments' own, and neither begins nor ends with TRL.
    """
    package = library.replace("-", "_")
    owners = {name for one in facts for name in one["callables"] if re.fullmatch(OWNERS.get(library, "$"), name)}
    for owner in sorted(owners):
        calls = {
            index: one["callables"][owner]
            for index, one in enumerate(facts)
            if owner in one["callables"]
            and (owner.split(".")[0] in one["names"])
            and one["callables"][owner]["rest"] != "open"
        }
        if not calls:
            continue
        among = sorted(calls)
        is_training = library != "transformers" and any(has_training(one) for one in calls.values())
        for name, at in held(calls[index]["names"] for index in among).items():
            if name.startswith("_") or (is_training and name in fields):
                continue
            entry = known.change([among[one] for one in at], among)
            entry |= advice(known, {among[one]: calls[among[one]] for one in at}, calls, name)
            entry["source"] = calls[among[at[-1]]]["source"] + ".py"
            if "removed" in entry:
                last = among[at[-1]]
                after = next((index for index in among if index > last), None)
                entry["effect"] = "ignored" if after is not None and calls[after]["rest"] in {"drops", "keeps"} else ""
                entry["note"] = "" if "replacement" in entry else moved(owner, name, facts)
            put(tables, (library, "argument"), f"{package}.{owner}", name, entry)


def has_training(call: Facts) -> bool:
    """Whether a class takes what transformers' TrainingArguments takes as well."""
    return any(parent.endswith("TrainingArguments") for parent in call["parents"])


def advice(known: Releases, taking: dict[int, Facts], calls: dict[int, Facts], name: str) -> Entry:
    """Since when the source calls an argument deprecated, among the releases that take it, and what a decorator renames it to."""
    told = [index for index, one in taking.items() if name in one["declared"] or name in one["old"]]
    if not told:
        return {}
    entry: Entry = {"deprecated": known.label(told[0])}
    new = next((calls[index]["old"][name] for index in told if calls[index]["old"].get(name)), None)
    if new:
        order = sorted(calls)
        at = order.index(next(index for index in told if calls[index]["old"].get(name) == new))
        # A release that had the new name only, before the decorator came, means the same by it.
        while at and new in calls[order[at - 1]]["names"] and name not in calls[order[at - 1]]["names"]:
            at -= 1
        since = order[at]
        entry |= {"replacement": new, "replacement_since": known.label(since), "certain": True}
    return entry


def moved(owner: str, name: str, facts: list[Facts]) -> str:
    """A trainer's argument that went where its config has it."""
    config = owner.replace("Trainer", "Config")
    here = owner.endswith("Trainer") and any(name in one["callables"].get(config, {}).get("names", ()) for one in facts)
    return f"an argument of {config}" if here else ""


def inheriting(library: str, facts: list[Facts], fields: set[str]) -> dict[str, Any]:
    """What takes over the changes of another: classes those of TrainingArguments, but for those of fields that they define themselves."""
    package, found = library.replace("-", "_"), {}
    if library == "transformers":
        found |= {name: {"owner": of, "except": []} for name, of in LOADING.items()}
    for name in sorted({name for one in facts for name in one["callables"] if "." not in name}):
        calls = [one["callables"][name] for one in facts if name in one["callables"] and name in one["names"]]
        if library == "transformers" and any("TrainingArguments" in one["bases"] for one in calls if "bases" in one):
            found[f"{package}.{name}"] = {"owner": TRAINING, "except": []}
        elif library != "transformers" and any(map(has_training, calls)):
            own = {field for one in calls for field in one["names"]} & fields
            if library == "trl":  # uses the old names itself, and hands them to transformers as it wants them
                own |= {"gradient_checkpointing", "gradient_checkpointing_kwargs"}
            found[f"{package}.{name}"] = {"owner": TRAINING, "except": sorted(own)}
    return found


# --- corrections ------------------------------------------------------------------------------------------------------


def follow(names: dict[str, Entry], rules: list[dict[str, str]], there: Collection[str]) -> None:
    """What the corrections say of all names of a form that went, where nothing better is known of one."""
    for name, entry in names.items():
        if "removed" not in entry or "replacement" in entry:
            continue
        for one in rules:
            if match := re.fullmatch(one["match"], name):
                plain = next(iter(match.groups()), None)
                told = {"replacement": f"transformers.{plain}"} if plain in there else one
                entry |= {field: told[field] for field in ("replacement", "note") if field in told}
                break


def correct(tables: Tables, corrections: dict[str, Any]) -> None:
    """Lay the corrections over the tables; say which repeat what the wheels say."""
    for library, kinds in corrections.items():
        for kind, owners in kinds.items():
            for owner, names in owners.items():
                changes = tables.setdefault((library, kind), {}).setdefault(owner, {})
                for name, fields in names.items():
                    if fields.pop("drop", False):
                        del changes[name]
                        continue
                    if kind == "name":
                        del fields["source"]  # that of a name is the module that had it, which the wheels say
                    read = changes.get(name, {})
                    said = [f for f, value in fields.items() if f not in {"source", "certain"} and read.get(f) == value]
                    if said:
                        print(f"said by the wheels already: {library} {kind} {owner}.{name}: {', '.join(said)}")
                    entry = {**read, **fields}
                    changes[name] = {field: value for field, value in entry.items() if value not in ("", False)}


def share_advice(names: dict[str, dict[str, Entry]]) -> None:
    """What to use for a name is the same in the modules that it could be imported from."""
    told = ("replacement", "replacement_since", "certain", "note")
    for owner, entries in names.items():
        for name, entry in entries.items():
            top = names["transformers"].get(name)
            if top and owner != "transformers" and not entry.keys() & set(told):
                entry |= {field: top[field] for field in told if field in top}


def write(library: str, kind: str, changes: dict[str, dict[str, Entry]], inherits: dict[str, Any]) -> None:
    """One table, an owner a line."""
    read = wanted(library)
    head = {"library": library, "kind": kind, "read": [str(read[0]), str(read[-1])], "source": SOURCE[kind]}
    if inherits:
        head["inherits"] = inherits
    came: dict[str, dict[str, str]] = {}
    if kind == "name":
        for owner, names in changes.items():
            only = {name: entry["since"] for name, entry in names.items() if set(entry) == {"since"}}
            came[owner] = {
                since: " ".join(sorted(name for name in only if only[name] == since)) for since in only.values()
            }
            changes[owner] = {name: entry for name, entry in names.items() if name not in only}
        came = {owner: names for owner, names in came.items() if names}
    lines = ",\n".join(
        f"{json.dumps(owner)}: {json.dumps(dict(sorted(names.items())), ensure_ascii=False, separators=(',', ':'))}"
        for owner, names in sorted(changes.items())
        if names
    )
    last = f',"came":{json.dumps(came, separators=(",", ":"))}' if came else ""
    text = json.dumps(head, separators=(",", ":"))[:-1] + f',"changes":{{\n{lines}\n}}{last}}}\n'
    (TABLES / f"{library}.{kind}.json").write_text(text, "utf-8")
