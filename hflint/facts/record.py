"""What a model's repository says of it: read from its small files, whoever has them - the local cache or the hub.

The lock stores records; the local cache makes them on the spot. Fields that are None are not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from hflint.facts.histories import first_release
from hflint.facts.models import ModelFacts
from hflint.facts.repository import CONFIG, GENERATION_CONFIG, TOKENIZER_CONFIG, first_int, first_text, read_json
from hflint.facts.shape import Shape, shape_of
from hflint.facts.tokenizer import tokenizer_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.facts.models import Origin
    from hflint.facts.repository import Files

_FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_DTYPES = {"float32", "float16", "bfloat16"}
_CONTEXT = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "max_seq_length", "n_ctx")
# Positions of these are relative to each other, or offset: the number in their config is no limit on the length.
_NO_CONTEXT = {"t5", "mt5", "umt5", "longt5", "switch_transformers", "bloom", "roberta", "xlm-roberta", "camembert"}
_NO_CONTEXT |= {"xlm-roberta-xl", "roberta-prelayernorm", "longformer", "xlnet", "mpnet", "esm", "data2vec-text"}
_MOSTLY = 0.9  # the share of numbers that must have a dtype for it to be the checkpoint's


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One model as its repository describes it; fields that `ModelFacts` has, too, mean the same.

    Attributes:
        commit: hash of the commit that was read.
        architectures: class names as config.json lists them.
        tensors: stored numbers by dtype as safetensors spells it; packed ones where the checkpoint is quantized.
        tokenizer_class: as tokenizer_config.json names it.
        tokenizer_length: tokens, added ones included; `vocab_size` is the rows of the embedding.
        template_writes_bos: whether the chat template puts the BOS token into the text by itself.
        custom_code: whether the repository brings code (`auto_map`); transformers may have its own for the type.
        tokenizer_code: whether the tokenizer's files name code of the repository.
        code_repository: the other repository in which that code stands.
        quantization_bits: of the stored weights.
        weights: bytes of weight files by format, "safetensors" or "pickle" (pytorch_model.bin), "gguf", ...
        shape: sizes of its layers, where the architecture is known.
        generation_pad_id: the pad token's id in generation_config.json.
        generation_eos_ids: ids that end a generated text, by the same file.
        generation_max_length: tokens that `generate` makes at most by the same file, the prompt included.
    """

    commit: str | None = None
    architectures: tuple[str, ...] = ()
    model_type: str | None = None
    head: str | None = None
    tensors: Mapping[str, int] = field(default_factory=dict)
    parameters: int | None = None
    dtype: str | None = None
    context_length: int | None = None
    vocab_size: int | None = None
    tokenizer_class: str | None = None
    tokenizer_length: int | None = None
    has_pad_token: bool | None = None
    pad_token: str | None = None
    eos_token: str | None = None
    bos_token: str | None = None
    adds_bos: bool | None = None
    padding_side: str | None = None
    model_max_length: int | None = None
    chat_template: bool | None = None
    template_writes_bos: bool | None = None
    custom_code: bool | None = None
    tokenizer_code: bool | None = None
    code_repository: str | None = None
    gated: bool | None = None
    license: str | None = None
    quantized: str | None = None
    quantization_bits: int | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    shape: Shape | None = None
    generation_pad_id: int | None = None
    generation_eos_ids: tuple[int, ...] = ()
    generation_max_length: int | None = None

    @property
    def remote_code(self) -> bool | None:
        """Whether both its model and its tokenizer need trust_remote_code; unknown where only one does, or that depends on the release."""
        if self.custom_code is not True:
            return self.custom_code
        known = self.model_type is None or first_release(self.model_type) is not None
        return True if self.tokenizer_code and not known else None

    def facts(self, model_id: str, origin: Origin, source: str, revision: str | None = None) -> ModelFacts:
        """The record as rules see it."""
        told = {name: getattr(self, name) for name in _SHARED}
        shared: dict[str, Any] = {name: value for name, value in told.items() if value not in ((), {})}
        counted = origin if self.parameters is not None else None
        return ModelFacts(model_id, origin, source, parameters_from=counted, revision=revision, **shared)


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One dataset as its repository describes it."""

    commit: str | None = None
    gated: bool | None = None
    license: str | None = None


_SHARED = {one.name for one in fields(ModelFacts)} & ({one.name for one in fields(ModelRecord)} | {"remote_code"})


def read_record(
    files: Files, *, tensors: Mapping[str, int] | None = None, count_tokens: bool = False, **known: Any
) -> ModelRecord:
    """The record of a repository.

    Args:
        files: its small files.
        tensors: numbers that its safetensors files store, by dtype.
        count_tokens: also read the whole tokenizer.json, which may be 20 MB, for the number of tokens.
        known: further fields of the record, from elsewhere.
    """
    config = read_json(files, CONFIG) or {}
    quantized, bits = _quantization(config)
    shape = shape_of(config) if quantized is None else None
    tokenizer = tokenizer_facts(files, _model_type(config), count_tokens=count_tokens)
    text, generation = _text_config(config), read_json(files, GENERATION_CONFIG) or {}
    limits = () if _model_type(config) in _NO_CONTEXT else _CONTEXT
    return ModelRecord(
        architectures=_architectures(config),
        model_type=_model_type(config),
        head=_head(config),
        tensors=dict(sorted((tensors or {}).items())),
        parameters=_parameters(tensors or {}, shape, quantized),
        dtype=_dtype(config, tensors or {}, quantized),
        context_length=first_int(text, *limits) or first_int(config, *limits),
        vocab_size=first_int(text, "vocab_size") or first_int(config, "vocab_size"),
        custom_code=_custom_code(files, config),
        tokenizer_code=_tokenizer_code(files),
        code_repository=_code_repository(config),
        quantized=quantized,
        quantization_bits=bits,
        shape=shape,
        generation_pad_id=next(iter(_ids(generation.get("pad_token_id"))), None),
        generation_eos_ids=_ids(generation.get("eos_token_id")),
        generation_max_length=first_int(generation, "max_length"),
        **{**tokenizer, **known},
    )


def _model_type(config: Mapping[str, Any]) -> str | None:
    return first_text(config, "model_type") or None


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config that describes the language model of one that sees or hears."""
    for name in ("text_config", "llm_config", "language_config"):
        if isinstance(config.get(name), dict):
            return config[name]  # type: ignore[no-any-return] # just checked
    return config


def _architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("architectures")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _head(config: Mapping[str, Any]) -> str | None:
    """Causal where the one architecture says so and nothing but text goes in."""
    names = _architectures(config)
    plain = _text_config(config) is config and not {"vision_config", "audio_config"} & config.keys()
    plain = plain and not config.get("is_encoder_decoder")
    return "causal" if plain and len(names) == 1 and names[0].endswith(("ForCausalLM", "LMHeadModel")) else None


def _quantization(config: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """How the checkpoint is quantized, by the names of the catalogue, and to how many bits."""
    table = config.get("quantization_config")
    if not isinstance(table, dict):
        table = _text_config(config).get("quantization_config")
    if not isinstance(table, dict):
        return None, None
    four, eight = table.get("load_in_4bit") is True, table.get("load_in_8bit") is True
    method = first_text(table, "quant_method") or ("bitsandbytes" if four or eight else "unknown")
    bits = 4 if four else 8 if eight else first_int(table, "bits", "w_bit", "num_bits")
    return ("bitsandbytes" if method.startswith("bitsandbytes") else method.lower()), bits


def _parameters(tensors: Mapping[str, int], shape: Shape | None, quantized: str | None) -> int | None:
    """Counted from the weights, else worked out from the config; unknown for packed weights."""
    if quantized is not None:
        return None
    if tensors and tensors.keys() <= _FLOATS.keys():
        # A checkpoint may hold a tied head a second time, which is no parameter more.
        stored = sum(tensors.values())
        return shape.parameters if shape and stored - shape.parameters == shape.embedding else stored
    return shape.parameters if shape else None


def _dtype(config: Mapping[str, Any], tensors: Mapping[str, int], quantized: str | None) -> str | None:
    if quantized is not None:
        return None
    total = sum(tensors.values())
    for stored, name in _FLOATS.items():
        if total and tensors.get(stored, 0) >= _MOSTLY * total:
            return name
    if total:
        return None
    told = first_text(config, "dtype", "torch_dtype") or first_text(_text_config(config), "dtype", "torch_dtype")
    told = (told or "").removeprefix("torch.")
    return told if told in _DTYPES else None


def _custom_code(files: Files, config: Mapping[str, Any]) -> bool | None:
    if not config:
        return None
    return True if config.get("auto_map") else _tokenizer_code(files)


def _tokenizer_code(files: Files) -> bool | None:
    tokenizer = read_json(files, TOKENIZER_CONFIG)
    if tokenizer is not None:
        return bool(tokenizer.get("auto_map"))
    return False if files.lacks(TOKENIZER_CONFIG) else None


def _code_repository(config: Mapping[str, Any]) -> str | None:
    """Where the code stands, if that is another repository: then each entry of `auto_map` begins with its id and "--"."""
    entries = config.get("auto_map")
    named = [one for one in entries.values() if isinstance(one, str)] if isinstance(entries, dict) else []
    others = {one.partition("--")[0] for one in named if "--" in one}
    return others.pop() if len(others) == 1 else None


def _ids(value: object) -> tuple[int, ...]:
    """Token ids, of which there may be one or a list."""
    every = value if isinstance(value, list) else [value]
    return tuple(one for one in every if type(one) is int and one >= 0)
