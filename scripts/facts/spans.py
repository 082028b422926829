"""In which of the releases read something holds, as text: "" for all, "3-" from the fourth on, "0-4,7" for the first five and the eighth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def spans(held: Iterable[int], count: int) -> str:
    """The runs of indexes among `count` releases."""
    indexes = sorted(held)
    if len(indexes) == count:
        return ""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(
        f"{first}-" if last == count - 1 else f"{first}-{last}" if last > first else f"{first}" for first, last in runs
    )
