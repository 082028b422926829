"""One line a finding: `path:line:column: severity[name] HF101 message`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.findings import Severity
from hflint.pages import page_url
from hflint.report._text import BOLD, ending, link, paint, place, severity_style, visible

if TYPE_CHECKING:
    from typing import TextIO

    from hflint.report import Look, Run


def render(run: Run, stream: TextIO, look: Look) -> None:
    """Write a line for each finding and each error, then the summary."""
    for report in run:
        for finding in () if run.statistics else report.findings:
            where = place(report.name, report.located.locate(finding.span.start))
            name = link(look, page_url(finding.code, finding.name), finding.name)
            kind = paint(look, severity_style(finding.severity), f"{finding.severity}[{name}]")
            stream.write(f"{paint(look, BOLD, where)}: {kind} {finding.code} {visible(finding.message)}\n")
        for error in report.errors:
            kind = paint(look, severity_style(Severity.ERROR), "error")
            stream.write(f"{paint(look, BOLD, visible(report.name))}: {kind}: {visible(error)}\n")
    stream.writelines(f"{line}\n" for line in ending(run))
