"""The part of a program that a finding speaks of: the objects at its place, and those that are linked to them, nearest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hflint.semantics.objects import (
    AttributeUse,
    Import,
    LibraryCall,
    ModelLoad,
    NameUse,
    Object,
    Part,
    TextLiteral,
    TokenizerLoad,
)
from hflint.semantics.values import Items, Table, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hflint.findings import Span
    from hflint.semantics.program import Program

Kind = TypeVar("Kind", bound=Object)


class Linked:
    """Objects in the order of their distance from the anchors."""

    def __init__(self, program: Program, anchors: Iterable[Object], beside: Iterable[Object] = ()) -> None:
        """With the objects that a finding stands at, and others that it mentions."""
        self.program = program
        self.anchors = list(anchors)
        self.objects = _by_distance(program, self.anchors, list(beside))
        self._add_lonely()

    def all(self, kind: type[Kind]) -> list[Kind]:
        """The objects of a kind."""
        return [one for one in self.objects if isinstance(one, kind)]

    def first(self, kind: type[Kind]) -> Kind | None:
        """The nearest object of a kind."""
        return next(iter(self.all(kind)), None)

    def _add_lonely(self) -> None:
        """The only tokenizer of a program belongs to its model, though a data set stands between them."""
        model, tokenizers = self.first(ModelLoad), list(self.program.all(TokenizerLoad))
        if model and not self.first(TokenizerLoad) and len(tokenizers) == 1 and tokenizers[0].id == model.id:
            seen = set(map(id, self.objects))
            self.objects += [one for one in _by_distance(self.program, tokenizers, []) if id(one) not in seen]


def objects_at(program: Program, span: Span) -> list[Object]:
    """The objects that a span stands for: the smallest around it, else those within it, else the imports of its line."""
    shown = [one for one in program.objects if not isinstance(one, TextLiteral)]
    around = [one for one in shown if one.span.start <= span.start and span.end <= one.span.end]
    if around:
        size = min(one.span.end - one.span.start for one in around)
        return [one for one in around if one.span.end - one.span.start == size]
    within = [one for one in shown if span.start <= one.span.start and one.span.end <= span.end]
    if within:
        return within
    line = program.source.locate(span.start).line
    return [one for one in shown if isinstance(one, Import) and program.source.locate(one.span.start).line == line]


def _by_distance(program: Program, anchors: Sequence[Object], beside: Sequence[Object]) -> list[Object]:
    near = _neighbours(program)
    found: dict[int, Object] = {}
    ring, later = list(anchors), list(beside)
    while ring:
        fresh = {id(one): one for one in ring if id(one) not in found}
        found |= fresh
        ring, later = [*later, *(n for one in fresh.values() for n in near.get(id(one), []))], []
    return list(found.values())


def _neighbours(program: Program) -> dict[int, list[Object]]:
    near: dict[int, list[Object]] = {}
    for one in program.objects:
        for other in _links(one):
            if other is not one:
                near.setdefault(id(one), []).append(other)
                near.setdefault(id(other), []).append(one)
    return near


def _links(one: Object) -> Iterator[Object]:
    """The objects that a call takes or is made on."""
    if isinstance(one, AttributeUse):
        yield one.owner
    if not isinstance(one, LibraryCall) or isinstance(one, Import | NameUse):
        return
    values = [*one.arguments.values(), *one.extra, *getattr(one, "spread", ())]
    if (receiver := getattr(one, "receiver", None)) is not None:
        values.insert(0, receiver)
    for value in [*values, *(change.value for change in one.changes if change.kind == "set")]:
        yield from _objects_in(value)


def _objects_in(value: Value, depth: int = 4) -> Iterator[Object]:
    for one in value.alternatives:
        if isinstance(one, Part):
            yield one.of
        elif isinstance(one, Object):
            yield one
        elif depth and isinstance(one, Items | Table):
            inner = one.items if isinstance(one, Items) else tuple(one.entries.values())
            for item in inner:
                yield from _objects_in(item, depth - 1)
