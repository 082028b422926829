"""Which units of a module are worth parsing: what speaks of a library, what that uses, and what uses that.

A function or method that is left out is unknown code: what is handed to it is no longer certain.
"""

from __future__ import annotations

import ast
import re
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from hflint.semantics.catalog import TRAINER_STEPS
from hflint.semantics.lines import first_line
from hflint.semantics.names import LOCAL_MAKER
from hflint.semantics.survey import survey
from hflint.semantics.tree.reading import read_statements
from hflint.semantics.units import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hflint.semantics import tree
    from hflint.semantics.units import Survey, Unit

# Attributes that change or read what rules ask about: a helper with one of them is followed where it is called.
_TELLING = frozenset(
    [
        "from_pretrained",
        "from_config",
        "add_argument",
        "generate",
        "apply_chat_template",
        "encode_plus",
        "batch_encode_plus",
        "as_target_tokenizer",
        "prepare_seq2seq_batch",
        "pad_token",
        "pad_token_id",
        "padding_side",
        "eos_token",
        "add_special_tokens",
        "add_tokens",
        "resize_token_embeddings",
        "gradient_checkpointing_enable",
        "enable_input_require_grads",
        "use_cache",
        "generation_config",
    ]
)
# Methods that newer versions lack: worth a look wherever an annotation says that the object is a library's.
_GONE = frozenset(
    ["encode_plus", "batch_encode_plus", "as_target_tokenizer", "prepare_seq2seq_batch", "additional_special_tokens"]
)
# Calls that may bind any name.
_BINDING = frozenset({"exec", "globals", "setattr", "vars"})
# Calls that may leave the program where a version does not fit.
_UPSETTING = frozenset({"locals", "runpy", "require_version", "check_min_version", "Version", "parse_version"})
# What makes a class a record: of what it is used for, its fields say something.
_RECORDS = frozenset({"dataclass", "dataclasses", "BaseModel", "BaseSettings", "define", "attrs", "NamedTuple"})
# Parameters through which objects come that rules ask about where they are called; only decides what is parsed.
_CALLABLE = re.compile(r"tokeni[sz]er|processor|pipe", re.IGNORECASE)
# Fields that may say which model is meant.
_NAMING = re.compile(r"(?:^|_)(?:model|tokeni[sz]er|checkpoint)(?:_?(?:id|name|path))?$|name_or_path$")
_LONGEST = 200  # lines of a definition of another module that is followed
_SMALL = 15  # lines of a helper that is followed in any case


@dataclass(frozen=True, slots=True)
class Selection:
    """The lines to parse, from 1, ascending; at those in `stubs` begins the body of a method that is left out."""

    lines: Sequence[int]
    stubs: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Outline:
    """What a module is followed by: the part that matters to its own check, and what it offers to others."""

    selection: Selection | None  # None for all of it: `ast` does not know the syntax
    statements: list[Statement]
    stars: list[str]  # the modules of its star imports, dots included


@dataclass(frozen=True, slots=True)
class Statement:
    """A top-level statement of a module that others import from, and the names that it binds or changes.

    A long definition that speaks of no library is not among them; what it offers is unknown.
    """

    selection: Selection
    names: frozenset[str]


def outline(text: str) -> Outline:
    """Read a module with `ast`, for those that import from it.

    Raises:
        TooDeepError: it is nested too deeply.
    """
    found = survey(text)
    return _outline(found, _chosen(found)) if found is not None else Outline(None, [], [])


def outline_and_nodes(text: str) -> tuple[Outline, tree.Module | None]:
    """Read a module with `ast`, for its own check: with the nodes of the selection, where these need not be read from its lines.

    Raises:
        TooDeepError: it is nested too deeply.
    """
    found = survey(text)
    if found is None:
        return Outline(None, [], []), None
    chosen = _chosen(found)
    whole = _outline(found, chosen)
    return whole, _nodes(found, chosen.chosen, whole.selection) if whole.selection is not None else None


def _chosen(survey: Survey) -> _Chooser:
    chooser = _Chooser(survey)
    chooser.run()
    return chooser


def _outline(survey: Survey, chooser: _Chooser) -> Outline:
    selection = _selection(survey, survey.units, chooser.chosen)
    return Outline(selection, _statements(survey, chooser.bases), survey.stars)


def _nodes(survey: Survey, chosen: set[Unit], selection: Selection) -> tree.Module | None:
    """The nodes of the chosen units; None where two statements share a line. The units are of no use afterwards."""
    units = [unit for unit in survey.units if unit.node is not None]
    places = [(first_line(unit.node), unit.node.end_lineno or 0) for unit in units if unit.node is not None]
    if any(first <= last for (_, last), (first, _) in pairwise(places)):
        return None
    body = []
    for unit in units:
        if unit in chosen and unit.node is not None:
            for method in unit.methods:
                if method not in chosen and isinstance(method.node, ast.FunctionDef | ast.AsyncFunctionDef):
                    method.node.body = [_left_out(method.node.body[0])]
            body.append(unit.node)
    lines = selection.lines
    own = tuple(
        (bisect_left(lines, first) + 1, bisect_right(lines, last))
        for unit, (first, last) in zip(units, places, strict=True)
        if unit in chosen
    )
    return read_statements(body, own, lambda number: survey.lines[number - 1])


def _left_out(first: ast.stmt) -> ast.stmt:
    """What stands for the body of a method that is left out, as `module.py` has it in the text."""
    return ast.copy_location(ast.Expr(ast.Constant(...)), first)


def _statements(survey: Survey, bases: set[str]) -> list[Statement]:
    """The statements of a module that others import from, without what only happens when it is the program itself."""
    found = []
    typed = set(survey.typed)
    for unit in survey.units:
        if unit.kind is Kind.CLASS and unit.bases & typed:
            typed.add(unit.name)
        names = frozenset(unit.bound | unit.changed)
        if names and not unit.is_main:
            kept = {unit, *(method for method in unit.methods if _is_offered(method, survey))}
            speaks = any(
                one.called & survey.makers or one.bases & typed or "add_argument" in one.attributes for one in kept
            )
            if (speaks or _names_models(unit) or _is_followed(unit, bases)) and len(
                (part := _selection(survey, [unit], kept)).lines
            ) < _LONGEST:
                found.append(Statement(part, names))
    return found


def _is_offered(method: Unit, survey: Survey) -> bool:
    """Whether a method of a class that others import is worth parsing."""
    hands_over = any(name == method.me or name.startswith(".") for name in method.given)
    return (
        hands_over
        or _is_helper(method)
        or _is_special(method)
        or _sets_state(method)
        or bool(method.called & survey.makers)
    )


def _selection(survey: Survey, units: Iterable[Unit], kept: set[Unit]) -> Selection:
    lines: set[int] = set()
    stubs = set()
    for unit in units:
        if unit in kept:
            lines.update(survey.lines_of(unit))
            for first, last in (method.body for method in unit.methods if method not in kept):
                lines.difference_update(range(first + 1, last + 1))
                stubs.add(first)
    return Selection(array("I", sorted(lines)), frozenset(stubs))


def _is_helper(unit: Unit) -> bool:
    """Whether a function that another one uses is worth parsing."""
    if unit.size <= _SMALL or unit.attributes & _TELLING or unit.used & _UPSETTING:
        return True
    # What it is given, it calls or hands on.
    return any(_CALLABLE.search(name) for name in (unit.called | unit.given) & unit.parameters)


def _takes_objects(method: Unit) -> bool:
    return method.name == "__init__" and any(_CALLABLE.search(name) for name in method.parameters)


def _is_special(method: Unit) -> bool:
    """Whether something else than the program's own code calls a method."""
    return (method.name.startswith("__") and method.name.endswith("__")) or method.name in TRAINER_STEPS


def _sets_state(method: Unit) -> bool:
    return any(name.startswith(".") for name in method.bound) or bool(method.used & _BINDING)


def _is_followed(unit: Unit, bases: set[str]) -> bool:
    """Whether a top-level unit that another one uses is worth parsing."""
    if unit.kind is Kind.FUNCTION:
        return _is_helper(unit)
    if unit.kind is Kind.CLASS:
        return (
            not unit.methods  # fields only
            or _is_helper(unit)
            or unit.name in bases
            or any(method.attributes & _TELLING or _takes_objects(method) for method in unit.methods)
        )
    return True


def _is_record(unit: Unit) -> bool:
    return unit.kind is Kind.CLASS and not (_RECORDS.isdisjoint(unit.used) and _RECORDS.isdisjoint(unit.bases))


def _names_models(unit: Unit) -> bool:
    """Whether a record has a field that may say which model is meant."""
    fields = unit.node.body if isinstance(unit.node, ast.ClassDef) and _is_record(unit) else ()
    return any(
        isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and _NAMING.search(one.target.id)
        for one in fields
    )


class _Chooser:
    """Follows who uses whom until nothing is added. A unit that speaks brings its users along; one that only helps does not."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.chosen: set[Unit] = set()
        self.speaking: set[Unit] = set()
        self.pending: list[Unit] = []
        self.asked: set[str] = set()  # attributes that chosen units mention
        self.held: set[str] = set()  # attributes of instances that may hold an object of a library, as ".name"
        self.owners = {method: unit for unit in survey.units for method in unit.methods}
        self.every = [*survey.units, *self.owners]
        self.bases = set().union(*(unit.bases for unit in self.every)) if self.every else set()
        self.binders = _index(self.every, lambda unit: unit.bound)
        self.users = _index(self.every, lambda unit: unit.used)
        self.changers = _index(self.every, _changes)
        # Names of other packages: what else `from_pretrained` is called on may be one of a library's classes.
        self.elsewhere = {
            name for unit in survey.units if unit.kind is Kind.IMPORT and not unit.is_local for name in unit.bound
        }
        # Functions that may leave the program where a version does not fit: statements that call them matter.
        self.gates = {unit.name for unit in survey.units if unit.kind is Kind.FUNCTION and _is_gate(unit)}

    def run(self) -> None:
        for unit in self.every:
            if self._is_seed(unit):
                self._add(unit, speaks=True)
        while self.pending:
            while self.pending:
                self._follow(self.pending.pop())
            for unit in self.survey.units:
                if unit.methods and unit in self.chosen:
                    self._choose_methods(unit)

    def _is_seed(self, unit: Unit) -> bool:
        survey = self.survey
        if unit.imports or unit.secret or unit.called & survey.makers or unit.bases & survey.parents or unit.is_star:
            return True
        if unit.loading - self.elsewhere:
            return True
        if unit.kind in (Kind.FUNCTION, Kind.METHOD):
            return bool(unit.used & {"exec", "globals"} or (unit.annotated & survey.typed and unit.attributes & _GONE))
        upsets = _is_gate(unit) or unit.used & _BINDING or unit.called & self.gates
        return unit.kind is not Kind.CLASS and bool(upsets or unit.changed & survey.typed)

    def _add(self, unit: Unit, *, speaks: bool) -> None:
        if unit in (self.speaking if speaks else self.chosen):
            return
        self.chosen.add(unit)
        if speaks:
            self.speaking.add(unit)
        self.asked |= unit.attributes
        self.pending.append(unit)
        if unit in self.owners:
            self._add(self.owners[unit], speaks=speaks)

    def _follow(self, unit: Unit) -> None:
        """Choose what a chosen unit needs, and what it concerns."""
        for name in unit.used | unit.annotated:
            for binder in self.binders.get(name, ()):
                if _is_followed(binder, self.bases) or _names_models(binder):
                    self._add(binder, speaks=False)
        if unit.kind is Kind.METHOD:
            self.held |= self._held(unit) if unit in self.speaking else set()
            return
        if unit.kind is Kind.FUNCTION and unit.bound != {unit.name}:  # it sets globals: it matters when that happens
            for user in self.users.get(unit.name, ()):
                if user.kind is Kind.OTHER and unit.name in user.called:
                    self._add(user, speaks=False)
        for name in unit.bound:
            if unit in self.speaking and unit.kind is not Kind.IMPORT:
                for user in self.users.get(name, ()):
                    self._add(user, speaks=True)
            if unit.kind is not Kind.FUNCTION and not unit.is_constant:
                for changer in self.changers.get(name, ()):
                    if (
                        unit.kind is Kind.OTHER
                        or name in changer.stored
                        or (unit.is_local and changer.kind is Kind.OTHER)
                    ):
                        self._add(changer, speaks=True)

    def _held(self, method: Unit) -> set[str]:
        """The attributes of the instance that a method may put an object of a library into."""
        tainted = self.survey.makers | self.held | {name for name in method.parameters if LOCAL_MAKER.search(name)}
        tainted |= {name for unit in self.speaking if unit.kind is not Kind.IMPORT for name in unit.bound}
        size = 0
        while size != len(tainted):
            size = len(tainted)
            for targets, names in method.flows:
                if names & tainted:
                    tainted |= targets
        return {name for name in tainted if name.startswith(".")} | {f".{method.name}"}

    def _choose_methods(self, cls: Unit) -> None:
        for method in cls.methods:
            if method not in self.speaking:
                touches = bool((method.used | method.stored | method.handled | method.given) & self.held)
                if touches or (method not in self.chosen and self._helps(method)):
                    self._add(method, speaks=touches)

    def _helps(self, method: Unit) -> bool:
        """Whether a method of a chosen class may say or change something that chosen code asks for."""
        if _is_special(method) or method.used & _BINDING or method.attributes & _TELLING or method.me in method.given:
            return True
        if any(name[1:] in self.asked for name in method.bound | method.stored if name.startswith(".")):
            return True
        return method.name in self.asked and _is_helper(method)


def _changes(unit: Unit) -> set[str]:
    """The names whose object a unit may change: by setting something of it, by giving it away, or under another name."""
    if unit.kind is Kind.IMPORT:
        return set()
    passed = set().union(*(sources for _, sources in unit.flows)) if unit.flows else set()
    return unit.stored | unit.given | passed | (unit.handled if unit.kind is Kind.OTHER else set())


def _is_gate(unit: Unit) -> bool:
    return bool(unit.used & _UPSETTING) or "__version__" in unit.attributes


def _index(units: Iterable[Unit], names: Callable[[Unit], set[str]]) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = {}
    for unit in units:
        for name in names(unit):
            found.setdefault(name, []).append(unit)
    return found
