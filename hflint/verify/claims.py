"""The findings to verify, as cases, and which of them hflint claims for the libraries that are installed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflint.check import check_source
from hflint.checker import Checker
from hflint.command import CheckOptions, projects_of, with_progress
from hflint.files import display_name, find_files
from hflint.kinds import Table
from hflint.project import Project
from hflint.selectors import codes
from hflint.verify import probes
from hflint.verify.cases import NO_PROBE, Unverified, cases_of
from hflint.verify.outcome import Verdict
from hflint.verify.probes import find_probe
from hflint.verify.results import Case, Result, not_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hflint.check import FileReport
    from hflint.findings import Finding
    from hflint.verify.session import Session
    from hflint.verifying import VerifyOptions

LIBRARIES = ("transformers", "peft", "trl", "datasets", "huggingface_hub", "accelerate", "bitsandbytes")

Found = list[tuple["FileReport", Project]]


def findings_of(options: VerifyOptions) -> tuple[Found, list[str]]:
    """The reports of the files with findings, each with its project; and what could not be checked."""
    checking = CheckOptions(
        paths=options.paths, extend_select=options.select, ignore=options.ignore, target=options.target,
        config=options.config, isolated=options.isolated, unsafe_fixes=True,
    )  # fmt: skip
    projects = projects_of(checking)
    start = next(iter(options.paths), Path())
    settings = projects.of_folder(start if start.is_dir() else start.parent).settings
    files, failures = find_files(options.paths or (Path(),), settings)
    errors = [f"{display_name(failure.path)}: {failure.message}" for failure in failures]
    reports = Checker(projects, jobs=os.cpu_count() or 1, cached=False).check(
        (file, display_name(file)) for file in files
    )
    found: Found = []
    for report in reports if options.quiet else with_progress(reports, len(files), held=False):
        errors += [f"{report.name}: {error}" for error in report.errors]
        if report.source is not None and report.findings:
            found.append((report, projects.of(report.path)))
    return found, errors


def sorted_by_probe(found: Found, options: VerifyOptions) -> tuple[int, list[Unverified]]:
    """How many of the findings that are wanted have a probe, and those that have none."""
    wanted = [(report, one) for report, _ in found for one in filter(_is_wanted(options), report.findings)]
    without = [
        Unverified(one.name, report.name, report.located.locate(one.span.start).line, NO_PROBE)
        for report, one in wanted
        if find_probe(one.name) is None
    ]
    return len(wanted) - len(without), without


def _is_wanted(options: VerifyOptions) -> Callable[[Finding], bool]:
    """Which findings to verify; those of the other rules are there for their fixes, without which a program may not run."""
    chosen = {code for selector in options.select for code in codes(selector)}
    return lambda finding: not chosen or finding.code in chosen


def claimed(session: Session, found: Found, options: VerifyOptions) -> Iterator[Case | Result | Unverified]:
    """The cases; in their place, a verdict for those that hflint would not claim, or not mend so, with what is installed.

    Where a project says nothing of its versions, those installed hold, and its findings are the ones for them.
    """
    asked = _is_wanted(options)

    def wanted(finding: Finding) -> bool:
        return asked(finding) and find_probe(finding.name) is not None

    as_installed: dict[int, Project] = {}  # by the project: what is read of its modules is kept
    for report, project in found:
        if not any(map(wanted, report.findings)):
            continue
        if id(project) not in as_installed:
            as_installed[id(project)] = installed(project, session.environment)
        here = as_installed[id(project)]
        findings = check_source(report.located, here).findings
        if not any(project.versions[name].stated for name in LIBRARIES):
            yield from cases_of(report.located, findings, here, wanted)
            continue
        claims = [_place(one) for one in filter(wanted, findings)]
        # Where the project allows other libraries, the fixes are those for the ones that are installed.
        here_cases = [] if holds(project, here) else list(cases_of(report.located, findings, here, wanted))
        instead = dict(zip(claims, here_cases, strict=False))
        own = cases_of(report.located, report.findings, project, wanted, here)
        for finding, case in zip(filter(wanted, report.findings), own, strict=True):
            if _place(finding) in claims or isinstance(case, Unverified):
                yield instead.get(_place(finding), case)
            else:
                yield _not_claimed(case, project, here)


def _place(finding: Finding) -> tuple[str, int]:
    return finding.name, finding.span.start


def holds(project: Project, here: Project) -> bool:
    """Whether the libraries that are installed are among those that a project allows, where it says which."""
    stated = [name for name in LIBRARIES if project.versions[name].stated]
    return all(here.versions[name].lowest in project.versions[name].releases for name in stated)


def installed(project: Project, environment: Mapping[str, Any]) -> Project:
    """The project, as if it allowed just the libraries that are installed."""
    from packaging.utils import canonicalize_name

    known = {canonicalize_name(name) for name in project.versions}
    libraries = {
        name: f"=={version.partition('+')[0]}"
        for name, version in environment.get("libraries", {}).items()
        if canonicalize_name(name) in known
    }
    made = Project(project.folder, replace(project.settings, target=Table({**project.settings.target, **libraries})))
    made.models = project.models
    return made


def _not_claimed(case: Case, project: Project, here: Project) -> Result:
    differing = [
        f"{project.versions[name]}, not for {here.versions[name].lowest}, which is installed"
        for name in LIBRARIES
        if project.versions[name].releases != here.versions[name].releases
    ]
    reason = (
        f"found for {differing[0] if differing else 'other libraries than those installed'} (--python chooses others)"
    )
    return replace(not_run(case), verdict=Verdict(probes.CANNOT_TELL, reason=reason))
