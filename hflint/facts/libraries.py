"""What appeared, was deprecated and went in which release of the libraries.

The tables are made from the published wheels by scripts/facts and loaded one library and kind at a time, when first asked for.
A name, argument or method without an entry is either unchanged or unknown: then nothing is said of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from hflint.facts.shipped import LIBRARIES, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.facts.versions import Range

_EFFECTS = {
    "name": "ImportError",
    "module": "ImportError",
    "argument": "TypeError",
    "method": "AttributeError",
    "pipeline-task": "KeyError",
    "environment": "ignored",
}
_BASES = (  # the class that stands in the tables for all whose names end so
    (("Tokenizer", "TokenizerFast", "TokenizerBase", "TokenizersBackend", "PythonBackend"), "PreTrainedTokenizerBase"),
    (("Processor", "ProcessorFast", "FeatureExtractor", "ProcessorMixin"), "ProcessorMixin"),
    (("Config",), "PreTrainedConfig"),
    (("",), "PreTrainedModel"),
)
_METHODS = {"from_pretrained", "save_pretrained", "__call__", "apply_chat_template"}


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one name, module, argument, method, pipeline task or environment variable.

    Versions are the first release with the new state; the first release that was read stands for all before it too
    (transformers 4.40, trl 0.9, peft 0.10, datasets 2.19, huggingface_hub 0.23, accelerate 0.30, sentence-transformers 3.0, diffusers 0.26,
    bitsandbytes 0.42).

    Attributes:
        library: whose release decides, as `Versions` names it; not always the owner's, for TRL's configs inherit.
        kind: "name", "module", "argument", "method", "pipeline-task" or "environment".
        owner: qualified public name of what has it, for example "transformers.TrainingArguments".
        name: what is written in code, for example "evaluation_strategy".
        since: first release that has it; None where all that were read had it at first.
        deprecated: first release that warns of it, or whose documentation does.
        removed: first release that does not take it.
        restored: first release that takes it again.
        gaps: releases before `removed` that do not take it either, as specifiers: ">=0.12,<0.12.1".
        effect: what using it does once removed: the exceptions that it may raise, "ignored" (silently) or "warns" (and ignored).
        replacement: what to write instead; a qualified name for names and modules, an argument's or method's name else.
        replacement_since: first release of `replacement_library` that has the replacement; None where not known.
        certain: that renaming, deleting or taking over one of `values` keeps the meaning in all releases that have both.
        delete: deleting it is the mend.
        values: where only some literal values can be mended: source of the value to source of the argument that
            takes its place, empty for none. With `certain` it is certain of these alone.
        unless: beginnings of class names that still have it.
        note: a few words for the message; what to use where no name says it.
        source: the file of the wheel, or how it was found out.
    """

    library: str
    kind: str
    owner: str
    name: str
    since: str | None = None
    deprecated: str | None = None
    removed: str | None = None
    restored: str | None = None
    gaps: tuple[str, ...] = ()
    effect: str = ""
    replacement: str | None = None
    replacement_since: str | None = None
    certain: bool = False
    delete: bool = False
    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    unless: tuple[str, ...] = ()
    note: str = ""
    source: str = ""

    @property
    def replacement_library(self) -> str:
        """The library whose release has the replacement."""
        first, dot, _ = (self.replacement or "").partition(".")
        return LIBRARIES.get(first, first) if dot else self.library

    def gone_in(self, versions: Mapping[str, Range]) -> bool:
        """Whether some allowed release no longer takes it."""
        return any(versions[self.library].any(spec) for spec in self.gone)

    def always_gone(self, versions: Mapping[str, Range]) -> bool:
        """Whether no allowed release takes it any more."""
        return any(versions[self.library].all(spec) for spec in self.gone)

    def gone_between(self, versions: Mapping[str, Range]) -> tuple[str, str] | None:
        """The first release without it and the first that has it again ("": none), of the first run of such that some allowed release is in."""
        runs = [spec.removeprefix(">=").partition(",<") for spec in self.gone if versions[self.library].any(spec)]
        return min(((since, until) for since, _, until in runs), key=lambda run: Version(run[0]), default=None)

    def not_yet_in(self, versions: Mapping[str, Range]) -> bool:
        """Whether some allowed release is older than it."""
        return bool(self.since) and versions[self.library].any(f"<{self.since}")

    def deprecated_in(self, versions: Mapping[str, Range]) -> bool:
        """Whether some allowed release still takes it, and warns."""
        if not self.deprecated:
            return False
        return versions[self.library].any(f">={self.deprecated}" + (f",<{self.removed}" if self.removed else ""))

    def replaceable(self, versions: Mapping[str, Range]) -> bool:
        """Whether every allowed release has the replacement; False where that is not known."""
        if not self.replacement or not self.replacement_since or self.replacement_library not in versions:
            return False
        return versions[self.replacement_library].all(f">={self.replacement_since}")

    def mended(self, value: str) -> str | None:
        """The argument to write in place of `name=value`, both as source; "" for none; None where it is not certain.

        Whether the releases have the replacement is `replaceable`'s to say.
        """
        if not self.certain:
            return None
        if self.values:
            return self.values.get(value.replace("'", '"'))
        return "" if self.delete else f"{self.replacement}={value}"

    @property
    def gone(self) -> tuple[str, ...]:
        """The releases without it, as specifiers that no release satisfies two of."""
        last = (f">={self.removed}" + (f",<{self.restored}" if self.restored else ""),) if self.removed else ()
        return (*self.gaps, *last)


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What the source of a library itself calls deprecated: by a decorator, a warning, the help of a field.

    Attributes:
        since: the first release read that calls it so.
        until: the first that no longer does, for it is gone or taken again; None where the newest does.
        instead: the argument to use, where the source names one.
        source: the file of the wheel.
    """

    since: str
    until: str | None
    instead: str | None
    source: str


def removed_name(qualified: str) -> Change | None:
    """The change of a name or module, or of what it lies in: "transformers.TFBertModel.from_pretrained" finds the class.

    Names that still import, through whatever alias, have none.
    """
    library = _library(qualified)
    while library and "." in qualified:
        change = _change(library, "name", qualified) or _change(library, "module", qualified) or _elsewhere(qualified)
        if change and (change.removed or change.deprecated):
            return change
        qualified = qualified.rpartition(".")[0]
    return None


def came(qualified: str) -> Version | None:
    """The first release with a name, or with what it lies in, where older ones that were read lack that; else None.

    What lies in a module of its library is looked for at the top as well, from where most of it is imported.
    """
    library, (package, _, path) = _library(qualified), qualified.partition(".")
    names = [qualified]
    while "." in names[-1]:
        names.append(names[-1].rpartition(".")[0])
    tops = (f"{package}.{part}" for part in path.split(".")[1:]) if library else ()
    for name in (*names[:-1], *tops):
        change = (_change(library, "name", name) or _named(name)) if library else None
        if change and change.since:
            return Version(change.since)
    return None


@cache
def argument_changes(owner: str) -> Mapping[str, Change]:
    """What became of the arguments of a class or function, by name; also of those that it inherits.

    Args:
        owner: qualified as imported, for example "transformers.TrainingArguments", "trl.SFTConfig",
            "transformers.AutoModelForCausalLM.from_pretrained", "transformers.AutoTokenizer.__call__",
            "transformers.pipeline", "huggingface_hub.HfApi.snapshot_download".
    """
    library = _library(owner)
    table = read_table(library, "argument") if library else {}
    changes: dict[str, Change] = {}
    for name in _owners(owner):
        parent = table.get("inherits", {}).get(name)
        if parent:
            theirs = argument_changes(parent["owner"])
            changes = {arg: change for arg, change in theirs.items() if arg not in parent["except"]}
        own = table.get("changes", {}).get(name, {})
        changes |= {arg: _made(table, name, arg, entry) for arg, entry in own.items()}
        if changes:
            break
    return MappingProxyType(changes)


def task_change(task: str) -> Change | None:
    """What became of a task of transformers.pipeline(); "translation_en_to_fr" is a translation."""
    task = "translation" if task.startswith("translation_") else task
    return _change("transformers", "pipeline-task", f"transformers.pipeline.{task}")


def method_change(owner_kind: str, method: str) -> Change | None:
    """What became of a method or attribute.

    Args:
        owner_kind: "tokenizer", "batch-encoding", "model", "trainer", "cache", "config", "dataset" or
            "sentence-transformer".
        method: its name.
    """
    library = {"dataset": "datasets", "sentence-transformer": "sentence-transformers"}.get(owner_kind, "transformers")
    return _change(library, "method", f"{owner_kind}.{method}")


def declared_deprecations(callable_: str) -> Mapping[str, Deprecation]:
    """What the source calls deprecated of a callable: its arguments by name, and the callable itself under "".

    Args:
        callable_: "transformers.TrainingArguments", "diffusers.StableDiffusionPipeline.__call__".
    """
    package, _, name = callable_.partition(".")
    entry = read_table(LIBRARIES.get(package, ""), "deprecations").get("callables", {}).get(name, {})
    return {
        argument: Deprecation(since, until or None, instead or None, source)
        for argument, (since, until, instead, source) in entry.items()
    }


@cache
def _gone(library: str) -> tuple[frozenset[str], frozenset[str]]:
    """The last parts of the names, and the modules, that some version of a library lacks."""
    found = [
        frozenset(
            (owner, name)
            for owner, entries in read_table(library, kind).get("changes", {}).items()
            for name, entry in entries.items()
            if "removed" in entry
        )
        for kind in ("name", "module")
    ]
    return frozenset(name for _, name in found[0]), frozenset(f"{owner}.{name}" for owner, name in found[1])


def may_be_gone(module: str, name: str) -> bool:
    """Whether an imported name may be one that some version of its library lacks: a cheap question for the gate."""
    path = f"{module}.{name}" if module else name
    library = _library(path)
    if library is None:
        return False
    names, modules = _gone(library)
    parts = path.split(".")
    return name in names or any(".".join(parts[:count]) in modules for count in range(2, len(parts) + 1))


def environment_change(variable: str) -> Change | None:
    """What became of an environment variable that one of the libraries reads."""
    found = (_change(library, "environment", f"os.environ.{variable}") for library in LIBRARIES.values())
    return next((change for change in found if change), None)


def exists(qualified: str, versions: Mapping[str, Range]) -> bool | None:
    """Whether a name, module or argument is there in all allowed releases (True) or in none (False).

    None where it is in some only, or where the tables do not say.
    """
    owner, _, name = qualified.rpartition(".")
    change = removed_name(qualified) or argument_changes(owner).get(name) or _named(qualified)
    if change is None or change.library not in versions:
        return None
    if not change.gone_in(versions) and not change.not_yet_in(versions):
        return True
    return False if change.always_gone(versions) or versions[change.library].all(f"<{change.since or 0}") else None


# --- the tables -------------------------------------------------------------------------------------------------------


def _library(qualified: str) -> str | None:
    return LIBRARIES.get(qualified.partition(".")[0])


def _owners(owner: str) -> list[str]:
    """The names under which an owner may stand in the tables, the most exact first."""
    package, *path = owner.split(".")
    if package == "transformers" and len(path) > 1 and path[-1] in _METHODS:
        base = next(base for endings, base in _BASES if path[-2].endswith(endings))
        return [".".join([package, *path[-2:]]), f"{package}.{base}.{path[-1]}"]
    if package == "transformers" and path[-1:] == ["push_to_hub"] and not path[0].endswith("Trainer"):
        return [f"{package}.PushToHubMixin.push_to_hub"]
    return [owner, ".".join([package, *path[-2:]]), ".".join([package, *path[-1:]])]


def _change(library: str, kind: str, qualified: str) -> Change | None:
    table = read_table(library, kind)
    owner, _, name = qualified.rpartition(".")
    entry = table.get("changes", {}).get(owner, {}).get(name)
    return None if entry is None else _made(table, owner, name, entry)


def _named(qualified: str) -> Change | None:
    """The change of a name, where that is only when it came."""
    library = _library(qualified)
    owner, _, name = qualified.rpartition(".")
    table = read_table(library, "name") if library else {}
    came = table.get("came", {}).get(owner, {})
    since = next((since for since, names in came.items() if f" {name} " in f" {names} "), None)
    return _made(table, owner, name, {"since": since}) if since else None


def _elsewhere(qualified: str) -> Change | None:
    """The change of a top level name that is imported from the module, or a package, that its definition lay in."""
    package, _, path = qualified.partition(".")
    module, _, name = path.rpartition(".")
    names = read_table(LIBRARIES[package], "name").get("changes", {})
    source = names.get(package, {}).get(name, {}).get("source", "")
    is_read_itself = f"{package}.{module}" in names
    is_within = f"{source}/".startswith(module.replace(".", "/") + "/")
    return (
        _change(LIBRARIES[package], "name", f"{package}.{name}")
        if module and is_within and not is_read_itself
        else None
    )


def _made(table: Mapping[str, Any], owner: str, name: str, entry: Mapping[str, Any]) -> Change:
    defaults = {"effect": _EFFECTS[table["kind"]] if "removed" in entry else "", "source": table["source"]}
    lists = {field: tuple(entry[field]) for field in ("unless", "gaps") if field in entry}
    fields = {**defaults, **entry, **lists}
    return Change(table["library"], table["kind"], owner, name, **fields)
