"""The arguments of a call, evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint.semantics.values import UNKNOWN, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.semantics import tree


@dataclass(slots=True)
class Arguments:
    """The arguments of a call, evaluated. `open` where a splat may bring more than is listed."""

    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    nodes: dict[str | int, tree.Arg] = field(default_factory=dict)
    spread: list[Value] = field(default_factory=list)
    open: bool = False

    @property
    def first(self) -> Value:
        """The first positional argument."""
        return self.positional[0] if self.positional else UNKNOWN

    def by_key(self) -> dict[str | int, Value]:
        """Every argument by its position or name."""
        found: dict[str | int, Value] = dict(enumerate(self.positional))
        found.update(self.keywords)
        return found

    def all(self) -> Iterator[Value]:
        """Every value handed over."""
        yield from self.positional
        yield from self.keywords.values()
        yield from self.spread
