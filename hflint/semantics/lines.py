"""The lines of statements, as Python's tokenizer and libcst count them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_EMPTY = re.compile(r"[ \t\f]*(?:#.*)?[\r\n]*$")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def split_lines(text: str) -> list[str]:
    r"""Lines with their ends, at `\n`, `\r\n` and `\r` only."""
    return _LINE.findall(text)


def lines_of(statement: ast.stmt, lines: list[str]) -> tuple[int, ...]:
    """The numbers, from 1, of a statement's lines without the blank ones and the comments between its statements."""
    whole = set(_whole_lines(statement))
    every = range(first_line(statement), (statement.end_lineno or statement.lineno) + 1)
    return tuple(number for number in every if number in whole or not _EMPTY.match(lines[number - 1]))


def first_line(node: ast.AST) -> int:
    """The first line of a node, decorators included."""
    start = node.pattern if isinstance(node, ast.match_case) else node
    found: list[int] = [one.lineno for one in (start, *getattr(node, "decorator_list", ()))]
    return min(found)


def _whole_lines(statement: ast.stmt) -> Iterable[int]:
    """The lines in which a blank or a hash may be part of a string or an expression: simple statements and headers."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            end = first_line(body[0]) if body else (node.end_lineno or node.lineno) + 1
            if end - node.lineno > 1:
                yield from range(node.lineno, end)
        for name in _BLOCKS:
            stack += getattr(node, name, ())
