"""Processes that check chunks of files: reports come in order, and one that dies costs only the file it died of."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import signal
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Self

from hflint.check import FileReport
from hflint.checker import Job, Result
from hflint.memory import collect_seldom

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from hflint.checker import Runner

CHUNK = 60_000  # bytes to parse that a worker is handed at a time
LONGEST = 500  # files in a chunk, most of them decided by the gate
AHEAD = 2  # chunks that a worker knows of
POLL = 0.1  # seconds between two looks at whether a signal came


def in_order(entries: Iterable[FileReport | Job], number: int, runner: Runner) -> Iterator[FileReport | Result]:
    """The reports as they are and the jobs' results, in the order of the entries, from `number` processes."""
    chunks = list(_chunks(entries))  # the gate takes a thirtieth of the time that follows
    tasks = [[entry for entry in chunk if isinstance(entry, Job)] for chunk in chunks]
    for project in {id(job.project): job.project for task in tasks for job in task}.values():
        _ = project.rules, project.codes, project.versions, project.models  # found once, here, not in each worker
    with Workers(number, tasks, runner) as workers:
        for at, chunk in enumerate(chunks):
            results = iter(workers.results(at))
            yield from (next(results) if isinstance(entry, Job) else entry for entry in chunk)


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


@dataclass
class _Worker:
    """A process, and the numbers of the tasks that it has."""

    process: BaseProcess
    pipe: Connection
    run: deque[int] = field(default_factory=deque)  # what it is to do next
    under_way: deque[int] = field(default_factory=deque)

    def send(self, at: int) -> None:
        """Hand it a task; that it died shows where its results are taken."""
        with suppress(OSError):
            self.pipe.send(at)


class Workers:
    """Processes that do numbered tasks; none of them outlives this one."""

    def __init__(self, number: int, tasks: Sequence[list[Job]], runner: Runner) -> None:
        self._tasks = tasks
        self._runner = runner
        self._left = deque(at for at, task in enumerate(tasks) if task)
        self._done: dict[int, list[Result]] = {at: [] for at, task in enumerate(tasks) if not task}
        self._workers: list[_Worker] = []
        self._number = number
        self._stop = 0  # the signal that asked to
        self._handlers: dict[signal.Signals, Any] = {}  # as they were

    def __enter__(self) -> Self:
        # An exception from a signal in the midst of a message would cut it: it is raised between two of them.
        if threading.current_thread() is threading.main_thread():
            numbers = (signal.SIGINT, signal.SIGTERM)
            self._handlers = {number: signal.signal(number, self._ask_to_stop) for number in numbers}
        for _ in range(min(self._number, len(self._left))):
            self._workers.append(self._begin(self._tasks))
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _ask_to_stop(self, number: int, _: object) -> None:
        self._stop = number

    def _stop_if_asked(self) -> None:
        if self._stop == signal.SIGINT:
            raise KeyboardInterrupt
        if self._stop:
            sys.exit(128 + self._stop)

    def _begin(self, tasks: Sequence[list[Job]]) -> _Worker:
        fork = sys.platform == "linux"
        if fork:
            _preload()
        context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        mine, theirs = context.Pipe()
        ours = [mine, *(worker.pipe for worker in self._workers)] if fork else []
        process = context.Process(target=_serve, args=(theirs, ours, tasks, self._runner), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, mine)

    def results(self, at: int) -> list[Result]:
        """The results of a task, which is forgotten then."""
        self._stop_if_asked()
        self._hand_out()
        while at not in self._done:
            ready = wait([worker.pipe for worker in self._workers if worker.under_way], POLL)
            for worker in [one for one in self._workers if one.pipe in ready]:
                self._take(worker)
            self._stop_if_asked()
            self._hand_out()
        return self._done.pop(at)

    def _hand_out(self) -> None:
        for worker in self._workers:
            while len(worker.under_way) < AHEAD and (at := self._next(worker)) is not None:
                worker.under_way.append(at)
                worker.send(at)

    def _next(self, worker: _Worker) -> int | None:
        """The next task for a worker, which does many in a row: the modules that it read for one file, the next ones import as well.

        The rows get shorter, for all to end at once; in the end the others' are shared.
        """
        if not worker.run:
            for _ in range(-(-len(self._left) // (2 * len(self._workers)))):
                worker.run.append(self._left.popleft())
        if not worker.run:
            longest = max((one.run for one in self._workers), key=len)
            return longest.pop() if longest else None
        return worker.run.popleft()

    def _take(self, worker: _Worker) -> None:
        """Take what a worker has done; where it died meanwhile, each file it had is tried in a process of its own."""
        try:
            results: list[Result] = worker.pipe.recv()
        except (EOFError, OSError):
            results = self._again(worker)
        self._done[worker.under_way.popleft()] = results

    def _again(self, worker: _Worker) -> list[Result]:
        worker.process.join()
        worker.pipe.close()
        fresh = self._begin(self._tasks)
        worker.process, worker.pipe = fresh.process, fresh.pipe
        died, *others = worker.under_way
        for at in others:
            worker.send(at)
        return [self._alone(job) for job in self._tasks[died]]

    def _alone(self, job: Job) -> Result:
        worker = self._begin([[job]])
        worker.send(0)
        try:
            results: list[Result] = worker.pipe.recv()
        except (EOFError, OSError):
            message = "the process that checked it died: out of memory, killed, or crashed by what the file holds"
            return Result(FileReport(job.path, job.name, errors=(message,)))
        finally:
            worker.pipe.close()
            worker.process.join()
        return results[0]


def _preload() -> None:
    """Import, before forking, what every worker needs."""
    for module in ("hflint.semantics.build", "hflint.suppress", "hflint.context"):
        importlib.import_module(module)


def _serve(pipe: Connection, ours: list[Connection], tasks: Sequence[list[Job]], runner: Runner) -> None:
    """Do the tasks whose numbers come, until nobody is there to ask. `ours` is what a fork has of the parent's."""
    for one in ours:
        one.close()
    collect_seldom()
    gc.freeze()  # what was made before the fork stays, and stays shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, OSError):
        while True:
            task = tasks[pipe.recv()]
            pipe.send([runner.run(job) for job in task])
