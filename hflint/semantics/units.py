"""The units of a module: its top-level statements and the methods of its classes, each with the names that it has to do with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from hflint.semantics.lines import lines_of

if TYPE_CHECKING:
    import ast


class Kind(Enum):
    """What a unit is."""

    IMPORT = "import"
    FUNCTION = "function"
    CLASS = "class"  # its names are those outside the bodies of its methods
    METHOD = "method"  # a body
    OTHER = "other"


@dataclass(eq=False, slots=True)
class Unit:
    """A top-level statement, or the body of a method, and the names that it has to do with."""

    kind: Kind
    node: ast.stmt | None = None
    name: str = ""
    body: tuple[int, int] = (0, 0)  # the first and the last line of a method's body
    size: int = 0  # lines from the first to the last, methods included
    methods: list[Unit] = field(default_factory=list)
    is_star: bool = False
    is_main: bool = False  # only happens when the module is the program itself
    is_constant: bool = False  # an assignment of something that nothing can change
    is_local: bool = False  # an import of what may be the project's own
    bound: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)  # by themselves or through an attribute
    loading: set[str] = field(default_factory=set)  # those of them that load something by `from_pretrained`
    bases: set[str] = field(default_factory=set)
    annotated: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)  # names whose attributes or items are set
    handled: set[str] = field(default_factory=set)  # names whose methods are called
    given: set[str] = field(default_factory=set)  # names that calls are given
    changed: set[str] = field(default_factory=set)  # names whose object a simple statement may change
    # Assignments: targets, and the names in the value.
    flows: list[tuple[set[str], set[str]]] = field(default_factory=list)
    me: str = ""  # what a method calls its instance; its attributes are named ".name" below
    parameters: set[str] = field(default_factory=set)
    imports: bool = False  # a library's name inside a definition, or one that some version lacks
    secret: bool = False


@dataclass(eq=False, slots=True)
class Survey:
    """A module: its units in order, and how the names that it imports make something that rules are about."""

    units: list[Unit]
    stars: list[str]  # the modules of its star imports, dots included
    makers: set[str]
    parents: set[str]
    typed: set[str]
    lines: list[str]  # of the text

    def lines_of(self, unit: Unit) -> tuple[int, ...]:
        """The numbers, from 1, of a statement's lines."""
        return lines_of(unit.node, self.lines) if unit.node is not None else ()
