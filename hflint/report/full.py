"""A code frame for each finding: what is wrong, where, what else has part in it, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.findings import Severity
from hflint.pages import page_url
from hflint.report._frame import Canvas, Mark, frames
from hflint.report._text import BLUE, BOLD, ending, link, paint, severity_style, visible, wrap

if TYPE_CHECKING:
    from typing import TextIO

    from hflint.files import Source
    from hflint.findings import Finding
    from hflint.report import Look, Run


def render(run: Run, stream: TextIO, look: Look) -> None:
    """Write a frame for each finding and a line for each error, then the summary."""
    for report in run:
        stream.writelines(
            "\n".join(finding_lines(finding, report.located, look)) + "\n\n"
            for finding in (() if run.statistics else report.findings)
        )
        for error in report.errors:
            head = paint(look, severity_style(Severity.ERROR), "error")
            stream.write(f"{head}: {visible(report.name)}: {visible(error)}\n\n")
    stream.writelines(f"{line}\n" for line in ending(run))


def finding_lines(finding: Finding, source: Source, look: Look) -> list[str]:
    """The lines of one finding: header, frames, and what to do."""
    marks = [Mark.of(source, finding.span, finding.label, primary=True)]
    marks += (Mark.of(source, related.span, related.label, primary=False) for related in finding.related)
    gutter = len(str(max(mark.line for mark in marks)))
    canvas = Canvas(look, gutter, severity_style(finding.severity))
    return [*_header(finding, look), *frames(marks, canvas), *_remedy(finding, canvas)]


def _header(finding: Finding, look: Look) -> list[str]:
    kind = f"{finding.severity}[{finding.name}]"
    # Wrapped as plain text first: colours and links take no room.
    first, *rest = wrap(f"{kind} {finding.code}: {finding.message}", look.width, "  ")
    name = link(look, page_url(finding.code, finding.name), finding.name)
    painted = paint(look, severity_style(finding.severity), f"{finding.severity}[{name}]")
    return [painted + paint(look, BOLD, first.removeprefix(kind)), *(paint(look, BOLD, line) for line in rest)]


def _remedy(finding: Finding, canvas: Canvas) -> list[str]:
    if finding.fix is None:
        head, text = "no fix:", finding.no_fix_reason
    else:
        reason = f", {finding.fix.reason}" if finding.fix.reason else ""
        head, text = f"fix ({finding.fix.safety}{reason}):", finding.fix.title
    first, *rest = wrap(f"{head} {text}", canvas.width, "  ")
    bold = head if first.startswith(head) else first  # a long reason is wrapped
    shown = paint(canvas.look, BOLD, bold) + first[len(bold) :]
    margin, sign = " " * canvas.gutter, paint(canvas.look, BLUE, "=")
    return [canvas.row(""), f"{margin} {sign} {shown}", *(f"{margin}   {line}" for line in rest)]
