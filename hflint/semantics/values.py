"""What hflint knows of a value: three-valued, or a finding would be a guess.

`Absent` was not given, `Known` is a constant, `Symbol` a name of another module, `OneOf` one of several, and `Unknown` anything at all.
Every value remembers the `Place` that it came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hflint.findings import Span
    from hflint.semantics import tree
    from hflint.semantics.module import Module

T = TypeVar("T")
MISSING: Any = object()  # "not a constant", where None would be one
WIDEST = 8  # alternatives that a value may have before it is unknown


# Values are made by the hundred thousand: nothing changes them, but to have Python see to that would take half of the time to make them.


@dataclass(slots=True, eq=False)
class Place:
    """A node of a module; its span is worked out only when it is asked for."""

    module: Module
    node: tree.Node

    @property
    def span(self) -> Span:
        """Where the node stands in its module's source."""
        return self.module.span(self.node)


class Value:
    """Base of all values. The default answers are those of something unknown."""

    __slots__ = ()
    place: Place | None

    @property
    def constant(self) -> Any:
        """The Python constant that this certainly is, else `MISSING`."""
        return MISSING

    @property
    def alternatives(self) -> tuple[Value, ...]:
        """The values that this may be; itself where it is one."""
        return (self,)

    @property
    def certain(self) -> bool:
        """Whether nothing about this value is open."""
        return True

    def every(self, test: Callable[[Value], bool]) -> bool:
        """Whether the test holds for each alternative."""
        return all(test(value) for value in self.alternatives)

    def some(self, test: Callable[[Value], bool]) -> bool:
        """Whether the test holds for an alternative."""
        return any(test(value) for value in self.alternatives)

    def describe(self) -> str:
        """A short text for `hflint explain`."""
        return "unknown"


class _Absent(Value):
    __slots__ = ()

    def describe(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(slots=True, unsafe_hash=True)
class Unknown(Value):
    """Anything at all, and why nothing more is known."""

    why: str = ""
    place: Place | None = field(default=None, compare=False)

    @property
    def certain(self) -> bool:
        return False

    def describe(self) -> str:
        return f"unknown ({self.why})" if self.why else "unknown"


UNKNOWN = Unknown()


@dataclass(slots=True, eq=False)
class Known(Value):
    """A constant: str, bytes, int, float, complex, bool, None or Ellipsis."""

    value: Any
    place: Place | None = field(default=None, compare=False)

    def __eq__(self, other: object) -> bool:
        """Equal in type as well: True is not 1."""
        return isinstance(other, Known) and type(self.value) is type(other.value) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    @property
    def constant(self) -> Any:
        return self.value

    def describe(self) -> str:
        return repr(self.value)


@dataclass(slots=True, unsafe_hash=True)
class Symbol(Value):
    """A name of another module, by its full dotted name, such as `torch.bfloat16`."""

    name: str
    place: Place | None = field(default=None, compare=False)

    def describe(self) -> str:
        return self.name


Steps = tuple[int, ...]


@dataclass(slots=True, eq=False)
class Container(Value):
    """Something that code changes in place; `path` and `activation` say under which conditions it was made, and in which function call."""

    path: Steps = field(default=(), kw_only=True)
    activation: int = field(default=0, kw_only=True)


@dataclass(slots=True, eq=False)
class Items(Container):
    """A list, tuple or set written out; `complete` where nothing else can be in it.

    `uniform` where there may be any number of items, each of them one of those listed; `names` are the fields of a named tuple.
    """

    items: tuple[Value, ...]
    kind: str = "list"
    complete: bool = True
    place: Place | None = None
    uniform: bool = field(default=False, kw_only=True)
    names: tuple[str, ...] = field(default=(), kw_only=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Items) and (self.items, self.kind, self.complete, self.uniform) == (
            other.items,
            other.kind,
            other.complete,
            other.uniform,
        )

    __hash__ = None  # type: ignore[assignment]

    def loosen(self) -> None:
        """Let it hold anything from now on."""
        self.items, self.complete, self.uniform = (), False, False

    @property
    def any_item(self) -> Value:
        """What an item of which nothing more is known may be."""
        closed = (self.complete or self.uniform) and self.items
        return join(*self.items) if closed else join(*self.items, UNKNOWN)

    @property
    def certain(self) -> bool:
        return self.complete and all(item.certain for item in self.items)

    def constants(self) -> list[Any] | None:
        """The Python values where each is a known constant, else None."""
        found = [item.constant for item in self.items]
        return found if self.complete and MISSING not in found else None

    def describe(self) -> str:
        inner = ", ".join(item.describe() for item in self.items) + ("" if self.complete else ", ...")
        return f"({inner})" if self.kind == "tuple" else f"[{inner}]"


@dataclass(slots=True, eq=False)
class Table(Container):
    """A dict with known keys; `complete` where it can have no other."""

    entries: dict[Any, Value]
    complete: bool = True
    place: Place | None = None
    # Encoded text that was merged into it: ids and masks, never options.
    brings: tuple[Value, ...] = field(default=(), kw_only=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (self.entries, self.complete) == (other.entries, other.complete)

    __hash__ = None  # type: ignore[assignment]

    def put(self, key: object, value: Value, *, certain: bool) -> None:
        """Let a key have a value, or perhaps have it."""
        self.entries[key] = value if certain else join(self.get(key), value)

    def drop(self, key: object, *, certain: bool) -> None:
        """Let a key be gone, or perhaps be gone."""
        if certain:
            self.entries.pop(key, None)
        elif key in self.entries:
            self.entries[key] = join(self.entries[key], ABSENT)

    def loosen(self) -> None:
        """Let every key have another value from now on, and let there be others."""
        self.entries = {key: default_or(value, "changed elsewhere") for key, value in self.entries.items()}
        self.complete = False

    @property
    def certain(self) -> bool:
        return self.complete and all(value.certain for value in self.entries.values())

    def get(self, key: object) -> Value:
        """The value under a key: absent only where the table is complete."""
        return self.entries.get(key, ABSENT if self.complete else UNKNOWN)

    def describe(self) -> str:
        inner = ", ".join(f"{key!r}: {value.describe()}" for key, value in self.entries.items())
        return "{" + inner + ("}" if self.complete else ", ...}")


@dataclass(frozen=True, slots=True)
class OneOf(Value):
    """One of several values: branches, call sites, or a default that a user may change (then one of them is unknown)."""

    values: tuple[Value, ...]
    place: Place | None = field(default=None, compare=False)

    @property
    def alternatives(self) -> tuple[Value, ...]:
        return self.values

    @property
    def certain(self) -> bool:
        return False

    def describe(self) -> str:
        return "one of " + " | ".join(value.describe() for value in self.values)


def join(*values: Value | None) -> Value:
    """What a value is that may be any of these; more than `WIDEST` of them are unknown."""
    found: list[Value] = []
    for value in values:
        for one in value.alternatives if value is not None else ():
            if not any(one is other or one == other for other in found):
                found.append(one)
    if not found:
        return UNKNOWN
    if len(found) == 1:
        return found[0]
    if len(found) > WIDEST:
        return Unknown("too many possibilities")
    return OneOf(tuple(found))


def covers(value: Value, other: Value) -> bool:
    """Whether a value may be all that another may be; what is unknown is alike."""
    if value is other:
        return True
    mine = value.alternatives
    unknown = any(isinstance(one, Unknown) for one in mine)
    return all(
        unknown if isinstance(one, Unknown) else any(one is known or one == known for known in mine)
        for one in other.alternatives
    )


def truth(value: Value) -> bool | None:
    """Whether a value counts as true; None where that is not known, as of all that is no constant."""
    return None if value.constant is MISSING else bool(value.constant)


def mapped(value: Value, convert: Callable[[Value], Value]) -> Value:
    """The value with a conversion of each known constant among its alternatives; the others stay as unknown as they are."""
    return join(*(one if one.constant is MISSING else convert(one) for one in value.alternatives))


def default_or(default: Value, why: str) -> Value:
    """A default that somebody outside the program may change."""
    return join(default, Unknown(why))


def likely(value: Value) -> Value:
    """The one known alternative of a value whose other alternatives are unknown: a default. Else the value itself."""
    known = [one for one in value.alternatives if not isinstance(one, Unknown)]
    return known[0] if len(known) == 1 and len(value.alternatives) > 1 else value


def bare(value: Value) -> Value:
    """The value without `None` among its alternatives: using that would raise before anything else."""
    left = [one for one in value.alternatives if not (isinstance(one, Known) and one.value is None)]
    if len(left) == len(value.alternatives):
        return value
    return join(*left) if left else UNKNOWN


def constants(value: Value) -> list[Any]:
    """The constants among the alternatives."""
    return [one.constant for one in value.alternatives if one.constant is not MISSING]


def objects(value: Value | None, kind: type[T]) -> Iterator[T]:
    """The alternatives of a kind."""
    for one in value.alternatives if value is not None else ():
        if isinstance(one, kind):
            yield one


def the(value: Value | None, kind: type[T]) -> T | None:
    """The value where it certainly is of that kind, else None; that it may be `None` does not count, for its use would raise."""
    found = bare(value) if isinstance(value, OneOf) else value
    return found if isinstance(found, kind) else None
