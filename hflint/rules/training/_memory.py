"""What a model that a program loads takes at least, where it is put, and what training adds.

Every figure is a lower bound: what is not certain to be there is left out, and where the sizes are not certain there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.facts import estimate
from hflint.facts.repository import MAIN
from hflint.semantics.objects import (
    Import,
    LibraryCall,
    ModelLoad,
    Move,
    PipelineLoad,
    QuantizationConfig,
    Trainer,
    TrainingArguments,
    dtype_name,
    quantization_of,
)
from hflint.semantics.trained import trained_model, trains
from hflint.semantics.values import ABSENT, MISSING, Symbol, Table, Value, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.facts.versions import Range
    from hflint.findings import Span
    from hflint.semantics.objects import Change

_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}  # bytes
# What a load may be given without being another model, or somewhere else, than is reckoned with here.
_HARMLESS = frozenset(
    """
    attn_implementation cache_dir device device_map dtype force_download id2label label2id load_in_4bit load_in_8bit local_files_only
    low_cpu_mem_usage num_labels pretrained_model_name_or_path problem_type quantization_config resume_download revision token tokenizer torch_dtype
    trust_remote_code use_auth_token use_cache use_safetensors
    """.split()  # noqa: SIM905 - as a list it is a page of quotes
)
_NOT_FOR_PIPELINES = ("model_kwargs", "config", "quantization_config", "adapter_name", "framework")
# What may be done to a model without making it smaller, or taking it off the GPU; a cast counts with its width.
_HARMLESS_CALLS = frozenset(
    """
    to cuda half float bfloat16 eval train generate forward __call__ gradient_checkpointing_enable gradient_checkpointing_disable
    activation_checkpointing_enable activation_checkpointing_disable enable_input_require_grads print_trainable_parameters
    num_parameters parameters named_parameters state_dict save_pretrained push_to_hub tie_weights get_memory_footprint
    prepare_model_for_kbit_training requires_grad_ zero_grad get_input_embeddings get_output_embeddings resize_token_embeddings
    """.split()  # noqa: SIM905 - as above
)
_CONFIGS = ("config.", "generation_config.", "hf_device_map.")  # on which no weight depends once it is loaded
_FREEZES = re.compile(r"requires_grad|freez", re.IGNORECASE)
_OWN_DEFAULT = "set_default_dtype"  # a call of torch that changes what transformers 4 takes where nothing is said
_OTHER_DEVICES = {"cpu", "mps", "xpu", "npu"}  # what a program takes where there is no GPU of NVIDIA
# What spreads a training over several GPUs, or keeps a part of it elsewhere, without a word in the arguments.
_SPREADS = re.compile(
    r"deepspeed|fsdp|torchrun|torch\.distributed|FullyShardedDataParallel|LOCAL_RANK|WORLD_SIZE|accelerat|DistributedConfig|zero_?[23]|"
    r"megatron|colossalai|fairscale|tensor_parallel|offload|\b(?:ray|lightning|unsloth|xla)\b",
    re.IGNORECASE,
)
_SPREADING = (
    "deepspeed",
    "fsdp",
    "fsdp_config",
    "parallelism_config",
    "use_cpu",
    "no_cuda",
    "accelerator_config",
    "optim_target_modules",
)
_ADAMW = ("adamw_torch", "adamw_torch_fused")  # the first or the second is the default in every release
# Others that step once all gradients are there; how much they keep themselves is left out.
_KEEP_GRADIENTS = (
    "sgd",
    "adafactor",
    "adamw_bnb_8bit",
    "adamw_8bit",
    "paged_adamw_8bit",
    "paged_adamw_32bit",
    "paged_adamw",
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model as a program holds it.

    Attributes:
        facts: of its checkpoint.
        parameters: at least so many.
        width: bytes of a parameter that is not quantized, at least.
        bits: 4 or 8 where bitsandbytes quantizes it, else 0.
        precision: of its weights, for a message: "in float32".
        weights: bytes of all of them, at least.
    """

    facts: ModelFacts
    parameters: int
    width: int
    bits: int
    precision: str
    weights: int


def loaded(load: ModelLoad | PipelineLoad, context: Context) -> Loaded | None:
    """What a load takes; None where its parameters, their dtype or what is done to it are not known."""
    if load.custom_class is not None or load.library != "transformers" or load.open or load.escaped:
        return None
    if not _is_as_stored(load) or not all(map(_is_harmless, load.changes)) or _is_dispatched(load, context):
        return None
    facts = _facts(load, context)
    releases, bits = context.releases(load.where), _bits(load)
    if facts is None or facts.quantized is not None or releases is None or bits is None:
        return None
    parameters, names = _parameters(load, facts), _dtypes(load, facts, releases, context)
    if parameters is None or not names:
        return None
    if bits:
        weights = _quantized(facts, parameters, bits, releases)
        return Loaded(facts, parameters, 2, bits, f"in {bits} bits", weights) if weights else None
    width = min(_WIDTHS[name] for name in names)
    precision = f"in {names[0]}" if len(set(names)) == 1 else f"in {8 * width} bits"
    return Loaded(facts, parameters, width, 0, precision, width * parameters)


def on_gpu(load: ModelLoad | PipelineLoad, context: Context) -> tuple[Span, str] | None:
    """What certainly puts a model on one GPU as a whole: where that stands, and what it does."""
    mapped = load.argument("device_map")
    if mapped is not ABSENT and mapped.constant is not None:
        return (load.argument_span("device_map"), "puts all of it on one GPU") if _is_gpu(mapped) else None
    if isinstance(load, PipelineLoad):
        return _pipeline_on_gpu(load, context)
    moves = [(change, change.value) for change in load.changes if isinstance(change.value, Move)]
    for change, move in moves:
        if change.certain and (move.method == "cuda" or (move.method == "to" and _is_gpu(move.argument("device")))):
            return move.span, "moves it to the GPU"
    if any(move.method == "to" and move.argument("device").some(_is_elsewhere) for _, move in moves):
        return None
    if _bits(load):
        return load.argument_span("quantization_config"), "bitsandbytes puts it on the GPU"
    trainer = next(trainers_of(load, context), None)
    return (trainer.span, "the trainer moves it to the GPU") if trainer else None


def trainers_of(load: ModelLoad | PipelineLoad, context: Context) -> Iterator[Trainer]:
    """The trainers that certainly train a model on GPUs that each hold all of it."""
    if _SPREADS.search(context.program.source.text) or _uses_accelerate(context):
        return
    for trainer in context.program.all(Trainer):
        trained = trained_model(trainer)
        if (
            trained is None
            or trained.load is not load
            or trainer.library not in ("transformers", "trl")
            or trainer.open
        ):
            continue
        args = the(trainer.args, TrainingArguments)
        if trains(trainer) and (args is not None or trainer.lacks("args")) and (args is None or _is_plain(args)):
            yield trainer


def training_bytes(trainer: Trainer, load: ModelLoad | PipelineLoad, model: Loaded) -> tuple[int, int] | None:
    """The gradients and AdamW's states, in bytes at least, where all parameters are certainly trained by it; else None."""
    trained, args = trained_model(trainer), the(trainer.args, TrainingArguments)
    if trained is None or trained.adapted is not False or model.bits or trainer.custom_class is not None:
        return None
    if not trainer.lacks("optimizers", "optimizer_cls_and_kwargs", "peft_config"):
        return None
    if any(_FREEZES.search(change.name) for change in load.changes):
        return None
    optimizer = args.argument("optim") if args is not None else ABSENT
    adamw = optimizer is ABSENT or optimizer.every(lambda one: one.constant in _ADAMW)
    if not adamw and not optimizer.every(lambda one: one.constant in (*_ADAMW, *_KEEP_GRADIENTS)):
        return None
    gradients = model.width * model.parameters  # torch makes gradients and states of the dtype of their parameter
    return gradients, 2 * gradients * adamw


# The model


def _facts(load: ModelLoad | PipelineLoad, context: Context) -> ModelFacts | None:
    """What is known of the very revision that is loaded; another one may be stored in another dtype."""
    model_id = (load.id if isinstance(load, ModelLoad) else load.argument("model")).constant
    given = load.argument("revision")
    revision = None if given is ABSENT or given.constant in (None, MAIN) else given.constant
    if not isinstance(model_id, str) or revision is MISSING:
        return None
    facts = context.models.find(model_id, revision)
    same = facts is not None and (facts.revision == revision or (revision is not None and facts.commit == revision))
    return facts if same else None


def _is_as_stored(load: ModelLoad | PipelineLoad) -> bool:
    """Whether no argument makes it another model than its repository holds."""
    if isinstance(load, PipelineLoad):
        return load.lacks(*_NOT_FOR_PIPELINES) and load.argument("task").constant == "text-generation"
    return load.arguments.keys() <= _HARMLESS and not load.extra


def _is_harmless(change: Change) -> bool:
    if change.name.startswith(_CONFIGS):
        return True
    return "requires_grad" in change.name if change.kind == "set" else change.name in _HARMLESS_CALLS


def _parameters(load: ModelLoad | PipelineLoad, facts: ModelFacts) -> int | None:
    """How many parameters are loaded, at least; None where they were not counted, or another head is asked for."""
    shape, counted = facts.shape, facts.parameters
    if shape is None:
        # Files may hold more than is loaded, and a round number is not exact.
        exact = facts.parameters_from == "catalogue" and (counted or 0) % 1_000_000
        counted = counted if exact else None
    else:
        counted = min(shape.parameters, counted or shape.parameters)
    if counted is None:
        return None
    without = 0  # embeddings that may be missing
    if not isinstance(load, PipelineLoad) and not _keeps_head(load.name, facts.head):
        without += 1
    if load.changed("resize_token_embeddings"):
        without += 2
    return counted if not without else counted - without * shape.embedding if shape else None


def _keeps_head(name: str, head: str | None) -> bool:
    return name.endswith(
        {
            "causal": ("ForCausalLM", "LMHeadModel"),
            "seq2seq": ("ForSeq2SeqLM", "ForConditionalGeneration"),
        }.get(head or "", ())
    )


def _dtypes(load: ModelLoad | PipelineLoad, facts: ModelFacts, releases: Range, context: Context) -> list[str]:
    """The dtypes that its weights may have, one after another or one of several; empty where one is not known."""
    given = load.argument("dtype", "torch_dtype")
    names: list[str | None] = []
    if given is ABSENT or given.constant is None:
        since = "4.53" if isinstance(load, PipelineLoad) else "5"
        names += ["float32"] * releases.any(f"<{since}") + ["auto"] * releases.any(f">={since}")
        if _OWN_DEFAULT in context.program.source.text:
            return []
    else:
        names += [dtype_name(one) for one in given.alternatives]
    for change in load.changes:
        if isinstance(change.value, Move):
            names += _casts(change.value)
    found = [facts.dtype if name == "auto" else name for name in names]
    known = [name for name in found if name in _WIDTHS]
    return [name for name in known if name] if len(known) == len(found) else []


def _casts(move: Move) -> list[str | None]:
    """The dtypes that a move casts to; None for what may be one."""
    if move.method in ("half", "bfloat16", "float"):
        return [{"half": "float16", "float": "float32"}.get(move.method, move.method)]
    given = [one for value in (*move.arguments.values(), *move.extra) for one in value.alternatives]
    places = [one for one in given if isinstance(one.constant, str | int | bool) or one.constant is None]
    return [dtype_name(one) if isinstance(one, Symbol) else None for one in given if one not in places]


def _bits(load: ModelLoad | PipelineLoad) -> int | None:
    """4 or 8 where it is certainly quantized so by bitsandbytes, all on the GPU; 0 where it certainly is not quantized."""
    config = quantization_of(load)
    if config is ABSENT:
        return 0
    if isinstance(config, QuantizationConfig):
        plain = config.name == "BitsAndBytesConfig" and config.lacks("llm_int8_enable_fp32_cpu_offload")
        return config.bits if plain and not config.changes else None
    if config.constant is True:
        return 4 if load.argument("load_in_4bit").constant is True else 8
    return None


def _quantized(facts: ModelFacts, parameters: int, bits: int, releases: Range) -> int | None:
    """Bytes of quantized weights; None where it is not known what bitsandbytes reaches."""
    if facts.shape is None or not facts.shape.linear:
        return None
    whole = estimate.weight_bytes(facts.shape, experts_reached=releases.any("<5"))
    return whole["nf4" if bits == 4 else "int8"] - 2 * (facts.shape.parameters - parameters)


# Its place


def _pipeline_on_gpu(load: PipelineLoad, context: Context) -> tuple[Span, str] | None:
    device, releases = load.argument("device"), context.releases(load.where)
    if device is ABSENT or device.constant is None:
        since = releases is not None and releases.all(">=4.47")
        return (load.span, "a pipeline takes the first GPU") if since else None
    return (load.argument_span("device"), "puts it on the GPU") if _is_gpu(device) else None


def _is_gpu(value: Value) -> bool:
    """Whether it is one GPU, or that where there is one."""
    table = the(value, Table)
    if table is not None:
        return table.complete and list(table.entries) == [""] and _is_gpu(table.entries[""])
    return value.some(_is_cuda) and value.every(lambda one: _is_cuda(one) or one.constant in _OTHER_DEVICES)


def _is_cuda(value: Value) -> bool:
    place = value.constant
    if isinstance(place, bool) or place is MISSING:
        return False
    return (isinstance(place, int) and place >= 0) or (isinstance(place, str) and place.partition(":")[0] == "cuda")


def _is_elsewhere(value: Value) -> bool:
    return not _is_cuda(value) and value.constant is not MISSING


# Its trainer


def _is_dispatched(load: LibraryCall, context: Context) -> bool:
    """Whether accelerate spreads it over devices."""
    return any(call.library == "accelerate" for call in context.program.users_of(load, LibraryCall))


def _uses_accelerate(context: Context) -> bool:
    return any(
        one.name.partition(".")[0] == "accelerate" if isinstance(one, Import) else one.library == "accelerate"
        for one in context.program.objects
        if isinstance(one, Import | LibraryCall)
    )


def _is_plain(args: TrainingArguments) -> bool:
    """Whether nothing in the arguments spreads the training, or keeps it off the GPU."""
    if args.open or args.escaped or args.custom_class is not None or args.changed(*_SPREADING, "optim"):
        return False
    return all(
        args.argument(name) is ABSENT or args.argument(name).constant in (None, False, "") for name in _SPREADING
    )
