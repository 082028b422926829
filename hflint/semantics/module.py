"""One parsed module: its tree, and where each node stands in the source."""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from hflint.findings import Span
from hflint.semantics.gate import TooDeepError, pick, relevant_lines, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.files import Source


class SyntaxProblem(Exception):  # noqa: N818 - it is a problem of the user's file, not of hflint
    """The source does not parse."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.column = column
        self.message = message


class Module:
    """A source and its tree, parsed when it is asked for. Positions cost as much again, and wait for the first span."""

    def __init__(self, source: Source, lines: tuple[int, ...] | None = None) -> None:
        """`lines` are those to parse; without them, all that can matter."""
        self.source = source
        self._lines = list(lines) if lines is not None else None

    @cached_property
    def tree(self) -> cst.Module:
        """The statements that can matter.

        Raises:
            SyntaxProblem: the source does not parse.
        """
        try:
            wanted = self._lines if self._lines is not None else relevant_lines(self.source.text)
        except TooDeepError:
            raise SyntaxProblem(1, 1, "is nested too deeply") from None
        self._lines = wanted
        return _parse(self.source.text, wanted)

    def span(self, node: cst.CSTNode) -> Span:
        """The characters of a node, without the white space around it."""
        position = self._positions[node]
        start = self._start(position.start.line) + position.start.column
        end = self._start(position.end.line) + position.end.column
        return Span(start, end, self.source.name, self.line_of(start))

    def _start(self, line: int) -> int:
        """The offset of a line of the text that was parsed, which may lack lines of the source."""
        if self._lines is not None:
            line = self._lines[line - 1] if line <= len(self._lines) else len(self._starts)
        return self._starts[line - 1]

    def code(self, node: cst.CSTNode) -> str:
        """The source text of a node."""
        span = self.span(node)
        return self.source.text[span.start : span.end]

    def line_of(self, offset: int) -> int:
        """The line, from 1, of a character offset."""
        return bisect_right(self._starts, offset)

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in split_lines(self.source.text):
            starts.append(starts[-1] + len(line))
        return starts

    @cached_property
    def _positions(self) -> Mapping[cst.CSTNode, cst.metadata.CodeRange]:
        with _unvalidated():
            return MetadataWrapper(self.tree, unsafe_skip_copy=True).resolve(PositionProvider)


def _parse(text: str, numbers: list[int] | None) -> cst.Module:
    """The tree of some lines; None for all of them."""
    try:
        return _parse_lines(text, numbers)
    except cst.ParserSyntaxError as error:
        message = re.sub(r"\s+", " ", error.message).removeprefix("parser error: ").removeprefix("error at ")
        message = re.sub(r"^\d+:\d+: ", "", message)
        line = error.raw_line if numbers is None else numbers[error.raw_line - 1]
        raise SyntaxProblem(line, error.raw_column + 1, message or "invalid syntax") from None
    except (RecursionError, ValueError, SyntaxError, MemoryError) as error:
        raise SyntaxProblem(1, 1, f"cannot be parsed: {error}") from None


def _parse_lines(text: str, numbers: list[int] | None) -> cst.Module:
    lines = split_lines(text) if numbers is not None else []
    with _unvalidated():
        return cst.parse_module(text if numbers is None else pick(lines, numbers))


@contextmanager
def _unvalidated() -> Iterator[None]:
    """Libcst checks every node that is made, which is for code that makes nodes by hand.

    What its parser makes took a sixth of the parsing to check, and a few valid forms, such as `assert(a if b else c)`, are refused.
    """
    check = cst.CSTNode.__post_init__
    cst.CSTNode.__post_init__ = _accept  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        cst.CSTNode.__post_init__ = check  # type: ignore[method-assign]


def _accept(_node: cst.CSTNode) -> None:
    pass
