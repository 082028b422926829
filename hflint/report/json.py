"""JSON, a versioned contract: lines and columns count characters from 1, ends are exclusive, paths are relative."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hflint.findings import Safety, Severity
from hflint.pages import page_url
from hflint.report._text import source_of

if TYPE_CHECKING:
    from typing import TextIO

    from hflint.files import Source
    from hflint.findings import Finding, Span
    from hflint.report import Look, Run

VERSION = 1


def render(run: Run, stream: TextIO, look: Look) -> None:  # noqa: ARG001 - every format takes a look
    """Write one document with every finding, every error and the summary."""
    findings: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for report in run:
        findings += (finding_json(finding, report.located) for finding in report.findings)
        errors += ({"path": report.name, "message": message} for message in report.errors)
    document = {"version": VERSION, "findings": findings, "errors": errors, "summary": _summary(run)}
    if run.statistics:
        del document["findings"]
    json.dump(document, stream, indent=2)
    stream.write("\n")


def finding_json(finding: Finding, source: Source) -> dict[str, Any]:
    """One finding, as the contract has it."""
    fix = finding.fix
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "message": finding.message,
        "path": source.name,
        **_place(source, finding.span),
        "label": finding.label,
        "related": [
            {"label": related.label, "path": related.span.file or source.name, **_place(source, related.span)}
            for related in finding.related
        ],
        "fix": fix
        and {
            "title": fix.title,
            "safety": fix.safety.value,
            "reason": fix.reason,
            "edits": [{**_range(source, edit.start, edit.end), "text": edit.text} for edit in fix.edits],
        },
        "no_fix_reason": finding.no_fix_reason or None,
        "url": page_url(finding.code, finding.name),
    }


def _place(own: Source, span: Span) -> dict[str, Any]:
    """Where a span of a finding in the source `own` is; the start of its line, where that is all that is known."""
    source = source_of(own, span)
    if source is None:
        start = {"line": span.line, "column": 1}
        return {"cell": None, "range": {"start": start, "end": start}}
    return _range(source, span.start, span.end)


def _range(source: Source, start: int, end: int) -> dict[str, Any]:
    first, last = source.locate(start), source.locate(end)
    return {
        "cell": first.cell,
        "range": {
            "start": {"line": first.line, "column": first.column},
            "end": {"line": last.line, "column": last.column},
        },
    }


def _summary(run: Run) -> dict[str, Any]:
    summary = run.summary
    return {
        "files": summary.files,
        "files_with_findings": summary.with_findings,
        "files_with_errors": summary.failed,
        "findings": {severity.value: summary.severities[severity] for severity in Severity},
        "fixable": {safety.value: summary.fixable[safety] for safety in Safety},
        "fixed": summary.fixed,
        "rules": [
            {"code": code, "name": name, "count": number, "fixable": summary.fixable_rules[code]}
            for (code, name), number in sorted(summary.rules.items())
        ],
    }
