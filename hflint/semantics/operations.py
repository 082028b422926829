"""Operators: arithmetic on constants, and/or, comparisons, versions among them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.attributes import Attributes
from hflint.semantics.documents import joined
from hflint.semantics.installed import Feature, LibraryVersion, VersionTest
from hflint.semantics.objects import LibraryCall, Part
from hflint.semantics.scopes import Class, Function, Instance
from hflint.semantics.syntax import same
from hflint.semantics.values import (
    ABSENT,
    MISSING,
    UNKNOWN,
    WIDEST,
    Container,
    Items,
    Known,
    OneOf,
    Symbol,
    Table,
    Value,
    join,
    truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable


_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    tree.Add: operator.add,
    tree.Subtract: operator.sub,
    tree.Multiply: operator.mul,
    tree.Divide: operator.truediv,
    tree.FloorDivide: operator.floordiv,
    tree.Modulo: operator.mod,
    tree.Power: operator.pow,
}
_COMPARISONS: dict[type, tuple[str, str]] = {
    tree.LessThan: ("<", ">="),
    tree.LessThanEqual: ("<=", ">"),
    tree.GreaterThan: (">", "<="),
    tree.GreaterThanEqual: (">=", "<"),
    tree.Equal: ("==", "!="),
    tree.NotEqual: ("!=", "=="),
}
_ORDERED: dict[type, Callable[[Any, Any], Any]] = {
    tree.LessThan: operator.lt,
    tree.LessThanEqual: operator.le,
    tree.GreaterThan: operator.gt,
    tree.GreaterThanEqual: operator.ge,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_LONGEST = 2000  # characters of a string that hflint folds, and the largest number it raises to a power


_TYPES = frozenset({"str", "int", "float", "bool", "list", "dict", "tuple", "bytes", "set"})
_NEVER_NONE = (LibraryCall, Container, Function, Class, Instance)


class Operations(Attributes):
    """Evaluation of operators."""

    def _binary(self, node: tree.BinaryOperation) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        if isinstance(left, OneOf) or isinstance(right, OneOf):
            if len(left.alternatives) * len(right.alternatives) > WIDEST:
                return UNKNOWN
            return join(*(self._combine(node, one, other) for one in left.alternatives for other in right.alternatives))
        return self._combine(node, left, right)

    def _combine(self, node: tree.BinaryOperation, left: Value, right: Value) -> Value:
        if isinstance(node.operator, tree.Add) and isinstance(left, Items) and isinstance(right, Items):
            return self.own(
                Items(left.items + right.items, left.kind, left.complete and right.complete, self.place(node))
            )
        if isinstance(node.operator, tree.BitOr) and isinstance(left, Table) and isinstance(right, Table):
            return self.own(
                Table({**left.entries, **right.entries}, left.complete and right.complete, self.place(node))
            )
        if isinstance(node.operator, tree.Divide) and (path := joined(left, right)) is not None:
            return path
        operate = _ARITHMETIC.get(type(node.operator))
        if operate is None or left.constant is MISSING or right.constant is MISSING:
            return UNKNOWN
        return self._fold(operate, left.constant, right.constant, node)

    def _fold(self, operate: Callable[[Any, Any], Any], left: Any, right: Any, node: tree.Node) -> Value:
        if any(isinstance(one, str | bytes) and len(one) > _LONGEST for one in (left, right)):
            return UNKNOWN
        if operate in (operator.pow, operator.mul) and any(
            isinstance(one, int | float) and abs(one) > _LONGEST for one in (left, right)
        ):
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if operate is operator.pow or not numbers:
                return UNKNOWN
        try:
            return Known(operate(left, right), self.place(node))
        except (ArithmeticError, TypeError, ValueError, KeyError):
            return UNKNOWN

    def _unary(self, node: tree.UnaryOperation) -> Value:
        value = self.evaluate(node.expression)
        constant = value.constant
        if isinstance(node.operator, tree.Not):
            if isinstance(value, VersionTest):
                return VersionTest(value.library, value.otherwise, value.specifier)
            if isinstance(value, Feature):
                return value
            return UNKNOWN if constant is MISSING else Known(not constant, self.place(node))
        if isinstance(node.operator, tree.Minus) and isinstance(constant, int | float):
            return Known(-constant, self.place(node))
        return value if isinstance(node.operator, tree.Plus) else UNKNOWN

    def _boolean(self, node: tree.BooleanOperation) -> Value:
        left = self.evaluate(node.left)
        guards = self.guards_of(left, positive=isinstance(node.operator, tree.And))
        with self.guarded(*guards, conditional=True):
            right = self.evaluate(node.right)
        for side in (left, right):
            if isinstance(side, VersionTest | Feature):
                return side if isinstance(node.operator, tree.And) or isinstance(side, Feature) else Feature("version")
        constant = left.constant
        if constant is not MISSING:
            decided = bool(constant) if isinstance(node.operator, tree.Or) else not constant
            return left if decided else right
        if isinstance(node.operator, tree.Or):
            truthy = [one for one in left.alternatives if one.constant is MISSING or one.constant]
            return join(*truthy, right)
        return join(left, right)

    def _comparison(self, node: tree.Comparison) -> Value:
        left = self.evaluate(node.left)
        rights = [(target.operator, self.evaluate(target.comparator)) for target in node.comparisons]
        sides = (left, *(right for _, right in rights))
        if any(isinstance(one, Part) and one.path.endswith("__class__.__name__") for one in sides):
            return Feature("class")
        if (feature := next((one for one in sides if isinstance(one, Feature)), None)) is not None:
            return feature
        if len(rights) != 1 and any(isinstance(one, LibraryVersion) for one in sides):
            return Feature("version")
        if len(rights) != 1:
            return UNKNOWN
        comparison, right = rights[0]
        signs = _COMPARISONS.get(type(comparison))
        if isinstance(left, LibraryVersion) or isinstance(right, LibraryVersion):
            return self._version_test(left, signs, right)
        return join(*(self._compared(one, comparison, right, node) for one in left.alternatives))

    def _compared(self, left: Value, comparison: tree.Operator, right: Value, node: tree.Comparison) -> Value:
        """A comparison of one alternative with a value; where it is not decided, either answer if the other side is a constant."""
        if isinstance(comparison, tree.Is | tree.IsNot):
            return self._identity(left, right, node, positive=isinstance(comparison, tree.Is))
        if isinstance(comparison, tree.In | tree.NotIn):
            return self._membership(left, right, node, positive=isinstance(comparison, tree.In))
        same = isinstance(comparison, tree.Equal)
        if isinstance(left, Symbol) and isinstance(right, Symbol) and {left.name, right.name} <= _TYPES:
            return Known((left.name == right.name) == same, self.place(node)) if same else UNKNOWN
        if left.constant is MISSING or right.constant is MISSING:
            return UNKNOWN
        if isinstance(comparison, tree.Equal | tree.NotEqual):
            return Known((left.constant == right.constant) == same, self.place(node))
        order = _ORDERED.get(type(comparison))
        both = isinstance(left.constant, int | float) and isinstance(right.constant, int | float)
        return Known(order(left.constant, right.constant), self.place(node)) if order and both else UNKNOWN

    def _identity(self, left: Value, right: Value, node: tree.Comparison, *, positive: bool) -> Value:
        """`is` and `is not`, where one side is None, True or False."""
        if right.constant is MISSING or not (right.constant is None or isinstance(right.constant, bool)):
            return UNKNOWN
        if left.constant is not MISSING:
            return Known((left.constant is right.constant) == positive, self.place(node))
        return Known(not positive, self.place(node)) if isinstance(left, _NEVER_NONE) else UNKNOWN

    def _membership(self, left: Value, right: Value, node: tree.Comparison, *, positive: bool) -> Value:
        """`in` and `not in`, for a constant and a container that is known whole."""
        if isinstance(right, Table):
            held = list(right.entries) if right.complete and ABSENT not in right.entries.values() else None
        else:
            held = right.constants() if isinstance(right, Items) else right.constant
        if held is None or held is MISSING or left.constant is MISSING:
            return UNKNOWN
        try:
            return Known((left.constant in held) == positive, self.place(node))
        except TypeError:
            return UNKNOWN

    @staticmethod
    def _version_test(left: Value, signs: tuple[str, str] | None, right: Value) -> Value:
        version, text = (left, right.constant) if isinstance(left, LibraryVersion) else (right, left.constant)
        if not isinstance(version, LibraryVersion) or not version.whole or signs is None or not isinstance(text, str):
            return Feature("version")
        then, otherwise = signs if version is left else (_MIRRORED[signs[0]], _MIRRORED[signs[1]])
        return VersionTest(version.library, f"{then}{text}", f"{otherwise}{text}")

    def _conditional(self, node: tree.IfExp) -> Value:
        test = self.evaluate(node.test)
        decided = truth(test)
        with self.guarded(*self.guards_of(test, positive=True), conditional=True):
            then = self.evaluate(node.body)
        with self.guarded(*self.guards_of(test, positive=False), conditional=True):
            otherwise = self.evaluate(node.orelse)
        if decided is not None:
            return then if decided else otherwise
        return join(_where_true(node, then), otherwise)

    def _named(self, node: tree.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.assign(node.target, value)
        return value

    EVALUATORS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        **Attributes.EVALUATORS,
        tree.BinaryOperation: _binary,
        tree.UnaryOperation: _unary,
        tree.BooleanOperation: _boolean,
        tree.Comparison: _comparison,
        tree.IfExp: _conditional,
        tree.NamedExpr: _named,
    }


def _where_true(node: tree.IfExp, then: Value) -> Value:
    """The first value of `a if a else b` and `a if a is not None else b`, without what the condition rules out."""
    test = node.test
    if isinstance(test, tree.Comparison) and len(test.comparisons) == 1:
        target = test.comparisons[0]
        none = isinstance(target.comparator, tree.Name) and target.comparator.value == "None"
        test = test.left if none and isinstance(target.operator, tree.IsNot) else test
    if not isinstance(test, tree.Name | tree.Attribute) or not same(test, node.body):
        return then
    left = [one for one in then.alternatives if truth(one) is not False]
    return join(*left) if left else then
