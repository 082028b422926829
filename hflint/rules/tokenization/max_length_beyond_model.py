"""HF107: text is cut at more tokens than the model has positions for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import ModelLoad, TokenizerCall, TokenizerLoad
from hflint.semantics.values import MISSING, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.findings import Edit

_CUTS = (True, "longest_first", "only_first", "only_second")
# Positions of these are rows of a table: there is none beyond the last. The others' are computed, for any number of tokens.
_TABLE = ("albert", "bart", "bert", "distilbert", "electra", "gpt2", "gpt_neo", "opt")
_STRETCHED = (  # arguments of a load that may give it more positions
    "config",
    "ignore_mismatched_sizes",
    "max_position_embeddings",
    "n_positions",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
)


@rule("HF107", "max-length-beyond-model", Severity.WARNING)
def check(call: TokenizerCall, context: Context) -> Iterator[Finding]:
    """A tokenizer call that cuts, or pads, to a fixed length, for a model that the program loads as well."""
    length = call.argument("max_length").constant
    load = the(call.tokenizer, TokenizerLoad)
    if type(length) is not int or load is None or load.custom_class is not None or not _is_used(call):
        return
    model = _model_of(load, context)
    if model is None:
        return
    facts = context.model(model.id.constant, model.argument("revision").constant)
    if facts is None or facts.context_length is None or length <= facts.context_length:
        return
    table = facts.model_type in _TABLE
    pads = table and call.argument("padding").constant == "max_length"
    written = (context.program.rewriter.argument_code(call, "max_length") or "").isdigit()
    edits = context.program.rewriter.set_argument(call, "max_length", str(facts.context_length)) if written else None
    yield context.finding(
        call.argument_span("max_length"),
        f"`{facts.id}` has {facts.context_length} positions, and this lets {length} tokens through: {_consequence(pads, table)}",
        label=f"more than {facts.context_length}",
        related=[(model.span, "the model")],
        fix=_fix(facts, table, edits) if edits else None,
        no_fix="" if edits else "the number is written elsewhere, and other code may use it",
        severity=Severity.ERROR if pads else None,
    )


def _is_used(call: TokenizerCall) -> bool:
    """Whether it cuts at the length or pads to it."""
    return call.argument("truncation").constant in _CUTS or call.argument("padding").constant == "max_length"


def _model_of(load: TokenizerLoad, context: Context) -> ModelLoad | None:
    """The load of the same repository's model; None where there is none, or one that may have more positions."""
    name = load.id.constant
    same = [model for model in context.program.all(ModelLoad) if model.id.constant == name and name is not MISSING]
    stretched = any(
        model.open
        or model.given(*_STRETCHED)
        or model.custom_class is not None
        or model.library != "transformers"
        or any(change.kind == "set" and change.name.startswith("config") for change in model.changes)
        for model in same
    )
    return same[0] if same and not stretched else None


def _consequence(pads: bool, table: bool) -> str:
    if pads:
        return "every batch is padded to that, and the model raises"
    if table:
        return "a longer text raises in the model, at the first position that it does not have"
    return "what comes after these is outside of what the model was trained on, and its quality falls without a word"


def _fix(facts: ModelFacts, table: bool, edits: tuple[Edit, ...]) -> Fix:
    title = f"cut at {facts.context_length}"
    if table:
        return Fix(title, edits, Safety.SAFE)
    return Fix(title, edits, Safety.UNSAFE, "longer texts lose their end, which the model did read, if badly")
