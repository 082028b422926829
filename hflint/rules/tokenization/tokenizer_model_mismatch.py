"""HF102: a model is given ids of a vocabulary that is not its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity, Span
from hflint.rules import rule
from hflint.semantics.objects import (
    ChatTemplateCall,
    Collator,
    GenerateCall,
    LibraryCall,
    Load,
    Part,
    PipelineLoad,
    TokenizerCall,
    TokenizerLoad,
    Trainer,
    the_model,
)
from hflint.semantics.values import the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts

# Vocabularies that give most texts the same ids: one extends the other, or both were made from a third.
_ALIKE = (
    {"gpt2", "phi-2"},
    {"llama", "codellama", "phi-3"},
    {"roberta", "opt"},
    {"xlm-roberta", "mbart50"},
)
_GROWN = (
    "add_tokens",
    "add_special_tokens",
    "resize_token_embeddings",
    "set_input_embeddings",
    "load_state_dict",
    "load_adapter",
)
# Arguments that may bring another vocabulary.
_ELSEWHERE = ("subfolder", "config", "state_dict", "vocab_file", "tokenizer_file")
_OF_ITS_OWN = ("EncoderDecoder", "Rag")  # classes whose two halves can have a vocabulary each


@dataclass(frozen=True, slots=True)
class _Model:
    """A model that a tokenizer's ids reach: where it is loaded, and where they meet."""

    facts: ModelFacts
    span: Span
    meeting: LibraryCall


@rule("HF102", "tokenizer-model-mismatch", Severity.ERROR)
def check(tokenizer: TokenizerLoad | PipelineLoad, context: Context) -> Iterator[Finding]:
    """A tokenizer and the models that its ids reach, or the two of a pipeline."""
    own = _tokenizer_facts(tokenizer, context)
    if own is None or own.tokenizer is None:
        return
    seen: set[str] = set()
    for model in _models(tokenizer, context):
        if model.facts.id not in seen and _is_another(own.tokenizer, model.facts.tokenizer):
            seen.add(model.facts.id)
            yield _finding(tokenizer, own, model, context)


def _finding(tokenizer: TokenizerLoad | PipelineLoad, own: ModelFacts, model: _Model, context: Context) -> Finding:
    name = "tokenizer" if isinstance(tokenizer, PipelineLoad) else "pretrained_model_name_or_path"
    same_class = (
        isinstance(tokenizer, PipelineLoad)
        or tokenizer.name == "AutoTokenizer"
        or own.model_type == model.facts.model_type
    )
    edits = context.program.rewriter.set_argument(tokenizer, name, f'"{model.facts.id}"') if same_class else None
    return context.finding(
        tokenizer.argument_span(name),
        f"`{model.facts.id}` is given ids of the vocabulary of `{own.id}`: {_consequence(own, model.facts)}",
        label=f"vocabulary {own.tokenizer}",
        related=[(model.span, f"vocabulary {model.facts.tokenizer}"), (model.meeting.span, "they meet here")],
        fix=Fix(
            f"load the tokenizer of `{model.facts.id}`",
            edits,
            Safety.UNSAFE,
            "the tokenizer may be the one that is meant",
        )
        if edits
        else None,
        no_fix="" if edits else f"`{tokenizer.name}` cannot load the tokenizer of `{model.facts.id}`",
    )


def _consequence(own: ModelFacts, model: ModelFacts) -> str:
    """What becomes of it, by the sizes of the vocabularies."""
    if own.vocab_size is None or model.vocab_size is None:
        return "each means another token there, and one beyond its embeddings fails"
    if own.vocab_size > model.vocab_size:
        return f"{model.vocab_size} and above fail (`IndexError`, on a GPU a device-side assert), and the others mean other tokens there"
    return (
        "every one is accepted and means another token there, so what comes out is meaningless, and nothing is raised"
    )


def _is_another(one: str, other: str | None) -> bool:
    return other is not None and one != other and not any({one, other} <= alike for alike in _ALIKE)


def _tokenizer_facts(tokenizer: TokenizerLoad | PipelineLoad, context: Context) -> ModelFacts | None:
    if isinstance(tokenizer, TokenizerLoad):
        return _facts(tokenizer, context)
    return context.model(tokenizer.argument("tokenizer").constant)


def _facts(load: Load, context: Context) -> ModelFacts | None:
    """What is known of a tokenizer or model that is as it was loaded."""
    changed = any(change.name.rpartition(".")[2] in _GROWN or "embed" in change.name for change in load.changes)
    if (
        changed
        or load.escaped
        or load.custom_class is not None
        or load.given(*_ELSEWHERE)
        or any(part in load.name for part in _OF_ITS_OWN)
    ):
        return None
    return context.model(load.id.constant, load.argument("revision").constant)


def _models(tokenizer: TokenizerLoad | PipelineLoad, context: Context) -> Iterator[_Model]:
    """The models that certainly get its ids, each where it first does."""
    if isinstance(tokenizer, PipelineLoad):
        yield from _model(tokenizer, context)
        return
    for use in context.program.all(LibraryCall):
        if (isinstance(use, GenerateCall) and any(one is tokenizer for one in _encoders(use))) or (
            isinstance(use, Trainer | PipelineLoad) and _is_for(tokenizer, use)
        ):
            yield from _model(use, context)


def _model(use: LibraryCall, context: Context) -> Iterator[_Model]:
    value = use.model if isinstance(use, GenerateCall) else use.argument("model")
    load = the_model(value)
    facts = _facts(load, context) if load else context.model(value.constant, use.argument("revision").constant)
    if facts is not None:
        yield _Model(facts, load.span if load is not None else use.argument_span("model"), use)


def _is_for(tokenizer: TokenizerLoad, use: Trainer | PipelineLoad) -> bool:
    """Whether a trainer, its collator, or a pipeline certainly works with it."""
    if isinstance(use, PipelineLoad):
        return the(use.argument("tokenizer"), TokenizerLoad) is tokenizer
    collator = the(use.argument("data_collator"), Collator)
    given = [use.tokenizer, *([collator.argument("tokenizer")] if collator is not None else [])]
    return any(the(value, TokenizerLoad) is tokenizer for value in given)


def _encoders(use: GenerateCall) -> Iterator[TokenizerLoad]:
    """The tokenizers whose ids are the model's input; labels and a decoder's ids may come from another."""
    for value in (*use.spread, use.argument("inputs"), use.argument("input_ids")):
        part = the(value, Part)
        whole = part.of if part is not None else value
        if isinstance(whole, TokenizerCall | ChatTemplateCall):
            encoder = the(whole.receiver, TokenizerLoad)
            if encoder is not None:
                yield encoder
