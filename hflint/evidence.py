"""What was measured for a rule's page: one JSON file a rule, made by `hflint verify --record`, shown as the section *Evidence*."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERSION = 1
SAID = 160  # characters of a message in a table


@dataclass(frozen=True, slots=True)
class Evidence:
    """One example of a page, run before and after its fix.

    Attributes:
        example: its number among the page's examples, from 1.
        line: of the finding within the example, from 1.
        column: of the finding in its line, from 1.
        device: "cpu", or "cuda: " and the name of the GPU.
        libraries: versions by name, of those that the run used.
        date: of the run, "2026-11-21".
        verdict: confirmed, improved, not reproduced, fix fails or cannot tell.
        figure: what it was concluded from.
        reason: what else there is to say.
        model: what was run, "twin of llama (4 layers)".
        before: the run of the example, in some words.
        after: the run of the fixed example, in some words; empty without a fix.
    """

    example: int
    line: int
    column: int
    device: str
    libraries: Mapping[str, str]
    date: str
    verdict: str
    figure: str = ""
    reason: str = ""
    model: str = ""
    before: str = ""
    after: str = ""

    @property
    def key(self) -> tuple[int, int, int, str, str]:
        """What a newer run takes the place of: the same finding on the same kind of device and library generation."""
        return (
            self.example,
            self.line,
            self.column,
            self.device.partition(":")[0],
            self.libraries.get("transformers", "").partition(".")[0],
        )


@dataclass(frozen=True, slots=True)
class Record:
    """All evidence of a rule."""

    rule: str
    runs: tuple[Evidence, ...] = field(default=())

    def with_runs(self, newer: Iterable[Evidence]) -> Record:
        """The record with newer runs in the place of those that they repeat."""
        kept = {run.key: run for run in self.runs} | {run.key: run for run in newer}
        return Record(self.rule, tuple(kept[key] for key in sorted(kept)))


def evidence_folder() -> Path:
    """Where the records are: beside the package in a checkout, in it when installed."""
    here = Path(__file__).parent
    shipped = here / "recorded"
    return shipped if shipped.is_dir() else here.parent / "evidence"


def read_record(rule: str, folder: Path | None = None) -> Record:
    """The record of a rule; an empty one where there is none, or none that this version can read."""
    path = (folder or evidence_folder()) / f"{rule}.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.get("version") != VERSION:
            return Record(rule)
        return Record(rule, tuple(Evidence(**run) for run in data["runs"]))
    except (OSError, ValueError, TypeError, KeyError):
        return Record(rule)


def write_record(record: Record, folder: Path | None = None) -> Path:
    """Write a record to its file; the path.

    Raises:
        OSError: it cannot be written.
    """
    folder = folder or evidence_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.rule}.json"
    data = {"version": VERSION, "rule": record.rule, "runs": [asdict(run) for run in record.runs]}
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def evidence_section(rule: str, folder: Path | None = None) -> str:
    """The Markdown of a page's section *Evidence*; empty where nothing was recorded."""
    runs = read_record(rule, folder).runs
    if not runs:
        return ""
    lines = [
        "Each example as it is and as its fix leaves it, run by `hflint verify --record`.",
        "",
        "| example | run on | as it is | fixed | verdict |",
        "|---|---|---|---|---|",
    ]
    for alike in _alike(runs):
        run = alike[0]
        cells = (f"{run.example}, line {run.line}", _where(alike), run.before, run.after or "no fix", _verdict(run))
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    torch = dict.fromkeys(f"torch {run.libraries['torch']}" for run in runs if "torch" in run.libraries)
    lines += ["", f"{', '.join([*torch, *sorted({run.date for run in runs})])}."]
    return "\n".join(lines)


def _alike(runs: Iterable[Evidence]) -> list[list[Evidence]]:
    """Runs that differ by versions only, together."""
    found: dict[tuple[object, ...], list[Evidence]] = {}
    for run in runs:
        same = (run.example, run.line, run.column, run.device, run.model, run.before, run.after, _verdict(run))
        found.setdefault((*same, tuple(run.libraries)), []).append(run)
    return list(found.values())


def _where(runs: Iterable[Evidence]) -> str:
    """What was run, and on what: "twin of gpt2, cpu, transformers 4.57.6 and 5.23.0"."""
    first, *_ = found = list(runs)
    libraries = [
        f"{name} {' and '.join(dict.fromkeys(run.libraries[name] for run in found))}"
        for name in first.libraries
        if name != "torch"
    ]
    return ", ".join(filter(None, (first.model, first.device, *libraries)))


def _verdict(run: Evidence) -> str:
    said = "; ".join(shorten(text, SAID, placeholder=" ...") for text in (run.figure, run.reason) if text)
    return f"**{run.verdict}**: {said}" if said else f"**{run.verdict}**"


def _cell(text: str) -> str:
    """A text as a cell of a table: on one line, and nothing in it is a mark."""
    return re.sub(r"[|<]", r"\\\g<0>", " ".join(text.split()))
