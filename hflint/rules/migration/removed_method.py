"""HF605: a method or attribute that a library's objects no longer have in some allowed version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.facts.libraries import method_change
from hflint.findings import Edit, Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import is_librarys_own
from hflint.rules.migration._arguments import is_own
from hflint.rules.migration._versions import allowed, gone_since, lacking, only_older, versions_at
from hflint.semantics.objects import (
    AttributeUse,
    ConfigLoad,
    DatasetLoad,
    LibraryCall,
    Load,
    MethodCall,
    ModelBuild,
    ModelLoad,
    Part,
    TokenizerCall,
    TokenizerLoad,
    Trainer,
)
from hflint.semantics.values import MISSING, Items, the

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range
    from hflint.semantics.values import Value

_KINDS = (
    (TokenizerLoad, "tokenizer"),
    (TokenizerCall, "batch-encoding"),
    (ModelLoad, "model"),
    (ModelBuild, "model"),
    (Trainer, "trainer"),
    (ConfigLoad, "config"),
    (DatasetLoad, "dataset"),
)
_LIBRARIES = ("transformers", "trl", "datasets")
_CALL = "__call__"
_SPECIAL = ("boxes", "xpaths", "table", "notes")  # what only tokenizers that keep the old methods are given
_DEFAULT = "default_chat_template"
_MAY_NOT = "raises where it is read: mostly only for a tokenizer that has no template of its own"
_LIST = "a list of strings is a batch to the call, where the method took it for tokens or a pair; and ids raise a `ValueError`"
_GIVEN_IDS = "it is given ids, for which the call of the tokenizer itself raises a `ValueError`: hand over the texts"
_TEXTS = ("text", "text_pair", "batch_text_or_text_pairs")
_IDS = ("input_ids",)  # the parts of an encoded text that are ids
_IDS_OF = {"encode": ("[]", "tolist()")}
_TO_IDS = "convert_tokens_to_ids()"


@rule("HF605", "removed-method", Severity.ERROR)
def check(use: LibraryCall | AttributeUse, context: Context) -> Iterator[Finding]:
    """A method called, or an attribute read, of an object that is known to be a library's."""
    owner, kind, name = _taken(use)
    change = method_change(kind, name) if kind else None
    if owner is None or change is None or not change.removed or _keeps_it(owner, use, change, context):
        return
    versions = versions_at(use, context)
    if versions is None or not change.gone_in(versions) or _is_asked_for(use):
        return
    severity = _severity(owner, use, context)
    if severity is None:
        return
    fix, no_fix = _mend(use, change, versions, context)
    what = {"batch-encoding": "what a tokenizer returns"}.get(kind, f"a {kind}")
    yield context.finding(
        use.span,
        f"`{name}` of {what} was removed in {change.library} {gone_since(change, versions)} ({change.effect}); "
        f"{allowed(change, versions)}",
        label=_MAY_NOT if severity is Severity.WARNING else change.note if change.note not in no_fix else "",
        related=[(owner.span, f"the {kind} is made here")] if owner is not use else (),
        fix=fix,
        no_fix=no_fix,
        severity=Severity.NOTE if only_older(change, versions) else severity,
    )


def _severity(owner: LibraryCall, use: LibraryCall | AttributeUse, context: Context) -> Severity | None:
    """How bad it is: a default that a condition stands before is mostly for tokenizers without their own; None for one that has its own."""
    if not isinstance(use, AttributeUse) or use.name != _DEFAULT or not use.where.conditional:
        return Severity.ERROR
    facts = context.model(owner.id.constant, owner.argument("revision").constant) if isinstance(owner, Load) else None
    if facts is None or facts.chat_template is None:
        return Severity.WARNING
    return None if facts.chat_template else Severity.ERROR


def _taken(use: LibraryCall | AttributeUse) -> tuple[LibraryCall | None, str, str]:
    """The object that a method or attribute is taken from, its kind, and the name."""
    if isinstance(use, AttributeUse):
        return use.owner, _kind(use.owner), use.name
    if not isinstance(use, MethodCall):
        made, _, name = use.callee.rpartition(".")  # DynamicCache.from_legacy_cache(...)
        return use, "cache" if _is_cache(made) else "", name
    part = the(use.receiver, Part)
    if part is not None and part.path == "tokenizer" and not isinstance(part.of, Trainer):
        # processor.tokenizer, pipe.tokenizer
        return part.of, "tokenizer" if isinstance(use, TokenizerCall) else "", use.method
    owner = the(use.receiver, LibraryCall)
    return owner, _kind(owner) if owner else "", use.method


def _kind(owner: LibraryCall) -> str:
    if isinstance(owner, TokenizerCall):
        made_by = the(owner.tokenizer, TokenizerLoad)
        return "batch-encoding" if made_by and made_by.library == "transformers" else ""
    if owner.library not in _LIBRARIES:
        return ""
    if not isinstance(owner, MethodCall) and _is_cache(owner.callee):
        return "cache"
    return next((kind for made, kind in _KINDS if isinstance(owner, made)), "")


def _is_cache(qualified: str) -> bool:
    return qualified.startswith("transformers.") and qualified.endswith("Cache")


def _keeps_it(owner: LibraryCall, use: LibraryCall | AttributeUse, change: Change, context: Context) -> bool:
    """Whether this object has it still, or may have."""
    if owner.changed(change.name, kind="set") or is_own(owner, change.name):
        return True
    if change.owner == "model":  # remote code brings its own class, and so do models without a usual head
        facts = (
            context.model(owner.id.constant, owner.argument("revision").constant) if isinstance(owner, Load) else None
        )
        return not is_librarys_own(owner, facts) or not (owner.name.startswith("Auto") or "For" in owner.name)
    if not change.unless:
        return False
    given = isinstance(use, LibraryCall) and use.given(*_SPECIAL)
    called = (owner.name, _plain(owner.argument("pretrained_model_name_or_path", "model").constant))
    return given or any(_plain(name).find(_plain(kept)) >= 0 for kept in change.unless for name in called)


def _is_asked_for(use: LibraryCall | AttributeUse) -> bool:
    """Whether it is a `getattr(owner, "name", default)`; looked at last, for places cost time."""
    return isinstance(use, AttributeUse) and not use.place.module.code(use.place.node).endswith(use.name)


def _plain(name: object) -> str:
    """An id or class name as it can be compared: "microsoft/layoutlmv3-base" is a LayoutLMv3."""
    return re.sub(r"[^a-z0-9]", "", name.lower()) if isinstance(name, str) else ""


def _mend(
    use: LibraryCall | AttributeUse, change: Change, versions: Mapping[str, Range], context: Context
) -> tuple[Fix | None, str]:
    """The fix that puts the replacement in its place, or why there is none."""
    new = change.replacement
    if new is None or not change.certain:
        return None, f"what to write instead: {change.note}" if change.note else "no replacement is known"
    if not change.replaceable(versions):
        return None, lacking(change, versions)
    if new == _CALL:
        return _called(use, context) if isinstance(use, TokenizerCall) else (None, "call the object itself")
    span = context.program.rewriter.method_span(use) if isinstance(use, MethodCall) else use.span
    if span is None:
        return None, f"`{new}` takes its place, but it is written in an uncommon way"
    return Fix(f"use `{new}`", (Edit(span.end - len(change.name), span.end, new),), Safety.SAFE), ""


def _called(use: TokenizerCall, context: Context) -> tuple[Fix | None, str]:
    """`tokenizer.encode_plus(text)` as `tokenizer(text)`."""
    rewriter = context.program.rewriter
    span, receiver = rewriter.method_span(use), rewriter.receiver_code(use)
    if any(_holds_ids(one) for one in (*map(use.argument, _TEXTS), *use.extra)):
        return None, _GIVEN_IDS
    if span is None or receiver is None or use.extra:
        return None, "an argument given by position means something else in the call of the tokenizer itself"
    start = context.program.source.text.rindex(".", 0, span.start)
    edits: tuple[Edit, ...] = (Edit(start, span.end, ""),)
    old_name = "batch_text_or_text_pairs"
    if old_name in use.nodes and use.nodes[old_name].keyword is not None:
        edits = (*edits, *(rewriter.rename_argument(use, old_name, "text") or ()))
    unsafe = "" if use.method.startswith("batch_") or _is_one_text(use) else _LIST
    return Fix("call the tokenizer itself", edits, Safety.UNSAFE if unsafe else Safety.SAFE, unsafe), ""


def _holds_ids(value: Value) -> bool:
    """Whether it is, or may be, what `encode` gave or another list of ids, or holds such a list."""
    return value.some(_is_ids)


def _is_ids(value: Value) -> bool:
    if isinstance(value, Items):
        return any(type(item.constant) is int or _holds_ids(item) for item in value.items)
    if isinstance(value, Part):
        first = value.path.partition(".")[0]
        encoded = isinstance(value.of, TokenizerCall) and first in _IDS_OF.get(value.of.method, _IDS)
        return encoded or value.path.endswith(_TO_IDS)
    return isinstance(value, TokenizerCall) and value.method == "encode"


def _is_one_text(use: TokenizerCall) -> bool:
    constant = use.argument("text").constant
    return isinstance(constant, str) or (constant is MISSING and use.argument("is_split_into_words").constant is True)
