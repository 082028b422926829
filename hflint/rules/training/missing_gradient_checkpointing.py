"""HF301: training a large model that keeps the activations of every layer until the backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import KbitPreparation, Trainer, TrainingArguments
from hflint.semantics.trained import Trained, trained_model, trainers_with
from hflint.semantics.values import the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.findings import Edit
    from hflint.semantics.objects import Change

LARGE = 1_000_000_000  # parameters

_ON = ("gradient_checkpointing", "activation_checkpointing")
_ENABLING = (*_ON, *(f"{name}_enable" for name in _ON))  # attributes and methods of a model or its configuration
_ELSEWHERE = ("deepspeed", "fsdp", "fsdp_config")  # their own settings may checkpoint


@rule("HF301", "missing-gradient-checkpointing", Severity.NOTE)
def check(args: TrainingArguments, context: Context) -> Iterator[Finding]:
    """Training arguments that say nothing of it, where a trainer takes them for a large model."""
    if not args.lacks(*_ON, *_ELSEWHERE) or args.changed(*_ON) or args.escaped or _on_by_default(args, context):
        return
    if context.releases(args.where) is None:
        return
    for trainer in trainers_with(args, context.program):
        model = trained_model(trainer)
        model_id = (model.load.id if model else trainer.model).constant
        facts = context.model(model_id, model.load.argument("revision").constant if model else None)
        if facts is None or (facts.parameters or 0) < LARGE or _may_be_on(trainer, model):
            continue
        yield _finding(args, trainer, model, facts, context)
        return


def _on_by_default(args: TrainingArguments, context: Context) -> bool:
    """TRL's configurations turn it on since 0.22."""
    trl = context.versions.installable.get("trl")
    return args.library != "transformers" and (trl is None or trl.any(">=0.22"))


def _may_be_on(trainer: Trainer, model: Trained | None) -> bool:
    if trainer.custom_class is not None and trainer.open:
        return True
    if model is None:
        return False
    load = model.load
    given = not load.lacks(*_ON) or load.custom_class is not None
    return given or model.escaped(trainer) or any(map(_turns_on, model.changes()))


def _turns_on(change: Change) -> bool:
    preparation = the(change.value, KbitPreparation)
    if preparation is not None:
        return preparation.argument("use_gradient_checkpointing").constant is not False
    return change.name.rpartition(".")[2] in _ENABLING


def _finding(
    args: TrainingArguments, trainer: Trainer, model: Trained | None, facts: ModelFacts, context: Context
) -> Finding:
    edits = _edits(args, model, context)
    return context.finding(
        args.span,
        f"training `{facts.id}` ({facts.size}) without gradient checkpointing keeps the activations of every layer "
        "until the backward pass",
        label="does not turn it on",
        related=[(model.load.span if model else trainer.argument_span("model"), "the model that is trained")],
        fix=Fix("turn on gradient checkpointing", edits, Safety.UNSAFE, "each step takes about a fifth longer")
        if edits
        else None,
        no_fix="" if edits else "the arguments are not written as a call",
    )


def _edits(args: TrainingArguments, model: Trained | None, context: Context) -> tuple[Edit, ...] | None:
    transformers, rewriter = context.releases(args.where), context.program.rewriter
    if transformers is None:
        return None
    renamed = args.library == "transformers" and transformers.all(">=5.23")
    edits = rewriter.set_argument(args, "activation_checkpointing" if renamed else "gradient_checkpointing", "True")
    # Before 5.0 the default, reentrant checkpointing cuts the gradients of adapters off from the frozen embeddings.
    if edits and model and model.adapters and transformers.any("<5") and args.lacks("gradient_checkpointing_kwargs"):
        more = rewriter.set_argument(args, "gradient_checkpointing_kwargs", '{"use_reentrant": False}')
        return (*edits, *more) if more else None
    return edits
