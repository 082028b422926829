"""When something came and went, from the releases that were read and have it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.version import Version

Entry = dict[str, Any]


@dataclass(frozen=True)
class Releases:
    """The releases of a library: those that were read, and those that the index lists, both ascending.

    `between` gathers releases that were not read, and that something came or went in or about.
    """

    read: list[Version]
    listed: list[Version]
    between: set[Version] = field(default_factory=set)

    def label(self, index: int) -> str:
        """How a table names a release: "4.51" for the first of its minor, else in full."""
        release = self.read[index]
        minor = release.release[:2]
        first = next(one for one in self.listed if one.release[:2] == minor)
        if release == first:
            return f"{minor[0]}.{minor[1]}"
        self.between.update(one for one in self.listed if self.read[index - 1] < one < release)
        return str(release)

    def change(self, held: Iterable[int], among: Sequence[int] | None = None) -> Entry:
        """`since`, `removed`, `restored` and `gaps` of what some releases have.

        Args:
            held: the indexes of the releases that have it, at least one.
            among: the indexes of those that could have it, for instance because they have its class; all where None.
        """
        among = list(range(len(self.read))) if among is None else list(among)
        has = set(held)
        places = [at for at, index in enumerate(among) if index in has]
        entry: Entry = {}
        if places[0] > 0:
            entry["since"] = self.label(among[places[0]])
        gaps = [
            (self.label(among[left + 1]), self.label(among[right]))
            for left, right in pairwise(places)
            if right > left + 1
        ]
        if places[-1] < len(among) - 1:
            entry["removed"] = self.label(among[places[-1] + 1])
        elif gaps:
            entry["removed"], entry["restored"] = gaps.pop()
        if gaps:
            entry["gaps"] = [f">={first},<{last}" for first, last in gaps]
        return entry
