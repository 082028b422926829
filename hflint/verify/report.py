"""What is said of verdicts: the JSON contract, the terminal's rows, Markdown; `html` has the page."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from hflint.verify import probes
from hflint.verify.codec import CodecError
from hflint.verify.session import Result, result_from_json, result_to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.table import Table

    from hflint.verify.outcome import Outcome

VERSION = 1
COLUMNS = ("rule", "where", "before", "after", "verdict", "figure")
STYLES = {
    probes.CONFIRMED: "green",
    probes.IMPROVED: "green",
    probes.NOT_REPRODUCED: "yellow",
    probes.FIX_FAILS: "red",
    probes.CANNOT_TELL: "dim",
}


def to_report(environment: Mapping[str, Any], results: Sequence[Result]) -> dict[str, Any]:
    """The versioned JSON report; `read_results` takes it back."""
    return {"version": VERSION, "environment": dict(environment), "verdicts": [result_to_json(r) for r in results]}


def read_results(text: str) -> list[Result]:
    """The results in a JSON report, to take up a verification again.

    Raises:
        CodecError: it is no report of this version.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CodecError(f"not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("verdicts"), list):
        raise CodecError(f"not a verification report of version {VERSION}")
    return [result_from_json(entry) for entry in data["verdicts"]]


def write_report(path: Path, environment: Mapping[str, Any], results: Sequence[Result]) -> None:
    """Write the report that the file's ending names: .json, .md or .html.

    Raises:
        ValueError: another ending.
        OSError: the file cannot be written.
    """
    if path.suffix == ".json":
        text = json.dumps(to_report(environment, results), indent=2, ensure_ascii=False) + "\n"
    elif path.suffix == ".md":
        text = markdown(environment, results)
    elif path.suffix in (".html", ".htm"):
        from hflint.verify.html import render

        text = render(environment, results)
    else:
        raise ValueError(f"{path.name}: a report is .html, .md or .json")
    path.write_text(text, encoding="utf-8")


def brief(outcome: Outcome | None) -> str:
    """One run in some words: what it raised, else that it ran and what was measured."""
    if outcome is None:
        return "no fix"
    if outcome.raised:
        return f"{outcome.raised.type} in {outcome.raised.phase}"
    if outcome.status != "ok":
        return outcome.status
    if any(binding.get("ok") is False for binding in outcome.bindings):
        return "call refused"
    said = ["ran"]
    if outcome.losses:
        said.append(f"loss {outcome.losses[0]:.2f} to {outcome.losses[-1]:.2f}")
    if outcome.peak_bytes:
        said.append(f"peak {size(outcome.peak_bytes)}")
    elif outcome.saved_bytes:
        said.append(f"saved {size(outcome.saved_bytes)}")
    elif outcome.weights:
        said.append(f"weights {size(sum(outcome.weights.values()))}")
    return ", ".join(said)


def size(count: float) -> str:
    """Bytes for a reader, "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut between words where it is longer than `limit`."""
    return textwrap.shorten(text, limit, placeholder=" ...")


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """A row a result, in the order of `COLUMNS`; the reason stands where there is no figure."""
    return [
        (
            r.rule,
            f"{r.path}:{r.line}",
            brief(r.before),
            "not run" if r.after is None and "after" in r.setups else brief(r.after),
            r.verdict.verdict,
            r.verdict.figure or r.verdict.reason,
        )
        for r in results
    ]


def counts(results: Sequence[Result]) -> str:
    """Such as "3 confirmed, 1 fix fails", in the order of the verdicts."""
    found = [r.verdict.verdict for r in results]
    return ", ".join(f"{found.count(v)} {v}" for v in probes.VERDICTS if v in found) or "nothing to verify"


def table(results: Sequence[Result]) -> Table:
    """The rows as a table for the terminal."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        made.add_column(column, overflow="fold", no_wrap=column in ("rule", "verdict"), max_width=40)
    for row in rows(results):
        cells = [Text(shorten(cell, 90)) for cell in row]
        cells[4].stylize(STYLES[row[4]])
        made.add_row(*cells)
    return made


def environment_line(environment: Mapping[str, Any]) -> str:
    """Such as "Python 3.11.7, torch 2.13.0, transformers 5.23.0 on Linux ..."."""
    libraries = ", ".join(f"{name} {version}" for name, version in environment.get("libraries", {}).items())
    return (
        f"Python {environment.get('python', '?')}, {libraries or 'no libraries'} on {environment.get('platform', '?')}"
    )


def markdown(environment: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The rows as a Markdown table, with the reasons below."""
    lines = ["# Verification", "", environment_line(environment), "", counts(results) + ".", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows(results)]
    reasons = [
        f"- `{r.path}:{r.line}` {r.rule}: {_cell(r.verdict.reason)}"
        for r in results
        if r.verdict.reason and r.verdict.figure
    ]
    return "\n".join([*lines, "", *reasons]).rstrip() + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
