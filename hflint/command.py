"""What `hflint check` does: from its options to an exit code."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from hflint.check import FileReport, check_data
from hflint.checker import Checker
from hflint.exits import FAILED, FOUND, INTERRUPTED, OK, complain
from hflint.files import FileError, display_name, find_files
from hflint.project import Project, Projects
from hflint.report import DEFAULT_WIDTH, Look, Run, count, renderer
from hflint.settings import SettingsError, parse_target, settings_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

STDIN = Path("-")
PATIENCE = 1.0  # seconds before a progress bar is shown


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The options of `hflint check`, named as they are."""

    paths: tuple[Path, ...] = ()
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    output_format: str = "full"
    output_file: Path | None = None
    statistics: bool = False
    exit_zero: bool = False
    pedantic: bool = False
    jobs: int | None = None
    isolated: bool = False
    config: tuple[str, ...] = ()
    show_settings: bool = False
    show_files: bool = False
    no_cache: bool = False
    force_exclude: bool = False
    stdin_filename: Path | None = None
    verbose: int = 0
    quiet: bool = False


def run_check(options: CheckOptions) -> int:
    """Check, report and say with which code to exit: 0 nothing wrong, 1 something found, 2 could not do its job."""
    try:
        projects = projects_of(options)
        start = projects.of_folder(_start(options))
        if options.target:
            _ = start.versions  # a target that names no known release is an error, whatever the files hold
        if options.show_settings:
            return _show_settings(start)
        if options.show_files:
            return _show_files(options, start)
        return _check(options, projects, start)
    except SettingsError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


def _check(options: CheckOptions, projects: Projects, start: Project) -> int:
    from_stdin = STDIN in options.paths
    if from_stdin and len(options.paths) > 1:
        return complain("'-' reads one file from stdin and goes with no other path")
    reports, total = _stdin_reports(options, projects) if from_stdin else _file_reports(options, projects, start)
    if options.fix and not (from_stdin or options.diff):
        reports = _written(reports)
    fixed_on_stdout = options.fix and from_stdin and not options.diff
    try:
        with _output(options, sys.stderr if fixed_on_stdout else sys.stdout) as stream:
            if not options.quiet:
                reports = with_progress(reports, total, held=stream.isatty())
            if options.diff:
                return _diff(reports, stream, options)
            run = Run(reports, start.settings.unsafe_fixes, options.statistics, options.quiet)
            renderer(options.output_format)(run, stream, look_of(stream))
            stream.flush()  # here, where a reader that has gone away is no news
    except BrokenPipeError:
        raise
    except OSError as error:
        return complain(f"{options.output_file or 'the output'} cannot be written: {error.strerror or error}")
    if options.verbose:
        _say_sources(projects)
    return _exit_code(options, run, start)


def projects_of(options: CheckOptions) -> Projects:
    """The projects under the settings that the options give."""
    overrides: dict[str, object] = {}
    config = None
    for text in options.config:
        key, equals, value = text.partition("=")
        if equals and not Path(text).is_file():
            overrides |= _inline(key.strip(), value.strip())
        else:
            config = Path(text)
    for key in ("select", "ignore", "extend_select"):
        if values := getattr(options, key):
            overrides[key] = list(values)
    for key in ("pedantic", "unsafe_fixes", "force_exclude"):
        if getattr(options, key):
            overrides[key] = True
    if options.target:
        overrides["target"] = dict(parse_target(text) for text in options.target)
    return Projects(config=config, isolated=options.isolated, overrides=overrides)


def _inline(key: str, value: str) -> dict[str, object]:
    """One setting as TOML; a value that is no TOML is taken as a string."""
    import tomllib

    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError:
        pass
    try:
        return tomllib.loads(f"{key} = {json.dumps(value)}")
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"--config '{key}={value}' is neither a file nor a setting: {error}") from None


def _start(options: CheckOptions) -> Path:
    """The folder whose settings decide which files there are, and what fails the run."""
    first = options.stdin_filename if STDIN in options.paths else next(iter(options.paths), None)
    if first is None:
        return Path()
    return first if first.is_dir() else first.parent


def _file_reports(options: CheckOptions, projects: Projects, start: Project) -> tuple[Iterable[FileReport], int]:
    """The reports to come for the files that the options name, and how many they are."""
    files, failures = find_files(options.paths or (Path(),), start.settings)
    failed = [FileReport(failure.path, display_name(failure.path), errors=(failure.message,)) for failure in failures]
    checker = Checker(
        projects, jobs=options.jobs or os.cpu_count() or 1, fix=_mends(options), cached=not options.no_cache
    )
    named = ((file, display_name(file)) for file in files)
    return chain(failed, checker.check(named)), len(failed) + len(files)


def _stdin_reports(options: CheckOptions, projects: Projects) -> tuple[Iterable[FileReport], int]:
    """The report of stdin; with --fix, the text goes to stdout whatever is found."""
    path = options.stdin_filename or Path("stdin.py")
    name = display_name(path) if options.stdin_filename else "<stdin>"
    data = sys.stdin.buffer.read()
    project = projects.of(path)
    excluded = project.settings.force_exclude and path.exists() and not find_files([path], project.settings)[0]
    report = FileReport(path, name) if excluded else check_data(data, path, name, project, fix=_mends(options))
    if options.fix and not options.diff:
        mended = report.source if report.before else None
        sys.stdout.buffer.write(mended.encode(mended.text) if mended else data)
        sys.stdout.buffer.flush()
    return [report], 1


def _mends(options: CheckOptions) -> bool:
    return options.fix or options.diff


def _written(reports: Iterable[FileReport]) -> Iterator[FileReport]:
    """The reports, each mended file written before its report passes."""
    from hflint.fix import write_source

    for report in reports:
        if report.before is None:
            yield report
            continue
        try:
            write_source(report.before, report.located.text)
        except FileError as error:
            yield replace(report, fixed=(), errors=(*report.errors, error.message))
        else:
            yield report


def _diff(reports: Iterable[FileReport], stream: TextIO, options: CheckOptions) -> int:
    """Print what fixes would change; 1 where that is anything."""
    from hflint.report._diff import diff_lines

    look, files, fixes, failed = look_of(stream), 0, 0, False
    for report in reports:
        stream.writelines(diff_lines(report, look))
        files += report.before is not None
        fixes += len(report.fixed)
        for error in report.errors:
            failed = True
            complain(f"{report.name}: {error}")
    if not options.quiet:
        text = f"Would fix {count(fixes, 'finding')} in {count(files, 'file')}." if fixes else "Nothing to fix."
        click.echo(text, err=True)
    if failed:
        return FAILED
    return FOUND if files and not options.exit_zero else OK


def _exit_code(options: CheckOptions, run: Run, start: Project) -> int:
    if run.summary.failed:
        return FAILED
    limit = start.settings.fail_on.rank
    failing = any(severity.rank <= limit for severity in run.summary.severities)
    return FOUND if failing and not options.exit_zero else OK


def _output(options: CheckOptions, default: TextIO) -> AbstractContextManager[TextIO]:
    return nullcontext(default) if options.output_file is None else options.output_file.open("w", encoding="utf-8")


def look_of(stream: TextIO) -> Look:
    """What a stream can show: NO_COLOR and FORCE_COLOR decide over what it is."""
    terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    colour = terminal or os.environ.get("FORCE_COLOR", "0") not in {"", "0"}
    if os.environ.get("NO_COLOR"):
        colour = False
    width = shutil.get_terminal_size().columns if terminal else DEFAULT_WIDTH
    return Look(colour, terminal, min(max(width, 40), 120))


def with_progress(reports: Iterable[FileReport], total: int, *, held: bool) -> Iterator[FileReport]:
    """The reports; a bar on stderr, if that is a terminal, once they take their time.

    `held` keeps reports back until the bar is gone: they are for the same terminal.
    """
    if not sys.stderr.isatty():
        yield from reports
        return
    begin, left = time.monotonic(), iter(reports)
    for done, report in enumerate(left, start=1):
        yield report
        if time.monotonic() - begin > PATIENCE:
            yield from _with_bar(left, total, done, held=held)


def _with_bar(reports: Iterator[FileReport], total: int, done: int, *, held: bool) -> Iterator[FileReport]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    kept = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, completed=done)
        for report in reports:
            progress.advance(task)
            if held:
                kept.append(report)
            else:
                yield report
    yield from kept


def _show_settings(project: Project) -> int:
    click.echo(json.dumps(settings_dict(project.settings), indent=2))
    return OK


def _show_files(options: CheckOptions, start: Project) -> int:
    files, failures = find_files(options.paths or (Path(),), start.settings)
    for file in files:
        click.echo(display_name(file))
    for failure in failures:
        complain(str(failure))
    return FAILED if failures else OK


def _say_sources(projects: Projects) -> None:
    """Say which settings and versions held, for every project where a file needed them."""
    for project in projects:
        if project.looked_up:
            click.echo(f"{display_name(project.folder)}: settings from {project.settings.origin}", err=True)
            for allowed in project.versions.values():
                click.echo(f"  {allowed} ({allowed.origin})", err=True)
