"""The process in the user's interpreter: imports the libraries once and forks a child for every run.

Started by its path, `PYTHON hflint/verify/worker.py`; speaks JSON lines over its standard input and output:

    in   {"init": {"offline": true, "folder": "/tmp/..."}}, then {"run": id, "setup": {...}, "plan": {...}} one at a time
    out  {"event": "ready", "environment": {...}}, {"event": "started", "run": id, "pid": n},
         {"event": "progress", "run": id, ...}, {"event": "result", "run": id, "outcome": {...}}

It ends, with its child, when its input closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import selectors
import shutil
import signal
import sys
import time
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

TICK = 0.2  # seconds between two looks at a child's limits


def _find_own_modules() -> None:
    """Make `hflint.verify` importable without hflint, or anything installed beside it, on the path."""
    here = Path(__file__).resolve().parent
    if sys.path and Path(sys.path[0] or ".").resolve() == here:
        del sys.path[0]
    for name, folder in (("hflint", here.parent), ("hflint.verify", here)):
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules[name] = module_from_spec(spec)


class Lines:
    """Complete lines out of a file descriptor; `closed` after its end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.closed = False
        self._rest = b""

    def read(self) -> list[Any]:
        """The JSON lines that are there now; blocks only if nothing is."""
        data = os.read(self.descriptor, 1 << 16)
        self.closed = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):  # a line cut off by a kill
                found.append(json.loads(line))
        return found


class Worker:
    """Serves runs until its input closes."""

    def __init__(self, source: int, sink: int) -> None:
        self.input = Lines(source)
        self.sink = sink
        self.folder = Path()
        self.child = 0  # process id, and process group, of the running child

    def send(self, event: str, **fields: Any) -> None:
        """One line to the parent."""
        os.write(self.sink, json.dumps({"event": event, **fields}).encode() + b"\n")

    def serve(self) -> None:
        """Answer messages in order until the input closes."""
        while not self.input.closed:
            for message in self.input.read():
                if "init" in message:
                    self.start(message["init"])
                else:
                    self.run(message)

    def start(self, options: dict[str, Any]) -> None:
        """Set the environment before any library reads it."""
        from hflint.verify.libraries import versions

        self.folder = Path(options["folder"])
        if options.get("offline", True):
            for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
                os.environ[name] = "1"
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        os.environ["TMPDIR"] = str(temporary)  # libraries make caches there when they are imported
        environment = {
            "python": platform.python_version(),
            "executable": sys.executable,
            "platform": platform.platform(),
            "machine": platform.machine(),
            "libraries": versions(),
        }
        self.send("ready", environment=environment)

    def run(self, message: dict[str, Any]) -> None:
        """Fork a child for one setup and report what becomes of it."""
        from hflint.verify import child
        from hflint.verify.libraries import MissingError

        run, outcome = message["run"], None
        self.send("progress", run=run, phase="importing")
        try:
            child.import_libraries(message["setup"])
        except MissingError as missing:
            outcome = {"status": "missing", "reason": str(missing)}
        except Exception as error:  # noqa: BLE001 - a library may raise anything while it is imported
            outcome = {"status": "missing", "reason": f"{type(error).__name__}: {error}"[:300]}
        if outcome is None:
            folder = self.folder / f"run-{run}"
            folder.mkdir(parents=True, exist_ok=True)
            try:
                outcome = self.watch(run, message, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        self.send("result", run=run, outcome=outcome)

    def watch(self, run: Any, message: dict[str, Any], folder: Path) -> dict[str, Any]:
        """The outcome of a forked run, within the limits of its plan."""
        from hflint.verify import child

        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            child.main(message, folder, self.folder, writing)
        os.close(writing)
        self.child = pid
        self.send("started", run=run, pid=pid)
        watched = _Watched(pid, Lines(reading), message["plan"])
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(reading, selectors.EVENT_READ)
                selector.register(self.input.descriptor, selectors.EVENT_READ)
                while not watched.lines.closed and not watched.broken_limit():
                    ready = {key.fd for key, _ in selector.select(TICK)}
                    if watched.is_time_to_tell():
                        self.send("progress", run=run, memory=watched.taken)
                    if reading in ready:
                        for event in watched.lines.read():
                            if watched.take(event):
                                self.send("progress", run=run, **event)
                    if self.input.descriptor in ready and self._parent_gone():
                        watched.stop()
                        raise SystemExit(0)
        finally:
            self.child = 0
            os.close(reading)
        return watched.finish()

    def _parent_gone(self) -> bool:
        self.input.read()  # nothing is sent while a run is under way but the end of the input
        return self.input.closed

    def stop(self, *_: object) -> None:
        """End with the child; what SIGTERM does."""
        if self.child:
            with contextlib.suppress(OSError):
                os.killpg(self.child, signal.SIGKILL)
        os._exit(1)


class _Watched:
    """A running child, what it said so far, and its limits."""

    def __init__(self, pid: int, lines: Lines, plan: dict[str, Any]) -> None:
        self.pid = pid
        self.lines = lines
        self.seconds = float(plan.get("timeout", 120.0))
        self.bytes = float(plan.get("memory", 8.0)) * 2**30
        self.end = time.monotonic() + self.seconds
        self.taken = 0  # bytes, at the last look
        self.told = time.monotonic()
        self.partial: dict[str, Any] = {}
        self.complete = False
        self.status, self.reason = "", ""

    def take(self, event: dict[str, Any]) -> bool:
        """Keep an outcome; True for an event that is passed on."""
        if "outcome" not in event:
            return True
        self.partial = event["outcome"]
        self.complete = bool(event.get("complete"))
        return False

    def is_time_to_tell(self) -> bool:
        """Whether the memory taken is to be reported: once a second."""
        if not self.taken or time.monotonic() < self.told + 1:
            return False
        self.told = time.monotonic()
        return True

    def broken_limit(self) -> bool:
        """Whether the child is past its time or its memory."""
        self.taken = _taken(self.pid)
        if time.monotonic() > self.end:
            self.status, self.reason = "timeout", f"timed out after {self.seconds:g} s"
        elif self.taken > self.bytes:
            self.status, self.reason = "memory", f"took more than {self.bytes / 2**30:g} GiB of memory"
        return bool(self.status)

    def stop(self) -> int:
        """Kill the child's process group; the child's wait status."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            return os.waitpid(self.pid, 0)[1]
        return 0

    def finish(self) -> dict[str, Any]:
        """The outcome, whichever way the child ended."""
        if self.complete:
            self.stop()
            return self.partial
        if not self.status:  # the pipe closed: it died by itself; leave it a moment to be waited for
            status = self._wait(2.0)
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            self.status = "killed"
            self.reason = (
                f"the run was killed by {_signal_name(number)}" if number else "the run ended without a result"
            )
        self.stop()
        return {**self.partial, "status": self.status, "reason": self.reason}

    def _wait(self, seconds: float) -> int:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.01)
        return self.stop()


_QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "WANDB_MODE": "disabled",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "0",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking whether there is a GPU must not start CUDA before the fork
}


def _signal_name(number: int) -> str:
    extra = " (the system may have run out of memory)" if number == signal.SIGKILL else ""
    return f"{signal.Signals(number).name}{extra}"


def _taken(pid: int) -> int:
    """Bytes that a process has for itself, without what it shares with the worker; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Dirty:", "Swap:")))


def main() -> None:
    """Serve the parent; libraries' own output goes to standard error."""
    _find_own_modules()
    sink = os.dup(1)
    os.dup2(2, 1)
    worker = Worker(os.dup(0), sink)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    worker.serve()


if __name__ == "__main__":
    main()
