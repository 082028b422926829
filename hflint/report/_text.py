"""What the text formats share: terminal colours, links, the width of characters, places and endings."""

from __future__ import annotations

import textwrap
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hflint.files import FileError, read_source
from hflint.report import statistics_lines, summary_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.files import Location, Source
    from hflint.findings import Severity, Span
    from hflint.report import Look, Run

TAB = "    "
# Control characters and bidirectional overrides could rewrite the terminal, or hide what the code says.
_UNSHOWN = (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = dict.fromkeys(_UNSHOWN, "\N{REPLACEMENT CHARACTER}") | {ord("\f"): " "}
_SEVERITY_STYLE = {"error": "1;31", "warning": "1;33", "note": "1;36"}
BOLD, BLUE = "1", "1;34"
RELATED = BLUE


def paint(look: Look, style: str, text: str) -> str:
    """The text in an SGR style, where the stream shows colours."""
    return f"\x1b[{style}m{text}\x1b[0m" if look.colour and text else text


def severity_style(severity: Severity) -> str:
    """The SGR style of a severity: readable on a light and on a dark background."""
    return _SEVERITY_STYLE[severity]


def link(look: Look, url: str, text: str) -> str:
    """The text as a terminal hyperlink (OSC 8), where the stream has them."""
    return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\" if look.links else text


def visible(text: str) -> str:
    """The text with tabs widened and nothing in it that a terminal would obey."""
    return text.replace("\t", TAB).translate(_CONTROLS)


def cell_width(text: str) -> int:
    """How many terminal cells the text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width` columns; words (model ids, arguments) are never broken."""
    return textwrap.wrap(
        visible(text), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def place(name: str, location: Location) -> str:
    """`path:line:column`, with the cell of a notebook between."""
    cell = "" if location.cell is None else f"cell {location.cell}:"
    return f"{visible(name)}:{cell}{location.line}:{location.column}"


def source_of(own: Source, span: Span) -> Source | None:
    """The source that a span of a finding in `own` points into: another file, perhaps; None where that is not as it was."""
    if not span.file:
        return own
    other = _read(span.file)
    fits = other is not None and span.end <= len(other.text) and other.locate(span.start).line == span.line
    return other if fits else None


@lru_cache(maxsize=32)
def _read(name: str) -> Source | None:
    try:
        return read_source(Path(name), name)
    except FileError:
        return None


def ending(run: Run) -> Iterator[str]:
    """The lines after the last finding."""
    if run.statistics:
        yield from statistics_lines(run)
    if not run.quiet:
        yield summary_line(run)
