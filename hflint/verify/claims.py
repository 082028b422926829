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
from hflint.verify.cases import Unverified, cases_of
from hflint.verify.outcome import Verdict
from hflint.verify.results import Case, Result, not_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hflint.check import FileReport
    from hflint.findings import Finding
    from hflint.verify.session import Session
    from hflint.verifying import VerifyOptions

LIBRARIES = ("transformers", "peft", "trl", "datasets", "huggingface_hub", "accelerate", "bitsandbytes")

Found = list[tuple[tuple["FileReport", Project], list[Case | Unverified]]]


def findings_of(options: VerifyOptions) -> tuple[Found, list[str]]:
    """The cases of every file with findings, beside its report and project; and what could not be checked."""
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
            project = projects.of(report.path)
            cases = cases_of(report.source, report.findings, project, _is_wanted(options))
            found.append(((report, project), list(cases)))
    return found, errors


def _is_wanted(options: VerifyOptions) -> Callable[[Finding], bool]:
    """Which findings to verify; those of the other rules are there for their fixes, without which a program may not run."""
    chosen = {code for selector in options.select for code in codes(selector)}
    return lambda finding: not chosen or finding.code in chosen


def claimed(session: Session, found: Found, options: VerifyOptions) -> list[Case | Result]:
    """The cases; in their place, a verdict for those that hflint would not claim, or not mend so, with what is installed.

    Where a project says nothing of its versions, those installed hold, and its findings are the ones for them.
    """
    sorted_out: list[Case | Result] = []
    for (report, project), cases in found:
        here = installed(project, session.environment)
        findings = check_source(report.located, here).findings
        if not any(project.versions[name].stated for name in LIBRARIES):
            own = cases_of(report.located, findings, here, _is_wanted(options))
            sorted_out += [one for one in own if isinstance(one, Case)]
            continue
        fixes = {(one.name, one.span.start): one.fix for one in findings}
        wanted = filter(_is_wanted(options), report.findings)
        for finding, case in zip(wanted, cases, strict=True):
            if not isinstance(case, Case):
                continue
            place = finding.name, finding.span.start
            is_claimed = place in fixes and (holds(project, here) or fixes[place] == finding.fix)
            sorted_out.append(case if is_claimed else _not_claimed(case, project, here))
    return sorted_out


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
    return Project(project.folder, replace(project.settings, target=Table({**project.settings.target, **libraries})))


def _not_claimed(case: Case, project: Project, here: Project) -> Result:
    differing = [
        f"{project.versions[name]}; {here.versions[name].lowest} is installed"
        for name in LIBRARIES
        if project.versions[name].releases != here.versions[name].releases
    ]
    reason = (
        f"found for {differing[0] if differing else 'other libraries than those installed'} (--python chooses others)"
    )
    return replace(not_run(case), verdict=Verdict(probes.CANNOT_TELL, reason=reason))
