"""The objects of a program: what a user of the libraries would name, with their arguments, their links and what is done to them.

Rules are functions over these. An object is the value of the call that made it, so links are plain values: the `model` of a `Trainer` is the
`ModelLoad`, or the `Adapter` around it, or unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint.semantics.base import (
    ANY_CONTEXT,
    AttributeUse,
    Change,
    Guard,
    Import,
    LibraryCall,
    NameUse,
    Object,
    Part,
    TextLiteral,
    Where,
)
from hflint.semantics.values import ABSENT, UNKNOWN, Known, Symbol, Table, Unknown, Value, join, the

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = [
    "ANY_CONTEXT",
    "Adapter",
    "AdapterConfig",
    "AttributeUse",
    "Change",
    "ChatTemplateCall",
    "Collator",
    "ConfigLoad",
    "DatasetLoad",
    "EncoderLoad",
    "ForwardCall",
    "GenerateCall",
    "GenerationSettings",
    "Guard",
    "Import",
    "KbitPreparation",
    "LibraryCall",
    "Load",
    "MethodCall",
    "ModelBuild",
    "ModelLoad",
    "Move",
    "NameUse",
    "Object",
    "Part",
    "PipelineCall",
    "PipelineLoad",
    "ProcessorLoad",
    "QuantizationConfig",
    "Save",
    "TextLiteral",
    "TokenizerCall",
    "TokenizerLoad",
    "Trainer",
    "TrainingArguments",
    "Where",
    "dtype_name",
    "model_loads",
    "quantization_of",
    "spread_table",
    "the_model",
]


class Load(LibraryCall):
    """A `from_pretrained`."""

    __slots__ = ()

    @property
    def id(self) -> Value:
        """The model id or path."""
        return self.argument("pretrained_model_name_or_path")


class ModelLoad(Load):
    """A model, by `from_pretrained`; `name` is the class."""

    __slots__ = ()


class ModelBuild(LibraryCall):
    """A model made from a configuration with random weights: `from_config(config)` or `Model(config)`."""

    __slots__ = ()


class TokenizerLoad(Load):
    """A tokenizer."""

    __slots__ = ()


class ProcessorLoad(Load):
    """A processor, image processor or feature extractor."""

    __slots__ = ()


class ConfigLoad(Load):
    """A model configuration, loaded or made."""

    __slots__ = ()


class GenerationSettings(Load):
    """A `GenerationConfig`."""

    __slots__ = ()


class QuantizationConfig(LibraryCall):
    """A `BitsAndBytesConfig`, `GPTQConfig`, `AwqConfig`, ..."""

    __slots__ = ()

    @property
    def bits(self) -> int | None:
        """4 or 8 where bitsandbytes is certainly told so."""
        if self.argument("load_in_4bit").constant is True:
            return 4
        return 8 if self.argument("load_in_8bit").constant is True else None


class AdapterConfig(LibraryCall):
    """A peft configuration such as `LoraConfig`."""

    __slots__ = ()


class Adapter(LibraryCall):
    """A peft model: `get_peft_model(model, config)` or `PeftModel.from_pretrained(model, id)`."""

    __slots__ = ()

    @property
    def base(self) -> Value:
        """The model that it wraps; absent for `AutoPeftModel...from_pretrained(id)`."""
        return self.argument("model")

    @property
    def config(self) -> Value:
        """The adapter's configuration."""
        return self.argument("peft_config")


class KbitPreparation(LibraryCall):
    """`prepare_model_for_kbit_training(model)`; its value is the model itself."""

    __slots__ = ()

    @property
    def model(self) -> Value:
        """The model prepared."""
        return self.argument("model")


class TrainingArguments(LibraryCall):
    """`TrainingArguments` and the configs derived from it, TRL's among them."""

    __slots__ = ()


class Trainer(LibraryCall):
    """`Trainer` and the classes derived from it, TRL's among them."""

    __slots__ = ()

    @property
    def model(self) -> Value:
        """What it trains; TRL takes an id as well."""
        return self.argument("model")

    @property
    def args(self) -> Value:
        """Its training arguments."""
        return self.argument("args")

    @property
    def tokenizer(self) -> Value:
        """The tokenizer or processor, under either name."""
        return self.argument("processing_class", "tokenizer")


class Collator(LibraryCall):
    """A data collator."""

    __slots__ = ()


class PipelineLoad(LibraryCall):
    """`pipeline(...)`."""

    __slots__ = ()


class EncoderLoad(LibraryCall):
    """A `SentenceTransformer`, `CrossEncoder` or `SparseEncoder` of sentence-transformers: no `from_pretrained`, and other keywords."""

    __slots__ = ()

    @property
    def id(self) -> Value:
        """The model id or path; `CrossEncoder` calls it `model_name` before sentence-transformers 4."""
        return self.argument("model_name_or_path", "model_name")


class DatasetLoad(LibraryCall):
    """`load_dataset(...)`."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class MethodCall(LibraryCall):
    """A method of an object of the program; `callee` is "<kind>.<method>"."""

    receiver: Value = UNKNOWN
    method: str = ""

    @property
    def library(self) -> str:
        """The library of the receiver."""
        owner = the(self.receiver, LibraryCall)
        return owner.library if owner else ""


class TokenizerCall(MethodCall):
    """Text made into ids: `tokenizer(...)`, `.encode`, `.encode_plus`, `.batch_encode_plus`, `.pad`; `method` is "__call__" for the first."""

    __slots__ = ()

    @property
    def tokenizer(self) -> Value:
        """The tokenizer or processor."""
        return self.receiver


class ChatTemplateCall(MethodCall):
    """`tokenizer.apply_chat_template(...)`."""

    __slots__ = ()


class PipelineCall(MethodCall):
    """A pipeline called."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class GenerateCall(MethodCall):
    """`model.generate(...)`; `spread` are the objects given with `**`."""

    spread: list[Value] = field(default_factory=list)

    @property
    def model(self) -> Value:
        """The model that generates."""
        return self.receiver

    @property
    def encodings(self) -> list[TokenizerCall | ChatTemplateCall]:
        """The tokenizer calls whose result, or a part of it, is known to go in; where it is one of several, each of them is one."""
        found: list[TokenizerCall | ChatTemplateCall] = []
        for value in (*self.spread, *self.arguments.values(), *self.extra):
            whole = [one.of if isinstance(one, Part) else one for one in value.alternatives]
            calls = [one for one in whole if isinstance(one, TokenizerCall | ChatTemplateCall)]
            if len(calls) == len(whole):
                found += calls
        return list(dict.fromkeys(found))


class ForwardCall(GenerateCall):
    """`model(...)`."""

    __slots__ = ()


class Move(MethodCall):
    """`.to`, `.cuda`, `.cpu`, `.half`, `.float`, `.bfloat16` on a model or on encoded text."""

    __slots__ = ()


class Save(MethodCall):
    """`.save_pretrained` or `.push_to_hub`."""

    __slots__ = ()


def model_loads(value: Value | None) -> Iterator[ModelLoad | ModelBuild]:
    """The models that a value may be, looked for under adapters."""
    for one in value.alternatives if value is not None else ():
        if isinstance(one, ModelLoad | ModelBuild):
            yield one
        elif isinstance(one, Adapter):
            yield from model_loads(one.base)


def the_model(value: Value | None) -> ModelLoad | None:
    """The one `from_pretrained` that a value certainly comes from, under adapters; None where it is not certain."""
    while isinstance(value, Adapter):
        value = value.base
    return the(value, ModelLoad)


def dtype_name(value: Value) -> str | None:
    """The torch dtype that a value certainly is, as "bfloat16"; "auto" for the checkpoint's own; None where it is not certain."""
    name = value.constant if isinstance(value, Known) else value.name if isinstance(value, Symbol) else None
    if not isinstance(name, str):
        return None
    name = name.removeprefix("torch.")
    return {"half": "float16", "float": "float32"}.get(name, name)


def quantization_of(load: LibraryCall) -> Value:
    """The quantization that a model load asks for: a `QuantizationConfig`, `Known(True)` for the old `load_in_*bit` keywords, else absent.

    Unknown where a splat or an unknown value may hide one.
    """
    config = load.argument("quantization_config")
    if isinstance(config, QuantizationConfig):
        return config
    for name in ("load_in_4bit", "load_in_8bit"):
        flag = load.argument(name)
        if flag.constant is True:
            return flag
        if flag is not ABSENT and flag.constant not in (False, None):
            return Unknown("may be quantized")
    return ABSENT if config.constant is None else config


def spread_table(value: Value) -> dict[str, Value] | None:
    """The keywords that `**value` brings, where it is a dict known whole, or one of several; a key that not all of them have may be absent."""
    tables = [the(one, Table) for one in value.alternatives]
    keywords: dict[str, Value] = {}
    for table in tables:
        if table is None or not table.complete or not all(isinstance(key, str) for key in table.entries):
            return None
        keywords.update(table.entries)
    return (
        {key: join(*(table.get(key) for table in tables if table)) for key in keywords} if len(tables) > 1 else keywords
    )
