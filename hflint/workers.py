"""Processes that check chunks of files: reports come in order, and one that dies costs only the file it died of."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import pickle
import signal
import sys
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, cast

from hflint.check import FileReport
from hflint.checker import Job, Result, run
from hflint.memory import collect_seldom

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hflint.project import Project

CHUNK = 60_000  # bytes to parse that a worker is handed at a time
LONGEST = 500  # files in a chunk, most of them decided by the gate
AHEAD = 4  # chunks under way for each worker
POLL = 0.1  # seconds between two looks at whether a signal came


def in_order(entries: Iterable[FileReport | Job], number: int, *, fix: bool) -> Iterator[FileReport | Result]:
    """The reports as they are and the jobs' results, in the order of the entries, from `number` processes."""
    waiting: deque[tuple[list[FileReport | Job], list[Work], Future[list[Result]]]] = deque()
    frozen: dict[Path, bytes] = {}
    with Workers(number) as workers:
        for chunk in _chunks(entries):
            jobs = (entry for entry in chunk if isinstance(entry, Job))
            work = [Work(job.path, job.name, _freeze(job.project, frozen), fix) for job in jobs]
            waiting.append((chunk, work, workers.submit(work)))
            while waiting and (len(waiting) > number * AHEAD or waiting[0][2].done()):
                yield from _merged(*waiting.popleft(), workers)
        while waiting:
            yield from _merged(*waiting.popleft(), workers)


@dataclass(frozen=True, slots=True)
class Work:
    """A job on its way to a worker."""

    path: Path
    name: str
    project: bytes  # pickled once; the works of a chunk share it
    fix: bool


def _chunks(entries: Iterable[FileReport | Job]) -> Iterator[list[FileReport | Job]]:
    chunk: list[FileReport | Job] = []
    size = 0
    for entry in entries:
        chunk.append(entry)
        size += entry.size if isinstance(entry, Job) else 0
        if size >= CHUNK or len(chunk) >= LONGEST:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _merged(
    chunk: list[FileReport | Job], work: list[Work], future: Future[list[Result]], workers: Workers
) -> Iterator[FileReport | Result]:
    """The chunk's entries in their order, jobs replaced by their results."""
    results = iter(workers.results(work, future))
    return (next(results) if isinstance(entry, Job) else entry for entry in chunk)


def _freeze(project: Project, frozen: dict[Path, bytes]) -> bytes:
    if project.folder not in frozen:
        _ = project.rules, project.codes, project.versions, project.models  # found once, here, not in each worker
        frozen[project.folder] = pickle.dumps(project)
    return frozen[project.folder]


@lru_cache(maxsize=2)  # a project keeps parsed modules, and files come project by project
def _thaw(project: bytes) -> Project:
    return cast("Project", pickle.loads(project))  # noqa: S301 - made by this program's own parent process


def _run_all(work: list[Work]) -> list[Result]:
    return [run(one.path, one.name, _thaw(one.project), fix=one.fix) for one in work]


class Workers:
    """A pool of processes that outlives the death of one of them, and none of which outlives it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._pool = _pool(number)
        self._stop = 0  # the signal that asked to
        self._handlers: dict[signal.Signals, Any] = {}  # as they were

    def __enter__(self) -> Self:
        # An exception from a signal in the midst of the pool's locks would hang it: it is raised between chunks.
        if threading.current_thread() is threading.main_thread():
            numbers = (signal.SIGINT, signal.SIGTERM)
            self._handlers = {number: signal.signal(number, self._ask_to_stop) for number in numbers}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for child in multiprocessing.active_children():
                child.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _ask_to_stop(self, number: int, _: object) -> None:
        self._stop = number

    def _stop_if_asked(self) -> None:
        if self._stop == signal.SIGINT:
            raise KeyboardInterrupt
        if self._stop:
            sys.exit(128 + self._stop)

    def submit(self, work: list[Work]) -> Future[list[Result]]:
        """Hand a chunk to a worker."""
        self._stop_if_asked()
        if not work:
            done: Future[list[Result]] = Future()
            done.set_result([])
            return done
        try:
            return self._pool.submit(_run_all, work)
        except BrokenProcessPool:
            self._pool.shutdown(wait=True)
            self._pool = _pool(self._number)
            return self._pool.submit(_run_all, work)

    def results(self, work: list[Work], future: Future[list[Result]]) -> list[Result]:
        """The results of a chunk; where a worker died meanwhile, each file of it is tried in a process of its own."""
        while not future.done():
            self._stop_if_asked()
            wait([future], POLL)
        try:
            return future.result()
        except BrokenProcessPool:
            return [_alone(one) for one in work]


def _alone(work: Work) -> Result:
    with _pool(1) as pool:
        try:
            return pool.submit(_run_all, [work]).result()[0]
        except BrokenProcessPool:
            message = "the process that checked it died: out of memory, killed, or crashed by what the file holds"
            return Result(FileReport(work.path, work.name, errors=(message,)))


def _pool(number: int) -> ProcessPoolExecutor:
    fork = sys.platform == "linux"
    if fork:
        _preload()
    context = multiprocessing.get_context("fork" if fork else "spawn")
    return ProcessPoolExecutor(number, mp_context=context, initializer=_begin)


def _preload() -> None:
    """Import, before forking, what every worker needs."""
    for module in ("hflint.semantics.build", "hflint.suppress", "hflint.context"):
        importlib.import_module(module)


def _begin() -> None:
    """Leave Ctrl-C to the parent, and die of a SIGTERM as usual."""
    collect_seldom()
    gc.freeze()  # what was made before the fork stays, and stays shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
