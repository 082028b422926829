"""What a finding says of a call or a name, to be held against the real signature: its keywords in question, its imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.objects import (
    Adapter,
    AdapterConfig,
    AttributeUse,
    GenerateCall,
    GenerationSettings,
    Import,
    KbitPreparation,
    LibraryCall,
    MethodCall,
    ModelBuild,
    ModelLoad,
    NameUse,
    Object,
    PipelineLoad,
    QuantizationConfig,
    TokenizerCall,
    TokenizerLoad,
    Trainer,
    TrainingArguments,
)
from hflint.verify.setup import Binding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hflint.findings import Span
    from hflint.semantics.values import Value
    from hflint.verify.linked import Linked
    from hflint.verify.plain import Plain

_MADE = (TrainingArguments, QuantizationConfig, AdapterConfig, GenerationSettings)  # making one does nothing else
_INSTANCES = (
    (TokenizerLoad, "tokenizer"),
    (ModelLoad, "model"),
    (ModelBuild, "model"),
    (Adapter, "model"),
    (KbitPreparation, "model"),
)
_METHODS = ("from_pretrained", "from_config")


def imports(linked: Linked) -> tuple[str, ...]:
    """The dotted names that the finding's place imports or uses through their module."""
    return tuple(dict.fromkeys(one.name for one in linked.anchors if isinstance(one, Import | NameUse)))


def keywords_at(anchors: Iterable[Object], span: Span) -> frozenset[str] | None:
    """The keywords that a finding's span stands for; None where it is the whole call."""
    found = {
        name
        for one in anchors
        if isinstance(one, LibraryCall)
        for name in one.nodes
        if (place := one.argument_span(name)).start <= span.start and span.end <= place.end
    }
    return frozenset(found) or None


def bindings(linked: Linked, plain: Plain, focus: frozenset[str] | None) -> Iterator[Binding]:
    """The calls and attributes at the finding's place; of their keywords those in `focus`, or all."""
    for one in linked.anchors:
        if isinstance(one, AttributeUse):
            if target := _receiver(one.owner):
                yield Binding(target, one.name)
        elif isinstance(one, MethodCall):
            if target := _receiver(one.receiver):
                yield Binding(target, one.method, kwargs=_keywords(one, plain, focus))
        elif isinstance(one, LibraryCall):
            target, _, method = one.callee.rpartition(".")
            kwargs = _keywords(one, plain, focus)
            if method in _METHODS:
                yield Binding(target, method, kwargs=kwargs)
            elif one.custom_class is not None:
                continue  # the signature is the program's own
            elif isinstance(one, _MADE):
                yield Binding(one.callee, kwargs=kwargs, made=plain.arguments(one, one.name))
            else:
                yield Binding(one.callee, kwargs=kwargs)


def _keywords(call: LibraryCall, plain: Plain, focus: frozenset[str] | None) -> dict[str, object]:
    """The names of the keywords, with their values where they are known (None where not: a signature asks for names only)."""
    known = plain.arguments(call, call.name)
    written = [name for name in call.arguments if name not in call.nodes or call.nodes[name].keyword is not None]
    if isinstance(call, PipelineLoad) and "task" in known:
        written.append("task")  # usually given by position
    return {name: known.get(name) for name in written if focus is None or name in focus}


def _receiver(value: Value) -> str:
    """What a method is looked up on: a loaded object by its role, another by its class."""
    for one in value.alternatives:
        for kind, role in _INSTANCES:
            if isinstance(one, kind):
                return role
        if isinstance(one, Trainer | PipelineLoad):
            return one.callee if isinstance(one, Trainer) else "transformers.Pipeline"
        if isinstance(one, TokenizerCall):
            return "transformers.BatchEncoding"
        if isinstance(one, LibraryCall) and not isinstance(one, MethodCall | GenerateCall):
            target, _, method = one.callee.rpartition(".")
            return target if method in _METHODS else one.callee
    return ""
