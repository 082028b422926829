"""From a source to its `Program`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.callers import take_ids_from_callers
from hflint.semantics.choice import outline_and_nodes
from hflint.semantics.interpreter import Interpreter
from hflint.semantics.module import Module, SyntaxProblem
from hflint.semantics.objects import Change, Load
from hflint.semantics.program import Program
from hflint.semantics.survey import TooDeepError
from hflint.semantics.values import UNKNOWN

if TYPE_CHECKING:
    from hflint.files import Source
    from hflint.semantics.objects import Object
    from hflint.semantics.project import Modules


def build_program(source: Source, modules: Modules | None = None) -> Program:
    """Parse a source and follow what it does, into the other modules of its project where these are given.

    Raises:
        SyntaxProblem: it does not parse.
    """
    if modules is not None:
        modules.start()
    try:
        found, nodes = modules.outline(source) if modules is not None else outline_and_nodes(source.text)
    except TooDeepError:
        raise SyntaxProblem(1, 1, "is nested too deeply") from None
    except RecursionError as error:
        raise SyntaxProblem(1, 1, f"cannot be parsed: {error}") from None
    module = Module(source, found.selection, nodes)
    _ = module.tree  # a syntax error is raised here, before anything is followed
    interpreter = Interpreter(module, modules)
    interpreter.run()
    if modules is not None:
        take_ids_from_callers(interpreter, modules)
    own = [
        one
        for one in interpreter.fresh.values()
        if one.place.module is module and not getattr(one, "is_possible", False)
    ]
    if modules is not None:
        _note_changers(own, modules)
    return Program(module, own, interpreter.close)


def _note_changers(objects: list[Object], modules: Modules) -> None:
    """What a module offers, the modules that import it may change."""
    for one in objects:
        if (
            isinstance(one, Load)
            and not one.where.function
            and (name := modules.importers.changer_of(one.place.module.source.path))
        ):
            one.changes.append(Change("escape", name, UNKNOWN, one.place, one.where, certain=False))


__all__ = ["SyntaxProblem", "build_program"]
