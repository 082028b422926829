"""HF302: a 16-bit mode of the trainer that does not fit the weights, the 4-bit layers, or the other flag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import (
    ConfigLoad,
    Move,
    QuantizationConfig,
    TrainingArguments,
    dtype_name,
    quantization_of,
)
from hflint.semantics.trained import Trained, trained_model, trainers_with
from hflint.semantics.values import ABSENT, the

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hflint.context import Context
    from hflint.findings import Edit, Span
    from hflint.semantics.objects import Change, LibraryCall, ModelLoad, Trainer
    from hflint.semantics.values import Value

_LITERAL = re.compile(r"(?:b?float\d+|half|float)|[\"'][\w.]+[\"']|None")
_BOTH = "`ValueError: At most one of fp16 and bf16 can be True, but not both`"
_FP16_GRADIENTS = "`ValueError: Attempting to unscale FP16 gradients`"
_BF16_GRADIENTS = (
    "`NotImplementedError: \"_amp_foreach_non_finite_check_and_unscale_cuda\" not implemented for 'BFloat16'`"
)
_CASTS = {"half": "float16", "bfloat16": "bfloat16", "float": "float32", "double": "float64"}
_AMPERE = "bfloat16 needs an Ampere GPU or newer"
_TWICE = "the weights take twice the memory"

_OTHER_ADAPTERS = ("load_adapter", "set_adapter", "add_adapter")

# With any of these it is not torch's gradient scaler on a GPU that decides.
_OTHER_ROADS = (
    "deepspeed",
    "fsdp",
    "fsdp_config",
    "use_cpu",
    "no_cuda",
    "use_mps_device",
    "half_precision_backend",
    "fp16_backend",
)
# TRL's trainers that cast the adapters of a quantized model to bfloat16, and since when (read from its wheels).
_CASTING = {
    "SFTTrainer": ">=0.26",
    "GRPOTrainer": ">=0.26",
    "RewardTrainer": ">=0.26",
    "RLOOTrainer": ">=0.26",
    "DPOTrainer": ">=0.29",
}


@rule("HF302", "mixed-precision-mismatch", Severity.ERROR)
def check(args: TrainingArguments, context: Context) -> Iterator[Finding]:
    """Training arguments with `fp16=True` or `bf16=True`, and what their trainer trains."""
    if args.changed("fp16", "bf16") or args.escaped:
        return
    fp16, bf16 = args.argument("fp16"), args.argument("bf16")
    if fp16.constant is True and bf16.constant is True:
        yield _both(args, context)
        return
    if not all(_is_off(args.argument(name)) for name in _OTHER_ROADS):
        return
    for trainer in trainers_with(args, context.program):
        found = None
        if _is_expected_to_fail(trainer, context):
            continue
        if fp16.constant is True and _is_off(bf16):
            found = _clash_of_fp16(args, trainer, context)
        elif bf16.constant is True and _is_off(fp16):
            found = _clash_of_bf16(args, trainer, context)
        if found:
            yield found
            return


def _is_off(value: Value) -> bool:
    return value is ABSENT or value.constant in (None, False, "", "auto")


def _is_expected_to_fail(trainer: Trainer, context: Context) -> bool:
    """Whether the program expects an error of its training, as a test does."""
    runs = (change for change in trainer.changes if change.kind == "call" and change.name == "train")
    return any(context.expects_error(run.place.span, run.where) for run in runs)


def _both(args: TrainingArguments, context: Context) -> Finding:
    edits = context.program.rewriter.remove_argument(args, "fp16")
    return context.finding(
        args.argument_span("fp16"),
        f"`fp16=True` and `bf16=True` together: `{args.name}` raises {_BOTH}",
        related=[(args.argument_span("bf16"), "and this one")],
        fix=Fix("train in bfloat16", edits, Safety.UNSAFE, _AMPERE) if edits else None,
        no_fix="" if edits else "`fp16` is not written in the call",
    )


def _clash_of_fp16(args: TrainingArguments, trainer: Trainer, context: Context) -> Finding | None:
    model = trained_model(trainer)
    if model is None:
        return None
    quantization = quantization_of(model.load)
    if quantization is ABSENT:
        return _clash_with_weights(args, trainer, model, context)
    if _casts_to_bfloat16(trainer, model, quantization, context):
        since = _CASTING[trainer.name].removeprefix(">=")
        return _train_in_bfloat16(
            args,
            f"TRL casts the adapters of a quantized model to bfloat16 since {since}, and `fp16=True` cannot unscale "
            f"their gradients: the first step raises {_BF16_GRADIENTS}",
            (trainer.span, "casts the adapters"),
            context,
        )
    config = _config_computing_in(quantization, "bfloat16")
    if config is None:
        return None
    return _train_in_bfloat16(
        args,
        "`fp16=True` beside a bfloat16 compute dtype: the 4-bit layers round to bfloat16's 8 bits, and all the rest "
        "is limited to float16's range",
        (config.argument_span("bnb_4bit_compute_dtype"), "the 4-bit layers compute in bfloat16"),
        context,
        Severity.WARNING,
    )


def _clash_of_bf16(args: TrainingArguments, trainer: Trainer, context: Context) -> Finding | None:
    model = trained_model(trainer)
    config = _config_computing_in(quantization_of(model.load), "float16") if model else None
    if config is None:
        return None
    edits = _set_dtype(config, "bnb_4bit_compute_dtype", "bfloat16", context)
    return context.finding(
        args.argument_span("bf16"),
        "`bf16=True` beside a float16 compute dtype: activations beyond 65504 overflow to infinity in the 4-bit layers",
        related=[(config.argument_span("bnb_4bit_compute_dtype"), "the 4-bit layers compute in float16")],
        fix=Fix("compute in bfloat16", edits, Safety.UNSAFE, "other rounding, so other results") if edits else None,
        no_fix="" if edits else "the compute dtype is not written in this call: set it where it comes from",
        severity=Severity.WARNING,
    )


def _config_computing_in(quantization: Value, dtype: str) -> QuantizationConfig | None:
    if not isinstance(quantization, QuantizationConfig) or quantization.bits != 4 or quantization.changes:
        return None  # one of a configuration and None does not count
    return quantization if dtype_name(quantization.argument("bnb_4bit_compute_dtype")) == dtype else None


def _casts_to_bfloat16(trainer: Trainer, model: Trained, quantization: Value, context: Context) -> bool:
    """Whether it is a trainer of TRL that casts the adapters around bitsandbytes layers."""
    bits = quantization.bits if isinstance(quantization, QuantizationConfig) else quantization.constant is True
    since = _CASTING.get(trainer.name) if trainer.library == "trl" else None
    trl = context.versions.installable.get("trl")
    return bool(since and bits and model.adapted and not model.inside and trl and trl.any(since))


# Weights that are not quantized


@dataclass(frozen=True, slots=True)
class _Weights:
    """In which dtype weights are, and what put them there; `cast` and `implicit` exclude each other."""

    dtype: str
    span: Span
    label: str
    implicit: bool = False  # the load names no dtype: since transformers 5.0 the checkpoint decides
    cast: Move | None = None


def _clash_with_weights(args: TrainingArguments, trainer: Trainer, model: Trained, context: Context) -> Finding | None:
    if model.adapted is None or model.escaped(trainer) or _quantized_checkpoint(model.load, context):
        return None
    before = [c for c in model.changes(trainer) if not (model.inside and c.name == "add_adapter")]
    base = _after(_as_loaded(model.load, context), [c for c in before if c in model.load.changes])
    if not model.adapted:
        return _crash(args, model.load, base, context) if base else None
    adapters = _after(_fresh_adapters(model, base), [c for c in before if c not in model.load.changes])
    if adapters is None or adapters.dtype != "float32":
        return _crash(args, model.load, adapters, context) if adapters else None
    if base is None or base.implicit or base.dtype != "bfloat16":
        return None
    return _train_in_bfloat16(
        args,
        "`fp16=True` over a base model in bfloat16: its weights are cast to float16 at every step, whose range ends at "
        "65504",
        (base.span, base.label),
        context,
        Severity.WARNING,
    )


def _fresh_adapters(model: Trained, base: _Weights | None) -> _Weights | None:
    """The weights of adapters as peft makes them: in float32 over 16-bit weights, unless it is told not to, or is not the one to put them there."""
    if model.inside:
        return base
    flags = [adapter.argument("autocast_adapter_dtype") for adapter in model.adapters]
    if all(flag is ABSENT or flag.constant is True for flag in flags):
        return _Weights("float32", model.load.span, "")
    return base if any(flag.constant is False for flag in flags) else None


def _quantized_checkpoint(load: ModelLoad, context: Context) -> bool:
    facts = context.model(load.id.constant, load.argument("revision").constant)
    return facts is not None and facts.quantized is not None


def _as_loaded(load: ModelLoad, context: Context) -> _Weights | None:
    """The dtype in which the load leaves the weights, where that is certain."""
    given = load.argument("dtype", "torch_dtype")
    name = "dtype" if "dtype" in load.arguments else "torch_dtype"
    if given is not ABSENT and given.constant is not None:
        dtype = dtype_name(given)
        if dtype == "auto":
            dtype = _stored_dtype(load, context)
        return _Weights(dtype, load.argument_span(name), f"loads {dtype} weights") if dtype else None
    if load.library != "transformers" or any(guard.kind == "version" for guard in load.where.guards):
        return None
    transformers = context.versions.installable.get("transformers")
    if transformers is None:
        return None
    if not transformers.any(">=5"):
        return _Weights("float32", load.span, "loads float32 weights")
    stored = _stored_dtype(load, context)
    return _Weights(stored, load.span, f"loads the {stored} of the checkpoint", implicit=True) if stored else None


def _stored_dtype(load: ModelLoad, context: Context) -> str | None:
    config = load.argument("config")
    own = the(config, ConfigLoad)
    if config is not ABSENT and (own is None or own.id != load.id or own.changed("dtype", "torch_dtype")):
        return None
    facts = context.model(load.id.constant, load.argument("revision").constant)
    return facts.dtype if facts else None


def _after(weights: _Weights | None, changes: Sequence[Change]) -> _Weights | None:
    """The weights after what is done to them; None where that is not certain."""
    for change in changes:
        whole, _, name = change.name.rpartition(".")
        if name in _OTHER_ADAPTERS or name == "data" or (whole and name in (*_CASTS, "to")):
            return None  # a part of the model, or other adapters than those known
        if name == "prepare_model_for_kbit_training":
            weights = _Weights("float32", change.place.span, "casts everything to float32")
        move = the(change.value, Move)
        dtype = _cast_to(move) if move else None
        if move is None or dtype is None:
            continue
        if not dtype or change.where.conditional:
            return None
        weights = _Weights(dtype, move.span, f"casts them to {dtype}", cast=move)
    return weights


def _cast_to(move: Move) -> str | None:
    """The dtype that a move casts to; None where it casts to none, "" where it may cast to any."""
    if move.method in _CASTS:
        return _CASTS[move.method]
    for value in (move.argument("dtype"), move.argument("device"), *move.extra):
        name = dtype_name(value) or ""
        if name in _CASTS.values():
            return name
    return None if move.lacks("dtype") else ""


def _crash(args: TrainingArguments, load: ModelLoad, weights: _Weights, context: Context) -> Finding | None:
    if weights.dtype == "bfloat16":
        what = f"`fp16=True` cannot unscale the gradients of bfloat16 weights: the first step raises {_BF16_GRADIENTS}"
    elif weights.dtype == "float16":
        what = f"`fp16=True` needs float32 weights, these are float16: the first step raises {_FP16_GRADIENTS}"
    else:
        return None
    if weights.implicit:
        what = f"since transformers 5.0 `from_pretrained` keeps the checkpoint's {weights.dtype}, and {what}"
    if weights.dtype == "bfloat16" and not weights.implicit:
        return _train_in_bfloat16(args, what, (weights.span, weights.label), context)
    fix = _remove_cast(weights.cast, load, context) if weights.cast else _load_in_float32(load, context)
    return context.finding(
        args.argument_span("fp16"),
        what,
        related=[(weights.span, weights.label)],
        fix=fix,
        no_fix="" if fix else "the dtype is not decided in one call of this file",
    )


# Fixes


def _train_in_bfloat16(
    args: TrainingArguments,
    message: str,
    related: tuple[Span, str],
    context: Context,
    severity: Severity = Severity.ERROR,
) -> Finding:
    """A finding about `fp16=True` that `bf16=True` mends."""
    rewriter = context.program.rewriter
    edits = None
    if rewriter.argument_code(args, "fp16") == "True":
        if rewriter.argument_code(args, "bf16") == "False":
            off, on = rewriter.set_argument(args, "fp16", "False"), rewriter.set_argument(args, "bf16", "True")
            edits = (*off, *on) if off and on else None
        elif args.lacks("bf16"):
            edits = rewriter.replace_argument(args, "fp16", "bf16=True")
    return context.finding(
        args.argument_span("fp16"),
        message,
        related=[related],
        fix=Fix("train in bfloat16", edits, Safety.UNSAFE, _AMPERE) if edits else None,
        no_fix="" if edits else "`True` is not written in this call: set `bf16` where it comes from",
        severity=severity,
    )


def _load_in_float32(load: ModelLoad, context: Context) -> Fix | None:
    transformers = context.versions.installable.get("transformers")
    name = "dtype" if transformers and transformers.all(">=4.56") else "torch_dtype"
    name = next((written for written in ("dtype", "torch_dtype") if load.given(written)), name)
    edits = _set_dtype(load, name, "float32", context)
    return Fix("load the weights in float32", edits, Safety.UNSAFE, _TWICE) if edits else None


def _set_dtype(call: LibraryCall, name: str, dtype: str, context: Context) -> tuple[Edit, ...] | None:
    """Give an argument a dtype, where none or a literal one stands in the call; a name may be used elsewhere too."""
    rewriter = context.program.rewriter
    written = rewriter.argument_code(call, name)
    torch, imports = rewriter.module_alias("torch")
    if written is not None and not _LITERAL.fullmatch(written.removeprefix(f"{torch}.")):
        return None
    edits = rewriter.set_argument(call, name, f"{torch}.{dtype}")
    return (*imports, *edits) if edits else None


def _remove_cast(cast: Move, load: ModelLoad, context: Context) -> Fix | None:
    """Remove `model.half()` where it is a statement of its own and the load names no 16-bit dtype as well."""
    rewriter = context.program.rewriter
    loaded = _as_loaded(load, context)
    source, code = context.program.source, rewriter.code(cast)
    line = source.line(source.locate(cast.span.start).line).strip()
    if line not in (code, f"{rewriter.receiver_code(cast)} = {code}") or (loaded and loaded.dtype != "float32"):
        return None
    edits = rewriter.remove_statement(cast)
    return Fix("keep the weights in float32", edits, Safety.UNSAFE, _TWICE) if edits else None
