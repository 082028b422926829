"""What `hflint verify` does: from its options to runs, verdicts, a report and an exit code."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hflint.command import look_of
from hflint.exits import FAILED, FOUND, INTERRUPTED, OK, complain
from hflint.files import display_name
from hflint.report import count
from hflint.settings import SettingsError
from hflint.verify import probes
from hflint.verify.cases import Unverified
from hflint.verify.claims import claimed, findings_of, sorted_by_probe
from hflint.verify.codec import CodecError
from hflint.verify.live import shown
from hflint.verify.outcome import Outcome, Plan, Verdict
from hflint.verify.process import SessionError, choose_python
from hflint.verify.report import (
    asides,
    brief,
    counts,
    environment_line,
    listing,
    read_report,
    refused,
    table,
    write_report,
)
from hflint.verify.results import Case, Result, exit_code
from hflint.verify.session import Session
from hflint.verify.setup import Setup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

NEEDED = ("torch", "transformers")  # without these nothing can be run
INSTALL = "pip install 'hflint[verify]', or name with --python an interpreter that has them"
PATIENCE = 1.5  # seconds, in which further signals mean the same
PIPE_WIDTH = 500  # characters of a table that no terminal limits: a row a line


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of `hflint verify`, named as they are."""

    paths: tuple[Path, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    device: str = "auto"
    model: str = "auto"
    steps: int = 3
    timeout: float = 120.0
    memory: float = 8.0
    report: Path | None = None
    spec: Path | None = None
    jobs: int = 1
    online: bool = False
    allow_remote_code: bool = False
    python: str | None = None
    resume: Path | None = None
    record: bool = False
    config: tuple[str, ...] = ()
    isolated: bool = False
    quiet: bool = False


def run_verify(options: VerifyOptions) -> int:
    """Verify, report and say with which code to exit: 0 all hold, 1 some do not, 2 could not run."""
    if options.report and (reason := refused(options.report)):  # better known before the runs than after
        return complain(reason)
    asked: list[float] = []  # when signals to end came
    try:
        with _terminable(asked):
            if options.record:
                from hflint.verify.record import run_record

                return run_record(options)
            return _verify_spec(options) if options.spec else _verify(options)
    except (Exception, KeyboardInterrupt) as error:
        if asked or isinstance(error, KeyboardInterrupt):  # what a library made of the interrupt is no matter
            complain("interrupted")
            return INTERRUPTED
        if isinstance(error, (SettingsError, SessionError, CodecError)):
            return complain(str(error))
        raise


@contextmanager
def _terminable(asked: list[float]) -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does, so that no process and no file is left; impatience does not stop the clearing up.

    A library may swallow the exception: later ones are raised again, until a session is being closed.

    Args:
        asked: gets the time of each signal that was raised.
    """
    numbers = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) != signal.SIG_IGN]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not asked or time.monotonic() - asked[-1] > PATIENCE:
            asked.append(time.monotonic())
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(
                number, signal.SIG_IGN if asked else handler
            )  # the process ends, and nothing shall cut that short


# --- findings ---------------------------------------------------------------------------------------------------------


def _verify(options: VerifyOptions) -> int:
    earlier = _earlier(options)
    found, errors = findings_of(options)
    for error in errors:
        complain(error)
    number, unverified = sorted_by_probe(found, options)
    if not number:
        _say_unverified(unverified, options)
        if not options.quiet:
            click.echo("Nothing to verify.", err=True)
        return FAILED if errors else OK
    results: list[Result] = []
    with opened(options) as session:
        try:
            known = _taken_over(earlier, session, options)
            sorted_out = list(claimed(session, found, options))
            unverified += [one for one in sorted_out if isinstance(one, Unverified)]
            cases = [one for one in sorted_out if not isinstance(one, Unverified)]
            results += verified(session, cases, options, known)
        finally:
            keys = {result.key for result in results}
            write(options, session, results + [one for one in session.finished if one.key not in keys])
    show(results, session.environment, options)
    _say_unverified(unverified, options)
    return FAILED if errors else exit_code(results)


# --- runs -------------------------------------------------------------------------------------------------------------


@contextmanager
def opened(options: VerifyOptions) -> Iterator[Session]:
    """A session in the interpreter that the options choose, with the libraries that nothing runs without.

    Raises:
        SessionError: the interpreter does not start, or lacks them.
    """
    start = next(iter(options.paths), Path())
    python = choose_python(options.python, start if start.is_dir() else start.parent)
    plan = Plan(
        model=options.model, device=options.device, steps=options.steps, timeout=options.timeout,
        memory=options.memory, remote_code=options.allow_remote_code, threads=1,
    )  # fmt: skip
    with Session(python, jobs=options.jobs, offline=not options.online, plan=plan) as session:
        missing = [name for name in NEEDED if name not in session.environment.get("libraries", {})]
        if missing:
            raise SessionError(f"{python} has no {' and no '.join(missing)}: {INSTALL}")
        yield session


def verified(
    session: Session, cases: Sequence[Case | Result], options: VerifyOptions, known: Sequence[Result] = ()
) -> Iterator[Result]:
    """The results of the cases, in their order; those that are results already are passed on."""
    with shown(len(cases), quiet=options.quiet) as (on_event, on_result):
        runs = session.verify([one for one in cases if isinstance(one, Case)], on_event, known)
        for case in cases:
            result = case if isinstance(case, Result) else next(runs)
            on_result(result.rule, result.path, result.line)
            yield result


def _earlier(options: VerifyOptions) -> tuple[dict[str, Any], list[Result]]:
    """The environment of an earlier run, and what it has found.

    Raises:
        CodecError: the file is no report.
    """
    if options.resume is None:
        return {}, []
    try:
        return read_report(options.resume.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CodecError(f"{options.resume}: cannot be read: {error}") from None
    except CodecError as error:
        raise CodecError(f"{options.resume}: {error}") from None


def _taken_over(earlier: tuple[dict[str, Any], list[Result]], session: Session, options: VerifyOptions) -> list[Result]:
    """What was found with the same libraries: with others, the same setup may do something else."""
    environment, results = earlier
    if results and environment.get("libraries") != session.environment.get("libraries"):
        click.echo(f"{options.resume} was made with other libraries: everything is run again.", err=True)
        return []
    return results


def _verify_spec(options: VerifyOptions) -> int:
    """Run a setup from a file: alone, or the `setups` of a verdict under its rule."""
    case = _spec_case(options.spec or Path())
    with opened(options) as session:
        if case.rule:
            results = list(verified(session, [case], options))
        else:
            with shown(1, quiet=options.quiet) as (on_event, _):
                said = on_event or (lambda *_: None)
                plan = probes.default_probe().plan(session.plan)
                outcome = session.workers[0].run(case.before, plan, lambda event: said(case, "run", event))
            verdict = Verdict(probes.CONFIRMED if outcome.status == "ok" else probes.CANNOT_TELL, reason=outcome.reason)
            results = [Result("", case.path, 1, verdict, outcome, None, {"before": case.before.to_json()})]
        write(options, session, results)
    if case.rule:
        show(results, session.environment, options)
        return exit_code(results)
    return _show_outcome(results[0].before, session.environment)


def _spec_case(path: Path) -> Case:
    """The case that a file describes: `{"rule", "before", "after"}`, a verdict of a report, or a setup alone.

    Raises:
        CodecError: it cannot be read, or is none of these.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CodecError(f"{path}: cannot be read: {error}") from None
    try:
        if not isinstance(data, dict) or "version" in data:
            return Case("", display_name(path), 1, Setup.from_json(data))
        setups = data.get("setups", data)
        after = Setup.from_json(setups["after"]) if setups.get("after") else None
        return Case(str(data.get("rule", "")), display_name(path), 1, Setup.from_json(setups["before"]), after)
    except (CodecError, KeyError) as error:
        text = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise CodecError(f"{path}: {text}") from None


# --- what is said -----------------------------------------------------------------------------------------------------


def write(options: VerifyOptions, session: Session, results: Sequence[Result]) -> None:
    """The report that was asked for, also of a run that was cut short.

    Raises:
        SessionError: it cannot be written.
    """
    if options.report is None:
        return
    try:
        write_report(options.report, session.environment, results)
    except OSError as error:
        raise SessionError(f"{options.report} cannot be written: {error.strerror or error}") from None


def show(results: Sequence[Result], environment: Mapping[str, Any], options: VerifyOptions) -> None:
    """The verdicts with what they rest on, and their counts: wrapped on a terminal, else a row a line."""
    from rich.console import Console
    from rich.text import Text

    look, terminal = look_of(sys.stdout), sys.stdout.isatty()
    width = look.width if terminal else PIPE_WIDTH
    console = Console(width=width, no_color=not look.colour, force_terminal=look.colour, highlight=False)
    for part in listing(results) if terminal else [table(results)]:
        console.print(part)
    if not terminal and not options.quiet and (said := asides(results)):
        console.print()
        for line in said:
            console.print(Text(line))
    if not options.quiet:
        click.echo(f"{environment_line(environment)}\n{counts(results)}.", err=True)


def _say_unverified(unverified: Sequence[Unverified], options: VerifyOptions) -> None:
    if not unverified or options.quiet:
        return
    rules = Counter((one.rule, one.reason) for one in unverified)
    click.echo(f"Not verified: {count(len(unverified), 'finding')}", err=True)
    for (rule, reason), number in sorted(rules.items()):
        click.echo(f"  {rule} ({number}): {reason}", err=True)


def _show_outcome(outcome: Outcome, environment: Mapping[str, Any]) -> int:
    """What one run of a setup showed; 0 where it ran, 1 where it raised, 2 where it could not."""
    refused = [str(binding["text"]) for binding in outcome.bindings if binding.get("ok") is False]
    click.echo(": ".join([brief(outcome), *filter(None, [outcome.reason, *refused])]))
    lines = {"model": outcome.model, "device": outcome.device, "losses": ", ".join(map(str, outcome.losses))}
    for name, text in lines.items():
        if text:
            click.echo(f"  {name}: {text}")
    for phase, seconds in outcome.seconds.items():
        click.echo(f"  {phase}: {seconds:.2f} s")
    for text in (*outcome.notes, *outcome.outputs):
        click.echo(f"  {text}")
    click.echo(environment_line(environment), err=True)
    return {"ok": FOUND if refused else OK, "raised": FOUND}.get(outcome.status, FAILED)
