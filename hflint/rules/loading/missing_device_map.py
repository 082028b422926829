"""HF202: a model of 7B parameters or more that nothing takes off the CPU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity, Span
from hflint.rules import rule
from hflint.rules.loading._shared import facts_of, is_one_of_several, trains, uses
from hflint.semantics.objects import Import, LibraryCall, ModelLoad, PipelineLoad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts

_SEVEN_BILLION = 6_700_000_000  # what is called 7B has 6.7 billion parameters or more
_PLACES = ("device_map", "device", "device_mesh", "tp_plan", "tp_size", "distributed_config", "model_kwargs")
_MOVES = ("to", "cuda", "cpu", "xpu", "npu", "mps", "ipu", "accelerate.prepare")
# What puts models somewhere without touching them here, starts a process for each GPU, or means the CPU.
_ELSEWHERE = re.compile(
    r"\b(?:set_default_device|set_default_tensor_type|deepspeed|LOCAL_RANK|torchrun|torch\.distributed|init_process_group|fairscale|"
    r"colossalai|lightning|ray|openvino|ipex|intel_extension_for_pytorch|set_num_threads)\b"
)
_REASON = (
    "it needs accelerate installed, spreads the model over all GPUs, and puts what does not fit on the CPU or the disk"
)


@rule("HF202", "missing-device-map", Severity.WARNING)
def check(load: ModelLoad | PipelineLoad, context: Context) -> Iterator[Finding]:
    """A load that leaves a large model where it is made, and calls that run it there."""
    facts = facts_of(load, context)
    if facts is None or (facts.parameters or 0) < _SEVEN_BILLION:
        return
    if _may_be_placed(load, context) or is_one_of_several(load, context) or trains(load, context):
        return
    if isinstance(load, PipelineLoad):
        yield from _pipeline(load, facts, context)
        return
    runs = uses(load, context)
    if runs and all(_stays(run, context) for run in runs):
        note = (runs[0].span, "runs it there")
        yield _finding(load, f"`{facts.id}` ({facts.size}) stays on the CPU: nothing gives it a device", note, context)


def _pipeline(load: PipelineLoad, facts: ModelFacts, context: Context) -> Iterator[Finding]:
    """A pipeline that is given a model's id."""
    allowed = context.releases(load.where)
    before = allowed.narrowed("<4.47") if allowed is not None else None
    if before is not None:
        since = "" if before is allowed else "; from 4.47 on a pipeline takes the first GPU"
        message = f"{before} keeps `{facts.id}` ({facts.size}) on the CPU: the pipeline is given no device{since}"
        yield _finding(load, message, None, context)


def _finding(load: ModelLoad | PipelineLoad, message: str, note: tuple[Span, str] | None, context: Context) -> Finding:
    edits = context.program.rewriter.set_argument(load, "device_map", '"auto"')
    return context.finding(
        load.span,
        message,
        label="no `device_map`",
        related=[note] if note else [],
        fix=Fix('add `device_map="auto"`', edits, Safety.UNSAFE, _REASON) if edits else None,
        no_fix="" if edits else "the call cannot be changed without guessing",
    )


def _may_be_placed(load: ModelLoad | PipelineLoad, context: Context) -> bool:
    """Whether something in the program puts it on a device, or may."""
    placed = load.open or any(load.given(name) and load.argument(name).constant is not None for name in _PLACES)
    moved = any(change.name.removeprefix("model.") in _MOVES for change in load.changes if change.kind == "call")
    around = load.where.inside("torch.device", "accelerate.init_empty_weights")
    return placed or moved or load.escaped or around or _has_launcher(context)


def _has_launcher(context: Context) -> bool:
    accelerated = any(
        one.name.partition(".")[0] == "accelerate" if isinstance(one, Import) else one.library == "accelerate"
        for one in context.program.objects
        if isinstance(one, Import | LibraryCall)
    )
    return accelerated or _ELSEWHERE.search(context.program.source.text) is not None


def _stays(run: LibraryCall, context: Context) -> bool:
    """Whether the model is where it was before; a pipeline moves what it is given, to the first GPU from 4.47 on."""
    if not isinstance(run, PipelineLoad):
        return True
    allowed = context.releases(run.where)
    return run.lacks("device", "device_map") and allowed is not None and allowed.all("<4.47")
