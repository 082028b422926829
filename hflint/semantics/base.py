"""What every object of a program has: a place, its surroundings, arguments, and what is done to it later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint.semantics.values import ABSENT, UNKNOWN, OneOf, Place, Steps, Value

if TYPE_CHECKING:
    from hflint.findings import Span
    from hflint.semantics import tree
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


@dataclass(slots=True)
class Where:
    """The surroundings of a piece of code."""

    order: int  # of evaluation within the program
    statement: tree.Node | None = None  # the simple statement, or the compound one of whose header it is part
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
    nodes: dict[str, tree.Arg] = field(default_factory=dict)  # only those written in this call
    extra: list[Value] = field(default_factory=list)  # positional ones beyond the known parameters
    open: bool = False
    custom_class: Class | None = None  # the program's own subclass through which it was made
    is_possible: bool = False  # the call may be of something else instead: no subject of a rule
    classes: tuple[str, ...] = ()  # where the program chooses one of several: their names; `callee` is what they share
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
        return f"{type(self).__name__} {self.custom_class.name if self.custom_class else ' | '.join(self.classes) or self.name}"


@dataclass(eq=False, slots=True)
class AttributeUse(Object):
    """An attribute of an object that is read, such as `tokenizer.additional_special_tokens`."""

    owner: LibraryCall
    name: str


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
