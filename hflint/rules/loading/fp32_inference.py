"""HF201: a large model held in float32, in twice the memory that its weights were stored in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.loading._shared import LARGE, facts_of, first_with, gibibytes, infers, is_one_of_several
from hflint.semantics.objects import ModelLoad, Move, PipelineLoad, dtype_name, the_model
from hflint.semantics.values import Table, Value, objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.facts.versions import Range

_HALVES = ("float16", "bfloat16")
_CASTS = ("half", "bfloat16")
_OWN_DEFAULT = "set_default_dtype"  # a call of torch that changes what transformers 4 takes where nothing is said
_REASON = "the outputs change in their last digits, and some CPUs are slow in 16 bits"


@rule("HF201", "fp32-inference", Severity.WARNING)
def check(use: ModelLoad | PipelineLoad | Move, context: Context) -> Iterator[Finding]:
    """A load that leaves float32 to the library or asks for it, or a cast to it."""
    load = the_model(use.receiver) if isinstance(use, Move) else use
    facts = facts_of(load, context) if load is not None else None
    if load is None or facts is None or (facts.parameters or 0) < LARGE or facts.dtype == "float32":
        return
    if not infers(load, context) or is_one_of_several(load, context) or _is_for_cpu(load):
        return
    if _is_cast(load, _HALVES, context):
        return
    if isinstance(use, Move):
        if _casts_to(use, ("float32",)) and facts.dtype:
            yield _explicit(use, facts, context)
    elif _is_cast(load, ("float32",), context):
        return  # said of the cast
    elif dtype_name(load.argument("dtype", "torch_dtype")) == "float32" and facts.dtype:
        yield _explicit(load, facts, context)
    elif load.argument("dtype", "torch_dtype").constant is None or load.lacks("dtype", "torch_dtype", "model_kwargs"):
        yield from _by_default(load, facts, context)


def _explicit(use: ModelLoad | PipelineLoad | Move, facts: ModelFacts, context: Context) -> Finding:
    """Float32 that the code asks for: wrong in every version."""
    name = next((name for name in ("dtype", "torch_dtype") if use.given(name)), "dtype")
    rewriter = context.program.rewriter
    edits = None if isinstance(use, Move) else rewriter.set_argument(use, name, '"auto"')
    return context.finding(
        (rewriter.method_span(use) or use.span) if isinstance(use, Move) else use.argument_span(name),
        f"`{facts.id}` is stored in {facts.dtype} ({gibibytes(facts, 2):.1f} GiB) and held in float32 ({gibibytes(facts, 4):.1f} GiB) here: "
        "its weights gain no precision by it",
        label="doubles the memory",
        fix=Fix("load it as it is stored", edits, Safety.UNSAFE, _REASON) if edits else None,
        no_fix="" if edits else f"take the {'cast' if isinstance(use, Move) else 'type'} out where it is written",
    )


def _by_default(load: ModelLoad | PipelineLoad, facts: ModelFacts, context: Context) -> Iterator[Finding]:
    """Float32 because nothing is said and the library's default was so."""
    pipe = isinstance(load, PipelineLoad)
    allowed, first = context.releases(load.where), first_with(load, context)
    allowed = allowed.narrowed(f">={first}") if allowed is not None and first else allowed  # those that have the model
    before = allowed.narrowed("<4.53" if pipe else "<5") if allowed is not None else None
    if allowed is None or before is None or _OWN_DEFAULT in context.program.source.text:
        return
    name = "torch_dtype" if load.given("torch_dtype") or not allowed.all(">=4.56") else "dtype"
    edits = context.program.rewriter.set_argument(load, name, '"auto"') if facts.dtype else None
    yield context.finding(
        load.span,
        f"without `{name}`, {_who(before, allowed)} {'load' if len(before.releases) > 1 else 'loads'} `{facts.id}` ({facts.size}) in float32: "
        f"{gibibytes(facts, 4):.1f} GiB, {_instead(facts)}",
        label=f"no `{name}`",
        fix=Fix("load it as it is stored", edits, Safety.UNSAFE, _REASON) if edits else None,
        no_fix=_why_not(facts) if edits is None else "",
        severity=Severity.WARNING if before.highest == allowed.highest else Severity.NOTE,
    )


def _who(before: Range, allowed: Range) -> str:
    return f"{before}{'' if before is allowed else ', which this project allows,'}"


def _instead(facts: ModelFacts) -> str:
    stored = f"where the stored {facts.dtype} takes" if facts.dtype else "where 16 bits would take"
    return f"{stored} {gibibytes(facts, 2):.1f}"


def _why_not(facts: ModelFacts) -> str:
    if facts.dtype:
        return "the call cannot be changed without guessing"
    return "how its weights are stored is not known: choose `torch.bfloat16`, or `torch.float16` on GPUs without it"


def _is_cast(load: ModelLoad | PipelineLoad, dtypes: tuple[str, ...], context: Context) -> bool:
    """Whether it is made one of these types afterwards, or may be."""
    casts = [change for change in load.changes if change.kind == "call"]
    return any(change.name.rpartition(".")[2] in (*_CASTS, "type") for change in casts if dtypes == _HALVES) or any(
        _casts_to(change.value, dtypes) or _may_cast(change.value, context)
        for change in casts
        if isinstance(change.value, Move)
    )


def _casts_to(move: Move, dtypes: tuple[str, ...]) -> bool:
    return (move.method == "float" and "float32" in dtypes) or any(dtype_name(one) in dtypes for one in _given(move))


def _may_cast(move: Move, context: Context) -> bool:
    """Whether a `.to(x)` speaks of a type that is not known."""
    spoken = "dtype" in context.program.rewriter.code(move).rpartition(".to(")[2]
    return move.method == "to" and spoken and not any(dtype_name(one) == "float32" for one in _given(move))


def _given(move: Move) -> list[Value]:
    return [*move.arguments.values(), *move.extra]


def _is_for_cpu(load: ModelLoad | PipelineLoad) -> bool:
    """Whether the code says that it runs on the CPU, where float32 can be the faster choice."""
    places = [load.argument("device_map"), load.argument("device")]
    places += [one for table in objects(places[0], Table) for one in table.entries.values()]
    for change in load.changes:
        if change.kind == "call" and isinstance(change.value, Move):
            places += _given(change.value)
    return any(place.constant in ("cpu", -1) for place in places) or bool(load.changed("cpu", kind="call"))
