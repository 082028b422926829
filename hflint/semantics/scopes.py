"""Names and what they stand for while a program is followed: scopes, and the functions, classes and instances that the program defines itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint.semantics import tree
from hflint.semantics.values import UNKNOWN, Known, Steps, Symbol, Value, covers, default_or, join

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hflint.semantics.arguments import Arguments
    from hflint.semantics.module import Module
    from hflint.semantics.objects import Guard
    from hflint.semantics.project import Foreign
    from hflint.semantics.values import Place


class Store:
    """A mutable mapping of names to values that branches can fork and join: a scope, or the attributes of an instance."""

    def __init__(self) -> None:
        self.names: dict[str, Value] = {}

    def weaken(self, name: str, value: Value) -> None:
        """Let a name mean this as well: an assignment of which it is not known when it happens."""
        self.names[name] = join(self.names.get(name), value)


class Scope(Store):
    """The names of a module, a class body or one activation of a function."""

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False) -> None:
        super().__init__()
        self.parent = parent
        self.is_class = is_class
        self.outer: dict[str, Scope] = {}  # names declared global or nonlocal
        self.shared: tuple[Scope, ...] = ()  # where they live, of those that are declared before any branch
        # What an activation sets outside of itself, names of other scopes and attributes of its instance: what it was, and what it becomes.
        self.touched: list[tuple[Store, str, Value | None, Value]] = []
        self.load: Callable[[str], None] | None = None  # binds a name of another module when it is first asked for

    def clear(self) -> None:
        """Hold nothing any more."""
        self.names, self.load = {}, None

    def find(self, name: str) -> Value | None:
        """The value of a name here or in the scopes around, class bodies left out as Python does."""
        if name in self.outer:
            return self.outer[name].own(name)
        scope: Scope | None = self
        while scope is not None:
            if (scope is self or not scope.is_class) and (found := scope.own(name)) is not None:
                return found
            scope = scope.parent
        return None

    def own(self, name: str) -> Value | None:
        """The value of a name of this very scope."""
        if self.load is not None and name not in self.names:
            self.load(name)
        return self.names.get(name)

    @property
    def module_scope(self) -> Scope:
        """The outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(eq=False, slots=True)
class Function(Value):
    """A function, method or lambda of the program."""

    node: tree.FunctionDef | tree.Lambda
    scope: Scope  # where it is defined
    module: Module
    name: str  # dotted within the module
    decorators: tuple[Value, ...] = ()
    owner: Class | None = None
    defaults: dict[str, Value] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()  # around its definition
    # `tree.Global` and `tree.Nonlocal`, where its body has them outside of its branches; None where nobody looked yet.
    declares: set[type] | None = None

    @property
    def is_stub(self) -> bool:
        """Whether its body is `...` and no more: an abstract one, or one that was not worth parsing."""
        body = self.node.body
        if not isinstance(body, tree.IndentedBlock) or len(body.body) != 1:
            return False
        line = body.body[0]
        only = line.body[0] if isinstance(line, tree.SimpleStatementLine) else None
        return isinstance(only, tree.Expr) and isinstance(only.value, tree.Ellipsis)

    def describe(self) -> str:
        return f"function {self.name}"


@dataclass(eq=False, slots=True)
class Bound(Value):
    """A method taken from an instance."""

    function: Function
    instance: Value

    def describe(self) -> str:
        return f"method {self.function.name}"


@dataclass(eq=False, slots=True)
class Parent(Value):
    """What `super()` gives: an instance or class, seen as one of the bases of `cls`."""

    instance: Value
    cls: Class

    def find(self, name: str) -> Value | None:
        """The nearest base's attribute."""
        for base in self.cls.bases:
            if isinstance(base, Class) and (found := base.find(name)) is not None:
                return found
        return None


@dataclass(eq=False, slots=True)
class Inherited(Value):
    """A method that a trainer of the program has from the library, as `super()` gives it."""

    instance: Instance
    name: str


@dataclass(eq=False, slots=True)
class Maker(Value):
    """`from_pretrained` or `from_config`, taken from a class of the program that has it from a library."""

    cls: Class
    method: str


@dataclass(eq=False, slots=True)
class Partial(Value):
    """A `functools.partial`."""

    function: Value
    positional: tuple[Value, ...]
    keywords: dict[str, Value]


@dataclass(eq=False, slots=True)
class Class(Value):
    """A class of the program."""

    node: tree.ClassDef
    module: Module
    name: str
    bases: tuple[Value, ...]
    scope: Scope  # its body's names: methods and class attributes
    fields: dict[str, Value | None] = field(default_factory=dict)  # annotated names in order, with their defaults
    is_record: bool = False  # a dataclass, NamedTuple or pydantic model: its fields are its constructor's parameters
    shared: Instance | None = None

    def clear(self) -> None:
        """Hold nothing any more."""
        self.scope.clear()
        if self.shared is not None:
            self.shared.clear()
            self.shared = None

    def lineage(self) -> list[Class]:
        """This class and those of its bases that the program defines, nearest first."""
        found: list[Class] = [self]
        for base in self.bases:
            if isinstance(base, Class):
                found += [one for one in base.lineage() if one not in found]
        return found

    def foreign_bases(self) -> list[Value]:
        """The bases, at any depth, that the program does not define itself; `object` left out."""
        found = [base for one in self.lineage() for base in one.bases if not isinstance(base, Class)]
        return [base for base in found if getattr(base, "name", "") not in ("object", "abc.ABC", "typing.Generic")]

    def find(self, name: str) -> Value | None:
        """A method or class attribute, through the bases."""
        for one in self.lineage():
            if name in one.scope.names:
                return one.scope.names[name]
        return None

    def all_fields(self) -> dict[str, Value | None]:
        """The annotated fields, those of the bases first."""
        found: dict[str, Value | None] = {}
        for one in reversed(self.lineage()):
            found.update(one.fields)
        return found

    @property
    def members(self) -> tuple[Value, ...]:
        """The values of an enum, in order; empty for another class."""
        if not any(
            isinstance(base, Symbol) and base.name.endswith(("Enum", "IntFlag")) for base in self.foreign_bases()
        ):
            return ()
        return tuple(value for value in self.scope.names.values() if isinstance(value, Known))

    def attributes(self) -> list[str]:
        """The names of the class attributes that are no functions."""
        return [
            name for one in self.lineage() for name, value in one.scope.names.items() if not isinstance(value, Function)
        ]

    @property
    def instance(self) -> Instance:
        """The one instance that stands for all that are made of it: what `self` is in its methods."""
        if self.shared is None:
            self.shared = Instance(self)
        return self.shared

    def describe(self) -> str:
        return f"class {self.name}"


class Instance(Store, Value):
    """An instance of a class of the program."""

    def __init__(self, cls: Class, place: Place | None = None) -> None:
        super().__init__()
        self.cls = cls
        self.place = place
        self.path: Steps = ()
        self.activation = 0
        self.is_open = False  # where attributes may be set under names that the code does not show
        # What the constructor of a library's class was handed, and under which conditions.
        self.handed_up: list[tuple[Arguments, Steps]] = []
        # What each method leaves in an attribute when it ends: methods are called in an order that the class does not know.
        self.left_by: dict[str, dict[str, Value]] = {}
        self.read: dict[str, list[Value]] = {}  # what was found in the attributes that were read

    def clear(self) -> None:
        """Hold nothing any more."""
        self.names, self.left_by, self.read, self.handed_up = {}, {}, {}, []

    def note(self, method: str, before: dict[str, Value]) -> None:
        """Remember what a method assigned."""
        for name, value in self.names.items():
            if before.get(name) is not value:
                self.left_by.setdefault(name, {})[method] = value

    @property
    def is_stale(self) -> bool:
        """Whether a method read an attribute before another was followed that sets it to something else."""
        return any(
            not covers(found, left)
            for name, values in self.read.items()
            for left in self.left_by.get(name, {}).values()
            for found in values
        )

    def settle(self) -> None:
        """Let every attribute be what any method may have left in it."""
        self.names = {name: join(*left.values()) for name, left in self.left_by.items()}

    def loosen(self) -> None:
        """Let every attribute have another value from now on."""
        self.names = {name: default_or(value, "changed elsewhere") for name, value in self.names.items()}
        self.is_open = True

    def forget(self) -> None:
        """Let nothing be known of its attributes: they are set under names that the code does not show."""
        self.names = dict.fromkeys([*self.names, *self.cls.all_fields(), *self.cls.attributes()], UNKNOWN)
        self.is_open = True

    def describe(self) -> str:
        return f"instance of {self.cls.name}"


@dataclass(frozen=True, slots=True)
class TupleType(Value):
    """A `collections.namedtuple`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cut(Value):
    """A slice with known bounds."""

    bounds: slice


@dataclass(eq=False, slots=True)
class Dependency(Value):
    """What FastAPI's `Depends` gives a parameter: the result of calling a function."""

    function: Value


@dataclass(eq=False, slots=True)
class Package(Value):
    """A module of the project, imported as a whole."""

    module: Foreign | None  # None for a folder without `__init__.py`
    name: str
    importer: Path


@dataclass(eq=False, slots=True)
class Imported(Value):
    """What an import from a module of the project binds; looked up when it is used."""

    module: Foreign
    name: str  # dotted, within the module
