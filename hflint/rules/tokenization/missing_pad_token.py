"""HF101: padding with a tokenizer that is known to have no pad token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.findings import Edit, Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import Collator, LibraryCall, TokenizerCall, TokenizerLoad
from hflint.semantics.values import the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context

_PADS = (True, "longest", "max_length")
_COLLATORS = (
    "DataCollatorWithPadding",
    "DataCollatorForLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification",
)
_RAISES = "`ValueError: Asking to pad but the tokenizer does not have a padding token`"


@rule("HF101", "missing-pad-token", Severity.ERROR)
def check(use: TokenizerCall | Collator, context: Context) -> Iterator[Finding]:
    """A call that pads, or a collator that will."""
    load = the(use.tokenizer if isinstance(use, TokenizerCall) else use.argument("tokenizer"), TokenizerLoad)
    if load is None or not _pads(use) or _has_pad_token(load):
        return
    facts = context.model(load.id.constant, load.argument("revision").constant)
    if facts is None or not facts.lacks_pad_token(context.releases(load.where)):
        return
    name = context.program.rewriter.target_code(load)
    edits = context.program.rewriter.add_after(load, f"{name}.pad_token = {name}.eos_token") if name else None
    yield context.finding(
        use.span,
        f"the tokenizer of `{facts.id}` has no pad token and nothing sets one: padding raises {_RAISES}",
        label="pads",
        related=[(load.span, "loaded here, without a pad token")],
        fix=_fix(load, edits, context) if edits else None,
        no_fix="" if edits else "the tokenizer is not assigned to a name where it is loaded",
    )


def _pads(use: LibraryCall) -> bool:
    if isinstance(use, TokenizerCall):
        return use.argument("padding").constant in _PADS or (use.method == "pad" and use.lacks("padding"))
    return use.name in _COLLATORS and use.argument("padding").constant is not False


def _has_pad_token(load: TokenizerLoad) -> bool:
    """Whether the code gives it one, or may."""
    given = not load.lacks("pad_token")
    changed = load.changed("pad_token", "pad_token_id", "add_special_tokens", "add_tokens", "_pad_token")
    return given or bool(changed) or load.escaped


def _fix(load: TokenizerLoad, edits: tuple[Edit, ...], context: Context) -> Fix:
    masks_eos = any(
        collator.name == "DataCollatorForLanguageModeling"
        and the(collator.argument("tokenizer"), TokenizerLoad) is load
        for collator in context.program.all(Collator)
    )
    return Fix(
        "pad with the end-of-sequence token",
        edits,
        Safety.UNSAFE if masks_eos else Safety.SAFE,
        "DataCollatorForLanguageModeling masks every pad token in the labels, and with them the end of each text"
        if masks_eos
        else "",
    )
