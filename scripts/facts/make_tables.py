"""Write hflint/facts/tables/<library>.<kind>.json: what appeared and went in which release of each library.

    python scripts/facts/make_tables.py FOLDER

FOLDER holds the diffs removed_names.json, misc_api_changes.json, training_arguments_diff.json and trl_peft_diff.json,
made from the published wheels. What they lack or have wrong stands in corrections.toml beside this script.

A table is {"library", "kind", "read": [first, last release], "source", "inherits"?, "changes": {owner: {name: entry}}};
an entry has the fields of `hflint.facts.libraries.Change` that differ from their defaults.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import typing
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parents[2] / "hflint" / "facts" / "tables"
CORRECTIONS = Path(__file__).with_name("corrections.toml")
READ = {
    "transformers": ("4.40.0", "5.23.0"),
    "trl": ("0.9.2", "1.16.0"),
    "peft": ("0.10.0", "0.21.2"),
    "datasets": ("2.19.2", "5.2.0"),
    "huggingface_hub": ("0.23.0", "2.4.0"),
    "sentence-transformers": ("3.0.1", "6.2.0"),
}
SOURCE = {
    "name": "public names of every release read",
    "module": "files of every release read",
    "argument": "signatures and dataclass fields of every release read",
    "method": "classes of every release read",
    "pipeline-task": "pipelines/__init__.py",
    "environment": "",
}
Entry = dict[str, Any]
Tables = dict[tuple[str, str], dict[str, dict[str, Entry]]]


def main(folder: Path) -> None:
    """Reshape the diffs, lay the corrections over them, write the tables."""
    diffs = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}
    corrections = tomllib.loads(CORRECTIONS.read_text("utf-8"))
    corrections.pop("rest")  # of the signatures
    late = {name for names in corrections.pop("late").values() for name in names}
    tables: Tables = {}
    add_names(tables, diffs["removed_names"], late)
    add_exports(tables, diffs["misc_api_changes"]["removed_top_level_exports"])
    add_tasks(tables, diffs["misc_api_changes"]["pipeline_tasks"])
    add_training_arguments(tables, diffs["training_arguments_diff"], late)
    inherits = {
        library: {
            owner: {"owner": "transformers.TrainingArguments", "except": names} for owner, names in owners.items()
        }
        for library, owners in corrections.pop("inherits").items()
    }
    inherits["trl"] |= add_trl_and_peft(tables, diffs["trl_peft_diff"], diffs["training_arguments_diff"], late)
    correct(tables, corrections)
    share_advice(tables["transformers", "name"])
    for (library, kind), changes in tables.items():
        write(library, kind, changes, inherits.get(library, {}) if kind == "argument" else {})


def put(tables: Tables, library: str, kind: str, qualified: str, **entry: object) -> None:
    """Add one entry; fields that are None or empty are left out."""
    owner, _, name = qualified.rpartition(".")
    fields = {field: value for field, value in entry.items() if value not in (None, "", False)}
    tables.setdefault((library, kind), {}).setdefault(owner, {})[name] = fields


def minor(version: str | None, qualified: str = "", late: set[str] | frozenset[str] = frozenset()) -> str | None:
    """The minor whose first release already has a change, or the very release for those that landed late."""
    if not version or version.startswith("<"):
        return "4.40" if version else None  # "<4.40": before the first release that was read
    return version if qualified in late else ".".join(version.split(".")[:2])


def code(text: str | None) -> str | None:
    """A replacement that is a name."""
    return text if text and re.fullmatch(r"[A-Za-z_][\w.]*", text) and text != "none" else None


def remark(text: str | None) -> str | None:
    """A replacement that is words."""
    return None if code(text) or text == "none" else text


def add_names(tables: Tables, diff: dict[str, Any], late: set[str]) -> None:
    """Names and modules of transformers; aliases that still import are no change."""
    first = diff["scanned_versions"][0]
    for name, facts in diff["removed"].items():
        text = facts["replacement"]
        known = code(text) and "." not in text and text not in diff["removed"] and name.endswith("FeatureExtractor")
        put(
            tables, "transformers", "name", f"transformers.{name}",
            removed=minor(facts["removed_in_or_before"]),
            replacement=f"transformers.{text}" if code(text) and "." not in text else code(text),
            replacement_since=minor(first) if known else None,
            certain=known,  # in 4.57 each was an empty subclass of its image processor
            note=remark(text),
            source=facts["module_in_last"].replace(".", "/"),
        )  # fmt: skip
    for module, facts in diff["removed_modules"].items():
        put(tables, "transformers", "module", module, removed=minor(facts["removed_in_or_before"]))
    for module, names in diff["removed_names_in_submodules"].items():
        for name, facts in names.items():
            if not is_incidental(name):
                removed = minor(facts["removed_in_or_before"], f"{module}.{name}", late)
                put(tables, "transformers", "name", f"{module}.{name}", removed=removed)


def is_incidental(name: str) -> bool:
    """Whether a module merely imported it from typing, the standard library or another package."""
    return (
        name in typing.__all__ or name in sys.stdlib_module_names or re.fullmatch(r"[a-z0-9]+|[A-Z]", name) is not None
    )


def add_exports(tables: Tables, diff: dict[str, Any]) -> None:
    """Names that left the top level of the other libraries."""
    for library, facts in diff.items():
        for name, change in facts["removed"].items():
            put(tables, library, "name", f"{library}.{name}", removed=minor(change["removed_in_or_before"]))


def add_tasks(tables: Tables, diff: dict[str, Any]) -> None:
    """Tasks of pipeline()."""
    for task, facts in diff["removed"].items():
        text = facts["replacement"]
        put(
            tables, "transformers", "pipeline-task", f"transformers.pipeline.{task}",
            removed=minor(facts["removed_in"]),
            replacement=text if text in diff["added"] else None,
            replacement_since=minor(diff["added"].get(text)),
            note=None if text in diff["added"] else text,
        )  # fmt: skip
    for task, since in diff["added"].items():
        put(tables, "transformers", "pipeline-task", f"transformers.pipeline.{task}", since=minor(since))


def add_training_arguments(tables: Tables, diff: dict[str, Any], late: set[str]) -> None:
    """Fields of TrainingArguments."""
    owner = "transformers.TrainingArguments"
    fields = {**diff["added"], **diff["deprecated_still_accepted"], **diff["removed"]}
    for name, facts in fields.items():
        first = facts.get("first_seen")
        put(
            tables, "transformers", "argument", f"{owner}.{name}",
            since=minor(first, f"{owner}.{name}", late) if first != diff["versions"][0] else None,
            deprecated=minor(facts.get("deprecated_in")),
            removed=minor(facts.get("removed_in")),
            replacement=code(facts.get("replacement")),
            note=remark(facts.get("replacement")),
            source="training_args.py",
        )  # fmt: skip


def add_trl_and_peft(
    tables: Tables, diff: dict[str, Any], training: dict[str, Any], late: set[str]
) -> dict[str, dict[str, Any]]:
    """Fields of TRL's and PEFT's configs, arguments of TRL's trainers; what the configs inherit.

    A field that TRL only redefined is TrainingArguments' own, and neither begins nor ends with TRL.
    """
    inherited = {*training["current_fields"], *training["removed"]}
    inherits: dict[str, dict[str, Any]] = {}
    for owner, facts in diff.items():
        library = owner.partition(".")[0]
        is_training = library == "trl" and owner.endswith("Config")
        for name, field in facts["fields"].items():
            if name.startswith("*") or (is_training and name in inherited):
                continue
            since = field["first_seen"] if field["first_seen"] != facts["versions"][0] else None
            removed = minor(field["removed_in"])
            if since or removed:
                put(
                    tables, library, "argument", f"{owner}.{name}",
                    since=minor(since, f"{owner}.{name}", late), removed=removed,
                    note=moved(owner, name, removed, diff),
                )  # fmt: skip
        if is_training:
            redefined = sorted(inherited & {*facts["fields"], "gradient_checkpointing_kwargs"})
            inherits[owner] = {"owner": "transformers.TrainingArguments", "except": redefined}
    return inherits


def moved(owner: str, name: str, removed: str | None, diff: dict[str, Any]) -> str | None:
    """A trainer's argument that went where its config has it."""
    config = owner.replace("Trainer", "Config")
    here = owner.endswith("Trainer") and removed and name in diff.get(config, {}).get("fields", {})
    return f"an argument of {config.partition('.')[2]}" if here else None


def correct(tables: Tables, corrections: dict[str, Any]) -> None:
    """Lay the corrections over the tables."""
    for library, kinds in corrections.items():
        for kind, owners in kinds.items():
            for owner, names in owners.items():
                changes = tables.setdefault((library, kind), {}).setdefault(owner, {})
                for name, fields in names.items():
                    if fields.pop("drop", False):
                        del changes[name]
                    else:
                        entry = {**changes.get(name, {}), **fields}
                        changes[name] = {field: value for field, value in entry.items() if value != ""}


def share_advice(names: dict[str, dict[str, Entry]]) -> None:
    """What to use for a name is the same in the modules that it could be imported from."""
    advice = ("replacement", "replacement_since", "certain", "note")
    for owner, entries in names.items():
        for name, entry in entries.items():
            top = names["transformers"].get(name)
            if top and owner != "transformers" and not entry.keys() & set(advice):
                entry |= {field: top[field] for field in advice if field in top}


def write(library: str, kind: str, changes: dict[str, dict[str, Entry]], inherits: dict[str, Any]) -> None:
    """One table, an owner a line."""
    head = {"library": library, "kind": kind, "read": READ[library], "source": SOURCE[kind]}
    if inherits:
        head["inherits"] = inherits
    lines = ",\n".join(
        f"{json.dumps(owner)}: {json.dumps(dict(sorted(names.items())), ensure_ascii=False, separators=(',', ':'))}"
        for owner, names in sorted(changes.items())
        if names
    )
    text = json.dumps(head, separators=(",", ":"))[:-1] + f',"changes":{{\n{lines}\n}}}}\n'
    (TABLES / f"{library}.{kind}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
