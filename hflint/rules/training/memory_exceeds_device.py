"""HF303: weights, or weights with their gradients and optimizer, that take more memory than the target GPU has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts import estimate
from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.loading._shared import is_one_of_several
from hflint.rules.training._memory import Loaded, loaded, on_gpu, trainers_of, training_bytes
from hflint.semantics.objects import ModelLoad, PipelineLoad, Trainer
from hflint.semantics.trained import trained_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.findings import Span

_GIB = 1 << 30
_ROOM = 0.9  # the share of a GPU that a plan may take: the rest is the driver's, the CUDA context's and the cache's
_TOKENS = "1 x 2048 tokens, checkpointed"
_NAMES = {"full": "training all of it in 16 bits", "lora": "LoRA on 16 bits", "qlora": "QLoRA"}
_REASON = "the outputs change in their last digits"
_CHOICE = "whether to give up precision, speed or the single GPU is yours to choose"


@rule("HF303", "memory-exceeds-device", Severity.ERROR)
def check(load: ModelLoad | PipelineLoad, context: Context) -> Iterator[Finding]:
    """A load that is put on the GPU, or trained there."""
    gib = context.settings.target_gpu_gib
    if (
        gib is None
        or is_one_of_several(load, context)
        or load.where.inside("torch.device", "accelerate.init_empty_weights")
    ):
        return
    model = loaded(load, context)
    place = on_gpu(load, context) if model is not None else None
    if model is None or place is None:
        return
    trainers = list(trainers_of(load, context))
    if model.weights > gib * _GIB:
        yield _weights(load, model, place, trainers, context)
        return
    for trainer in trainers:
        added = training_bytes(trainer, load, model)
        if added is not None and model.weights + sum(added) > gib * _GIB:
            yield _training(load, trainer, model, added, context)
            return


def _weights(
    load: ModelLoad | PipelineLoad, model: Loaded, place: tuple[Span, str], trainers: list[Trainer], context: Context
) -> Finding:
    """The weights alone are too much."""
    trained = trained_model(trainers[0]) if trainers else None
    method = "" if not trainers else "lora" if trained and trained.adapted else "full"
    halves = not method and model.width == 4 and model.facts.dtype in ("float16", "bfloat16")
    edits = None
    if halves and _fits(2 * model.parameters, context):
        name = "torch_dtype" if load.given("torch_dtype") or not _renamed(load, context) else "dtype"
        edits = context.program.rewriter.set_argument(load, name, '"auto"')
    return context.finding(
        load.span,
        f"the weights of `{model.facts.id}` take {_gib(model.weights)} {model.precision}, and {_target(context)}: {_advice(model, method, context)}",
        label="more than the GPU has",
        related=[place] if place[0] != load.span else [],
        fix=Fix("load it as it is stored", edits, Safety.UNSAFE, _REASON) if edits else None,
        no_fix="" if edits else _CHOICE,
    )


def _training(
    load: ModelLoad | PipelineLoad, trainer: Trainer, model: Loaded, added: tuple[int, int], context: Context
) -> Finding:
    """The weights fit, but not what training adds to them."""
    gradients, states = added
    parts = f"weights {_gib(model.weights)} {model.precision}, as much for gradients" + (
        f", {_gib(states)} for AdamW" if states else ""
    )
    return context.finding(
        trainer.span,
        f"training all of `{model.facts.id}` takes {_gib(model.weights + gradients + states)} before the first activation "
        f"({parts}), and {_target(context)}: {_advice(model, 'full', context)}",
        label="trains all of it",
        related=[(load.span, "the model")],
        no_fix=_CHOICE,
    )


def _renamed(load: ModelLoad | PipelineLoad, context: Context) -> bool:
    releases = context.releases(load.where)
    return releases is not None and releases.all(">=4.56")


def _target(context: Context) -> str:
    """The GPU and its memory; both are the same where the settings give its memory."""
    name, gib = context.settings.target_gpu, f"{context.settings.target_gpu_gib:g} GiB"
    return f"the target GPU has {gib}" if name[:1].isdigit() else f"the target GPU, {name}, has {gib}"


def _advice(model: Loaded, method: str, context: Context) -> str:
    """The cheapest change with which it fits; the least that it can take where none does."""
    plans = list(_training_plans(model, method) if method else _weight_plans(model))
    for size, text in plans:
        if _fits(size, context):
            return text
    larger = "it needs a larger GPU, or several"
    return f"even {min(plans)[1]}, so {larger}" if plans else larger


def _weight_plans(model: Loaded) -> Iterator[tuple[int, str]]:
    """What else the weights could be held in, the least loss first."""
    shape, sizes = model.facts.shape, dict[str, int]()
    if model.width == 4:
        sizes["16"] = 2 * model.parameters
    if shape is not None and shape.linear:
        reached = estimate.weight_bytes(shape)
        sizes |= {"8": reached["int8"]} if not model.bits else {}
        sizes |= {"4": reached["nf4"]} if model.bits != 4 else {}
    for bits, size in sizes.items():
        yield size, f"in {bits} bits they take {_gib(size)}"


def _training_plans(model: Loaded, method: str) -> Iterator[tuple[int, str]]:
    """How else it could be trained, with AdamW; without activations where those are not known."""
    shape = model.facts.shape
    wider = model.width == 4 and not model.bits
    wanted = (
        ["full"] * (wider and method == "full") + ["lora"] * (wider or method == "full") + ["qlora"] * (not model.bits)
    )
    if shape is None or not shape.linear:
        return
    for name in wanted:
        step = estimate.training(shape, name, checkpointing=True)
        least = step.weights + step.gradients + step.optimizer
        takes = f"about {_gib(step.total)} ({_TOKENS})" if step.total else f"{_gib(least)} and the activations"
        yield step.total or least, f"{_NAMES[name]} takes {takes}"


def _fits(size: int, context: Context) -> bool:
    return size <= _ROOM * (context.settings.target_gpu_gib or 0) * _GIB


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB"
