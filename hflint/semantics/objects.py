"""The objects of a program: what a user of the libraries would name, with their arguments, their links and what is done to them.

Rules are functions over these. An object is the value of the call that made it, so links are plain values: the `model` of a `Trainer` is the
`ModelLoad`, or the `Adapter` around it, or unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint.semantics.values import (
    ABSENT,
    UNKNOWN,
    Known,
    OneOf,
    Place,
    Steps,
    Symbol,
    Table,
    Unknown,
    Value,
    join,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import libcst as cst

    from hflint.findings import Span
    from hflint.semantics.scopes import Class


ANY_CONTEXT = "?"  # a decorator or context manager that may do what any other does


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition around a piece of code.

    `kind` is "try" (an import, attribute, type or key error is caught), "version" (where `library` and `specifier` say what holds there,
    if it could be read), "type-checking" or "feature" (hasattr, is_x_available, a signature that is looked at).
    """

    kind: str
    library: str = ""
    specifier: str = ""


@dataclass(frozen=True, slots=True)
class Where:
    """The surroundings of a piece of code."""

    order: int  # of evaluation within the program
    statement: cst.CSTNode | None = None  # the simple statement, or the compound one of whose header it is part
    function: str = ""  # dotted name within the module, "" at module level
    loops: tuple[str, ...] = ()  # "for", "while", "comprehension", outermost first
    contexts: tuple[str, ...] = ()  # full names of the context managers and decorators around, such as "torch.no_grad"
    guards: tuple[Guard, ...] = ()
    conditional: bool = False  # under an if, a loop, a handler or a case
    path: Steps = ()  # the conditions around, each by a number of its own
    activation: int = 0  # the function call that it is part of

    def inside(self, *contexts: str) -> bool:
        """Whether one of these context managers or decorators is around, or one of which nothing is known."""
        return any(name in contexts or name == ANY_CONTEXT for name in self.contexts)


@dataclass(frozen=True, slots=True)
class Change:
    """Something done to an object after it was made.

    `kind` is "set" (`name` is the attribute path, such as "config.use_cache"), "call" (`name` is the method), or "escape" (it was handed to
    code that hflint does not know, `name`, which may do anything to it).
    """

    kind: str
    name: str
    value: Value
    place: Place
    where: Where
    certain: bool = True  # it happens to every object that the place of the object makes


@dataclass(eq=False, slots=True)
class Object(Value):
    """Something that a place in the code makes or does."""

    place: Place
    where: Where

    @property
    def span(self) -> Span:
        """The whole expression."""
        return self.place.span

    def describe(self) -> str:
        return type(self).__name__


@dataclass(eq=False, slots=True)
class Import(Object):
    """A name imported from a library: `name` is its full dotted name, `alias` what it is called here."""

    name: str
    alias: str


@dataclass(eq=False, slots=True)
class NameUse(Object):
    """A library's name used through its module, such as `transformers.AdamW`."""

    name: str


@dataclass(eq=False, slots=True)
class TextLiteral(Object):
    """A string literal that has the form of a credential."""

    text: str


@dataclass(eq=False, slots=True)
class LibraryCall(Object):
    """A call of something that a library offers.

    `arguments` are by parameter name where the position tells it, else by keyword; `open` where a `**` or `*` may have brought others.
    """

    callee: str  # full dotted name, "transformers.AutoTokenizer.from_pretrained"; for a method "<kind>.<method>"
    arguments: dict[str, Value] = field(default_factory=dict)
    nodes: dict[str, cst.Arg] = field(default_factory=dict)  # only those written in this call
    extra: list[Value] = field(default_factory=list)  # positional ones beyond the known parameters
    open: bool = False
    custom_class: Class | None = None  # the program's own subclass through which it was made
    is_possible: bool = False  # the call may be of something else instead: no subject of a rule
    changes: list[Change] = field(default_factory=list)

    def argument(self, *names: str) -> Value:
        """The first of these arguments that was given; `Absent` only where none can have been."""
        for name in names:
            if name in self.arguments:
                return self.arguments[name]
        return UNKNOWN if self.open else ABSENT

    def given(self, *names: str) -> bool:
        """Whether one of these is written in the call, or certainly brought by a splat."""
        return any(name in self.arguments for name in names)

    def lacks(self, *names: str) -> bool:
        """Whether none of these can have been given."""
        return not self.open and not self.given(*names)

    def argument_place(self, name: str) -> Place | None:
        """Where an argument is written in this call."""
        return Place(self.place.module, self.nodes[name]) if name in self.nodes else None

    def argument_span(self, name: str) -> Span:
        """The span of an argument written in this call, else of the call."""
        place = self.argument_place(name)
        return place.span if place else self.span

    def changed(self, *names: str, kind: str = "") -> list[Change]:
        """What was done to it under these names (attribute paths or methods)."""
        return [c for c in self.changes if c.name in names and kind in ("", c.kind)]

    def attribute(self, path: str) -> Value:
        """What an attribute was set to afterwards: joined; absent where it never was."""
        found = [c.value for c in self.changes if c.kind == "set" and c.name == path]
        return found[0] if len(found) == 1 else OneOf(tuple(found)) if found else ABSENT

    @property
    def escaped(self) -> bool:
        """Whether unknown code got hold of it and may have changed it."""
        return any(c.kind == "escape" for c in self.changes)

    @property
    def name(self) -> str:
        """The last part of the callee that is not a method: the class or the function."""
        parts = self.callee.split(".")
        return parts[-2] if parts[-1] in ("from_pretrained", "from_config") and len(parts) > 1 else parts[-1]

    @property
    def library(self) -> str:
        """The top-level package of the callee, as it is imported."""
        return self.callee.partition(".")[0]

    def describe(self) -> str:
        return f"{type(self).__name__} {self.custom_class.name if self.custom_class else self.name}"


@dataclass(eq=False, slots=True)
class AttributeUse(Object):
    """An attribute of an object that is read, such as `tokenizer.additional_special_tokens`."""

    owner: LibraryCall
    name: str


@dataclass(eq=False, slots=True)
class Load(LibraryCall):
    """A `from_pretrained`."""

    @property
    def id(self) -> Value:
        """The model id or path."""
        return self.argument("pretrained_model_name_or_path")


@dataclass(eq=False, slots=True)
class ModelLoad(Load):
    """A model, by `from_pretrained`; `name` is the class."""


@dataclass(eq=False, slots=True)
class ModelBuild(LibraryCall):
    """A model made from a configuration with random weights: `from_config(config)` or `Model(config)`."""


@dataclass(eq=False, slots=True)
class TokenizerLoad(Load):
    """A tokenizer."""


@dataclass(eq=False, slots=True)
class ProcessorLoad(Load):
    """A processor, image processor or feature extractor."""


@dataclass(eq=False, slots=True)
class ConfigLoad(Load):
    """A model configuration, loaded or made."""


@dataclass(eq=False, slots=True)
class GenerationSettings(Load):
    """A `GenerationConfig`."""


@dataclass(eq=False, slots=True)
class QuantizationConfig(LibraryCall):
    """A `BitsAndBytesConfig`, `GPTQConfig`, `AwqConfig`, ..."""

    @property
    def bits(self) -> int | None:
        """4 or 8 where bitsandbytes is certainly told so."""
        if self.argument("load_in_4bit").constant is True:
            return 4
        return 8 if self.argument("load_in_8bit").constant is True else None


@dataclass(eq=False, slots=True)
class AdapterConfig(LibraryCall):
    """A peft configuration such as `LoraConfig`."""


@dataclass(eq=False, slots=True)
class Adapter(LibraryCall):
    """A peft model: `get_peft_model(model, config)` or `PeftModel.from_pretrained(model, id)`."""

    @property
    def base(self) -> Value:
        """The model that it wraps; absent for `AutoPeftModel...from_pretrained(id)`."""
        return self.argument("model")

    @property
    def config(self) -> Value:
        """The adapter's configuration."""
        return self.argument("peft_config")


@dataclass(eq=False, slots=True)
class KbitPreparation(LibraryCall):
    """`prepare_model_for_kbit_training(model)`; its value is the model itself."""

    @property
    def model(self) -> Value:
        """The model prepared."""
        return self.argument("model")


@dataclass(eq=False, slots=True)
class TrainingArguments(LibraryCall):
    """`TrainingArguments` and the configs derived from it, TRL's among them."""


@dataclass(eq=False, slots=True)
class Trainer(LibraryCall):
    """`Trainer` and the classes derived from it, TRL's among them."""

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


@dataclass(eq=False, slots=True)
class Collator(LibraryCall):
    """A data collator."""


@dataclass(eq=False, slots=True)
class PipelineLoad(LibraryCall):
    """`pipeline(...)`."""


@dataclass(eq=False, slots=True)
class DatasetLoad(LibraryCall):
    """`load_dataset(...)`."""


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


@dataclass(eq=False, slots=True)
class TokenizerCall(MethodCall):
    """Text made into ids: `tokenizer(...)`, `.encode`, `.encode_plus`, `.batch_encode_plus`, `.pad`; `method` is "__call__" for the first."""

    @property
    def tokenizer(self) -> Value:
        """The tokenizer or processor."""
        return self.receiver


@dataclass(eq=False, slots=True)
class ChatTemplateCall(MethodCall):
    """`tokenizer.apply_chat_template(...)`."""


@dataclass(eq=False, slots=True)
class PipelineCall(MethodCall):
    """A pipeline called."""


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
        """The tokenizer calls whose result, or a part of it, is known to go in."""
        found: list[TokenizerCall | ChatTemplateCall] = []
        for value in (*self.spread, *self.arguments.values(), *self.extra):
            for one in value.alternatives:
                whole = one.of if isinstance(one, Part) else one
                if isinstance(whole, TokenizerCall | ChatTemplateCall) and whole not in found:
                    found.append(whole)
        return found


@dataclass(eq=False, slots=True)
class ForwardCall(GenerateCall):
    """`model(...)`."""


@dataclass(eq=False, slots=True)
class Move(MethodCall):
    """`.to`, `.cuda`, `.cpu`, `.half`, `.float`, `.bfloat16` on a model or on encoded text."""


@dataclass(eq=False, slots=True)
class Save(MethodCall):
    """`.save_pretrained` or `.push_to_hub`."""


@dataclass(eq=False, slots=True)
class Part(Value):
    """An attribute, item or method result of an object, such as `tokenizer.eos_token` or `inputs["input_ids"]`."""

    of: LibraryCall
    path: str
    place: Place | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.of is other.of and self.path == other.path

    def __hash__(self) -> int:
        return hash((id(self.of), self.path))

    def describe(self) -> str:
        return f"{self.of.describe()}.{self.path}"


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
