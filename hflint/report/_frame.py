"""Code frames: lines of source with what they are marked for, in the width of the terminal.

Columns here are terminal cells: a tab takes four, a wide character two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from hflint.files import Location
from hflint.report._text import BLUE, RELATED, cell_width, paint, place, source_of, visible, wrap
from hflint.semantics.gate import mask_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hflint.files import Source
    from hflint.findings import Span
    from hflint.report import Look

NEAR = 8  # lines; marks further apart get a frame each
LEAD = 24  # cells kept before a mark where its line is cut
NARROWEST = 40  # cells; a label is never wrapped tighter than that


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of one place; of a place of several lines, its first line is underlined."""

    name: str  # of the file, as shown
    source: Source | None  # None for another file that cannot be read: only its line is known then
    location: Location
    end: int  # column after the last marked character of the line, from 1
    label: str
    primary: bool

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.location.line

    @classmethod
    def of(cls, own: Source, span: Span, label: str, *, primary: bool) -> Mark:
        """The mark for a span of a finding in the source `own`."""
        source = source_of(own, span)
        if source is None:
            return cls(span.file, None, Location(span.line, 1), 1, label, primary)
        start, end = source.locate(span.start), source.locate(span.end)
        same = (end.line, end.cell) == (start.line, start.cell)
        last = end.column if same else len(source.line(start.line).rstrip()) + 1
        return cls(span.file or source.name, source, start, max(last, start.column + 1), label, primary)


@dataclass(frozen=True, slots=True)
class Canvas:
    """What all lines of a finding are drawn on."""

    look: Look
    gutter: int  # cells for line numbers
    style: str  # of the primary mark

    @property
    def width(self) -> int:
        """The cells beside the gutter."""
        return max(self.look.width - self.gutter - 3, 24)

    def row(self, text: str, number: str = "") -> str:
        """A row of a frame, with what stands in its gutter."""
        number = paint(self.look, BLUE, number.rjust(self.gutter)) if number else " " * self.gutter
        return f"{number} {paint(self.look, BLUE, '|')} {text}".rstrip()


def frames(marks: Sequence[Mark], canvas: Canvas) -> Iterator[str]:
    """The frames of one finding: the first holds its primary mark."""
    for number, group in enumerate(_groups(marks)):
        head = next((mark for mark in group if mark.primary), group[0])
        if number:
            yield canvas.row("")
        arrow = paint(canvas.look, BLUE, ":::" if number else "-->")
        yield f"{' ' * canvas.gutter}{arrow} {place(head.name, head.location)}"
        if head.source is None:
            yield from (canvas.row(line) for mark in group for line in wrap(mark.label, canvas.width))
        else:
            yield canvas.row("")
            yield from _frame(head.source, group, canvas)


def _groups(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Marks that are near each other, in the order of lines; the group of the primary mark first."""
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: (mark.name, mark.line, mark.location.column, not mark.primary)):
        last = groups[-1][-1] if groups else None
        if last and _are_near(last, mark):
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return sorted(groups, key=lambda group: not any(mark.primary for mark in group))


def _are_near(mark: Mark, other: Mark) -> bool:
    same = (mark.name, mark.location.cell) == (other.name, other.location.cell)
    return same and other.line - mark.line <= NEAR


def _frame(source: Source, marks: Sequence[Mark], canvas: Canvas) -> Iterator[str]:
    shown = sorted({mark.line for mark in marks})
    previous = shown[0]
    for line in shown:
        if line - previous == 2:
            yield from _source_line(source, line - 1, [], canvas)
        elif line - previous > 2:
            yield paint(canvas.look, BLUE, "." * max(canvas.gutter, 3))
        previous = line
        yield from _source_line(source, line, [mark for mark in marks if mark.line == line], canvas)


def _source_line(source: Source, line: int, marks: Sequence[Mark], canvas: Canvas) -> Iterator[str]:
    """The line, cut to the terminal around its marks, and a row of underlines for each mark."""
    row = _Row.of(mask_tokens(source.line(line)))  # a report may end up in a log that others read
    start, end = row.window(marks, canvas.width)
    yield canvas.row(row.cut(start, end), str(line))
    for mark in marks:
        sign, style = ("^", canvas.style) if mark.primary else ("-", RELATED)
        left, right = row.cells(mark, start, end)
        under = sign * max(right - left, 1)
        if cell_width(mark.label) < canvas.width - left - len(under):
            under = f"{under} {visible(mark.label)}".rstrip()
            below: list[str] = []
            indent = 0
        else:
            indent = min(left, max(canvas.width - cell_width(mark.label), canvas.width - NARROWEST, 0))
            below = wrap(mark.label, canvas.width - indent)
        yield canvas.row(" " * left + paint(canvas.look, style, under))
        yield from (canvas.row(" " * indent + paint(canvas.look, style, text)) for text in below)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line as a terminal shows it: a piece for each character, and the cell at which it starts."""

    pieces: list[str]
    starts: list[int]  # one more than there are pieces: the last is the width

    @classmethod
    def of(cls, text: str) -> _Row:
        pieces = [visible(character) for character in text]
        return cls(pieces, list(accumulate(map(cell_width, pieces), initial=0)))

    def window(self, marks: Sequence[Mark], width: int) -> tuple[int, int]:
        """The pieces, from and to, that fit the width and show the marks; room for ellipses is kept."""
        total = self.starts[-1]
        if total <= width:
            return 0, len(self.pieces)
        left = min((self._start(mark.location.column) for mark in marks), default=0)
        right = max((self._start(mark.end) for mark in marks), default=0)
        first_cell = right + 2 - width  # the least that shows all marks
        if first_cell > left:
            first_cell = left - LEAD // 3
        elif first_cell > 0:
            first_cell = max(first_cell, left - LEAD)
        first_cell = max(min(first_cell, total - width + 1), 0)
        start = next(i for i, cell in enumerate(self.starts) if cell >= first_cell)
        limit = self.starts[start] + width - (1 if start else 0)
        if total <= limit:
            return start, len(self.pieces)
        end = max(i for i, cell in enumerate(self.starts) if cell <= limit - 1)
        return start, end

    def cut(self, start: int, end: int) -> str:
        """The pieces from `start` to `end`, with an ellipsis where more was cut off."""
        head = "…" if start else ""
        tail = "…" if end < len(self.pieces) else ""
        return f"{head}{''.join(self.pieces[start:end])}{tail}"

    def cells(self, mark: Mark, start: int, end: int) -> tuple[int, int]:
        """The cells, from and to, that the mark takes in what `cut` shows."""
        shift = self.starts[start] - (1 if start else 0)
        left = max(self._start(mark.location.column), self.starts[start])
        right = min(self._start(mark.end), self.starts[end] + (1 if end < len(self.pieces) else 0))
        return left - shift, max(right, left) - shift

    def _start(self, column: int) -> int:
        """The cell of a column, counted from 1; the width for columns past the end."""
        return self.starts[min(column - 1, len(self.pieces))]
