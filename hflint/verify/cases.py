"""From findings to cases: the setups of a file as it is, and as the fix of one finding leaves it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from hflint.check import check_source
from hflint.files import FileError, Source, source_from_bytes
from hflint.findings import Fix, Safety, Severity
from hflint.fix import apply_edits, fix_source, moved
from hflint.semantics.build import SyntaxProblem, build_program
from hflint.semantics.objects import Import, LibraryCall, NameUse, Object
from hflint.verify.bindings import keywords_at
from hflint.verify.extract import Extraction
from hflint.verify.linked import Linked, objects_at
from hflint.verify.probes import find_probe
from hflint.verify.reduced import around
from hflint.verify.results import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hflint.findings import Edit, Finding
    from hflint.project import Project
    from hflint.semantics.program import Program
    from hflint.verify.setup import Setup


NO_PROBE = "its rule has no probe"


@dataclass(frozen=True)
class Unverified:
    """A finding that is not run, and why."""

    rule: str
    path: str
    line: int
    reason: str


def cases_of(
    source: Source,
    findings: Sequence[Finding],
    project: Project,
    wanted: Callable[[Finding], bool] = lambda _finding: True,
    here: Project | None = None,
) -> Iterator[Case | Unverified]:
    """A case for each finding that is `wanted` and whose rule has a probe, in order; an `Unverified` for one without.

    A case's `others` makes the same finding's in the file where the other findings are mended on both sides: for
    programs whose other defects are in the way. They are mended for `here`, the project with what is installed.
    """
    program = build_program(source, project.modules)
    for finding in filter(wanted, findings):
        line = source.locate(finding.span.start).line
        if find_probe(finding.name) is None:
            yield Unverified(finding.name, source.name, line, NO_PROBE)
            continue
        case = _case(_view(program, finding), finding, project)
        if case is not None and len(findings) > 1:
            case = replace(case, others=_Once(partial(_without_others, source, finding, project, here or project)))
        yield case or Unverified(finding.name, source.name, line, "its fix does not leave a program that can be read")


class _Once:
    """A case that is made when it is first asked for, and by one thread at a time: most never are."""

    lock = Lock()

    def __init__(self, make: Callable[[], Case | None]) -> None:
        self.make = make
        self.made: list[Case | None] = []

    def __call__(self) -> Case | None:
        with self.lock:
            if not self.made:
                self.made.append(self.make())
            return self.made[0]


def _without_others(source: Source, finding: Finding, project: Project, here: Project) -> Case | None:
    """The case of a finding in the file where all others are mended; None where there are none.

    Where it is not found there any more, for what mends another mends it too, only the errors are: these are in the way.
    """
    for kinds in (frozenset(Severity), frozenset({Severity.ERROR})):

        def others(changed: Source, kinds: frozenset[Severity] = kinds) -> list[Finding]:
            found = [
                one for one in check_source(changed, here).findings if one.severity in kinds or one.code == finding.code
            ]
            if all(one.fix for one in found):
                return found
            program = build_program(changed, here.modules)
            return [one if one.fix else _left_out(one, program) for one in found]

        fixed = fix_source(source, others, unsafe=True, leave=finding)
        if fixed.text != source.text and fixed.left is not None:
            mended = replace(source, text=fixed.text)
            again = check_source(mended, project).findings
            place = fixed.left.code, fixed.left.span.start
            left = next((one for one in again if (one.code, one.span.start) == place), fixed.left)
            case = _case(_view(build_program(mended, project.modules), left), left, project)
            return replace(case, line=source.locate(finding.span.start).line) if case else None
    return None


def _left_out(finding: Finding, program: Program) -> Finding:
    """A finding about a keyword for which there is no fix, as if it could be deleted: so it is not in the way."""
    probe, calls = find_probe(finding.name), objects_at(program, finding.span)
    names = keywords_at(calls, finding.span)
    call = next((one for one in calls if isinstance(one, LibraryCall)), None)
    if probe is None or not probe.until_bound or not names or call is None:
        return finding
    edits = [program.rewriter.remove_argument(call, name) for name in sorted(names)]
    fix = Fix("leave it out", tuple(edit for each in edits for edit in each or ()), Safety.UNSAFE, "to run the rest")
    return replace(finding, fix=fix if all(edits) else None)


@dataclass(frozen=True)
class _View:
    """A program, and the objects at a finding's place in it."""

    program: Program
    anchors: tuple[Object, ...]
    beside: tuple[Object, ...]
    focus: frozenset[str] | None = None  # the keywords in question, where it is not the whole call
    imported: tuple[str, ...] | None = None  # the names in question, where they are not those of the anchors

    def setup(self, project: Project, *, alone: bool) -> Setup:
        """What this program does around the finding; where it is of a call `alone`, what that makes."""
        linked = Linked(self.program, self.anchors, self.beside)
        extraction = Extraction(linked, project.models, project.versions.get("transformers"))
        setup = extraction.setup(self.focus, self.imported)
        return around(setup, self.anchors) if alone else setup


def _view(program: Program, finding: Finding) -> _View:
    anchors = objects_at(program, finding.span)
    near = [one for related in finding.related if not related.span.file for one in objects_at(program, related.span)]
    focus = keywords_at(anchors, finding.span) or _keyword_named(finding, anchors)
    return _View(program, tuple(anchors), tuple(near), focus)


def _keyword_named(finding: Finding, anchors: Iterable[Object]) -> frozenset[str] | None:
    """The keyword that a finding about a whole call begins with, where the call has it from a `**`."""
    name = finding.message.partition("`")[2].partition("`")[0]
    has_it = any(isinstance(one, LibraryCall) and name in one.arguments for one in anchors)
    return frozenset({name}) if has_it and finding.message.startswith("`") else None


def _case(view: _View, finding: Finding, project: Project) -> Case | None:
    """The case of a finding; None where its fix leaves nothing that can be read."""
    after = None
    if finding.fix is not None:
        after = _edited(view, finding.fix.edits, project)
        if after is None:
            return None
        after = _mended(view, after)
    source = view.program.source
    line = source.locate(finding.span.start).line
    probe = find_probe(finding.name)
    before, then = (one.setup(project, alone=bool(probe and probe.alone)) if one else None for one in (view, after))
    return Case(finding.name, source.name, line, before, then) if before else None


def _edited(view: _View, edits: tuple[Edit, ...], project: Project) -> _View | None:
    """The same place after edits; None where they leave nothing that can be read."""
    edits = tuple(dict.fromkeys(edits))
    source = view.program.source
    try:
        changed = replace(source, text=apply_edits(source.text, edits))
        program = build_program(
            source_from_bytes(changed.encode(changed.text), source.path, source.name), project.modules
        )
    except (ValueError, FileError, SyntaxProblem, RecursionError):
        return None
    anchors, beside = (_again(objects, program, edits) for objects in (view.anchors, view.beside))
    anchors = tuple(dict.fromkeys([*anchors, *_written(program, edits)]))
    return _View(program, anchors, beside, view.focus)


def _mended(before: _View, after: _View) -> _View:
    """The mended place, with what the fix brought in question: the new keywords, the new imports."""
    if any(isinstance(one, Import | NameUse) for one in before.anchors):
        new = _imported(after.program.source.text) - _imported(before.program.source.text)
        return replace(after, focus=None, imported=tuple(sorted(new)))
    new_keywords = frozenset(name for name, _ in _keywords(after) - _keywords(before))
    return replace(after, focus=None if before.focus is None else new_keywords)


def _keywords(view: _View) -> set[tuple[str, str]]:
    calls = [one for one in view.anchors if isinstance(one, LibraryCall)]
    return {(name, call.arguments[name].describe()) for call in calls for name in call.nodes if name in call.arguments}


def _imported(text: str) -> set[str]:
    """The dotted names that a text imports, or uses through a module that it imports by its own name."""
    found: set[str] = set()
    tree = ast.parse(text)
    modules = {
        alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node).partition(".")[0] in modules:
            found.add(ast.unparse(node))
    return found


def _again(objects: Iterable[Object], program: Program, edits: Sequence[Edit]) -> tuple[Object, ...]:
    """What the objects became: those of their kind at the place where they are now."""
    found = []
    for one in objects:
        places = moved(one.span.start, edits)
        found += [twin for twin in program.objects if type(twin) is type(one) and twin.span.start in places]
    return tuple(found)


def _written(program: Program, edits: Sequence[Edit]) -> list[Object]:
    """The objects that begin in what the edits wrote, and the calls that got an argument there."""
    spans, shift = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        spans.append((edit.start + shift, edit.start + shift + len(edit.text)))
        shift += len(edit.text) - (edit.end - edit.start)
    return [
        one
        for one in program.objects
        if any(start <= place < end for place in (one.span.start, *_argument_places(one)) for start, end in spans)
    ]


def _argument_places(one: Object) -> list[int]:
    return [one.argument_span(name).start for name in one.nodes] if isinstance(one, LibraryCall) else []
