"""The linter's side of verification: starts the worker in a chosen interpreter, submits pairs of runs, collects verdicts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Self

from hflint.verify import probes
from hflint.verify.codec import CodecError, from_json, to_json
from hflint.verify.outcome import Outcome, Plan, Verdict

if TYPE_CHECKING:
    from hflint.verify.setup import Setup

WORKER = Path(__file__).with_name("worker.py")
START_LIMIT = 60.0  # seconds until the worker says that it is there
IMPORT_LIMIT = 300.0  # seconds that the libraries may take to import, beside a run's own limit
_TRIES = 40  # to remove the temporary folder
Progress = Callable[["Case", str, Mapping[str, Any]], None]


class SessionError(Exception):
    """Verification could not start; the message is one line."""


@dataclass(frozen=True)
class Case:
    """A finding to verify: the setup of the file as it is, and as the fix leaves it (None without a fix)."""

    rule: str
    path: str
    line: int
    before: Setup
    after: Setup | None = None
    others: Case | None = None  # the same with the file's other findings mended, for where these are in the way


@dataclass
class Result:
    """A case, its two runs and the verdict."""

    rule: str
    path: str
    line: int
    verdict: Verdict
    before: Outcome
    after: Outcome | None = None
    setups: Mapping[str, Any] = field(default_factory=dict)  # "before", "after" as JSON: how to run it again

    @property
    def key(self) -> str:
        """What makes two results the same case with the same setups."""
        return json.dumps([self.rule, self.path, self.line, dict(self.setups)], sort_keys=True)


def choose_python(wanted: str | None = None, folder: Path | None = None) -> str:
    """The interpreter whose libraries are verified: `wanted`, the active environment's, .venv's, else our own.

    Raises:
        SessionError: `wanted` is not there.
    """
    if wanted:
        found = shutil.which(wanted)
        if not found:
            raise SessionError(f"no Python at {wanted}")
        return found
    environments = [
        os.environ.get("VIRTUAL_ENV"),
        os.environ.get("CONDA_PREFIX"),
        str((folder or Path.cwd()) / ".venv"),
    ]
    for environment in filter(None, environments):
        for name in ("bin/python", "Scripts/python.exe"):
            if Path(environment, name).exists():
                return str(Path(environment, name))
    return sys.executable


class WorkerProcess:
    """One worker: started, asked for runs one at a time, ended without a trace."""

    def __init__(self, python: str, folder: Path, *, offline: bool = True) -> None:
        self.python = python
        self.folder = folder
        self.offline = offline
        self.environment: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._events: Queue[dict[str, Any] | None] = Queue()
        self._child = 0
        self._count = 0
        self._closed = False

    def start(self) -> None:
        """Start the interpreter and wait until it answers.

        Raises:
            SessionError: it does not start, or does not answer in time.
        """
        self._events = Queue()
        try:
            with (self.folder / "worker.log").open("ab") as errors:
                self._process = subprocess.Popen(  # noqa: S603 - the user's own interpreter, chosen above
                    [self.python, str(WORKER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,  # Ctrl-C reaches us, and we end it
                )
        except OSError as error:
            raise SessionError(f"{self.python} does not start: {error.strerror or error}") from None
        if self._closed:  # meanwhile
            self.stop()
            raise SessionError("the session has ended")
        threading.Thread(target=self._listen, args=(self._process, self._events), daemon=True).start()
        self._send({"init": {"offline": self.offline, "folder": str(self.folder)}})
        event = self._next(START_LIMIT)
        if not event or event.get("event") != "ready":
            self.stop()
            raise SessionError(f"{self.python} did not start the worker{self._last_words()}")
        self.environment = event["environment"]

    def _listen(self, process: subprocess.Popen[bytes], events: Queue[dict[str, Any] | None]) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe, as started
        with contextlib.suppress(ValueError, OSError):  # closed by `stop`
            for line in process.stdout:
                with contextlib.suppress(ValueError):
                    events.put(json.loads(line))
        events.put(None)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process is not None  # noqa: S101 - started
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as started
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """The next event; None where the worker is gone or nothing came in time."""
        try:
            return self._events.get(timeout=seconds)
        except Empty:
            return None

    def _last_words(self) -> str:
        log = self.folder / "worker.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return f": {lines[-1][:200]}" if lines else ""

    def run(self, setup: Setup, plan: Plan, progress: Callable[[Mapping[str, Any]], None]) -> Outcome:
        """One run; a worker that died is started again first.

        Raises:
            SessionError: the worker cannot be started, or was closed.
        """
        if self._closed:
            raise SessionError("the session has ended")
        if self._process is None or self._process.poll() is not None:
            self.start()
        self._count += 1
        self._send({"run": self._count, "setup": setup.to_json(), "plan": to_json(plan)})
        end = time.monotonic() + IMPORT_LIMIT + plan.timeout
        while True:
            event = self._next(max(0.0, end - time.monotonic()))
            if event is None:
                words = self._last_words()
                self.stop()
                return Outcome(status="killed", reason=f"the worker ended{words}")
            if event.get("run") != self._count:
                continue
            if event["event"] == "started":
                self._child = event["pid"]
            elif event["event"] == "progress":
                progress(event)
            elif event["event"] == "result":
                self._child = 0
                return from_json(Outcome, event["outcome"])

    def close(self) -> None:
        """End the worker for good: a thread that still has runs for it starts none again."""
        self._closed = True
        self.stop()

    def stop(self) -> None:
        """End the worker and its run."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.terminate()
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            _kill_group(process.pid)
            process.wait()
        if self._child:
            _kill_group(self._child)
            self._child = 0
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


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
        """End all workers and remove the temporary folder."""
        self.closed = True
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
        blank = _blank(case)
        for key in (blank.key, _blank(case.others).key if case.others else ""):
            if key in done:
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
                blank.after = worker.run(case.after, plan, lambda event: said(case, "after", event))
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
        if probe is None or case.others is None:
            return first
        unrelated = [
            outcome
            for outcome in (first.before, first.after)
            if outcome is not None and outcome.status == "raised" and probe.shows(outcome) is None
        ]
        if not unrelated or first.verdict.verdict not in (probes.CANNOT_TELL, probes.FIX_FAILS):
            return first
        again = self._case(case.others, done, progress)
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


def _blank(case: Case) -> Result:
    setups = {"before": case.before.to_json()} | ({"after": case.after.to_json()} if case.after else {})
    return Result(case.rule, case.path, case.line, Verdict(probes.CANNOT_TELL), Outcome(), None, setups)


def _was_cut_short(result: Result) -> bool:
    """Whether a run met a limit or an absence, which may not be there the next time."""
    runs = [run for run in (result.before, result.after) if run is not None]
    return result.verdict.verdict == probes.CANNOT_TELL and any(run.status not in ("ok", "raised") for run in runs)


def _is_idle(outcome: Outcome) -> bool:
    """Whether the run could not even begin, so that a second one would say the same."""
    return outcome.status in ("missing", "unavailable")


def result_to_json(result: Result) -> dict[str, Any]:
    """One entry of the report's `verdicts`."""
    return {
        "rule": result.rule, "path": result.path, "line": result.line, "verdict": result.verdict.verdict,
        "figure": result.verdict.figure, "reason": result.verdict.reason, "before": to_json(result.before),
        "after": None if result.after is None else to_json(result.after), "setups": dict(result.setups),
    }  # fmt: skip


def result_from_json(data: Mapping[str, Any]) -> Result:
    """The result that `result_to_json` wrote.

    Raises:
        CodecError: it is not one.
    """
    try:
        return Result(
            rule=data["rule"],
            path=data["path"],
            line=data["line"],
            verdict=Verdict(data["verdict"], data["figure"], data["reason"]),
            before=from_json(Outcome, data["before"]),
            after=from_json(Outcome, data["after"]) if data.get("after") is not None else None,
            setups=data.get("setups", {}),
        )
    except KeyError as error:
        raise CodecError(f"verdict: no {error.args[0]!r}") from None


def exit_code(results: Sequence[Result]) -> int:
    """0 where all are confirmed or improved, 1 where a fix fails or a finding is not reproduced, 2 where none could run."""
    found = {result.verdict.verdict for result in results}
    if found & {probes.FIX_FAILS, probes.NOT_REPRODUCED}:
        return 1
    return 2 if probes.CANNOT_TELL in found else 0
