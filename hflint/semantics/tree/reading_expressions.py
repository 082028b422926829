"""Expressions of `ast` to nodes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
OTHER = tree.Operator()  # one that nothing is folded with


class ExpressionReader:
    """Makes the nodes of expressions."""

    def expression(self, node: ast.expr) -> tree.Expression:
        """The node of an expression."""
        read = self._EXPRESSIONS.get(node.__class__)
        return read(self, node) if read is not None else self._other(node)

    def maybe(self, node: ast.expr | None) -> tree.Expression | None:
        """The node of an expression, where there is one."""
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
        args = [self.positional(one) for one in node.args]
        if node.keywords:
            keywords = [self.keyword(one) for one in node.keywords]
            if any(one.star for one in args):  # it may stand after a keyword
                places = sorted(zip([*node.args, *node.keywords], [*args, *keywords], strict=True), key=_place)
                args = [arg for _, arg in places]
            else:
                args += keywords
        return tree.Call(self.expression(node.func), args)

    def positional(self, node: ast.expr) -> tree.Arg:
        """An argument without a name."""
        if isinstance(node, ast.Starred):
            return tree.Arg(self.expression(node.value), None, "*")
        return tree.Arg(self.expression(node))

    def keyword(self, node: ast.keyword) -> tree.Arg:
        """An argument with a name, or `**`."""
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
            return tree.Slice(self.maybe(node.lower), self.maybe(node.upper), self.maybe(node.step))
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
        return tree.UnaryOperation(_OPERATORS.get(node.op.__class__, OTHER), self.expression(node.operand))

    def _binary(self, node: ast.BinOp) -> tree.Expression:
        operator = _OPERATORS.get(node.op.__class__, OTHER)
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
        return tree.Lambda(self.parameters(node.args), self.expression(node.body))

    def _await(self, node: ast.Await) -> tree.Expression:
        return tree.Await(self.expression(node.value))

    def _yield(self, node: ast.Yield) -> tree.Expression:
        return tree.Yield(self.maybe(node.value))

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

    def parameters(self, node: ast.arguments) -> tree.Parameters:
        """The parameters of a function."""
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
        return tree.Param(tree.Name(node.arg), annotation, self.maybe(default))

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
