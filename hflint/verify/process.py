"""One worker process, in the interpreter whose libraries are verified: chosen, started, asked for runs, ended."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from hflint.verify.codec import from_json, to_json
from hflint.verify.outcome import Outcome, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hflint.verify.setup import Setup

WORKER = Path(__file__).with_name("worker.py")
START_LIMIT = 60.0  # seconds until the worker says that it is there
IMPORT_LIMIT = 300.0  # seconds that the libraries may take to import, beside a run's own limit


class SessionError(Exception):
    """Verification could not start; the message is one line."""


def choose_python(wanted: str | None = None, folder: Path | None = None) -> str:
    """The interpreter whose libraries are verified: `wanted`, the active environment's, the nearest .venv's upwards, else our own.

    Raises:
        SessionError: `wanted` is not there.
    """
    if wanted:
        found = shutil.which(wanted)
        if not found:
            raise SessionError(f"no Python at {wanted}")
        return found
    start = (folder or Path()).resolve()
    beside = [str(one / ".venv") for one in (start, *start.parents)]
    environments = [os.environ.get("VIRTUAL_ENV"), os.environ.get("CONDA_PREFIX"), *beside]
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
