"""Source text to nodes, by way of `ast`."""

from __future__ import annotations

import ast
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.lines import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_OPERATORS: dict[type, tree.Operator] = {
    ast.Add: tree.Add(),
    ast.Sub: tree.Subtract(),
    ast.Mult: tree.Multiply(),
    ast.Div: tree.Divide(),
    ast.FloorDiv: tree.FloorDivide(),
    ast.Mod: tree.Modulo(),
    ast.Pow: tree.Power(),
    ast.BitOr: tree.BitOr(),
    ast.And: tree.And(),
    ast.Or: tree.Or(),
    ast.Not: tree.Not(),
    ast.USub: tree.Minus(),
    ast.UAdd: tree.Plus(),
    ast.Eq: tree.Equal(),
    ast.NotEq: tree.NotEqual(),
    ast.Lt: tree.LessThan(),
    ast.LtE: tree.LessThanEqual(),
    ast.Gt: tree.GreaterThan(),
    ast.GtE: tree.GreaterThanEqual(),
    ast.Is: tree.Is(),
    ast.IsNot: tree.IsNot(),
    ast.In: tree.In(),
    ast.NotIn: tree.NotIn(),
}
_OTHER = tree.Operator()  # one that nothing is folded with
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


def read_expression(text: str) -> tree.Expression:
    """The node of an expression.

    Raises:
        SyntaxError: it is none.
    """
    return _Reader(lambda _: "").expression(ast.parse(text.strip(), mode="eval").body)


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


class _Reader:
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
        return tree.Return(self._maybe(node.value))

    def _assign(self, node: ast.Assign) -> tree.Small:
        return tree.Assign(
            [tree.AssignTarget(self.expression(one)) for one in node.targets], self.expression(node.value)
        )

    def _annotated(self, node: ast.AnnAssign) -> tree.Small:
        return tree.AnnAssign(
            self.expression(node.target),
            tree.Annotation(self.expression(node.annotation)),
            self._maybe(node.value),
        )

    def _augmented(self, node: ast.AugAssign) -> tree.Small:
        operator = _AUGMENTED.get(node.op.__class__, _OTHER)
        return tree.AugAssign(self.expression(node.target), operator, self.expression(node.value))

    def _raise(self, node: ast.Raise) -> tree.Small:
        return tree.Raise(self._maybe(node.exc))

    def _assert(self, node: ast.Assert) -> tree.Small:
        return tree.Assert(self.expression(node.test), self._maybe(node.msg))

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
                self._suite(one.body), self._maybe(one.type), tree.AsName(tree.Name(one.name)) if one.name else None
            )
            for one in node.handlers
        ]
        final = tree.Finally(self._suite(node.finalbody)) if node.finalbody else None
        return tree.Try(self._suite(node.body), handlers, self._else(node.orelse), final)

    def _match(self, node: ast.Match) -> tree.Statement:
        cases = [
            tree.MatchCase(self._pattern(one.pattern), self._suite(one.body), self._maybe(one.guard))
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
            self._parameters(node.args),
            self._suite(node.body),
            self._decorators(node.decorator_list),
            tree.Annotation(self.expression(node.returns)) if node.returns is not None else None,
        )

    def _class(self, node: ast.ClassDef) -> tree.Statement:
        return tree.ClassDef(
            tree.Name(node.name),
            self._suite(node.body),
            [self._positional(one) for one in node.bases],
            [self._keyword(one) for one in node.keywords],
            self._decorators(node.decorator_list),
        )

    def _decorators(self, nodes: Sequence[ast.expr]) -> list[tree.Decorator]:
        return [tree.Decorator(self.expression(one)) for one in nodes]

    def _parameters(self, node: ast.arguments) -> tree.Parameters:
        plain = [*node.posonlyargs, *node.args]
        defaults: list[ast.expr | None] = [None] * (len(plain) - len(node.defaults))
        pairs = [self._parameter(*pair) for pair in zip(plain, [*defaults, *node.defaults], strict=True)]
        first = len(node.posonlyargs)
        return tree.Parameters(
            pairs[first:],
            self._parameter(node.vararg, None) if node.vararg is not None else None,
            [self._parameter(*pair) for pair in zip(node.kwonlyargs, node.kw_defaults, strict=True)],
            self._parameter(node.kwarg, None) if node.kwarg is not None else None,
            pairs[:first],
        )

    def _parameter(self, node: ast.arg, default: ast.expr | None) -> tree.Param:
        annotation = tree.Annotation(self.expression(node.annotation)) if node.annotation is not None else None
        return tree.Param(tree.Name(node.arg), annotation, self._maybe(default))

    # Expressions

    def expression(self, node: ast.expr) -> tree.Expression:
        """The node of an expression."""
        read = self._EXPRESSIONS.get(node.__class__)
        return read(self, node) if read is not None else self._other(node)

    def _maybe(self, node: ast.expr | None) -> tree.Expression | None:
        return self.expression(node) if node is not None else None

    def _other(self, node: ast.expr) -> tree.Expression:
        parts = [self.expression(one) for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
        return tree.OtherExpression(list(parts))

    def _identifier(self, node: ast.Name) -> tree.Expression:
        return tree.Name(node.id)

    def _attribute(self, node: ast.Attribute) -> tree.Expression:
        return tree.Attribute(self.expression(node.value), tree.Name(node.attr))

    def _constant(self, node: ast.Constant) -> tree.Expression:
        value: Any = node.value
        kind = value.__class__
        if kind is str or kind is bytes:
            return tree.SimpleString(value)
        if kind is int:
            return tree.Integer(value)
        if kind is float:
            return tree.Float(value)
        if value is ...:
            return tree.Ellipsis()
        return tree.Name(repr(value)) if kind is not complex else tree.OtherExpression([])

    def _call(self, node: ast.Call) -> tree.Expression:
        args = [self._positional(one) for one in node.args]
        if node.keywords:
            keywords = [self._keyword(one) for one in node.keywords]
            if any(one.star for one in args):  # it may stand after a keyword
                places = sorted(zip([*node.args, *node.keywords], [*args, *keywords], strict=True), key=_place)
                args = [arg for _, arg in places]
            else:
                args += keywords
        return tree.Call(self.expression(node.func), args)

    def _positional(self, node: ast.expr) -> tree.Arg:
        if isinstance(node, ast.Starred):
            return tree.Arg(self.expression(node.value), None, "*")
        return tree.Arg(self.expression(node))

    def _keyword(self, node: ast.keyword) -> tree.Arg:
        value = self.expression(node.value)
        return tree.Arg(value, tree.Name(node.arg)) if node.arg is not None else tree.Arg(value, None, "**")

    def _subscript(self, node: ast.Subscript) -> tree.Expression:
        inner = node.slice
        several = isinstance(inner, ast.Tuple) and inner.elts and _start(inner) == _start(inner.elts[0])
        parts = inner.elts if several else [inner]  # type: ignore[attr-defined]
        return tree.Subscript(
            self.expression(node.value), [tree.SubscriptElement(self._subscripted(one)) for one in parts]
        )

    def _subscripted(self, node: ast.expr) -> tree.Index | tree.Slice:
        if isinstance(node, ast.Slice):
            return tree.Slice(self._maybe(node.lower), self._maybe(node.upper), self._maybe(node.step))
        return tree.Index(self.expression(node.value if isinstance(node, ast.Starred) else node))

    def _formatted(self, node: ast.JoinedStr) -> tree.Expression:
        return tree.FormattedString(self._parts(node.values))

    def _parts(self, nodes: Sequence[ast.expr]) -> list[tree.FormattedStringText | tree.FormattedStringExpression]:
        found: list[tree.FormattedStringText | tree.FormattedStringExpression] = []
        for one in nodes:
            if isinstance(one, ast.FormattedValue):
                spec = self._parts(one.format_spec.values) if isinstance(one.format_spec, ast.JoinedStr) else None
                conversion = chr(one.conversion) if one.conversion > 0 else None
                found.append(tree.FormattedStringExpression(self.expression(one.value), conversion, spec))
            elif isinstance(one, ast.Constant):
                found.append(tree.FormattedStringText(str(one.value)))
        return found

    def _elements(self, nodes: Sequence[ast.expr]) -> list[tree.Element | tree.StarredElement]:
        return [
            tree.StarredElement(self.expression(one.value))
            if isinstance(one, ast.Starred)
            else tree.Element(self.expression(one))
            for one in nodes
        ]

    def _list(self, node: ast.List) -> tree.Expression:
        return tree.List(self._elements(node.elts))

    def _tuple(self, node: ast.Tuple) -> tree.Expression:
        return tree.Tuple(self._elements(node.elts))

    def _set(self, node: ast.Set) -> tree.Expression:
        return tree.Set(self._elements(node.elts))

    def _starred(self, node: ast.Starred) -> tree.Expression:
        return tree.StarredElement(self.expression(node.value))

    def _dict(self, node: ast.Dict) -> tree.Expression:
        return tree.Dict(
            [
                tree.DictElement(self.expression(key), self.expression(value))
                if key is not None
                else tree.StarredDictElement(self.expression(value))
                for key, value in zip(node.keys, node.values, strict=True)
            ]
        )

    def _unary(self, node: ast.UnaryOp) -> tree.Expression:
        return tree.UnaryOperation(_OPERATORS.get(node.op.__class__, _OTHER), self.expression(node.operand))

    def _binary(self, node: ast.BinOp) -> tree.Expression:
        operator = _OPERATORS.get(node.op.__class__, _OTHER)
        return tree.BinaryOperation(self.expression(node.left), operator, self.expression(node.right))

    def _boolean(self, node: ast.BoolOp) -> tree.Expression:
        operator = _OPERATORS[node.op.__class__]
        found = self.expression(node.values[0])
        for one in node.values[1:]:
            found = tree.BooleanOperation(found, operator, self.expression(one))
        return found

    def _comparison(self, node: ast.Compare) -> tree.Expression:
        targets = [
            tree.ComparisonTarget(_OPERATORS[operator.__class__], self.expression(one))
            for operator, one in zip(node.ops, node.comparators, strict=True)
        ]
        return tree.Comparison(self.expression(node.left), targets)

    def _conditional(self, node: ast.IfExp) -> tree.Expression:
        return tree.IfExp(self.expression(node.test), self.expression(node.body), self.expression(node.orelse))

    def _named(self, node: ast.NamedExpr) -> tree.Expression:
        return tree.NamedExpr(self.expression(node.target), self.expression(node.value))

    def _lambda(self, node: ast.Lambda) -> tree.Expression:
        return tree.Lambda(self._parameters(node.args), self.expression(node.body))

    def _await(self, node: ast.Await) -> tree.Expression:
        return tree.Await(self.expression(node.value))

    def _yield(self, node: ast.Yield) -> tree.Expression:
        return tree.Yield(self._maybe(node.value))

    def _yield_from(self, node: ast.YieldFrom) -> tree.Expression:
        return tree.Yield(tree.From(self.expression(node.value)))

    def _loops(self, loops: Sequence[ast.comprehension]) -> tree.CompFor:
        first = loops[0]
        return tree.CompFor(
            self.expression(first.target),
            self.expression(first.iter),
            [tree.CompIf(self.expression(one)) for one in first.ifs],
            self._loops(loops[1:]) if len(loops) > 1 else None,
        )

    def _list_comprehension(self, node: ast.ListComp) -> tree.Expression:
        return tree.ListComp(self.expression(node.elt), self._loops(node.generators))

    def _set_comprehension(self, node: ast.SetComp) -> tree.Expression:
        return tree.SetComp(self.expression(node.elt), self._loops(node.generators))

    def _generator(self, node: ast.GeneratorExp) -> tree.Expression:
        return tree.GeneratorExp(self.expression(node.elt), self._loops(node.generators))

    def _dict_comprehension(self, node: ast.DictComp) -> tree.Expression:
        return tree.DictComp(self.expression(node.key), self.expression(node.value), self._loops(node.generators))

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
    _EXPRESSIONS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        ast.Name: _identifier,
        ast.Attribute: _attribute,
        ast.Constant: _constant,
        ast.Call: _call,
        ast.Subscript: _subscript,
        ast.JoinedStr: _formatted,
        ast.List: _list,
        ast.Tuple: _tuple,
        ast.Set: _set,
        ast.Starred: _starred,
        ast.Dict: _dict,
        ast.UnaryOp: _unary,
        ast.BinOp: _binary,
        ast.BoolOp: _boolean,
        ast.Compare: _comparison,
        ast.IfExp: _conditional,
        ast.NamedExpr: _named,
        ast.Lambda: _lambda,
        ast.Await: _await,
        ast.Yield: _yield,
        ast.YieldFrom: _yield_from,
        ast.ListComp: _list_comprehension,
        ast.SetComp: _set_comprehension,
        ast.GeneratorExp: _generator,
        ast.DictComp: _dict_comprehension,
    }


def _start(node: ast.expr | ast.keyword) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _place(pair: tuple[Any, tree.Arg]) -> tuple[int, int]:
    return _start(pair[0])
