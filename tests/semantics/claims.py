"""What a flow case claims of its program, and whether hflint says so; `test_flow.py` tells the language of the claims."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from hflint.files import Source, read_source
from hflint.semantics.build import build_program
from hflint.semantics.catalog import LIBRARIES
from hflint.semantics.documents import Document, FilePath
from hflint.semantics.objects import Change, Guard, LibraryCall, MethodCall, Object, Part
from hflint.semantics.project import Modules
from hflint.semantics.scopes import Bound, Function
from hflint.semantics.values import ABSENT, Items, Known, OneOf, Symbol, Table, Unknown, Value, bare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hflint.semantics.program import Program

ROOT = Path(__file__).parents[2] / "fixtures" / "flow"
RESOLVED, UNRESOLVED, WRONG = "resolved", "unresolved", "wrong"

_PART = re.compile(r" line \d+\.")
_COMMENT = re.compile(r"#\s*expect:\s*(.+?)\s*$")
_REF = re.compile(r"(?P<kind>[A-Z]\w+)(?: (?P<file>[\w/]+\.py))?(?: line (?P<line>\d+))?(?:\.(?P<path>\S+))?$")


# Cases and programs


@dataclass(frozen=True)
class Claim:
    """One thing that a program says of itself."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Case:
    """A program and what is true of it; `name` is its path under `fixtures/flow` without the suffix."""

    name: str
    folder: Path
    files: tuple[str, ...]
    main: str

    @property
    def theme(self) -> str:
        return self.name.partition("/")[0]

    @property
    def is_project(self) -> bool:
        return self.name.startswith("project/")

    @cached_property
    def claims(self) -> list[Claim]:
        found = []
        for file in self.files:
            for number, line in enumerate((self.folder / file).read_text().splitlines(), 1):
                if comment := _COMMENT.search(line):
                    found += [Claim(file, number, text.strip()) for text in comment[1].split(";")]
        return found


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case there is, by name."""
    found = []
    for main in sorted(ROOT.glob("project/*/main.py")):
        files = sorted(path.relative_to(main.parent).as_posix() for path in main.parent.rglob("*.py"))
        found.append(Case(f"project/{main.parent.name}", main.parent, tuple(files), "main.py"))
    single = sorted(ROOT.glob("*/*.py"))
    found += [Case(f"{path.parent.name}/{path.stem}", path.parent, (path.name,), path.name) for path in single]
    return tuple(found)


def programs_of(case: Case) -> Mapping[str, Program]:
    """The program of every file of a case by its name, each followed into the others."""
    modules = Modules(case.folder) if case.is_project else None
    return {file: build_program(read_source(case.folder / file, file), modules) for file in case.files}


# What hflint says


class Seen:
    """The objects of a case's programs."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self.objects = list({id(one): one for program in programs.values() for one in program.objects}.values())

    def on_line(self, kind: str, claim: Claim) -> Object | None:
        """The object of a kind that begins on the claim's line, else one that spans it."""
        here = [one for one in self.objects if type(one).__name__ == kind and _file(one) == claim.file]
        found = [one for one in here if _lines(one)[0] == claim.line]
        found = found or [one for one in here if _lines(one)[0] < claim.line <= _lines(one)[1]]
        return found[0] if found else None  # of several, made by a class that is one of two, the first

    def referred(self, ref: re.Match[str], claim: Claim) -> LibraryCall | None:
        """The object that a reference means."""
        found = [one for one in self.objects if type(one).__name__ == ref["kind"] and isinstance(one, LibraryCall)]
        if ref["file"] or ref["line"]:
            file, line = ref["file"] or claim.file, int(ref["line"] or 0)
            found = [one for one in found if _file(one) == file and (not line or _lines(one)[0] == line)]
        assert len(found) < 2, f"{claim.file}:{claim.line}: say on which line the {ref['kind']} is"
        return found[0] if found else None


def _source(one: Object | Change) -> Source:
    return one.place.module.source


def _file(one: Object | Change) -> str:
    """The file within its case."""
    path = _source(one).path
    parts = path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else (path.name,)
    return "/".join(parts[2 if parts[0] == "project" else -1 :])


def _lines(one: Object | Change) -> tuple[int, int]:
    span = one.place.span
    return _source(one).locate(span.start).line, _source(one).locate(span.end).line


def _text(value: Value | str) -> str:
    """A value as the claims write it."""
    match value:
        case str():
            return value
        case Known():
            return repr(value.value)
        case Symbol():
            return value.name if value.name.partition(".")[0] in LIBRARIES | {"torch"} else "unknown"
        case FilePath() | Document():
            return "unknown"
        case OneOf():
            return " | ".join(sorted(_texts(value)))
        case Items():
            inner = [_text(item) for item in value.items] + ([] if value.complete else ["..."])
            return f"{'tuple' if value.kind == 'tuple' else ''}[{', '.join(inner)}]"
        case Table():
            pairs = [f"{key!r}: {_text(item)}" for key, item in value.entries.items()]
            return "{" + ", ".join(pairs + ([] if value.complete else ["..."])) + "}"
        case Part():
            return f"{_text(value.of)}.{value.path}"
        case Function():
            return f"function {value.name}"
        case Bound():
            return f"method {value.function.name}"
        case Object():
            return f"{type(value).__name__} {_file(value)} line {_lines(value)[0]}"
    return "absent" if value is ABSENT else "unknown" if isinstance(value, Unknown) else value.describe()


def _texts(value: Value | Iterable[Value]) -> set[str]:
    """The alternatives of a value as the claims write them; of nested ones too."""
    several = value.alternatives if isinstance(value, Value) else tuple(value)
    found: set[str] = set()
    for one in several:
        found |= _texts(one) if isinstance(one, OneOf) else {_text(one)}
    return found


def _answer(one: Object, name: str) -> set[str]:
    """What hflint says of an argument or property of an object."""
    if name == "name" and isinstance(one, LibraryCall) and one.classes:
        return {repr(each) for each in one.classes}
    if isinstance(getattr(type(one), name, None), property) or name == "receiver":
        value = getattr(one, name)
        if isinstance(value, list):
            return _texts(value) or {"nothing"}
        value = value if isinstance(value, Value) else Known(value)
        return _texts(bare(value) if isinstance(one, MethodCall) else value)
    assert isinstance(one, LibraryCall)
    return _texts(one.argument(name))


# What is true


def _expected(text: str, seen: Seen, claim: Claim) -> set[str]:
    """The alternatives that a claim names."""
    return {_expected_one(one.strip(), seen, claim) for one in text.split(" | ")}


def _expected_one(text: str, seen: Seen, claim: Claim) -> str:
    if text in ("absent", "nothing", "unknown", "None", "True", "False") or text.startswith(("function ", "method ")):
        return text
    if ref := _REF.match(text):
        found = seen.referred(ref, claim)
        return (_text(found) if found else f"{text} (not seen)") + (f".{ref['path']}" if ref["path"] else "")
    if re.match(r"[a-z]\w*(\.\w+)+$", text):
        return text
    return _text(_literal(ast.literal_eval(text)))


def _literal(value: object) -> Value:
    if isinstance(value, list | tuple):
        return Items(tuple(_literal(one) for one in value), type(value).__name__)
    return Table({k: _literal(v) for k, v in value.items()}) if isinstance(value, dict) else Known(value)


# Judging a claim


def judge(claim: Claim, seen: Seen) -> str:
    """Whether hflint says exactly this, less, or something else."""
    for pattern, judged in _FORMS:
        if match := re.fullmatch(pattern, claim.text):
            return judged(claim, seen, *match.groups())
    raise AssertionError(f"{claim.file}:{claim.line}: cannot read {claim.text!r}")


def judge_values(expected: set[str], found: set[str]) -> str:
    """Compare what may be with what hflint says may be.

    It is wrong where it leaves out a possibility and does not admit to more, or where nothing that it names is possible.
    """
    if found == expected:
        return RESOLVED
    vague = {one for one in found if _is_vague(one, expected)}
    named = found - vague
    if not vague:
        return UNRESOLVED if expected < named else WRONG
    return WRONG if named and not named & expected else UNRESOLVED


def _is_vague(text: str, expected: set[str]) -> bool:
    """Whether a value says less than a whole one: unknown, incomplete, or the part of an object where something else is expected."""
    if text == "unknown":
        return True
    loose = "unknown" in text or "..." in text or (_PART.search(text) and not any(map(_PART.search, expected)))
    return bool(loose) and text not in expected


def _judge_value(claim: Claim, seen: Seen, kind: str, name: str, text: str) -> str:
    one, expected = seen.on_line(kind, claim), _expected(text, seen, claim)
    if one is None:
        return RESOLVED if expected == {"unknown"} else UNRESOLVED
    found = _answer(one, name)
    if name != "encodings":
        return judge_values(expected, found)
    known, named = found - {"nothing"}, expected - {"nothing"}
    return RESOLVED if known == named else UNRESOLVED if known < named else WRONG


def _judge_presence(claim: Claim, seen: Seen, no: str | None, kind: str) -> str:
    there = seen.on_line(kind, claim) is not None
    return (WRONG if there else RESOLVED) if no else RESOLVED if there else UNRESOLVED


def _target(claim: Claim, seen: Seen, text: str) -> tuple[LibraryCall | None, str]:
    ref = _REF.fullmatch(text)
    assert ref, f"{claim.file}:{claim.line}: {text!r} is no reference"
    return seen.referred(ref, claim), ref["path"] or ""


def _done_here(target: LibraryCall, claim: Claim, kind: str, name: str = "") -> list[Change]:
    return [
        c
        for c in target.changes
        if c.kind == kind and name in ("", c.name) and _file(c) == claim.file and _lines(c)[0] == claim.line
    ]


def _judge_change(claim: Claim, seen: Seen, verb: str, text: str, value: str | None) -> str:
    target, path = _target(claim, seen, text)
    if target is None:
        return UNRESOLVED
    found = _done_here(target, claim, "set" if "set" in verb else "call", path)
    if not found:  # that nothing was done is false, unless hflint admits that it does not know
        return UNRESOLVED if target.escaped else WRONG
    conditional = not any(change.certain for change in found)
    if verb.startswith("may") != conditional:
        return UNRESOLVED if conditional else WRONG
    return judge_values(_expected(value, seen, claim), _texts(c.value for c in found)) if value else RESOLVED


def _judge_escape(claim: Claim, seen: Seen, verb: str, text: str) -> str:
    target, _ = _target(claim, seen, text)
    if target is None:
        return UNRESOLVED
    if verb == "keeps":
        return UNRESOLVED if target.escaped else RESOLVED
    return RESOLVED if _done_here(target, claim, "escape") else UNRESOLVED if target.escaped else WRONG


def _judge_untouched(claim: Claim, seen: Seen, text: str) -> str:
    target, path = _target(claim, seen, text)
    if target is None:
        return UNRESOLVED
    return WRONG if target.changed(path) else UNRESOLVED if target.escaped else RESOLVED


def _judge_context(claim: Claim, seen: Seen, kind: str, verb: str, name: str) -> str:
    one = seen.on_line(kind, claim)
    if one is None:
        return UNRESOLVED
    if one.where.inside(name) == (verb == "within"):
        return RESOLVED
    return WRONG if verb == "within" else UNRESOLVED  # that something may be around silences a rule


def _judge_guard(claim: Claim, seen: Seen, kind: str, guard: str | None) -> str:
    one = seen.on_line(kind, claim)
    if one is None:
        return UNRESOLVED
    guards = one.where.guards
    if guard is None:
        return UNRESOLVED if guards else RESOLVED
    if any(_holds(known, guard) for known in guards):
        return RESOLVED
    library = re.match(r"\w+", guard)
    false = not guards or any(known.specifier and library and known.library == library[0] for known in guards)
    return WRONG if false else UNRESOLVED


def _holds(known: Guard, guard: str) -> bool:
    if guard in ("try", "feature"):
        return known.kind == guard
    library, specifier = re.split(r"(?=[<>=!~])", guard, maxsplit=1)
    return known.library == library and SpecifierSet(specifier) == SpecifierSet(known.specifier) != SpecifierSet()


_KIND = r"([A-Z]\w+)"
_FORMS: tuple[tuple[str, Callable[..., str]], ...] = (
    (rf"{_KIND}\.(\w+) (?:=|->) (.+)", _judge_value),
    (rf"(no )?{_KIND}", _judge_presence),
    (r"(sets|may set) (.+?) = (.+)", _judge_change),
    (r"(calls|may call) (.+)()", _judge_change),
    (r"(escapes|keeps) (.+)", _judge_escape),
    (r"untouched (.+)", _judge_untouched),
    (rf"{_KIND} (within|outside) ([\w.]+)", _judge_context),
    (rf"{_KIND} guarded (.+)", _judge_guard),
    (rf"{_KIND} unguarded()", lambda claim, seen, kind, _: _judge_guard(claim, seen, kind, None)),
)
