"""Expressions, and the nodes between them."""

from __future__ import annotations

from hflint.semantics.tree.base import Expression, Node

# Names and calls


class Name(Expression):
    """A name; `True`, `False` and `None` are names."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value


class Attribute(Expression):
    """`value.attr`."""

    __slots__ = ("attr", "value")

    def __init__(self, value: Expression, attr: Name) -> None:
        self.value = value
        self.attr = attr


class Arg(Node):
    """An argument of a call or of a class; `star` is "", "*" or "**"."""

    __slots__ = ("keyword", "star", "value")

    def __init__(self, value: Expression, keyword: Name | None = None, star: str = "") -> None:
        self.value = value
        self.keyword = keyword
        self.star = star


class Call(Expression):
    """`func(args)`."""

    __slots__ = ("args", "func")

    def __init__(self, func: Expression, args: list[Arg]) -> None:
        self.func = func
        self.args = args


class Index(Node):
    """A subscript that is no slice."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


class Slice(Node):
    """`lower:upper:step`."""

    __slots__ = ("lower", "step", "upper")

    def __init__(self, lower: Expression | None, upper: Expression | None, step: Expression | None) -> None:
        self.lower = lower
        self.upper = upper
        self.step = step


class SubscriptElement(Node):
    """One of the subscripts between the commas."""

    __slots__ = ("slice",)

    def __init__(self, slice: Index | Slice) -> None:  # noqa: A002 - libcst's name
        self.slice = slice


class Subscript(Expression):
    """`value[slice]`."""

    __slots__ = ("slice", "value")

    def __init__(self, value: Expression, slice: list[SubscriptElement]) -> None:  # noqa: A002 - libcst's name
        self.value = value
        self.slice = slice


# Literals


class Integer(Expression):
    """A whole number."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


class Float(Expression):
    """A number with a point or an exponent."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value


class Ellipsis(Expression):  # noqa: A001 - libcst's name
    """`...`."""

    __slots__ = ()


class SimpleString(Expression):
    """A string or bytes, with what is written beside it: `value` is what they mean."""

    __slots__ = ("value",)

    def __init__(self, value: str | bytes) -> None:
        self.value = value


class FormattedStringText(Node):
    """The text between the braces of a formatted string, as it is meant."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value


class FormattedStringExpression(Node):
    """What stands in braces; `conversion` is "s", "r", "a" or None."""

    __slots__ = ("conversion", "expression", "format_spec")

    def __init__(
        self,
        expression: Expression,
        conversion: str | None,
        format_spec: list[FormattedStringText | FormattedStringExpression] | None,
    ) -> None:
        self.expression = expression
        self.conversion = conversion
        self.format_spec = format_spec


class FormattedString(Expression):
    """A formatted string, with the strings written beside it."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[FormattedStringText | FormattedStringExpression]) -> None:
        self.parts = parts


class Element(Node):
    """One of a list, tuple or set."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


class StarredElement(Expression):
    """`*value` in a list, tuple or set, or as a target."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


class _Display(Expression):
    __slots__ = ("elements",)

    def __init__(self, elements: list[Element | StarredElement]) -> None:
        self.elements = elements


class List(_Display):
    """`[a, b]`."""

    __slots__ = ()


class Tuple(_Display):
    """`a, b`."""

    __slots__ = ()


class Set(_Display):
    """`{a, b}`."""

    __slots__ = ()


class DictElement(Node):
    """`key: value`."""

    __slots__ = ("key", "value")

    def __init__(self, key: Expression, value: Expression) -> None:
        self.key = key
        self.value = value


class StarredDictElement(Node):
    """`**value`."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


class Dict(Expression):
    """`{key: value}`."""

    __slots__ = ("elements",)

    def __init__(self, elements: list[DictElement | StarredDictElement]) -> None:
        self.elements = elements


# Conditions, generators and comprehensions


class IfExp(Expression):
    """`body if test else orelse`."""

    __slots__ = ("body", "orelse", "test")

    def __init__(self, test: Expression, body: Expression, orelse: Expression) -> None:
        self.test = test
        self.body = body
        self.orelse = orelse


class NamedExpr(Expression):
    """`target := value`."""

    __slots__ = ("target", "value")

    def __init__(self, target: Expression, value: Expression) -> None:
        self.target = target
        self.value = value


class Await(Expression):
    """`await expression`."""

    __slots__ = ("expression",)

    def __init__(self, expression: Expression) -> None:
        self.expression = expression


class From(Node):
    """`from item`, after `yield`."""

    __slots__ = ("item",)

    def __init__(self, item: Expression) -> None:
        self.item = item


class Yield(Expression):
    """`yield value`."""

    __slots__ = ("value",)

    def __init__(self, value: Expression | From | None) -> None:
        self.value = value


class CompIf(Node):
    """`if test`, in a comprehension."""

    __slots__ = ("test",)

    def __init__(self, test: Expression) -> None:
        self.test = test


class CompFor(Node):
    """`for target in iter`, with what follows it."""

    __slots__ = ("ifs", "inner_for_in", "iter", "target")

    def __init__(self, target: Expression, iter: Expression, ifs: list[CompIf], inner_for_in: CompFor | None) -> None:  # noqa: A002 - libcst's name
        self.target = target
        self.iter = iter
        self.ifs = ifs
        self.inner_for_in = inner_for_in


class _Comprehension(Expression):
    __slots__ = ("elt", "for_in")

    def __init__(self, elt: Expression, for_in: CompFor) -> None:
        self.elt = elt
        self.for_in = for_in


class ListComp(_Comprehension):
    """`[elt for ...]`."""

    __slots__ = ()


class SetComp(_Comprehension):
    """`{elt for ...}`."""

    __slots__ = ()


class GeneratorExp(_Comprehension):
    """`(elt for ...)`."""

    __slots__ = ()


class DictComp(Expression):
    """`{key: value for ...}`."""

    __slots__ = ("for_in", "key", "value")

    def __init__(self, key: Expression, value: Expression, for_in: CompFor) -> None:
        self.key = key
        self.value = value
        self.for_in = for_in


class OtherExpression(Expression):
    """An expression that hflint asks nothing about but what is in it."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Node]) -> None:
        self.parts = parts
