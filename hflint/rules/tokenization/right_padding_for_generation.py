"""HF103: a decoder-only model generates from a batch that is padded on the right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.findings import Edit, Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import (
    ChatTemplateCall,
    Collator,
    GenerateCall,
    LibraryCall,
    ModelLoad,
    PipelineCall,
    PipelineLoad,
    TokenizerCall,
    TokenizerLoad,
    Trainer,
    the_model,
)
from hflint.semantics.values import ABSENT, Items, Value, objects, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context

_DECODER = re.compile(r"(?:ForCausalLM|LMHeadModel)$")
_TEXTS = ("text", "batch_text_or_text_pairs")
_LEFT = '"left"'
_RIGHT = "right"
_GOES_ON = "each shorter one goes on after its padding, and its text is wrong"
Batch = TokenizerCall | ChatTemplateCall


@rule("HF103", "right-padding-for-generation", Severity.ERROR)
def check(call: GenerateCall | PipelineCall, context: Context) -> Iterator[Finding]:
    """A `generate` whose ids come from a tokenizer call that pads several rows on the right, or a batching pipeline."""
    if isinstance(call, PipelineCall):
        yield from _pipeline(call, context)
        return
    model = the_model(call.model)
    if call.method != "generate" or model is None or not _is_decoder_only(model, context):
        return
    for batch in call.encodings:
        load = the(batch.receiver, TokenizerLoad)
        if load is not None and _pads_rows(batch) and not _is_changed(batch) and _side(batch, load, context) == _RIGHT:
            yield _finding(call, batch, load, context)


def _finding(call: GenerateCall, batch: Batch, load: TokenizerLoad, context: Context) -> Finding:
    edits = _edits(batch, load, context)
    reason = _unsafe_because(batch, load, context)
    return context.finding(
        call.span,
        f"generates from rows that are padded on the right: {_GOES_ON}",
        label="generates from it",
        related=[(batch.span, "pads on the right"), (load.span, "`padding_side` is right")],
        fix=Fix("pad on the left", edits, Safety.UNSAFE if reason else Safety.SAFE, reason) if edits else None,
        no_fix="" if edits else "`padding_side` is set to right in a place that other code may rely on",
    )


def _pipeline(call: PipelineCall, context: Context) -> Iterator[Finding]:
    """A pipeline that batches; from 5.3 on the one for text generation turns its tokenizer to the left."""
    pipe = the(call.receiver, PipelineLoad)
    allowed = context.versions.installable.get("transformers")
    before = allowed.narrowed("<5.3") if allowed else None
    if (
        pipe is None
        or before is None
        or pipe.argument("task").constant != "text-generation"
        or not _batches(call, pipe)
    ):
        return
    guarded = any(guard.kind in ("version", "feature") for guard in (*pipe.where.guards, *call.where.guards))
    if guarded or _pipeline_side(pipe, context) != _RIGHT:
        return
    name = context.program.rewriter.target_code(pipe)
    edits = context.program.rewriter.add_after(pipe, f"{name}.tokenizer.padding_side = {_LEFT}") if name else None
    yield context.finding(
        call.span,
        f"{before} pads the rows of this pipeline's batches on the right: {_GOES_ON}",
        label="generates from batches",
        related=[(pipe.span, "its tokenizer's `padding_side` is right")],
        fix=Fix("pad on the left", edits, Safety.SAFE) if edits else None,
        no_fix="" if edits else "the pipeline is not assigned to a name where it is made",
    )


def _batches(call: PipelineCall, pipe: PipelineLoad) -> bool:
    """Whether it certainly puts several texts into one batch."""
    size = call.argument("batch_size").constant if call.given("batch_size") else pipe.argument("batch_size").constant
    texts = call.argument("inputs", "text_inputs")
    streamed = isinstance(texts, LibraryCall) and texts.name == "KeyDataset"
    return not call.open and isinstance(size, int) and size > 1 and (streamed or _has_rows(texts))


def _pipeline_side(pipe: PipelineLoad, context: Context) -> str | None:
    """The side on which a pipeline's tokenizer certainly pads; None where it is not known."""
    changed = [change.name for change in pipe.changes if change.kind == "set"]
    if pipe.open or pipe.escaped or any(name == "tokenizer" or name.endswith("padding_side") for name in changed):
        return None
    load = the(pipe.argument("tokenizer"), TokenizerLoad)
    if load is not None:
        return _side(None, load, context)
    if not pipe.lacks("tokenizer"):
        return None
    facts = context.model(pipe.argument("model").constant, pipe.argument("revision").constant)
    raises = facts is not None and facts.has_pad_token is False and not any("pad_token" in name for name in changed)
    return facts.padding_side if facts is not None and not raises else None


def _is_decoder_only(model: ModelLoad, context: Context) -> bool:
    facts = context.model(model.id.constant, model.argument("revision").constant)
    return (
        model.library == "transformers"
        and model.custom_class is None
        and _DECODER.search(model.name) is not None
        and (facts is None or facts.head in ("causal", None))
    )


def _pads_rows(batch: Batch) -> bool:
    """Whether it certainly pads: rows to the longest of them, or anything to a fixed length."""
    padding = batch.argument("padding").constant
    if padding == "max_length":
        return isinstance(batch.argument("max_length").constant, int)
    if padding not in (True, "longest") or not batch.lacks("is_split_into_words"):
        return False
    if isinstance(batch, TokenizerCall):
        return _has_rows(batch.argument(*_TEXTS))
    chats = batch.argument("conversation")  # one chat is a list as well, of messages
    return _has_rows(chats) and all(isinstance(chat, Items) for one in objects(chats, Items) for chat in one.items)


def _has_rows(texts: Value) -> bool:
    """Whether it is a list that holds texts that are not all the same, or one for each of something."""
    lists = list(objects(texts, Items))
    return len(lists) == len(texts.alternatives) and any(not one.complete or _differ(one) for one in lists)


def _differ(texts: Items) -> bool:
    known = texts.constants()
    return len(texts.items) > 1 and (known is None or len(set(map(str, known))) > 1)


def _is_changed(batch: Batch) -> bool:
    """Whether the program writes into the ids or hands them to code that may, such as one that moves the padding."""
    return batch.escaped or any(change.kind == "set" for change in batch.changes)


def _side(batch: Batch | None, load: TokenizerLoad, context: Context) -> str | None:
    """The side on which a tokenizer, or a call of it, certainly pads; None where it is not known."""
    if load.open or load.escaped or load.custom_class is not None or (batch is not None and batch.open):
        return None
    if batch is not None and any(
        the(pipe.argument("tokenizer"), TokenizerLoad) is load for pipe in context.program.all(PipelineLoad)
    ):
        return None  # a pipeline may have turned it
    if batch is not None and batch.given("padding_side"):
        return _RIGHT if batch.argument("padding_side").constant == _RIGHT else None
    changes = load.changed("padding_side", kind="set")
    sides = {change.value.constant for change in changes}
    if not any(change.certain for change in changes):
        sides.add(_first_side(load, context))
    return _RIGHT if sides == {_RIGHT} else None


def _first_side(load: TokenizerLoad, context: Context) -> object:
    """The side on which a tokenizer pads as it is loaded."""
    given = load.argument("padding_side")
    if given is not ABSENT:
        return given.constant
    facts = context.model(load.id.constant, load.argument("revision").constant)
    return facts.padding_side if facts is not None else None


def _edits(batch: Batch, load: TokenizerLoad, context: Context) -> tuple[Edit, ...] | None:
    if batch.given("padding_side"):
        return context.program.rewriter.set_argument(batch, "padding_side", _LEFT)
    if load.changed("padding_side", kind="set"):
        return None
    return context.program.rewriter.set_argument(load, "padding_side", _LEFT)


def _unsafe_because(batch: Batch, load: TokenizerLoad, context: Context) -> str:
    """What else the tokenizer pads, so that the change reaches further; empty where nothing is."""
    if batch.given("padding_side"):
        return ""
    program = context.program
    if any(True for kind in (Trainer, Collator) for _ in program.all(kind)):
        return "the program trains as well, where the same tokenizer may have to pad on the right"
    generated = [one for call in program.all(GenerateCall) if call.method == "generate" for one in call.encodings]
    others = [one for one in program.users_of(load, TokenizerCall) if one not in generated]
    if any(
        one.argument("padding").constant not in (False, None, "do_not_pad") and not one.lacks("padding")
        for one in others
    ):
        return "the tokenizer pads other text as well, which nothing generates from"
    return ""
