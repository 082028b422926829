"""One parsed module: its tree, and where each node stands in the source."""

from __future__ import annotations

import ast
import re
from functools import cached_property
from typing import TYPE_CHECKING

from hflint.findings import Span
from hflint.semantics import tree as nodes
from hflint.semantics.lines import first_line, split_lines
from hflint.semantics.tree.reading import read_module

if TYPE_CHECKING:
    from hflint.files import Source
    from hflint.semantics.choice import Selection
    from hflint.semantics.tree.concrete import Concrete


class SyntaxProblem(Exception):  # noqa: N818 - it is a problem of the user's file, not of hflint
    """The source does not parse."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.column = column
        self.message = message


class Module:
    """A source and its nodes, read when they are asked for. Where they stand costs more, and waits for the first span."""

    def __init__(self, source: Source, selection: Selection | None = None, known: nodes.Module | None = None) -> None:
        """`selection` is what to read; None for all of it. `known` are its nodes, where these were read already."""
        self.source = source
        self._selection = selection
        self._known = known
        self._concretes: dict[nodes.Statement, Concrete] = {}
        self._spans: dict[nodes.Node, Span] = {}

    @cached_property
    def tree(self) -> nodes.Module:
        """The selected statements.

        Raises:
            SyntaxProblem: the source does not parse.
        """
        return self._known if self._known is not None else _read(self.source, self._selection)

    def span(self, node: nodes.Node) -> Span:
        """The characters of a node, without the white space around it."""
        if node not in self._spans:
            self._spans[node] = self._find(node)
        return self._spans[node]

    def _find(self, node: nodes.Node) -> Span:
        (first, begin), (last, end) = self._concrete(node).place_of(node)
        start = self._start(first) + begin
        return Span(start, self._start(last) + end, self.source.name, self.source.locate(start).line)

    def has_comma(self, arg: nodes.Arg) -> bool:
        """Whether a comma follows an argument."""
        return self._concrete(arg).has_comma(arg)

    def is_parenthesized(self, node: nodes.Expression) -> bool:
        """Whether an expression has brackets of its own."""
        return self._concrete(node).is_parenthesized(node)

    def _concrete(self, node: nodes.Node) -> Concrete:
        """What a node is part of, as libcst sees it: a method, which costs less than its class, or a top-level statement."""
        part, at = self._owners[node]
        if part not in self._concretes:
            self._concretes[part] = self._read_part(part, at)
        return self._concretes[part]

    def _read_part(self, part: nodes.Statement, at: int) -> Concrete:
        from hflint.semantics.tree.concrete import Concrete

        first, last = self.tree.lines[at]
        lines = split_lines(picked(self.source, self._selection))[first - 1 : last]
        whole = self.tree.body[at]
        begin, end = (1, len(lines)) if part is whole else _lines_of_methods(whole, "".join(lines)).get(part, (0, 0))
        if end:
            return Concrete("".join(lines[begin - 1 : end]), part, first + begin - 1)
        return Concrete("".join(lines), whole, first)

    @cached_property
    def _owners(self) -> dict[nodes.Node, tuple[nodes.Statement, int]]:
        """For each node, the method or the top-level statement that it is part of, and the position of the latter."""
        found: dict[nodes.Node, tuple[nodes.Statement, int]] = {}
        for at, statement in enumerate(self.tree.body):
            for part in (*_methods(statement), statement):
                stack: list[nodes.Node] = [part]
                while stack:
                    one = stack.pop()
                    if one not in found:
                        found[one] = part, at
                        stack += one.children
        return found

    def _start(self, line: int) -> int:
        """The offset of a line of the text that was parsed, which may lack lines of the source."""
        if self._selection is not None:
            lines = self._selection.lines
            if line > len(lines):
                return len(self.source.text)
            line = lines[line - 1]
        return self.source.offset(line, 1)

    def code(self, node: nodes.Node) -> str:
        """The source text of a node."""
        span = self.span(node)
        return self.source.text[span.start : span.end]


def _methods(statement: nodes.Statement) -> list[nodes.Statement]:
    block = statement.body if isinstance(statement, nodes.ClassDef) else None
    return [one for one in block.body if isinstance(one, nodes.FunctionDef)] if block is not None else []


def _lines_of_methods(statement: nodes.Statement, text: str) -> dict[nodes.Statement, tuple[int, int]]:
    """The first and the last line of each method of a class, from 1; none where `ast` does not know the syntax."""
    try:
        cls = ast.parse(text).body[0]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    body = cls.body if isinstance(cls, ast.ClassDef) else []
    places = [
        (first_line(one), one.end_lineno or one.lineno)
        for one in body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return dict(zip(_methods(statement), places, strict=True))


def _read(source: Source, selection: Selection | None) -> nodes.Module:
    """The nodes of a selection of the lines; None for all of them. libcst is asked about syntax newer than the Python that runs."""
    text = picked(source, selection)
    try:
        lines = split_lines(text)
        return read_module(text, lambda number: lines[number - 1])
    except SyntaxError:
        return _read_concrete(text, selection)
    except (RecursionError, ValueError, MemoryError) as error:
        raise SyntaxProblem(1, 1, f"cannot be parsed: {error}") from None


def _read_concrete(text: str, selection: Selection | None) -> nodes.Module:
    import libcst

    from hflint.semantics.tree import concrete

    try:
        return concrete.read_module(text)
    except libcst.ParserSyntaxError as error:
        message = re.sub(r"\s+", " ", error.message).removeprefix("parser error: ").removeprefix("error at ")
        message = re.sub(r"^\d+:\d+: ", "", message)
        line = error.raw_line if selection is None else selection.lines[error.raw_line - 1]
        raise SyntaxProblem(line, error.raw_column + 1, message or "invalid syntax") from None
    except (RecursionError, ValueError, SyntaxError, MemoryError) as error:
        raise SyntaxProblem(1, 1, f"cannot be parsed: {error}") from None


def picked(source: Source, selection: Selection | None) -> str:
    """The text of a selection of the lines."""
    if selection is None:
        return source.text
    stubs, line = selection.stubs, source.whole_line
    return "".join([_stub(line(number)) if number in stubs else line(number) for number in selection.lines])


def _stub(line: str) -> str:
    """What stands for the body of a method that is left out, which the interpreter takes for unknown code."""
    code = line.lstrip(" \t\f")
    end = line[len(line.rstrip("\r\n")) :]
    return f"{line[: len(line) - len(code)]}...{end}"
