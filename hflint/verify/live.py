"""What is shown while runs are under way: a line a run with its phase, loss and memory; on a terminal only."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hflint.verify.signs import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType

    from hflint.verify.results import Case
    from hflint.verify.session import Progress


class Board:
    """The runs under way; `on_event` is called from the threads that wait for workers."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, str, int], dict[str, Any]] = {}

    def on_event(self, case: Case, side: str, event: Mapping[str, Any]) -> None:
        """Keep what a run says of itself."""
        with self._lock:
            run = self._runs.setdefault((case.rule, case.path, case.line), {"start": time.monotonic()})
            if run.get("side") != side:
                run.update(side=side, loss=None, memory=None, step=0, steps=0)
            run.update({key: event[key] for key in ("phase", "step", "steps", "loss", "memory") if key in event})

    def on_result(self, rule: str, path: str, line: int) -> None:
        """A case is through."""
        with self._lock:
            self.done += 1
            self._runs.pop((rule, path, line), None)

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        with self._lock:
            for (rule, path, line), run in self._runs.items():
                cells = [rule, f"{path}:{line}", run["side"], run.get("phase", ""), _figures(run)]
                table.add_row(*map(Text, cells), Text(f"{time.monotonic() - run['start']:.0f} s", style="dim"))
            table.add_row(Text(f"{self.done} of {self.total} verified", style="bold"))
        return table


def _figures(run: Mapping[str, Any]) -> str:
    said = []
    if run.get("steps"):
        said.append(f"step {run.get('step', 0)} of {run['steps']}")
    if run.get("loss") is not None:
        said.append(f"loss {run['loss']:.3f}")
    if run.get("memory"):
        said.append(size(run["memory"]))
    return ", ".join(said)


@contextmanager
def shown(total: int, *, quiet: bool) -> Iterator[tuple[Progress | None, Callable[[str, str, int], None]]]:
    """Where to report events and results; a live table on stderr where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None, lambda _rule, _path, _line: None
        return
    from rich.console import Console
    from rich.live import Live

    board = Board(total)
    with Live(board, console=Console(stderr=True), refresh_per_second=4, transient=True):
        yield board.on_event, board.on_result
