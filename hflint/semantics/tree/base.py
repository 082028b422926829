"""The kinds of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Node:
    """Any node; the same one is one object, and equal to no other."""

    __slots__ = ()

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """The names of what it consists of."""
        return _fields(cls)

    @property
    def children(self) -> Iterator[Node]:
        """The nodes directly below this one."""
        for name in _fields(type(self)):
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, list):
                yield from value


_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(kind: type) -> tuple[str, ...]:
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(name for one in reversed(kind.__mro__) for name in getattr(one, "__slots__", ()))
    return _FIELDS[kind]


class Expression(Node):
    """An expression."""

    __slots__ = ()


class Small(Node):
    """A statement without a block."""

    __slots__ = ()


class Statement(Node):
    """A line of small statements, or a compound statement."""

    __slots__ = ()
