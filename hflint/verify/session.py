"""The linter's side of verification: submits pairs of runs to workers in a chosen interpreter, collects verdicts."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, Self

from hflint.verify import probes
from hflint.verify.codec import CodecError
from hflint.verify.outcome import Outcome, Plan, Verdict
from hflint.verify.process import WorkerProcess, choose_python
from hflint.verify.results import not_run

if TYPE_CHECKING:
    from hflint.verify.results import Case, Result

_TRIES = 40  # to remove the temporary folder
Progress = Callable[["Case", str, Mapping[str, Any]], None]


class Session:
    """Verifies cases with some workers; a context manager that leaves no process and no file behind."""

    def __init__(
        self, python: str | None = None, *, jobs: int = 1, offline: bool = True, plan: Plan | None = None
    ) -> None:
        self.python = choose_python(python)
        self.plan = plan or Plan()
        self.closed = False
        self.folder = Path(tempfile.mkdtemp(prefix="hflint-verify-"))
        self.workers = [WorkerProcess(self.python, self._part(n), offline=offline) for n in range(max(1, jobs))]
        self.finished: list[Result] = []  # as they came, also those that no one has asked for yet
        self._free: Queue[WorkerProcess] = Queue()
        for worker in self.workers:
            self._free.put(worker)

    def _part(self, number: int) -> Path:
        part = self.folder / f"worker-{number}"
        part.mkdir()
        return part

    def __enter__(self) -> Self:
        """Start the first worker.

        Raises:
            SessionError: it does not start.
        """
        try:
            self.workers[0].start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers and remove the temporary folder, whatever signals come meanwhile."""
        self.closed = True
        with _deaf():
            for worker in self.workers:
                worker.close()
            for _ in range(_TRIES):  # a killed run may write until the system gets to it
                shutil.rmtree(self.folder, ignore_errors=True)
                if not self.folder.exists():
                    break
                time.sleep(0.05)

    @property
    def environment(self) -> dict[str, Any]:
        """Python, platform and library versions of the interpreter under test."""
        return self.workers[0].environment

    def verify(
        self, cases: Sequence[Case], progress: Progress | None = None, known: Sequence[Result] = ()
    ) -> Iterator[Result]:
        """Results in the order of `cases`; those in `known` with the same setups are not run again.

        Those that a limit or an absence cut short are.
        """
        done = {result.key: result for result in known if not _was_cut_short(result)}
        with ThreadPoolExecutor(len(self.workers)) as pool:
            futures = [pool.submit(self._finish, case, done, progress) for case in cases]
            try:
                for future in futures:
                    yield future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                self.close()  # so that the threads that wait for a worker end
                raise

    def _finish(self, case: Case, done: Mapping[str, Result], progress: Progress | None) -> Result:
        result = self._case(case, done, progress)
        if not self.closed:  # else its runs were cut off
            self.finished.append(result)
        return result

    def _case(self, case: Case, done: Mapping[str, Result], progress: Progress | None) -> Result:
        blank = not_run(case)
        if blank.key in done:
            return done[blank.key]
        if done and case.others and (others := case.others()) and (key := not_run(others).key) in done:
            return done[key]
        probe = probes.find_probe(case.rule)
        if probe is None:
            blank.verdict = Verdict(probes.CANNOT_TELL, reason=f"{case.rule} has no probe")
            return blank
        worker = self._free.get()
        try:
            plan = probe.plan(self.plan)
            said = progress or (lambda *_: None)
            blank.before = worker.run(case.before, plan, lambda event: said(case, "before", event))
            if case.after is not None and not _is_idle(blank.before):
                fixed = probe.plan(self.plan, fixed=True)
                blank.after = worker.run(case.after, fixed, lambda event: said(case, "after", event))
        except CodecError as error:
            blank.verdict = Verdict(probes.CANNOT_TELL, reason=f"the worker's answer was not understood: {error}")
            return blank
        finally:
            self._free.put(worker)
        blank.verdict = probes.judge(probe, blank.before, blank.after)
        return blank if case.others is None else self._without_others(case, blank, done, progress)

    def _without_others(
        self, case: Case, first: Result, done: Mapping[str, Result], progress: Progress | None
    ) -> Result:
        """The case with the file's other findings mended, where something else than the claim raised."""
        probe = probes.find_probe(case.rule)
        if probe is None:
            return first
        unrelated = [
            outcome
            for outcome in (first.before, first.after)
            if outcome is not None and outcome.status == "raised" and probe.shows(outcome) is None
        ]
        if not unrelated or first.verdict.verdict not in (probes.CANNOT_TELL, probes.FIX_FAILS):
            return first
        others = case.others() if case.others and not self.closed else None
        if others is None:
            return first
        again = self._case(others, done, progress)
        held = (probes.CONFIRMED, probes.IMPROVED)
        told = (*held, probes.NOT_REPRODUCED) if first.verdict.verdict == probes.CANNOT_TELL else held
        better = first.verdict.verdict == probes.CANNOT_TELL and again.before.status == "ok"
        if again.verdict.verdict not in told and not better:
            return first
        again.verdict = replace(
            again.verdict,
            reason="; ".join(filter(None, (again.verdict.reason, "with the file's other findings mended"))),
        )
        return again


@contextmanager
def _deaf() -> Iterator[None]:
    """Signals to end are ignored inside; only the main thread gets any."""
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # that of a program which Python is a part of
                signal.signal(number, handler)


def _was_cut_short(result: Result) -> bool:
    """Whether a run met a limit or an absence, which may not be there the next time."""
    runs = [run for run in (result.before, result.after) if run is not None]
    return result.verdict.verdict == probes.CANNOT_TELL and any(run.status not in ("ok", "raised") for run in runs)


def _is_idle(outcome: Outcome) -> bool:
    """Whether the run could not even begin, so that a second one would say the same."""
    return outcome.status in ("missing", "unavailable")
