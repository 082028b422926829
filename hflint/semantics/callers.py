"""Model ids that come from other modules: who imports a module, and what its functions are called with there.

A helper such as `def load(model_id): return AutoModel.from_pretrained(model_id)` says nothing of the model; the modules that call it do. What they
say is one of several possibilities, never certain: the next caller may say something else.
"""

from __future__ import annotations

import ast
import re
from array import array
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from hflint.semantics import tree
from hflint.semantics.choice import Selection
from hflint.semantics.lines import first_line
from hflint.semantics.module import Module
from hflint.semantics.objects import Load
from hflint.semantics.scopes import Class, Function
from hflint.semantics.values import UNKNOWN, Known, Unknown, join

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hflint.semantics.interpreter import Interpreter
    from hflint.semantics.project import Foreign, Modules

_ID = "pretrained_model_name_or_path"
_MOST = 3  # modules whose calls are followed, for one module
_LONGEST = 400  # lines that are followed in one of them
_CALL = 1000  # characters of a call
_VALUE = r"(?:[fr]?[\"'(]|[\w.]*(?:[Cc]onfig|[Cc]fg|[Aa]rg|[Pp]arse|[Ss]etting)\w*\()"  # of a name that may be an id, or hold one
_PARAMETER = re.compile(r"parameter (\w+)$")

# Functions and classes, and their parameters that bring an id, each with its position.
Wanted = dict[str, list[tuple[int, str]]]


def take_ids_from_callers(run: Interpreter, modules: Modules) -> None:
    """Let loads whose id a parameter brings have the ids that the project's other modules give, among what else it may be."""
    loads = [one for one in run.fresh.values() if isinstance(one, Load) and _parameters(one, run)]
    wanted = _wanted(run, {name for one in loads for name in _parameters(one, run)}) if loads else {}
    path = run.module.source.path
    own = modules.find(path, _relative(path)) if wanted else None
    if own is None or own[0] is None:
        return
    run.scopes[own[0]] = run.top
    found: dict[object, list[str]] = {}
    for caller, part in _callers(path, wanted, modules):
        for one in run.follow_elsewhere(caller, part):
            if isinstance(one, Load) and one.place.module is run.module:
                texts = [value.constant for value in one.id.alternatives]
                found.setdefault(one.place.node, []).extend(text for text in texts if isinstance(text, str))
    for load in loads:
        ids = dict.fromkeys(found.get(load.place.node, ()))
        if ids:
            load.arguments[_ID] = join(*(Known(text) for text in ids), UNKNOWN)


def _parameters(load: Load, run: Interpreter) -> list[str]:
    """The parameters that bring the id of a load; none where something else is known of it."""
    several = load.id.alternatives
    if load.place.module is not run.module or any(isinstance(one.constant, str) for one in several):
        return []
    named = [found[1] for one in several if isinstance(one, Unknown) and (found := _PARAMETER.match(one.why))]
    return named or _owners(load)


def _owners(load: Load) -> list[str]:
    """What a parameter may be called that brings the id as something of its own: `config` of `config.model.name` and of `self.config.name`."""
    node = load.nodes[_ID].value if _ID in load.nodes and load.id.every(lambda one: isinstance(one, Unknown)) else None
    path: list[str] = []
    while isinstance(node, tree.Attribute | tree.Subscript):
        path += [node.attr.value] if isinstance(node, tree.Attribute) else []
        node = node.value
    if not path or not isinstance(node, tree.Name):
        return []
    return [path[-1]] if node.value == "self" and len(path) > 1 else [node.value]


def _wanted(run: Interpreter, parameters: set[str]) -> Wanted:
    """The functions and classes of the module that have one of these parameters."""
    found: Wanted = {}
    for name, value in run.top.names.items():
        function = value.find("__init__") if isinstance(value, Class) else value
        if isinstance(function, Function) and function.module is run.module:
            node = function.node.params
            names = [one.name.value for one in (*node.posonly_params, *node.params)]
            names = names[1:] if isinstance(value, Class) else names
            every = [*enumerate(names), *((len(names) + 1000, one.name.value) for one in node.kwonly_params)]
            if given := [(position, one) for position, one in every if one in parameters]:
                found[name] = given
    return found


# The modules that call


def _callers(path: Path, wanted: Wanted, modules: Modules) -> Iterator[tuple[Foreign, Module]]:
    """The modules that give one of these parameters something that may be known, each with the statements in which they do."""
    told = ((other, text) for other in modules.importers.of(path) if _says(text := _text_of(other), wanted))
    for other, text in islice(told, _MOST):
        lines = _lines_that_call(text, wanted)
        found = modules.find(other, _relative(other)) if lines else None
        if found is not None and found[0] is not None:
            yield found[0], Module(found[0].source, Selection(array("I", lines)))


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _relative(path: Path) -> str:
    """A module's name as a relative import in it would give it."""
    return "." if path.name == "__init__.py" else f".{path.stem}"


def _lines_that_call(text: str, wanted: Wanted) -> list[int]:
    """The lines, from 1, of the top-level statements with a call that says something of an id, and of those that use what these define.

    What is chosen too much costs time only: what a name stands for is found out when it is followed.
    """
    lines = {text.count("\n", 0, start) + 1 for start in _telling(text, wanted)}
    try:
        body = [one for one in ast.parse(text).body if not isinstance(one, ast.Import | ast.ImportFrom)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    chosen = {index for index, one in enumerate(body) if not lines.isdisjoint(_lines(one))}
    used = [{node.id for node in ast.walk(one) if isinstance(node, ast.Name)} for one in body] if chosen else []
    more = chosen
    while more:
        defined = {name for index in more if (name := getattr(body[index], "name", ""))}
        more = {index for index, names in enumerate(used) if index not in chosen and names & defined}
        chosen |= more
    found = [number for index in sorted(chosen) for number in _lines(body[index])]
    return found if len(found) <= _LONGEST else []


def _says(text: str, wanted: Wanted) -> bool:
    """Whether a module seems to have a call that says something of an id."""
    return next(_telling(text, wanted), None) is not None


def _telling(text: str, wanted: Wanted) -> Iterator[int]:
    """Where such calls are."""
    there = {name: given for name, given in wanted.items() if name in text}
    renamed = [(name, new) for name in there for new in re.findall(rf"{name}[ \t]+as[ \t]+(\w+)", text)]
    there |= {new: there[old] for old, new in renamed}
    return (start for start, call in _calls(text, there) if _tells(call, there, text))


def _calls(text: str, wanted: Wanted) -> Iterator[tuple[int, ast.expr]]:
    """What looks like a call of one of these names, with its offset: read by itself, which costs little."""
    for found in (found for name in wanted for found in re.finditer(rf"{name}[ \t]*\(", text)):
        if re.search(r"(?:\w|def |class )$", text[max(0, found.start() - 6) : found.start()]):
            continue
        depth, end = 1, found.end()
        while depth and end < min(len(text), found.end() + _CALL):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            yield found.start(), ast.parse(text[found.start() : end], mode="eval").body


def _tells(node: ast.expr, wanted: Wanted, text: str) -> bool:
    """Whether a node is a call that gives one of the parameters a text, or a name that the module says something of."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    name = node.func.id
    for position, parameter in wanted.get(name, ()):
        given = [one.value for one in node.keywords if one.arg == parameter] or node.args[position : position + 1]
        if any(_is_telling(one, text) for one in given):
            return True
    return False


def _is_telling(value: ast.expr, text: str) -> bool:
    if isinstance(value, ast.Constant | ast.JoinedStr):
        return True
    name = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
    if isinstance(value, ast.Attribute) and (f"--{name}" in text or f"--{name.replace('_', '-')}" in text):
        return True  # of the command line
    return (
        bool(name)
        and re.search(rf"\b{name}(?:[ \t]*:[^=\n]*)?[ \t]*=[ \t]*{_VALUE}|\bfor {name} in\b", text) is not None
    )


def _lines(statement: ast.stmt) -> range:
    return range(first_line(statement), (statement.end_lineno or statement.lineno) + 1)
