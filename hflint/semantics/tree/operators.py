"""Operators, and what they stand between."""

from __future__ import annotations

from hflint.semantics.tree.base import Expression, Node


class Operator(Node):
    """An operator."""

    __slots__ = ()


def _operator(name: str) -> type[Operator]:
    return type(name, (Operator,), {"__slots__": (), "__doc__": f"The operator {name}."})


Add, Subtract, Multiply, Divide = map(_operator, ("Add", "Subtract", "Multiply", "Divide"))
FloorDivide, Modulo, Power, BitOr = map(_operator, ("FloorDivide", "Modulo", "Power", "BitOr"))
And, Or, Not, Minus, Plus = map(_operator, ("And", "Or", "Not", "Minus", "Plus"))
Equal, NotEqual, LessThan, LessThanEqual = map(_operator, ("Equal", "NotEqual", "LessThan", "LessThanEqual"))
GreaterThan, GreaterThanEqual = map(_operator, ("GreaterThan", "GreaterThanEqual"))
Is, IsNot, In, NotIn = map(_operator, ("Is", "IsNot", "In", "NotIn"))
AddAssign, BitOrAssign = map(_operator, ("AddAssign", "BitOrAssign"))


class UnaryOperation(Expression):
    """`-a`, `not a`."""

    __slots__ = ("expression", "operator")

    def __init__(self, operator: Operator, expression: Expression) -> None:
        self.operator = operator
        self.expression = expression


class _Two(Expression):
    __slots__ = ("left", "operator", "right")

    def __init__(self, left: Expression, operator: Operator, right: Expression) -> None:
        self.left = left
        self.operator = operator
        self.right = right


class BinaryOperation(_Two):
    """`a + b`."""

    __slots__ = ()


class BooleanOperation(_Two):
    """`a and b`."""

    __slots__ = ()


class ComparisonTarget(Node):
    """The right side of a comparison."""

    __slots__ = ("comparator", "operator")

    def __init__(self, operator: Operator, comparator: Expression) -> None:
        self.operator = operator
        self.comparator = comparator


class Comparison(Expression):
    """`a < b < c`."""

    __slots__ = ("comparisons", "left")

    def __init__(self, left: Expression, comparisons: list[ComparisonTarget]) -> None:
        self.left = left
        self.comparisons = comparisons
