"""libcst beside the nodes: where each of a statement stands to the character, and nodes of syntax newer than the Python that runs."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import PositionProvider

from hflint.semantics import tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libcst.metadata import CodeRange

_Parts = "Sequence[tree.FormattedStringText | tree.FormattedStringExpression]"


class Concrete:
    """libcst's tree of a statement, whose nodes are known."""

    def __init__(self, text: str, statement: tree.Statement, first: int) -> None:
        """Read the statement, whose lines may all be indented; the first of them has the number `first`.

        Raises:
            libcst.ParserSyntaxError: libcst does not know the syntax.
        """
        if text.startswith((" ", "\t")):
            module = parse(f"if 1:\n{text}")
            self._before, beside = first - 2, module.body[0].body.body[0]  # type: ignore[union-attr]
        else:
            module = parse(text)
            self._before, beside = first - 1, module.body[0]
        self._ranges = _Positions().of(module)
        self._beside = _pairs(statement, beside)

    def place_of(self, node: tree.Node) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where a node begins and ends, without the white space around it: lines as `first` counts them, columns from 0."""
        found = self._ranges[self._beside[node]]
        return (found.start.line + self._before, found.start.column), (found.end.line + self._before, found.end.column)

    def has_comma(self, arg: tree.Arg) -> bool:
        """Whether a comma follows an argument."""
        return isinstance(getattr(self._beside[arg], "comma", None), cst.Comma)

    def is_parenthesized(self, node: tree.Expression) -> bool:
        """Whether an expression has brackets of its own."""
        return bool(getattr(self._beside[node], "lpar", ()))


def parse(text: str) -> cst.Module:
    """Libcst's tree of a module.

    Raises:
        libcst.ParserSyntaxError: libcst does not know the syntax.
    """
    with _unvalidated():
        return cst.parse_module(text)


def read_module(text: str) -> tree.Module:
    """The nodes of a module, as `reading.read_module` makes them.

    Raises:
        libcst.ParserSyntaxError: libcst does not know the syntax.
    """
    module = parse(text)
    ranges = _Positions().of(module)
    lines = []
    for statement in module.body:
        parts = [statement, *getattr(statement, "decorators", ())]
        lines.append((min(ranges[one].start.line for one in parts), ranges[statement].end.line))
    return tree.Module([_node(one) for one in module.body], tuple(lines))


class _Positions(PositionProvider):
    """libcst's positions without its wrapper, which walks the tree once more for nothing."""

    def of(self, module: cst.Module) -> dict[cst.CSTNode, CodeRange]:
        found: dict[cst.CSTNode, Any] = {}
        self._computed = found
        with _unvalidated():
            self._gen_impl(module)
        return found


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


# Which node is which


def _pairs(node: tree.Node, beside: cst.CSTNode) -> dict[tree.Node, cst.CSTNode]:
    """Libcst's node for each node; for one that has none, that of the node around it."""
    found: dict[tree.Node, cst.CSTNode] = {}
    stack = [(node, beside)]
    while stack:
        one, other = stack.pop()
        found[one] = other
        if isinstance(one, tree.FormattedString):
            stack += _matched(_in_braces(one.parts), _concrete_parts(other), other)
            stack += [(part, other) for part in one.parts if isinstance(part, tree.FormattedStringText)]
            continue
        for name in one.fields():
            mine, theirs = getattr(one, name), getattr(other, name, None)
            if isinstance(mine, list):
                stack += _matched(mine, theirs if isinstance(theirs, list | tuple) else (), other)
            elif isinstance(mine, tree.Node):
                stack.append((mine, theirs if isinstance(theirs, cst.CSTNode) else other))
    return found


def _matched(
    nodes: Sequence[tree.Node], beside: Sequence[cst.CSTNode], around: cst.CSTNode
) -> list[tuple[tree.Node, cst.CSTNode]]:
    if len(nodes) == len(beside):
        return list(zip(nodes, beside, strict=True))
    return [(one, around) for one in nodes]


def _in_braces(parts: Sequence[tree.Node]) -> list[tree.Node]:
    return [part for part in parts if isinstance(part, tree.FormattedStringExpression)]


def _concrete_parts(string: cst.CSTNode) -> list[cst.CSTNode]:
    """What stands in the braces of a string, and of those written beside it."""
    if isinstance(string, cst.ConcatenatedString):
        return [*_concrete_parts(string.left), *_concrete_parts(string.right)]
    parts = string.parts if isinstance(string, cst.FormattedString) else ()
    return [part for part in parts if isinstance(part, cst.FormattedStringExpression)]


# Nodes of what only libcst knows


def _node(node: Any) -> Any:
    """The node for one of libcst's, for a list of them, or for a plain value."""
    if isinstance(node, list | tuple):
        return [_node(one) for one in node]
    if not isinstance(node, cst.CSTNode):
        return None if isinstance(node, cst.MaybeSentinel) else node
    special = _SPECIAL.get(type(node))
    if special is not None:
        return special(node)
    kind = getattr(tree, _RENAMED.get(type(node).__name__, type(node).__name__), None)
    if kind is None:
        return _other(node)
    made = kind.__new__(kind)
    for name in kind.fields():
        setattr(made, name, _node(getattr(node, name)))
    return made


_RENAMED = {"TryStar": "Try", "ExceptStarHandler": "ExceptHandler"}


def _other(node: cst.CSTNode) -> tree.Node:
    if isinstance(node, cst.BaseExpression):
        return tree.OtherExpression([_node(one) for one in node.children if isinstance(one, cst.BaseExpression)])
    if isinstance(node, cst.BaseSmallStatement):
        return tree.Pass()
    return tree.Pattern() if isinstance(node, cst.MatchPattern) else tree.Operator()


def _string(node: cst.SimpleString | cst.ConcatenatedString | cst.FormattedString) -> tree.Expression:
    parts = _string_parts(node)
    if any(isinstance(part, bytes) for part in parts):
        return tree.SimpleString(b"".join(parts))
    if _is_formatted(node):
        return tree.FormattedString(_merged(parts))
    return tree.SimpleString("".join(part.value for part in parts))


def _is_formatted(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.ConcatenatedString):
        return _is_formatted(node.left) or _is_formatted(node.right)
    return isinstance(node, cst.FormattedString)


def _string_parts(node: cst.BaseExpression) -> list[Any]:
    if isinstance(node, cst.ConcatenatedString):
        return [*_string_parts(node.left), *_string_parts(node.right)]
    if isinstance(node, cst.SimpleString):
        value = node.evaluated_value
        return [value if isinstance(value, bytes) else tree.FormattedStringText(value)]
    return _formatted_parts(node.parts, raw="r" in node.prefix) if isinstance(node, cst.FormattedString) else []


def _formatted_parts(parts: Sequence[cst.BaseFormattedStringContent], *, raw: bool) -> list[Any]:
    found: list[Any] = []
    for part in parts:
        if isinstance(part, cst.FormattedStringText):
            found.append(tree.FormattedStringText(_written_out(part.value, raw=raw)))
        elif isinstance(part, cst.FormattedStringExpression):
            spec = None if part.format_spec is None else _merged(_formatted_parts(part.format_spec, raw=raw))
            shows_itself = part.equal is not None
            if shows_itself:  # {x=} is x={x!r}
                found.append(tree.FormattedStringText(f"{_EMPTY.code_for_node(part.expression)}="))
            conversion = part.conversion or ("r" if shows_itself and spec is None else None)
            found.append(tree.FormattedStringExpression(_node(part.expression), conversion, spec))
    return found


_EMPTY = cst.Module([])


def _merged(parts: Sequence[Any]) -> list[Any]:
    """The parts with texts that follow each other in one, and without empty ones."""
    found: list[Any] = []
    for part in parts:
        if not isinstance(part, tree.FormattedStringText):
            found.append(part)
        elif found and isinstance(found[-1], tree.FormattedStringText):
            found[-1] = tree.FormattedStringText(found[-1].value + part.value)
        elif part.value:
            found.append(part)
    return found


def _written_out(text: str, *, raw: bool) -> str:
    """What the text between the braces of a formatted string stands for."""
    if "\\" in text and not raw:
        text = codecs.decode(text.encode("latin-1", "backslashreplace"), "unicode_escape")
    return text.replace("{{", "{").replace("}}", "}")


def _import_from(node: cst.ImportFrom) -> tree.ImportFrom:
    return tree.ImportFrom(_node(node.module), _node(node.names), "." * len(node.relative))


def _star(_node: cst.ParamStar) -> None:
    return None


_SPECIAL: dict[type, Any] = {
    cst.SimpleString: _string,
    cst.ConcatenatedString: _string,
    cst.FormattedString: _string,
    cst.Integer: lambda node: tree.Integer(node.evaluated_value),
    cst.Float: lambda node: tree.Float(node.evaluated_value),
    cst.ImportFrom: _import_from,
    cst.ParamStar: _star,
}
