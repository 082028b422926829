"""What is said of verdicts: the JSON contract, the terminal's rows, Markdown; `html` has the page."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from hflint.verify import probes
from hflint.verify.codec import CodecError
from hflint.verify.results import Result, result_from_json, result_to_json
from hflint.verify.signs import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table

    from hflint.verify.outcome import Outcome

VERSION = 1
ENDINGS = (".html", ".htm", ".md", ".json")
COLUMNS = ("rule", "where", "before", "after", "verdict", "figure")
INDENT = 7  # characters, of what stands under a rule
CELL = 90  # characters of a cell of the terminal's table
STYLES = {
    probes.CONFIRMED: "green",
    probes.IMPROVED: "green",
    probes.NOT_REPRODUCED: "yellow",
    probes.FIX_FAILS: "red",
    probes.CANNOT_TELL: "dim",
}


def to_report(environment: Mapping[str, Any], results: Sequence[Result]) -> dict[str, Any]:
    """The versioned JSON report; `read_report` takes it back."""
    return {"version": VERSION, "environment": dict(environment), "verdicts": [result_to_json(r) for r in results]}


def read_report(text: str) -> tuple[dict[str, Any], list[Result]]:
    """The environment and the results in a JSON report, to take up a verification again.

    Raises:
        CodecError: it is no report of this version.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CodecError(f"not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("verdicts"), list):
        raise CodecError(f"not a verification report of version {VERSION}")
    return data.get("environment") or {}, [result_from_json(entry) for entry in data["verdicts"]]


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


def refused(path: Path) -> str:
    """Why a report cannot be written to a file, which is left as it is; empty where it can be."""
    if path.suffix not in ENDINGS:
        return f"{path.name}: a report is .html, .md or .json"
    if not path.parent.is_dir():
        return f"{path}: there is no folder {path.parent}"
    there = path.exists()
    try:
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        return f"{path} cannot be written: {error.strerror or error}"
    return ""


def brief(outcome: Outcome | None) -> str:
    """One run in some words: what it raised, else that it ran and what was measured."""
    if outcome is None:
        return "no fix"
    if not was_run(outcome):
        return "not run"
    if outcome.raised:
        return f"{outcome.raised.type} in {outcome.raised.phase}"
    if outcome.status != "ok":
        return outcome.status
    if any(binding.get("ok") is False for binding in outcome.bindings):
        return "call refused"
    said = ["ran"]
    if outcome.quantized_share is not None:
        said.append(f"{outcome.quantized_share:.1%} quantized")
    if outcome.losses:
        said.append(f"loss {outcome.losses[0]:.2f} to {outcome.losses[-1]:.2f}")
    if outcome.peak_bytes:
        said.append(f"peak {size(outcome.peak_bytes)}")
    elif outcome.saved_bytes:
        said.append(f"saved {size(outcome.saved_bytes)}")
    elif outcome.weights:
        said.append(f"weights {size(sum(outcome.weights.values()))}")
    return ", ".join(said)


def was_run(outcome: Outcome) -> bool:
    """Whether anything is known of a run: nothing is of one that never began."""
    return bool(outcome.phase) or outcome.status != "ok"


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


def asides(results: Sequence[Result]) -> list[str]:
    """What the table has no room for: reasons beside a figure, and texts that it cuts."""
    lines = []
    for r in results:
        plain = r.after is None and "after" not in r.setups  # that there is no fix stands in its column
        if r.verdict.figure and r.verdict.reason and not (plain and r.verdict.verdict == probes.CONFIRMED):
            lines.append(f"{r.path}:{r.line} {r.rule}: {r.verdict.verdict}: {r.verdict.reason}")
        elif len(text := r.verdict.figure or r.verdict.reason) > CELL:
            lines.append(f"{r.path}:{r.line} {r.rule}: {r.verdict.verdict}: {text}")
    return lines


def table(results: Sequence[Result]) -> Table:
    """The rows as a table, each on a line of its own: for what is no terminal."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        made.add_column(column, no_wrap=True)
    for row in rows(results):
        rule, where, *others = row
        cells = [Text(rule), Text(where), *(Text(shorten(cell, CELL)) for cell in others)]
        cells[4].stylize(STYLES[row[4]])
        made.add_row(*cells)
    return made


def listing(results: Sequence[Result]) -> Iterator[RenderableType]:
    """The results under their files, wrapped to the terminal: line, rule and verdict, then what it rests on, then both runs."""
    from rich.padding import Padding
    from rich.text import Text

    path = None
    for result, (rule, _, before, after, verdict, _) in zip(results, rows(results), strict=True):
        if result.path != path:
            path = result.path
            yield Text(path, style="bold", overflow="fold")
        yield Text.assemble(f"{result.line:>{INDENT - 2}}  {rule}  ", (verdict, STYLES[verdict]))
        for text in filter(None, (result.verdict.figure, result.verdict.reason)):
            yield Padding(Text(text), (0, 0, 0, INDENT))
        runs = f"before and after: {before}" if before == after else f"before: {before}; after: {after}"
        yield Padding(Text(runs, style="dim"), (0, 0, 0, INDENT))


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
