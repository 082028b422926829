"""The road: bytes -> gate -> Source -> Program -> findings, for one file and for many."""

from __future__ import annotations

import ast
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hflint.files import FileError, source_from_bytes
from hflint.findings import Confidence, Finding, Safety
from hflint.semantics.gate import mentions_library
from hflint.settings import ignored_for, severity_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hflint.files import Source
    from hflint.project import Project
    from hflint.semantics.build import SyntaxProblem
    from hflint.semantics.objects import Object
    from hflint.semantics.program import Program

DEBUG = "HFLINT_DEBUG"  # set to 1: the traceback of an internal error goes to stderr


@dataclass(frozen=True, slots=True)
class FileReport:
    """What came of one file."""

    path: Path
    name: str  # as shown
    source: Source | None = None  # what the findings point into; None where there is nothing to show
    findings: tuple[Finding, ...] = ()  # by place
    errors: tuple[str, ...] = ()  # one line each
    fixed: tuple[Finding, ...] = ()  # mended: `source` is the mended text then, and `before` the file as it is
    before: Source | None = None
    reads: Mapping[Path, list[str]] = field(
        default_factory=dict
    )  # the other modules that the findings depend on: which names
    importers_of: frozenset[str] = frozenset()  # what was asked of modules that import others

    @property
    def located(self) -> Source:
        """The source, which every report with findings has."""
        if self.source is None:
            raise ValueError(f"nothing was read of {self.name}")
        return self.source


def check_data(data: bytes, path: Path, name: str, project: Project, *, fix: bool = False) -> FileReport:
    """Check a file's bytes, and mend them where asked; nothing is written."""
    if not mentions_library(data):
        return FileReport(path, name)
    try:
        source = source_from_bytes(data, path, name)
    except FileError as error:
        return FileReport(path, name, errors=(error.message,))
    report = check_source(source, project)
    return mend(report, project) if fix else report


def check_source(source: Source, project: Project) -> FileReport:
    """Check one source: its program is built, the project's rules judge it, comments silence findings.

    What goes wrong with the file, or with hflint, is an error of the report.

    Raises:
        SettingsError: the settings' target holds no known release.
    """
    from hflint.semantics.build import SyntaxProblem, build_program
    from hflint.suppress import apply_suppressions

    _ = project.versions, project.models  # raise what the user has to know before anything is contained below
    errors: list[str] = []
    kept: list[Finding] = []
    project.modules.start()
    with _contained("the analysis", errors):
        try:
            program = build_program(source, project.modules)
        except SyntaxProblem as problem:
            return _report(source, [], [_syntax_message(source, problem)])
        except RecursionError:
            return _report(source, [], ["is nested too deeply to be followed"])
        active = project.codes - ignored_for(project.settings, source.path)
        found, failed = _judge(program, active, project, errors)
        program.close()
        suppressed = apply_suppressions(source, found, active - failed)
        kept = [finding for finding in (*suppressed.kept, *suppressed.unused) if _is_shown(finding, project)]
    report = _report(source, [_adjusted(finding, project) for finding in kept], errors)
    own = source.path.resolve()
    reads = {path: sorted(names) for path, names in project.modules.read.items() if path != own}
    return replace(report, reads=reads, importers_of=frozenset(project.modules.importers.asked))


def mend(report: FileReport, project: Project) -> FileReport:
    """The report of the source with its fixes applied; `before` is the source as it was. Never raises."""
    if report.source is None or not has_fix(report.findings, project):
        return report
    from hflint.fix import fix_source

    before, errors = report.source, list[str]()

    def findings_of(source: Source) -> list[Finding]:
        return list(check_source(source, project).findings)

    with _contained("the fixes", errors):
        fixed = fix_source(before, findings_of, unsafe=project.settings.unsafe_fixes)
        errors += fixed.refused
        if fixed.text != before.text:
            after = source_from_bytes(before.encode(fixed.text), before.path, before.name)
            report = replace(check_source(after, project), fixed=tuple(fixed.applied), before=before)
    return replace(report, errors=(*report.errors, *errors))


def has_fix(findings: tuple[Finding, ...], project: Project) -> bool:
    """Whether one of the findings can be mended under the project's settings."""
    unsafe = project.settings.unsafe_fixes
    return any(finding.fix and (unsafe or finding.fix.safety is Safety.SAFE) for finding in findings)


def _syntax_message(source: Source, problem: SyntaxProblem) -> str:
    """Where and why the source does not parse: in Python's own words where Python refuses it, too."""
    try:
        ast.parse(source.text)
    except SyntaxError as error:
        return f"{error.lineno or 1}:{error.offset or 1}: {error.msg}"
    except (ValueError, RecursionError, MemoryError):
        pass
    return f"{problem.line}:{problem.column}: {problem.message}"


def _judge(
    program: Program, active: frozenset[str], project: Project, errors: list[str]
) -> tuple[list[Finding], frozenset[str]]:
    """What the active rules find, and the codes of those that failed; these cost their own findings only."""
    from hflint.context import Context

    context = Context(program, project.settings, project.versions, project.models)
    kinds: dict[type, list[Object]] = {}
    for one in program.objects:
        kinds.setdefault(type(one), []).append(one)
    findings: list[Finding] = []
    failed = []
    for rule in project.rules:
        if rule.code in active:
            subjects = [one for kind, ones in kinds.items() if issubclass(kind, rule.subject) for one in ones]
            context.rule = rule
            before = len(errors)
            with _contained(rule.name, errors):
                findings += [
                    finding
                    for subject in subjects
                    for finding in rule.check(subject, context)
                    if not context.expects_error(finding.span, subject.where)
                ]
            failed += [rule.code] * (len(errors) - before)
    return findings, frozenset(failed)


def _is_shown(finding: Finding, project: Project) -> bool:
    return project.settings.pedantic or finding.confidence is not Confidence.POSSIBLE


def _adjusted(finding: Finding, project: Project) -> Finding:
    """The finding with the severity that the settings give it."""
    return replace(finding, severity=severity_for(project.settings, finding.code, finding.severity))


def _report(source: Source, findings: list[Finding], errors: list[str]) -> FileReport:
    ordered = sorted(findings, key=lambda finding: (finding.span, finding.code))
    return FileReport(source.path, source.name, source, tuple(ordered), tuple(errors))


@contextmanager
def _contained(what: str, errors: list[str]) -> Iterator[None]:
    """Turn an exception into one line of `errors`: a bug of ours in one place must not cost the rest."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rules and files go on
        if os.environ.get(DEBUG) == "1":
            import traceback

            traceback.print_exc(file=sys.stderr)
        text = " ".join(str(error).split())
        errors.append(f"internal error in {what}: {type(error).__name__}: {text}")
