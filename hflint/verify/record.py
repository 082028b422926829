"""`hflint verify --record`: the examples of the rules' pages are run, and the evidence is kept for the pages."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hflint.evidence import Evidence, evidence_folder, read_record, write_record
from hflint.examples import check_block, lock_models
from hflint.exits import OK, complain
from hflint.facts.versions import Versions, project_versions
from hflint.pages import all_pages
from hflint.project import Project
from hflint.selectors import codes
from hflint.settings import load_settings, parse_target
from hflint.verify.cases import cases_of
from hflint.verify.claims import holds, installed
from hflint.verify.probes import find_probe
from hflint.verify.report import brief
from hflint.verify.repositories import LIBRARIES
from hflint.verify.results import Case, exit_code
from hflint.verify.signs import size
from hflint.verifying import opened, show, verified, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from hflint.check import FileReport
    from hflint.pages import Block, Page
    from hflint.verify.results import Result
    from hflint.verify.session import Session
    from hflint.verifying import VerifyOptions

_NOWHERE = Path(os.devnull) / "example"  # no file of this machine is an example's neighbour
GPU_SECONDS, GPU_HOST = 240.0, 96.0  # of a run with a model of a real size: its limit, and GiB of the host's memory
_ALWAYS = ("torch", "transformers")
_WHERE_USED = {"peft": "adapter", "bitsandbytes": "quantization"}
_OWN_TRAINERS = ("Trainer", "Seq2SeqTrainer")  # of transformers; the others are TRL's


@dataclass(frozen=True)
class Example:
    """A finding of a page's example."""

    page: Page
    number: int
    column: int
    case: Case


def run_record(options: VerifyOptions) -> int:
    """Run the examples of the rules that are selected and have a probe, and keep what they showed."""
    pages = [page for page in all_pages() if _is_selected(page, options)]
    results: list[Result] = []
    gpu = options.device == "cuda"
    if gpu:
        options = replace(options, timeout=max(options.timeout, GPU_SECONDS), memory=max(options.memory, GPU_HOST))
    with opened(options) as session:
        session.plan = replace(session.plan, sized=gpu and options.model == "auto")
        examples = [example for page in pages for example in _examples(page, session, options)]
        runs = verified(session, [example.case for example in examples], options)
        try:
            for example, result in zip(examples, runs, strict=True):
                results.append(result)
                if _says_something(result, gpu=gpu):
                    _keep(example, result, session)
        except OSError as error:
            return complain(f"{evidence_folder()} cannot be written: {error.strerror or error}")
        finally:
            write(options, session, results)
    show(results, session.environment, options)
    return exit_code(results) if results else OK


def _is_selected(page: Page, options: VerifyOptions) -> bool:
    """Whether its examples are to be run; on a GPU, unless it is asked for, only where that makes a difference."""
    probe = find_probe(page.name)
    if probe is None or (options.device == "cuda" and not options.select and not (probe.gpu or probe.sized)):
        return False
    chosen = {code for selector in options.select for code in codes(selector)}
    left = {code for selector in options.ignore for code in codes(selector)}
    return page.code not in left and (not options.select or page.code in chosen)


def _examples(page: Page, session: Session, options: VerifyOptions) -> Iterator[Example]:
    """The findings of a page's examples that hold for the libraries that are installed, with their fixes for these."""
    for number, block in enumerate(page.examples, start=1):
        project = _project(block)
        there = installed(project, session.environment)
        said = check_block(block, page)
        here = check_block(replace(block, target=_targets(there)), page)
        held = _places(here) if not block.target or holds(project, there) else set()
        report, used = (said, project) if block.target else (here, there)
        name = f"{page.path.stem} example {number}"
        for finding, case in zip(report.findings, cases_of(report.located, report.findings, used), strict=True):
            place = finding.code, finding.span.start
            if finding.code == page.code and isinstance(case, Case) and place in held & _places(said):
                column = report.located.locate(finding.span.start).column
                yield Example(page, number, column, _named(case, name))
        for start in sorted(start for code, start in _places(said) - held if code == page.code):
            if not options.quiet:
                line = said.located.locate(start).line
                click.echo(f"Left out: {name}, line {line}: not for the libraries installed", err=True)


def _places(report: FileReport) -> set[tuple[str, int]]:
    return {(finding.code, finding.span.start) for finding in report.findings}


def _says_something(result: Result, *, gpu: bool) -> bool:
    """Whether the run was one: nothing that it needs was missing or not allowed, and it was on the device that is asked about."""
    ran = result.before.status not in ("missing", "unavailable")
    return ran and (not gpu or result.before.device.startswith("cuda"))


def _named(case: Case, name: str) -> Case:
    make = case.others

    def others() -> Case | None:
        made = make() if make else None
        return replace(made, path=name) if made else None

    return replace(case, path=name, others=others)


def _project(block: Block) -> Project:
    """The project of an example: what it does not name stands at its newest release, as in `hflint.examples`."""
    target = dict(parse_target(text) for text in block.target)
    project = Project(_NOWHERE, load_settings(_NOWHERE, isolated=True, overrides={"target": target}))
    lock_models(project, block)
    named = project_versions(_NOWHERE, target)
    project.versions = Versions({named[library].library: named[library] for library in target})
    return project


def _targets(project: Project) -> tuple[str, ...]:
    return tuple(
        f"{library}{spec}" if spec[0] in "=<>!~" else f"{library}={spec}"
        for library, spec in project.settings.target.items()
    )


def _keep(example: Example, result: Result, session: Session) -> None:
    """Put the evidence into the rule's record.

    Raises:
        OSError: it cannot be written.
    """
    run = Evidence(
        example=example.number,
        line=example.case.line,
        column=example.column,
        device=result.before.device or "cpu",
        libraries=_libraries(result, session.environment),
        date=datetime.now(UTC).date().isoformat(),
        verdict=result.verdict.verdict,
        figure=result.verdict.figure,
        reason="; ".join(filter(None, (result.verdict.reason, _calibration(result)))),
        model=result.before.model,
        before=brief(result.before),
        after=brief(result.after) if result.after else "",
    )
    write_record(read_record(example.page.name).with_runs([run]))


def _calibration(result: Result) -> str:
    """How far the memory that was estimated for a training is from what was measured, before and after."""
    said = []
    for name, outcome in (("as it is", result.before), ("fixed", result.after)):
        if outcome is not None and "error" in outcome.estimate:
            total, measured = outcome.estimate["total"], outcome.estimate["measured"]
            said.append(f"{name} {size(total)} estimated, {size(measured)} measured ({outcome.estimate['error']:+.0%})")
    return "; ".join(said)


def _libraries(result: Result, environment: Mapping[str, Any]) -> dict[str, str]:
    """The versions of the libraries that a run used."""
    before = result.setups.get("before", {})
    stored = before.get("model", {}).get("facts", {}).get("quantized", "")
    used = [*_ALWAYS, *(name for name, part in _WHERE_USED.items() if part in before), *LIBRARIES.get(stored, ())]
    if before.get("training", {}).get("trainer", _OWN_TRAINERS[0]) not in _OWN_TRAINERS:
        used.append("trl")
    known = environment.get("libraries", {})
    return {name: known[name] for name in used if name in known}
