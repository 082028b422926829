"""One parsed module: its tree, and where each node stands in the source."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from hflint.findings import Span
from hflint.semantics.gate import TooDeepError, parsable_lines, pick, relevant_lines, split_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        tree, self._lines = _parse(self.source.text, wanted)
        return tree

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
        return MetadataWrapper(self.tree, unsafe_skip_copy=True).resolve(PositionProvider)


def _parse(text: str, numbers: list[int] | None) -> tuple[cst.Module, list[int] | None]:
    """The tree of some lines, and which these are in the end; None for all of them."""
    try:
        return _parse_lines(text, numbers)
    except cst.ParserSyntaxError as error:
        message = re.sub(r"\s+", " ", error.message).removeprefix("parser error: ").removeprefix("error at ")
        message = re.sub(r"^\d+:\d+: ", "", message)
        line = error.raw_line if numbers is None else numbers[error.raw_line - 1]
        raise SyntaxProblem(line, error.raw_column + 1, message or "invalid syntax") from None
    except (RecursionError, ValueError, SyntaxError, MemoryError) as error:
        raise SyntaxProblem(1, 1, f"cannot be parsed: {error}") from None


def _parse_lines(text: str, numbers: list[int] | None) -> tuple[cst.Module, list[int] | None]:
    """Libcst refuses a few valid forms, such as `assert(a if b else c)`: it does without the statements that hold one."""
    if numbers is None:
        return cst.parse_module(text), None
    lines = split_lines(text)
    try:
        return cst.parse_module(pick(lines, numbers)), numbers
    except cst.CSTValidationError:
        chosen = parsable_lines(pick(lines, numbers), _parses)
        numbers = [numbers[one - 1] for one in chosen]
        return cst.parse_module(pick(lines, numbers)), numbers


def _parses(text: str) -> bool:
    try:
        cst.parse_module(text)
    except (cst.CSTValidationError, cst.ParserSyntaxError):
        return False
    return True
