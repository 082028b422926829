"""The arguments of a call that some release no longer takes, or calls otherwise; and the edits that mend them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.facts.libraries import argument_changes
from hflint.facts.signatures import signature
from hflint.findings import Fix, Safety
from hflint.rules.migration._versions import imports_unsloth, lacking, versions_at
from hflint.semantics.objects import (
    Adapter,
    DatasetLoad,
    LibraryCall,
    Load,
    MethodCall,
    ModelLoad,
    PipelineCall,
    PipelineLoad,
    Save,
    TokenizerCall,
    TokenizerLoad,
    TrainingArguments,
)
from hflint.semantics.values import ABSENT, MISSING, Symbol, Table, Unknown, the

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range
    from hflint.semantics.values import Value

SWALLOWED = ("ignored", "warns")  # effects of an argument that is dropped: nothing raises
_LOADS_MODEL = "transformers.PreTrainedModel.from_pretrained"
_PER_CALL = frozenset({"grouped_entities", "ignore_subwords", "return_all_scores"})  # a pipeline's call takes them too
_OF_ANY = frozenset({"framework", "use_auth_token"})  # given to pipelines of any task
# Tasks that hand keywords on to `generate`, which raises a ValueError (run on 4.57.6 and 5.23.0).
_GENERATING = re.compile(r"text-generation|text2text-generation|summarization|translation(_\w+_to_\w+)?")
_ALIASES = {  # of tasks (transformers 4.40.0 to 5.23.0 pipelines/__init__.py)
    "ner": "token-classification",
    "sentiment-analysis": "text-classification",
    "text-to-speech": "text-to-audio",
    "vqa": "visual-question-answering",
}
_TOGETHER = {"grouped_entities": "ignore_subwords"}  # two that are one argument now


def changed_arguments(call: LibraryCall, context: Context) -> Iterator[Change]:
    """The changes of the keywords that a call gives: those written in it, or certainly brought by a dict."""
    changes = _changes(call)
    if not changes or (call.library == "trl" and imports_unsloth(context)):
        return
    for name in call.arguments:
        if (
            name in changes
            and _is_given(call, name)
            and not is_own(call, name)
            and not _is_kept(call, changes[name], context)
        ):
            yield changes[name]


def changed_in_dict(call: LibraryCall, context: Context) -> Iterator[tuple[str, Change]]:
    """What a dict that is handed on to a model's from_pretrained certainly holds: the dict's argument, and the change of one of its keys."""
    name = "model_kwargs" if isinstance(call, PipelineLoad) else "model_init_kwargs"
    table = the(call.arguments.get(name), Table) if isinstance(call, PipelineLoad | TrainingArguments) else None
    if table is None or (call.library == "trl" and imports_unsloth(context)):
        return
    changes = argument_changes(_LOADS_MODEL)
    for key, value in table.entries.items():
        given = key in changes and value.every(lambda one: one is not ABSENT)
        if given and changes[key].effect not in SWALLOWED:
            yield name, changes[key]


def _changes(call: LibraryCall) -> Mapping[str, Change]:
    if isinstance(call, PipelineCall):
        changes = argument_changes("transformers.pipeline")
        return {name: changes[name] for name in changes.keys() & _PER_CALL}
    if isinstance(call, Adapter) and call.name.startswith("AutoPeftModel"):
        # It hands its keywords to the base model's from_pretrained, and reads some itself (peft 0.21.2 auto.py).
        changes = argument_changes(_LOADS_MODEL)
        return {name: change for name, change in changes.items() if change.effect != "ignored"}
    owner = _owner(call)
    return argument_changes(owner) if owner else {}


def _owner(call: LibraryCall) -> str:
    """The qualified name of what is called, as the tables know it; empty where they know nothing of it."""
    if not isinstance(call, MethodCall):
        return "" if ".experimental." in call.callee else call.callee
    owner = the(call.receiver, LibraryCall)
    if owner is None or owner.custom_class is not None:
        return ""
    if isinstance(call, TokenizerCall):
        return (
            f"transformers.{owner.name}.__call__"
            if isinstance(owner, TokenizerLoad) and call.method == "__call__"
            else ""
        )
    if owner.callee == "huggingface_hub.HfApi":
        return f"{owner.callee}.{call.method}"
    if isinstance(owner, DatasetLoad):
        return f"datasets.Dataset.{call.method}"
    if isinstance(call, Save) and owner.library == "transformers":
        of_hub = call.method == "push_to_hub" and isinstance(owner, Load)
        return f"transformers.{owner.name}.{call.method}" if of_hub or isinstance(owner, ModelLoad) else ""
    return ""


def _is_given(call: LibraryCall, name: str) -> bool:
    if name in call.nodes:
        return call.nodes[name].keyword is not None
    return call.arguments[name].every(lambda value: value is not ABSENT)


def is_own(call: LibraryCall, name: str) -> bool:
    """Whether the program's own subclass has a parameter of that name, or may have one."""
    if call.custom_class is None:
        return False
    if any(
        not isinstance(base, Symbol) or base.name.partition(".")[0] != call.library
        for base in call.custom_class.foreign_bases()
    ):
        return True
    return any(re.search(rf"\b{name}\b", one.module.code(one.node)) for one in call.custom_class.lineage())


def _is_kept(call: LibraryCall, change: Change, context: Context) -> bool:
    """Whether it is no loss here: the pipeline made is one that swallows it, or may be; its value does nothing."""
    if (change.library, change.name) == ("datasets", "use_auth_token"):
        return call.argument(change.name).some(_may_be_none)  # None is skipped (builder.py of 3.0.0 to 5.2.0)
    made = call if isinstance(call, PipelineLoad) else None
    if isinstance(call, PipelineCall):
        made = the(call.receiver, PipelineLoad)
    if made is None or not change.removed or change.effect in SWALLOWED:
        return False
    if not made.lacks("pipeline_class"):
        return True
    task = made.argument("task").constant
    if not isinstance(task, str):
        return change.name in _OF_ANY
    versions = versions_at(call, context)
    return versions is None or not _is_refused(task, change, versions)


def _may_be_none(value: Value) -> bool:
    return value.constant is None or isinstance(value, Unknown)


def _is_refused(task: str, change: Change, versions: Mapping[str, Range]) -> bool:
    """Whether a task's pipeline certainly raises for a keyword in some allowed release; where all still take it, whether it means anything."""
    known = signature(f"transformers.pipeline.{_ALIASES.get(task, task)}")
    if known is None:
        return _GENERATING.fullmatch(task) is not None
    if not change.gone_in(versions):
        return known.knows(change.name)
    refusal = known.refusal(change.name, versions)
    return refusal is not None and "raises" in refusal.fates


def subject(call: LibraryCall, change: Change) -> str:
    """What the argument belonged to, for a message."""
    if isinstance(call, TokenizerCall):
        return "the call of a tokenizer"
    if isinstance(call, PipelineLoad | PipelineCall):
        return "`pipeline`"
    if isinstance(call, MethodCall):
        return f"`{call.method}`"
    if call.callee.endswith(".from_pretrained"):
        return f"`{call.name}.from_pretrained`"
    owner = change.owner.rpartition(".")[2]
    return f"`{owner}`" + (f", which `{call.name}` extends," if owner != call.name else "")


def mend(call: LibraryCall, change: Change, versions: Mapping[str, Range], context: Context) -> tuple[Fix | None, str]:
    """The fix that the tables know for an argument, or why there is none."""
    rewriter, name = context.program.rewriter, change.name
    code = rewriter.argument_code(call, name)
    if code is None:
        return None, "it comes from a dict, or the call is in another file"
    text = change.mended(code)
    unsafe = ""
    if text is None:
        text, unsafe = _unsure(call, code, change, versions)
    if text is None:
        return None, _advice(change, versions)
    if reason := text and _obstacle(call, change, versions):
        return None, reason
    if not text:
        edits, title = rewriter.remove_argument(call, name), f"delete `{name}`"
    elif text == f"{change.replacement}={code}":
        edits, title = (
            rewriter.rename_argument(call, name, change.replacement or ""),
            f"rename it to `{change.replacement}`",
        )
    else:
        edits, title = rewriter.replace_argument(call, name, text), f"write `{text}`"
    if edits is None:
        return None, "it is not a keyword written in this call"
    return Fix(title, edits, Safety.UNSAFE if unsafe else Safety.SAFE, unsafe), ""


def _unsure(call: LibraryCall, code: str, change: Change, versions: Mapping[str, Range]) -> tuple[str | None, str]:
    """What to write where the tables are not certain of it, and what may change by that."""
    known = change.values.get(code.replace("'", '"'))
    if known is not None:
        return known, change.note or "it may not mean quite the same"
    if change.effect in SWALLOWED and change.always_gone(versions):
        if change.delete or (not change.values and call.argument(change.name).constant is MISSING):
            return "", ""
        harmless = [source for source, text in change.values.items() if not text]
        if _may_be(call.argument(change.name), harmless):
            return "", f"where it is not {' or '.join(harmless)}, that hides what is not done: {change.note}"
    return ("", change.note or "what it asked for is gone") if change.delete else (None, "")


def _may_be(value: Value, sources: Collection[str]) -> bool:
    """Whether a value may be one of these constants, and is not known to be another on some way."""
    known = [repr(one.constant) for one in value.alternatives if one.constant is not MISSING]
    return bool(sources) and value.constant is MISSING and all(one in sources for one in known)


def _advice(change: Change, versions: Mapping[str, Range]) -> str:
    if change.effect in SWALLOWED and change.gone_in(versions):
        return f"deleting it would hide that it is not done: {change.note or 'nothing is known to do it instead'}"
    if change.note:
        return f"what to write instead depends on the program: {change.note}"
    if change.replacement:
        return f"`{change.replacement}` takes its place, but not with the same value"
    return "no replacement is known"


def _obstacle(call: LibraryCall, change: Change, versions: Mapping[str, Range]) -> str:
    """Why the replacement cannot be written here; empty where it can."""
    beside = _TOGETHER.get(change.name)
    if beside and call.given(beside):
        return f"`{beside}` beside it decides its meaning: {change.note}"
    if change.replacement and call.given(change.replacement):
        return f"`{change.replacement}` is given beside it"
    if not change.replaceable(versions):
        return lacking(change, versions) if change.replacement_since else _advice(change, versions)
    constant = call.argument(change.name).constant
    if change.name == "warmup_ratio" and isinstance(constant, int | float) and constant >= 1:
        return "a `warmup_steps` of 1 or more is a number of steps, not a share"
    return ""
