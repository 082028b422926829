"""Many files: gate and cache here, the rest in this process or in as many as pay for themselves; in file order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from hflint.cache import Cache, digest, outlines_path
from hflint.check import FileReport, check_data, has_fix
from hflint.files import FileError, read_bytes, source_from_bytes
from hflint.semantics.gate import mentions_library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hflint.project import Project, Projects
    from hflint.semantics.outlines import Packed

WORTH = 100_000  # bytes to parse; below that, more processes cost more than they bring


@dataclass(frozen=True, slots=True)
class Job:
    """One file that has to be parsed."""

    path: Path
    name: str
    size: int
    project: Project


@dataclass(frozen=True, slots=True)
class Result:
    """A report, and what is worth remembering.

    Attributes:
        report: the report.
        digest: the hash of the content that it was made from; empty where it is not to be remembered.
        states: of what it read of other modules.
        outlines: of modules that were read for it.
    """

    report: FileReport
    digest: str = ""
    states: Mapping[Path, str] = field(default_factory=dict)
    outlines: dict[str, Packed] = field(default_factory=dict)


class Checker:
    """Checks many files of some projects."""

    def __init__(self, projects: Projects, *, jobs: int, fix: bool = False, cached: bool = True) -> None:
        self._projects = projects
        self._jobs = jobs
        self._fix = fix
        self._cached = cached
        self._caches: dict[Path, Cache] = {}

    def check(self, files: Iterable[tuple[Path, str]]) -> Iterator[FileReport]:
        """A report for each file, given with the name to show, in their order.

        Raises:
            SettingsError: settings that hold for a file are not valid.
        """
        entries = (self._look(path, name) for path, name in files)
        head: list[FileReport | Job] = []
        size = 0
        while size < WORTH and (entry := next(entries, None)) is not None:
            head.append(entry)
            size += entry.size if isinstance(entry, Job) else 0
        everything = chain(head, entries)
        try:
            for result in self._serial(everything) if size < WORTH or self._jobs == 1 else self._parallel(everything):
                if isinstance(result, Result):
                    self._remember(result)
                    yield result.report
                else:
                    yield result
        finally:
            for cache in self._caches.values():
                cache.save()

    def _look(self, path: Path, name: str) -> FileReport | Job:
        """The report of a file that need not be parsed; else the job of parsing it."""
        try:
            data = read_bytes(path)
        except FileError as error:
            return FileReport(path, name, errors=(error.message,))
        if not mentions_library(data):
            return FileReport(path, name)
        project = self._projects.of(path)
        known = self._cache(project).get(path, digest(data)) if self._cached else None
        if known is None or (self._fix and has_fix(known, project)):
            return Job(path, name, len(data), project)
        try:
            source = source_from_bytes(data, path, name) if known else None
        except FileError as error:
            return FileReport(path, name, errors=(error.message,))
        return FileReport(path, name, source, known)

    def _serial(self, entries: Iterable[FileReport | Job]) -> Iterator[FileReport | Result]:
        runner = Runner(fix=self._fix, cached=self._cached)
        for entry in entries:
            yield runner.run(entry) if isinstance(entry, Job) else entry

    def _parallel(self, entries: Iterable[FileReport | Job]) -> Iterator[FileReport | Result]:
        from hflint.workers import in_order

        return in_order(entries, self._jobs, Runner(fix=self._fix, cached=self._cached))

    def _remember(self, result: Result) -> None:
        report = result.report
        if self._cached:
            cache = self._cache(self._projects.of(report.path))
            cache.put_outlines(result.outlines)
            if result.digest:
                cache.put(result.digest, report, result.states)

    def _cache(self, project: Project) -> Cache:
        if project.folder not in self._caches:
            self._caches[project.folder] = Cache(project)
        return self._caches[project.folder]


class Runner:
    """Checks one file after the other, in one process."""

    def __init__(self, *, fix: bool, cached: bool) -> None:
        self._fix = fix
        self._cached = cached
        self._project: Project | None = None

    def run(self, job: Job) -> Result:
        """Check a file. Its source comes back only where there is something to show of it."""
        if self._project is not None and self._project is not job.project:
            self._project.forget_modules()
        self._project = job.project
        try:
            data = read_bytes(job.path)
        except FileError as error:
            return Result(FileReport(job.path, job.name, errors=(error.message,)))
        modules = job.project.modules
        if self._cached and modules.outlines is None:
            from hflint.semantics.outlines import Outlines  # not before there is something to parse

            modules.outlines = Outlines(outlines_path(job.project.folder))
        report = check_data(data, job.path, job.name, job.project, fix=self._fix)
        shown = report if report.findings or report.before else replace(report, source=None)
        outlines = modules.outlines.take_new() if modules.outlines is not None else {}
        if not self._cached or report.errors or report.before:
            return Result(shown, outlines=outlines)
        states = {path: modules.state(path, names) for path, names in report.reads.items()}
        return Result(shown, digest(data), states, outlines)
