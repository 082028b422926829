"""From a source to its `Program`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.interpreter import Interpreter
from hflint.semantics.module import Module, SyntaxProblem
from hflint.semantics.program import Program

if TYPE_CHECKING:
    from hflint.files import Source


def build_program(source: Source) -> Program:
    """Parse a source and follow what it does.

    Raises:
        SyntaxProblem: it does not parse.
    """
    module = Module(source)
    interpreter = Interpreter(module)
    interpreter.run()
    return Program(module, list(interpreter.fresh.values()))


__all__ = ["SyntaxProblem", "build_program"]
