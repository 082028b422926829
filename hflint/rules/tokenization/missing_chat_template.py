"""HF106: a chat model is given a message as bare text, which it goes on writing instead of answering."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import (
    ChatTemplateCall,
    GenerateCall,
    ModelLoad,
    PipelineCall,
    PipelineLoad,
    TokenizerCall,
    TokenizerLoad,
)
from hflint.semantics.values import Items, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.findings import Edit
    from hflint.semantics.values import Value

_SENTENCE = re.compile(r"\w[.?!][\"')\]]*\s*$")  # a message is complete; what is to be continued is not
# A template written by hand, or an example of the form that the answer is to have.
_BY_HAND = re.compile(
    r"<[|\uff5c]|\[/?INST\]|</?s>|<bos>|<start_of_turn>|<<SYS>>|###|"
    r"\b(?:user|human|assistant|system|instructions?|question|q|a|input|output|response|answer)\s*:|\n\s*\n",
    re.IGNORECASE,
)
_TEMPLATE = "apply_chat_template"
_WHY = "the model was tuned to answer messages inside its template; without it, the text is only continued"


@rule("HF106", "missing-chat-template", Severity.WARNING)
def check(call: TokenizerCall | PipelineCall, context: Context) -> Iterator[Finding]:
    """A complete message in the code that is tokenized for `generate`, or handed to a pipeline, as it is."""
    name = next((name for name in ("inputs", "text_inputs", "text") if call.given(name)), None)
    if name is None or call.open or _TEMPLATE in context.program.source.text:
        return
    if not _is_message(call.argument(name)) or any(True for _ in context.program.all(ChatTemplateCall)):
        return
    facts = _pipeline(call, context) if isinstance(call, PipelineCall) else _generates(call, context)
    if facts is None or not facts.instruct or not facts.chat_template or facts.head != "causal":
        return
    edits = _message(call, name, context) if isinstance(call, PipelineCall) else _templated(call, context)
    yield context.finding(
        call.argument_span(name),
        f"`{facts.id}` gets this message without its chat template: {_WHY}",
        label="bare text",
        fix=Fix("hand it over as a message", edits, Safety.UNSAFE, _reason(call)) if edits else None,
        no_fix="" if edits else f'give `{_TEMPLATE}` a list of messages, `[{{"role": "user", "content": ...}}]`',
    )


def _is_message(text: Value) -> bool:
    """Whether it is text of complete sentences without any form; a list where each is."""
    items = the(text, Items)
    texts = items.constants() if items is not None and items.complete else [text.constant]
    return bool(texts) and all(
        isinstance(one, str) and _SENTENCE.search(one) and not _BY_HAND.search(one) for one in texts or ()
    )


def _generates(call: TokenizerCall, context: Context) -> ModelFacts | None:
    """What is known of the model that generates from this call's ids, where its tokenizer is the same repository's."""
    load = the(call.tokenizer, TokenizerLoad)
    if load is None or load.custom_class is not None or load.given("chat_template") or call.method != "__call__":
        return None
    for use in context.program.all(GenerateCall):
        model = the(use.model, ModelLoad) if use.method == "generate" and call in use.encodings else None
        if model is not None and _is_plain(model) and model.id == load.id:
            return context.model(model.id.constant, load.argument("revision").constant)
    return None


def _is_plain(model: ModelLoad) -> bool:
    """Whether it generates as it is stored: an adapter may have been tuned for another form of text."""
    return (
        model.custom_class is None
        and model.library == "transformers"
        and not model.changed("load_adapter", "add_adapter")
    )


def _pipeline(call: PipelineCall, context: Context) -> ModelFacts | None:
    """What is known of the model of a pipeline that is loaded by its name."""
    pipe = the(call.receiver, PipelineLoad)
    if pipe is None or pipe.argument("task").constant != "text-generation" or not pipe.lacks("pipeline_class"):
        return None
    return context.model(pipe.argument("model").constant, pipe.argument("revision").constant)


def _message(call: PipelineCall, name: str, context: Context) -> tuple[Edit, ...] | None:
    rewriter = context.program.rewriter
    code = rewriter.argument_code(call, name)
    if code is None or not isinstance(call.argument(name).constant, str):
        return None
    return rewriter.set_argument(call, name, f'[{{"role": "user", "content": {code}}}]')


def _templated(call: TokenizerCall, context: Context) -> tuple[Edit, ...] | None:
    """The call of the template in place of a plain call of the tokenizer."""
    rewriter = context.program.rewriter
    text, tensors = rewriter.argument_code(call, "text"), rewriter.argument_code(call, "return_tensors")
    callee = rewriter.callee_span(call)
    plain = set(call.arguments) == {"text", "return_tensors"} and isinstance(call.argument("text").constant, str)
    if text is None or tensors is None or not plain:
        return None
    tokenizer = context.program.source.text[callee.start : callee.end]
    messages = f'[{{"role": "user", "content": {text}}}]'
    code = (
        f"{tokenizer}.{_TEMPLATE}({messages}, add_generation_prompt=True, return_dict=True, return_tensors={tensors})"
    )
    return rewriter.replace(call.span, code)


def _reason(call: TokenizerCall | PipelineCall) -> str:
    if isinstance(call, PipelineCall):
        return "the result holds a list of messages then, not one text"
    return "the model answers then, instead of going on"
