"""One parsed module: its tree, and where each node stands in the source."""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import PositionProvider

from hflint.findings import Span
from hflint.semantics.lines import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.files import Source
    from hflint.semantics.choice import Selection


class SyntaxProblem(Exception):  # noqa: N818 - it is a problem of the user's file, not of hflint
    """The source does not parse."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.column = column
        self.message = message


class Module:
    """A source and its tree, parsed when it is asked for. Positions cost as much again, and wait for the first span."""

    def __init__(self, source: Source, selection: Selection | None = None) -> None:
        """`selection` is what to parse; None for all of it."""
        self.source = source
        self._selection = selection

    @cached_property
    def tree(self) -> cst.Module:
        """The selected statements.

        Raises:
            SyntaxProblem: the source does not parse.
        """
        return _parse(self.source.text, self._selection)

    def span(self, node: cst.CSTNode) -> Span:
        """The characters of a node, without the white space around it."""
        position = self._positions[node]
        start = self._start(position.start.line) + position.start.column
        end = self._start(position.end.line) + position.end.column
        return Span(start, end, self.source.name, self.line_of(start))

    def _start(self, line: int) -> int:
        """The offset of a line of the text that was parsed, which may lack lines of the source."""
        if self._selection is not None:
            lines = self._selection.lines
            line = lines[line - 1] if line <= len(lines) else len(self._starts)
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
            return _Positions().of(self.tree)


class _Positions(PositionProvider):
    """libcst's positions without its wrapper, which walks the tree once more for nothing."""

    def of(self, tree: cst.Module) -> Mapping[cst.CSTNode, cst.metadata.CodeRange]:
        found: dict[cst.CSTNode, Any] = {}
        self._computed = found
        self._gen_impl(tree)
        return found


def _parse(text: str, selection: Selection | None) -> cst.Module:
    """The tree of a selection of the lines; None for all of them."""
    try:
        with _unvalidated():
            return cst.parse_module(text if selection is None else _pick(text, selection))
    except cst.ParserSyntaxError as error:
        message = re.sub(r"\s+", " ", error.message).removeprefix("parser error: ").removeprefix("error at ")
        message = re.sub(r"^\d+:\d+: ", "", message)
        line = error.raw_line if selection is None else selection.lines[error.raw_line - 1]
        raise SyntaxProblem(line, error.raw_column + 1, message or "invalid syntax") from None
    except (RecursionError, ValueError, SyntaxError, MemoryError) as error:
        raise SyntaxProblem(1, 1, f"cannot be parsed: {error}") from None


def _pick(text: str, selection: Selection) -> str:
    lines = split_lines(text)
    stubs = selection.stubs
    if not stubs:
        return "".join([lines[number - 1] for number in selection.lines])
    return "".join([_stub(lines[n - 1]) if n in stubs else lines[n - 1] for n in selection.lines])


def _stub(line: str) -> str:
    """What stands for the body of a method that is left out, which the interpreter takes for unknown code."""
    code = line.lstrip(" \t\f")
    end = line[len(line.rstrip("\r\n")) :]
    return f"{line[: len(line) - len(code)]}...{end}"


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
