"""Functions and classes, and the nodes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.tree.base import Expression, Node, Statement

if TYPE_CHECKING:
    from hflint.semantics.tree.expressions import Arg, Name
    from hflint.semantics.tree.statements import Annotation, Suite


class Param(Node):
    """A parameter."""

    __slots__ = ("annotation", "default", "name")

    def __init__(self, name: Name, annotation: Annotation | None, default: Expression | None) -> None:
        self.name = name
        self.annotation = annotation
        self.default = default


class Parameters(Node):
    """The parameters of a function: `star_arg` and `star_kwarg` are those with stars."""

    __slots__ = ("kwonly_params", "params", "posonly_params", "star_arg", "star_kwarg")

    def __init__(
        self,
        params: list[Param],
        star_arg: Param | None,
        kwonly_params: list[Param],
        star_kwarg: Param | None,
        posonly_params: list[Param],
    ) -> None:
        self.params = params
        self.star_arg = star_arg
        self.kwonly_params = kwonly_params
        self.star_kwarg = star_kwarg
        self.posonly_params = posonly_params


class Lambda(Expression):
    """`lambda params: body`."""

    __slots__ = ("body", "params")

    def __init__(self, params: Parameters, body: Expression) -> None:
        self.params = params
        self.body = body


class Decorator(Node):
    """`@decorator`."""

    __slots__ = ("decorator",)

    def __init__(self, decorator: Expression) -> None:
        self.decorator = decorator


class FunctionDef(Statement):
    """`def name(params) -> returns: body`."""

    __slots__ = ("body", "decorators", "name", "params", "returns")

    def __init__(
        self, name: Name, params: Parameters, body: Suite, decorators: list[Decorator], returns: Annotation | None
    ) -> None:
        self.name = name
        self.params = params
        self.body = body
        self.decorators = decorators
        self.returns = returns


class ClassDef(Statement):
    """`class name(bases, keywords): body`."""

    __slots__ = ("bases", "body", "decorators", "keywords", "name")

    def __init__(
        self, name: Name, body: Suite, bases: list[Arg], keywords: list[Arg], decorators: list[Decorator]
    ) -> None:
        self.name = name
        self.body = body
        self.bases = bases
        self.keywords = keywords
        self.decorators = decorators
