"""From a source to its `Program`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.interpreter import Interpreter
from hflint.semantics.module import Module, SyntaxProblem
from hflint.semantics.program import Program

if TYPE_CHECKING:
    from hflint.files import Source
    from hflint.semantics.project import Modules


def build_program(source: Source, modules: Modules | None = None) -> Program:
    """Parse a source and follow what it does, into the other modules of its project where these are given.

    Raises:
        SyntaxProblem: it does not parse.
    """
    if modules is not None:
        modules.start()
    module = Module(source)
    _ = module.tree  # a syntax error is raised here, before anything is followed
    interpreter = Interpreter(module, modules)
    interpreter.run()
    own = [one for one in interpreter.fresh.values() if one.place.module is module]
    return Program(module, own)


__all__ = ["SyntaxProblem", "build_program"]
