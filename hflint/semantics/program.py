"""A program as rules see it: its objects in the order of the source, and the means to mend it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from hflint.semantics.objects import LibraryCall, Object
from hflint.semantics.rewrite import Rewriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hflint.files import Source
    from hflint.semantics.module import Module

Kind = TypeVar("Kind", bound=Object)


class Program:
    """What one source does with the libraries."""

    def __init__(self, module: Module, objects: list[Object], close: Callable[[], None]) -> None:
        """`close` lets go of all that the program is made of, once nobody asks for its objects any more."""
        self.module = module
        self.objects = objects
        self.close = close

    @property
    def source(self) -> Source:
        """The source that it was read from."""
        return self.module.source

    @cached_property
    def rewriter(self) -> Rewriter:
        """Makes the edits of fixes."""
        return Rewriter(self.module)

    def all(self, kind: type[Kind]) -> Iterator[Kind]:
        """The objects of a kind, in the order in which the program was followed."""
        return (one for one in self.objects if isinstance(one, kind))

    def users_of(self, target: LibraryCall, kind: type[Kind]) -> Iterator[Kind]:
        """The calls of a kind that certainly or possibly take an object as argument or receiver."""
        for one in self.all(kind):
            if isinstance(one, LibraryCall):
                values = [*one.arguments.values(), *one.extra, *([one.receiver] if hasattr(one, "receiver") else [])]
                if any(alternative is target for value in values for alternative in value.alternatives):
                    yield one
