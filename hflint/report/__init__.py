"""Output formats, one module each: `render(run, stream, look)`.

A new format is a new module in this folder: it is found by its file name, and `--output-format` offers it.
A renderer goes through the run once, file by file, as the reports arrive; `run.summary` is complete after that.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from hflint.findings import Safety, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hflint.check import FileReport

DEFAULT_WIDTH = 80  # columns, where no terminal says otherwise


@dataclass(frozen=True, slots=True)
class Look:
    """What the stream can show."""

    colour: bool = False
    links: bool = False  # OSC 8 hyperlinks
    width: int = DEFAULT_WIDTH


@dataclass(slots=True)
class Summary:
    """What the reports that have passed so far add up to."""

    files: int = 0
    with_findings: int = 0
    failed: int = 0  # files with an error
    fixed: int = 0  # findings mended in this run
    severities: Counter[Severity] = field(default_factory=Counter)
    fixable: Counter[Safety] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (code, name)
    fixable_rules: Counter[str] = field(default_factory=Counter)  # by code

    @property
    def findings(self) -> int:
        """How many findings were reported."""
        return self.severities.total()

    def add(self, report: FileReport) -> None:
        """Count one file in."""
        self.files += 1
        self.with_findings += bool(report.findings)
        self.failed += bool(report.errors)
        self.fixed += len(report.fixed)
        for finding in report.findings:
            self.severities[finding.severity] += 1
            self.rules[finding.code, finding.name] += 1
            if finding.fix is not None:
                self.fixable[finding.fix.safety] += 1
                self.fixable_rules[finding.code] += 1


@dataclass(slots=True)
class Run:
    """The reports of one run, in the order of files; to be gone through once."""

    reports: Iterable[FileReport]
    unsafe_fixes: bool = False  # --fix applies unsafe fixes, too
    statistics: bool = False  # counts per rule in place of the findings
    quiet: bool = False  # no summary
    summary: Summary = field(default_factory=Summary)

    def __iter__(self) -> Iterator[FileReport]:
        for report in self.reports:
            self.summary.add(report)
            yield report


class Renderer(Protocol):
    """The one function a format has."""

    def __call__(self, run: Run, stream: TextIO, look: Look) -> None:
        """Write every report of the run to the stream."""


def formats() -> list[str]:
    """The names of the formats, `full` first."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return sorted(names, key=lambda name: (name != "full", name))


def renderer(name: str) -> Renderer:
    """The format of that name."""
    return cast("Renderer", importlib.import_module(f"{__name__}.{name}").render)


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summary_line(run: Run) -> str:
    """One line for the end of a text format."""
    summary = run.summary
    fixed = f"Fixed {count(summary.fixed, 'finding')}. " if summary.fixed else ""
    failed = f" {count(summary.failed, 'file')} could not be checked in full." if summary.failed else ""
    if not summary.findings:
        return f"{fixed}No findings in {count(summary.files, 'file')}.{failed}"
    kinds = ", ".join(count(n, severity) for severity in Severity if (n := summary.severities[severity]))
    safe, unsafe = summary.fixable[Safety.SAFE], summary.fixable[Safety.UNSAFE]
    if run.unsafe_fixes:
        safe, unsafe = safe + unsafe, 0
    more = f"; {safe} fixable with --fix" if safe else ""
    if unsafe:
        more += f" ({unsafe} more with --unsafe-fixes)" if safe else f"; {unsafe} fixable with --fix --unsafe-fixes"
    return f"{fixed}Found {kinds} in {count(summary.with_findings, 'file')}{more}.{failed}"


def statistics_lines(run: Run) -> list[str]:
    """How often each rule was found, most frequent first: `12  HF101  missing-pad-token  [fixable]`."""
    rows = sorted(run.summary.rules.items(), key=lambda row: (-row[1], row[0]))
    width = max((len(str(number)) for _, number in rows), default=0)
    lines = []
    for (code, name), number in rows:
        fixable = run.summary.fixable_rules[code]
        note = "" if not fixable else "  [fixable]" if fixable == number else f"  [{fixable} fixable]"
        lines.append(f"{number:>{width}}  {code}  {name}{note}")
    return lines
