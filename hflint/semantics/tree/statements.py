"""Statements, and the nodes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.tree.base import Expression, Node, Small, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hflint.semantics.tree.expressions import Attribute, Name
    from hflint.semantics.tree.operators import Operator


class Suite(Node):
    """The statements of a compound statement."""

    __slots__ = ("body",)
    body: Sequence[Statement | Small]


class IndentedBlock(Suite):
    """Statements on lines of their own."""

    __slots__ = ()
    body: list[Statement]

    def __init__(self, body: list[Statement]) -> None:
        self.body = body


class SimpleStatementSuite(Suite):
    """Small statements on the line of the header."""

    __slots__ = ()
    body: list[Small]

    def __init__(self, body: list[Small]) -> None:
        self.body = body


class Module(Node):
    """A module, or a part of it; `lines` are the first and the last line of each statement, from 1."""

    __slots__ = ("body", "lines")

    def __init__(self, body: list[Statement], lines: tuple[tuple[int, int], ...]) -> None:
        self.body = body
        self.lines = lines


class SimpleStatementLine(Statement):
    """Small statements on a line of their own."""

    __slots__ = ("body",)

    def __init__(self, body: list[Small]) -> None:
        self.body = body


# Small statements


class Expr(Small):
    """An expression as a statement."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


class Return(Small):
    """`return value`."""

    __slots__ = ("value",)

    def __init__(self, value: Expression | None) -> None:
        self.value = value


class AssignTarget(Node):
    """One of the targets of an assignment."""

    __slots__ = ("target",)

    def __init__(self, target: Expression) -> None:
        self.target = target


class Assign(Small):
    """`target = value`."""

    __slots__ = ("targets", "value")

    def __init__(self, targets: list[AssignTarget], value: Expression) -> None:
        self.targets = targets
        self.value = value


class Annotation(Node):
    """What is written after a colon or an arrow."""

    __slots__ = ("annotation",)

    def __init__(self, annotation: Expression) -> None:
        self.annotation = annotation


class AnnAssign(Small):
    """`target: annotation = value`."""

    __slots__ = ("annotation", "target", "value")

    def __init__(self, target: Expression, annotation: Annotation, value: Expression | None) -> None:
        self.target = target
        self.annotation = annotation
        self.value = value


class AugAssign(Small):
    """`target += value`."""

    __slots__ = ("operator", "target", "value")

    def __init__(self, target: Expression, operator: Operator, value: Expression) -> None:
        self.target = target
        self.operator = operator
        self.value = value


class Raise(Small):
    """`raise exc`."""

    __slots__ = ("exc",)

    def __init__(self, exc: Expression | None) -> None:
        self.exc = exc


class Assert(Small):
    """`assert test, msg`."""

    __slots__ = ("msg", "test")

    def __init__(self, test: Expression, msg: Expression | None) -> None:
        self.test = test
        self.msg = msg


class Del(Small):
    """`del target`."""

    __slots__ = ("target",)

    def __init__(self, target: Expression) -> None:
        self.target = target


class NameItem(Node):
    """One of the names that are declared."""

    __slots__ = ("name",)

    def __init__(self, name: Name) -> None:
        self.name = name


class Global(Small):
    """`global names`."""

    __slots__ = ("names",)

    def __init__(self, names: list[NameItem]) -> None:
        self.names = names


class Nonlocal(Small):
    """`nonlocal names`."""

    __slots__ = ("names",)

    def __init__(self, names: list[NameItem]) -> None:
        self.names = names


class Break(Small):
    """`break`."""

    __slots__ = ()


class Continue(Small):
    """`continue`."""

    __slots__ = ()


class Pass(Small):
    """`pass`, and what else does nothing here."""

    __slots__ = ()


class AsName(Node):
    """`as name`."""

    __slots__ = ("name",)

    def __init__(self, name: Expression) -> None:
        self.name = name


class ImportAlias(Node):
    """`name as asname`."""

    __slots__ = ("asname", "name")

    def __init__(self, name: Name | Attribute, asname: AsName | None) -> None:
        self.name = name
        self.asname = asname


class ImportStar(Node):
    """`*`."""

    __slots__ = ()


class Import(Small):
    """`import names`."""

    __slots__ = ("names",)

    def __init__(self, names: list[ImportAlias]) -> None:
        self.names = names


class ImportFrom(Small):
    """`from module import names`; `relative` is the dots before the module."""

    __slots__ = ("module", "names", "relative")

    def __init__(self, module: Name | Attribute | None, names: list[ImportAlias] | ImportStar, relative: str) -> None:
        self.module = module
        self.names = names
        self.relative = relative


# Compound statements


class Else(Node):
    """`else: body`."""

    __slots__ = ("body",)

    def __init__(self, body: Suite) -> None:
        self.body = body


class Finally(Node):
    """`finally: body`."""

    __slots__ = ("body",)

    def __init__(self, body: Suite) -> None:
        self.body = body


class If(Statement):
    """`if test: body`; `orelse` is an `If` for `elif`."""

    __slots__ = ("body", "orelse", "test")

    def __init__(self, test: Expression, body: Suite, orelse: If | Else | None) -> None:
        self.test = test
        self.body = body
        self.orelse = orelse


class For(Statement):
    """`for target in iter: body`."""

    __slots__ = ("body", "iter", "orelse", "target")

    def __init__(self, target: Expression, iter: Expression, body: Suite, orelse: Else | None) -> None:  # noqa: A002 - libcst's name
        self.target = target
        self.iter = iter
        self.body = body
        self.orelse = orelse


class While(Statement):
    """`while test: body`."""

    __slots__ = ("body", "orelse", "test")

    def __init__(self, test: Expression, body: Suite, orelse: Else | None) -> None:
        self.test = test
        self.body = body
        self.orelse = orelse


class WithItem(Node):
    """`item as asname`."""

    __slots__ = ("asname", "item")

    def __init__(self, item: Expression, asname: AsName | None) -> None:
        self.item = item
        self.asname = asname


class With(Statement):
    """`with items: body`."""

    __slots__ = ("body", "items")

    def __init__(self, items: list[WithItem], body: Suite) -> None:
        self.items = items
        self.body = body


class ExceptHandler(Node):
    """`except type as name: body`, or `except*`."""

    __slots__ = ("body", "name", "type")

    def __init__(self, body: Suite, type: Expression | None, name: AsName | None) -> None:  # noqa: A002 - libcst's name
        self.body = body
        self.type = type
        self.name = name


class Try(Statement):
    """`try: body`, with `except` or with `except*`."""

    __slots__ = ("body", "finalbody", "handlers", "orelse")

    def __init__(
        self, body: Suite, handlers: list[ExceptHandler], orelse: Else | None, finalbody: Finally | None
    ) -> None:
        self.body = body
        self.handlers = handlers
        self.orelse = orelse
        self.finalbody = finalbody


class Pattern(Node):
    """A pattern that hflint asks nothing about."""

    __slots__ = ()


class MatchValue(Pattern):
    """`case value`."""

    __slots__ = ("value",)

    def __init__(self, value: Expression) -> None:
        self.value = value


class MatchAs(Pattern):
    """`case pattern as name`, `case name`, `case _`."""

    __slots__ = ("name", "pattern")

    def __init__(self, pattern: Pattern | None, name: Name | None) -> None:
        self.pattern = pattern
        self.name = name


class MatchCase(Node):
    """`case pattern if guard: body`."""

    __slots__ = ("body", "guard", "pattern")

    def __init__(self, pattern: Pattern, body: Suite, guard: Expression | None) -> None:
        self.pattern = pattern
        self.body = body
        self.guard = guard


class Match(Statement):
    """`match subject: cases`."""

    __slots__ = ("cases", "subject")

    def __init__(self, subject: Expression, cases: list[MatchCase]) -> None:
        self.subject = subject
        self.cases = cases
