"""HF401: adapters on a bitsandbytes model that was not prepared for training."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import (
    Adapter,
    AdapterConfig,
    ForwardCall,
    LibraryCall,
    MethodCall,
    ModelLoad,
    Part,
    QuantizationConfig,
    Trainer,
    TrainingArguments,
    dtype_name,
    quantization_of,
)
from hflint.semantics.trained import trains
from hflint.semantics.values import ABSENT, Table, bare, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.findings import Edit
    from hflint.semantics.objects import Change
    from hflint.semantics.values import Value

_PREPARE = "prepare_model_for_kbit_training"
_PREPARE_SINCE = "0.4"  # wheels 0.3.0 and 0.4.0
_BY_HAND = ("enable_input_require_grads", "register_forward_hook")
_NO_GRADIENT = "`RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn`"
_UNSAFE = "norms, embeddings and head go to float32, which takes memory, and gradient checkpointing is turned on"
_PROMPTS = ("Prompt", "Prefix", "MultitaskPrompt", "CPT")  # train a prompt, not adapters
_NAME = re.compile(r"[A-Za-z_][\w.]*")


@rule("HF401", "missing-kbit-preparation", Severity.WARNING)
def check(adapter: Adapter, context: Context) -> Iterator[Finding]:
    """Trainable adapters put on a model that bitsandbytes quantized."""
    load = the(adapter.base, ModelLoad)
    bits = _bits(load) if load else None
    if load is None or bits is None or not _is_trainable(adapter) or _is_prepared(load, adapter):
        return
    trainer = next((t for t in context.program.users_of(adapter, Trainer) if trains(t) and _takes_only_known(t)), None)
    if trainer.library == "trl" if trainer else not _has_own_loop(adapter, context):
        return
    judged = _judge(load, adapter, trainer, context)
    if judged is None:
        return
    severity, consequence = judged
    peft = context.versions["peft"]
    too_old = not peft.all(f">={_PREPARE_SINCE}")
    edits = None if too_old else _edits(adapter, context)
    lacking = f"`{_PREPARE}` is there since peft {_PREPARE_SINCE} only, and this project allows {peft.lowest}"
    yield context.finding(
        adapter.span,
        f"adapters on {'a' if bits == 4 else 'an'} {bits}-bit model without `{_PREPARE}`: {consequence}",
        label="the model goes in unprepared",
        related=[(load.span, f"loaded in {bits} bits")],
        fix=Fix("prepare the model first", edits, Safety.UNSAFE, _UNSAFE) if edits else None,
        no_fix="" if edits else lacking if too_old else "the model has no name here",
        severity=severity,
    )


def _bits(load: ModelLoad) -> int | None:
    """4 or 8 where bitsandbytes certainly quantizes the model."""
    quantization = quantization_of(load)
    if isinstance(quantization, QuantizationConfig):  # one of it and None does not count
        return quantization.bits
    if quantization.constant is not True:
        return None
    return 4 if load.argument("load_in_4bit").constant is True else 8


def _is_trainable(adapter: Adapter) -> bool:
    if adapter.name != "get_peft_model":  # PeftModel.from_pretrained and the like
        return adapter.argument("is_trainable").constant is True
    return bare(adapter.config).every(
        lambda one: (
            isinstance(one, AdapterConfig)
            and not one.name.startswith(_PROMPTS)
            and one.argument("inference_mode").constant is not True
        )
    )


def _takes_only_known(trainer: Trainer) -> bool:
    """Whether all that a trainer may train is known: with or without the adapters, but no model from elsewhere."""
    return bare(trainer.model).every(lambda one: isinstance(one, LibraryCall))


def _is_prepared(load: ModelLoad, adapter: Adapter) -> bool:
    """Whether the library's function, the user's own code or unknown code prepares the model."""
    escaped = any(c.kind == "escape" and c.where.order < adapter.where.order for c in load.changes)
    return escaped or any(map(_prepares, (*load.changes, *adapter.changes)))


def _prepares(change: Change) -> bool:
    casts = change.kind == "set" and change.name.endswith(".data")
    return casts or change.name == _PREPARE or change.name.rpartition(".")[2] in _BY_HAND


def _has_own_loop(adapter: Adapter, context: Context) -> bool:
    """Whether the program calls the model and trains it: `.train()`, or `.backward()` of what comes out."""
    calls = [call for call in context.program.all(ForwardCall) if adapter in call.receiver.alternatives]
    backward = (call for call in context.program.all(MethodCall) if call.method == "backward")
    losses = [value for call in backward for value in (call.receiver, *call.arguments.values(), *call.extra)]
    derived = any(isinstance(loss, Part) and loss.of in calls for loss in losses)
    return derived or bool(calls and adapter.changed("train"))


def _judge(load: ModelLoad, adapter: Adapter, trainer: Trainer | None, context: Context) -> tuple[Severity, str] | None:
    """How bad it is with the versions that the project allows, and why; None where nothing is lost."""
    transformers = context.releases(adapter.where)
    if transformers is None:
        return None
    before = transformers.any("<5")
    if before and _checkpoints(load, adapter, trainer):
        return Severity.ERROR, (
            "before transformers 5.0 gradient checkpointing cuts them off from the loss, and the first step raises "
            f"{_NO_GRADIENT}"
        )
    dtype = dtype_name(load.argument("dtype", "torch_dtype"))
    if load.argument("dtype", "torch_dtype").constant is None or load.lacks("dtype", "torch_dtype"):
        dtype = "float16" if before else "auto"
    if dtype == "auto":
        facts = context.model(load.id.constant, load.argument("revision").constant)
        dtype = facts.dtype if facts else None
    if dtype == "float32":
        return None
    stay = (
        f"norms, embeddings and head stay in {dtype}" if dtype else "norms, embeddings and head stay as they are stored"
    )
    return (Severity.WARNING, stay) if before else (Severity.NOTE, f"gradients flow since transformers 5.0, but {stay}")


def _checkpoints(load: ModelLoad, adapter: Adapter, trainer: Trainer | None) -> bool:
    """Whether gradient checkpointing is certainly on, in the reentrant kind that was the default before 5.0."""
    args = the(trainer.args, TrainingArguments) if trainer else None
    if args is not None and not args.lacks("gradient_checkpointing"):
        settings = args.argument("gradient_checkpointing_kwargs")
        return args.argument("gradient_checkpointing").constant is True and _is_reentrant(settings)
    for change in (*load.changes, *adapter.changes):
        call = the(change.value, MethodCall)
        if call is not None and change.name == "gradient_checkpointing_enable" and not call.extra:
            return _is_reentrant(call.argument("gradient_checkpointing_kwargs"))
    return False


def _is_reentrant(settings: Value) -> bool:
    if settings is ABSENT or settings.constant is None:
        return True
    table = the(settings, Table)
    if table is None:
        return False
    given = table.get("use_reentrant")
    return given is ABSENT or given.constant is True


def _edits(adapter: Adapter, context: Context) -> tuple[Edit, ...] | None:
    """`model = prepare_model_for_kbit_training(model)` before the adapters' statement."""
    rewriter = context.program.rewriter
    name = rewriter.argument_code(adapter, "model")
    if name is None or not _NAME.fullmatch(name):
        return None
    function, imports = rewriter.imported_name("peft", _PREPARE)
    edits = rewriter.add_before(adapter, f"{name} = {function}({name})")
    return (*imports, *edits) if edits else None
