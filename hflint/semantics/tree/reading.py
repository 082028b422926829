"""Source text to nodes, by way of `ast`."""

from __future__ import annotations

import ast
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.lines import first_line
from hflint.semantics.tree.reading_expressions import OTHER, ExpressionReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_AUGMENTED: dict[type, tree.Operator] = {ast.Add: tree.AddAssign(), ast.BitOr: tree.BitOrAssign()}


def read_module(text: str, lines: Callable[[int], str]) -> tree.Module:
    """The nodes of a module; `lines` gives the text of a line, from 1.

    Raises:
        SyntaxError: `ast` does not know the syntax.
    """
    body = ast.parse(text).body
    found = _Reader(lines).block(body)
    places = iter([(first_line(one), one.end_lineno or one.lineno) for one in body])
    return tree.Module(found, tuple(_together(places, one) for one in found))


def read_statements(
    body: Sequence[ast.stmt], places: tuple[tuple[int, int], ...], lines: Callable[[int], str]
) -> tree.Module:
    """The nodes of statements, none of which shares a line with another; `places` are their first and last lines."""
    return tree.Module(_Reader(lines).block(body), places)


def read_expression(text: str) -> tree.Expression:
    """The node of an expression.

    Raises:
        SyntaxError: it is none.
    """
    return ExpressionReader().expression(ast.parse(text.strip(), mode="eval").body)


def _together(places: Iterator[tuple[int, int]], statement: tree.Statement) -> tuple[int, int]:
    """The first and the last line of a statement, of which `ast` makes as many as there are small ones in it."""
    count = len(statement.body) if isinstance(statement, tree.SimpleStatementLine) else 1
    own = list(islice(places, count))
    return own[0][0], own[-1][1]


def _name(dotted: str) -> tree.Name | tree.Attribute:
    first, *rest = dotted.split(".")
    found: tree.Name | tree.Attribute = tree.Name(first)
    for part in rest:
        found = tree.Attribute(found, tree.Name(part))
    return found


class _Reader(ExpressionReader):
    """Makes the nodes of a module."""

    def __init__(self, line: Callable[[int], str]) -> None:
        self._line = line

    # Statements

    def block(self, body: Sequence[ast.stmt]) -> list[tree.Statement]:
        """Statements; small ones that share a line stand in one."""
        found: list[tree.Statement] = []
        end = 0  # the last line of the last small statement
        for node in body:
            compound = self._COMPOUND.get(node.__class__)
            if compound is not None:
                found.append(compound(self, node))
                end = 0
            elif node.lineno == end:
                found[-1].body.append(self._small(node))  # type: ignore[attr-defined]
                end = node.end_lineno or 0
            else:
                found.append(tree.SimpleStatementLine([self._small(node)]))
                end = node.end_lineno or 0
        return found

    def _small(self, node: ast.stmt) -> tree.Small:
        read = self._SMALL.get(node.__class__)
        return read(self, node) if read is not None else tree.Pass()

    def _suite(self, body: Sequence[ast.stmt]) -> tree.Suite:
        first = body[0]
        if first.__class__ not in self._COMPOUND and self._line(first.lineno)[: first.col_offset].strip():
            return tree.SimpleStatementSuite([self._small(one) for one in body])
        return tree.IndentedBlock(self.block(body))

    def _else(self, body: Sequence[ast.stmt]) -> tree.Else | None:
        return tree.Else(self._suite(body)) if body else None

    def _expr(self, node: ast.Expr) -> tree.Small:
        return tree.Expr(self.expression(node.value))

    def _return(self, node: ast.Return) -> tree.Small:
        return tree.Return(self.maybe(node.value))

    def _assign(self, node: ast.Assign) -> tree.Small:
        return tree.Assign(
            [tree.AssignTarget(self.expression(one)) for one in node.targets], self.expression(node.value)
        )

    def _annotated(self, node: ast.AnnAssign) -> tree.Small:
        return tree.AnnAssign(
            self.expression(node.target),
            tree.Annotation(self.expression(node.annotation)),
            self.maybe(node.value),
        )

    def _augmented(self, node: ast.AugAssign) -> tree.Small:
        operator = _AUGMENTED.get(node.op.__class__, OTHER)
        return tree.AugAssign(self.expression(node.target), operator, self.expression(node.value))

    def _raise(self, node: ast.Raise) -> tree.Small:
        return tree.Raise(self.maybe(node.exc))

    def _assert(self, node: ast.Assert) -> tree.Small:
        return tree.Assert(self.expression(node.test), self.maybe(node.msg))

    def _delete(self, node: ast.Delete) -> tree.Small:
        targets = [self.expression(one) for one in node.targets]
        return tree.Del(targets[0] if len(targets) == 1 else tree.Tuple([tree.Element(one) for one in targets]))

    def _global(self, node: ast.Global) -> tree.Small:
        return tree.Global([tree.NameItem(tree.Name(name)) for name in node.names])

    def _nonlocal(self, node: ast.Nonlocal) -> tree.Small:
        return tree.Nonlocal([tree.NameItem(tree.Name(name)) for name in node.names])

    def _break(self, _node: ast.Break) -> tree.Small:
        return tree.Break()

    def _continue(self, _node: ast.Continue) -> tree.Small:
        return tree.Continue()

    def _aliases(self, names: Sequence[ast.alias]) -> list[tree.ImportAlias]:
        return [
            tree.ImportAlias(_name(one.name), tree.AsName(tree.Name(one.asname)) if one.asname else None)
            for one in names
        ]

    def _import(self, node: ast.Import) -> tree.Small:
        return tree.Import(self._aliases(node.names))

    def _import_from(self, node: ast.ImportFrom) -> tree.Small:
        names = tree.ImportStar() if node.names[0].name == "*" else self._aliases(node.names)
        return tree.ImportFrom(_name(node.module) if node.module else None, names, "." * node.level)

    def _if(self, node: ast.If) -> tree.If:
        orelse: tree.If | tree.Else | None = None
        if node.orelse:
            first = node.orelse[0]
            is_elif = isinstance(first, ast.If) and first.col_offset == node.col_offset
            orelse = self._if(first) if is_elif else self._else(node.orelse)  # type: ignore[arg-type]
        return tree.If(self.expression(node.test), self._suite(node.body), orelse)

    def _for(self, node: ast.For | ast.AsyncFor) -> tree.Statement:
        return tree.For(
            self.expression(node.target), self.expression(node.iter), self._suite(node.body), self._else(node.orelse)
        )

    def _while(self, node: ast.While) -> tree.Statement:
        return tree.While(self.expression(node.test), self._suite(node.body), self._else(node.orelse))

    def _with(self, node: ast.With | ast.AsyncWith) -> tree.Statement:
        items = [
            tree.WithItem(
                self.expression(one.context_expr),
                tree.AsName(self.expression(one.optional_vars)) if one.optional_vars is not None else None,
            )
            for one in node.items
        ]
        return tree.With(items, self._suite(node.body))

    def _try(self, node: ast.Try) -> tree.Statement:
        handlers = [
            tree.ExceptHandler(
                self._suite(one.body), self.maybe(one.type), tree.AsName(tree.Name(one.name)) if one.name else None
            )
            for one in node.handlers
        ]
        final = tree.Finally(self._suite(node.finalbody)) if node.finalbody else None
        return tree.Try(self._suite(node.body), handlers, self._else(node.orelse), final)

    def _match(self, node: ast.Match) -> tree.Statement:
        cases = [
            tree.MatchCase(self._pattern(one.pattern), self._suite(one.body), self.maybe(one.guard))
            for one in node.cases
        ]
        return tree.Match(self.expression(node.subject), cases)

    def _pattern(self, node: ast.pattern) -> tree.Pattern:
        if isinstance(node, ast.MatchValue):
            return tree.MatchValue(self.expression(node.value))
        if isinstance(node, ast.MatchAs):
            inner = self._pattern(node.pattern) if node.pattern is not None else None
            return tree.MatchAs(inner, tree.Name(node.name) if node.name is not None else None)
        return tree.Pattern()

    # Definitions

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> tree.Statement:
        return tree.FunctionDef(
            tree.Name(node.name),
            self.parameters(node.args),
            self._suite(node.body),
            self._decorators(node.decorator_list),
            tree.Annotation(self.expression(node.returns)) if node.returns is not None else None,
        )

    def _class(self, node: ast.ClassDef) -> tree.Statement:
        return tree.ClassDef(
            tree.Name(node.name),
            self._suite(node.body),
            [self.positional(one) for one in node.bases],
            [self.keyword(one) for one in node.keywords],
            self._decorators(node.decorator_list),
        )

    def _decorators(self, nodes: Sequence[ast.expr]) -> list[tree.Decorator]:
        return [tree.Decorator(self.expression(one)) for one in nodes]

    _COMPOUND: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        ast.FunctionDef: _function,
        ast.AsyncFunctionDef: _function,
        ast.ClassDef: _class,
        ast.If: _if,
        ast.For: _for,
        ast.AsyncFor: _for,
        ast.While: _while,
        ast.With: _with,
        ast.AsyncWith: _with,
        ast.Try: _try,
        ast.TryStar: _try,
        ast.Match: _match,
    }
    _SMALL: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        ast.Expr: _expr,
        ast.Assign: _assign,
        ast.AnnAssign: _annotated,
        ast.AugAssign: _augmented,
        ast.Return: _return,
        ast.Import: _import,
        ast.ImportFrom: _import_from,
        ast.Raise: _raise,
        ast.Assert: _assert,
        ast.Delete: _delete,
        ast.Global: _global,
        ast.Nonlocal: _nonlocal,
        ast.Break: _break,
        ast.Continue: _continue,
    }
