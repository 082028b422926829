"""What the modules of a project offer, as earlier runs found it: reading a module costs as much as following what it offers.

One JSON file beside the findings, for each state of hflint; in it, an entry for each module with the hash of its text. A file that cannot be
read is none.
"""

from __future__ import annotations

import json
from array import array
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hflint.semantics.choice import Outline, Selection, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hflint.files import Source

# A module as JSON: the hash of its text, and its outline.
Packed = list[Any]


class Outlines:
    """The outlines of a project's modules, read from a file when the first one is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new: dict[str, Packed] = {}

    def get(self, source: Source) -> Outline | None:
        """The outline of a module; None where it is not known, or was another text's."""
        match self._known.get(str(source.path.absolute())):
            case [str(state), selection, list(statements), list(stars)] if state == _hash(source.text):
                with suppress(TypeError, ValueError, OverflowError):
                    return Outline(
                        _unpacked(selection, source.line_count),
                        [
                            Statement(_selected(one, source.line_count), frozenset(map(str, names)))
                            for one, names in statements
                        ],
                        [str(star) for star in stars],
                    )
        return None

    def put(self, source: Source, outline: Outline) -> None:
        """Remember the outline of a module."""
        statements = [[_packed(one.selection), sorted(one.names)] for one in outline.statements]
        selection = _packed(outline.selection) if outline.selection is not None else None
        self._new[str(source.path.absolute())] = [_hash(source.text), selection, statements, outline.stars]

    def take_new(self) -> dict[str, Packed]:
        """What was put since this was last asked, for the process that writes it."""
        new, self._new = self._new, {}
        return new

    @cached_property
    def _known(self) -> dict[str, Packed]:
        return read_outlines(self._path)


def read_outlines(path: Path) -> dict[str, Packed]:
    """The content of the file, by the modules' paths."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _hash(text: str) -> str:
    return blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()


def _packed(selection: Selection) -> list[list[int]]:
    """The first and the last line of each run of lines, in one list; and the stubs."""
    lines = selection.lines
    inner = [line for pair in pairwise(lines) if pair[1] - pair[0] > 1 for line in pair]
    return [[*lines[:1], *inner, *lines[-1:]], sorted(selection.stubs)]


def _unpacked(packed: Any, last: int) -> Selection | None:
    return None if packed is None else _selected(packed, last)


def _selected(packed: Any, last: int) -> Selection:
    """Raises ValueError, TypeError or OverflowError for what no selection of `last` lines is."""
    ends, stubs = packed
    lines = array("I", [line for one, end in _runs(ends) for line in range(one, min(end, last) + 1)])
    if any(one >= other for one, other in pairwise(lines)) or (lines and lines[0] < 1):
        raise ValueError
    return Selection(lines, frozenset(map(int, stubs)))


def _runs(ends: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(ends[::2], ends[1::2], strict=True))
