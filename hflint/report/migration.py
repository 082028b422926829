"""What a move to other releases takes: the findings of the migration rules, grouped by change, with how many of them `--fix` mends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint.findings import Finding, Safety, Severity
from hflint.pages import page_url
from hflint.report import count
from hflint.report._text import BOLD, link, paint, severity_style, visible, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from hflint.report import Look, Run

GROUP = "HF6"  # the codes of the migration rules begin so
INDENT = "    "


@dataclass(slots=True)
class Change:
    """One change of a library, and every place that it touches."""

    first: Finding
    places: dict[str, list[str]] = field(default_factory=dict)  # by file: line and column
    findings: list[Finding] = field(default_factory=list)

    def fixed(self, *, unsafe: bool) -> int:
        """How many of its places `--fix` mends."""
        allowed = set(Safety) if unsafe else {Safety.SAFE}
        return sum(one.fix is not None and one.fix.safety in allowed for one in self.findings)


def render(run: Run, stream: TextIO, look: Look) -> None:
    """Write a block for each change, the one with the most places first, then what they add up to."""
    changes: dict[tuple[str, str], Change] = {}
    others = 0
    errors: list[str] = []
    for report in run:
        for finding in report.findings:
            if not finding.code.startswith(GROUP):
                others += 1
                continue
            location = report.located.locate(finding.span.start)
            change = changes.setdefault((finding.code, said(finding)), Change(finding))
            cell = "" if location.cell is None else f"cell {location.cell}:"
            change.places.setdefault(report.name, []).append(f"{cell}{location.line}:{location.column}")
            change.findings.append(finding)
        errors += (f"{visible(report.name)}: {visible(error)}" for error in report.errors)
    ordered = sorted(
        changes.values(), key=lambda one: (one.first.severity.rank, -len(one.findings), one.first.code, said(one.first))
    )
    for change in ordered:
        stream.writelines(f"{line}\n" for line in _block(change, run, look))
    stream.writelines(f"{paint(look, severity_style(Severity.ERROR), 'error')}: {line}\n" for line in errors)
    if not run.quiet:
        stream.writelines(f"{line}\n" for line in _summary(ordered, others, run))


def said(finding: Finding) -> str:
    """What a message says of the change, without what it says of this project."""
    return finding.message.partition("; ")[0]


def _block(change: Change, run: Run, look: Look) -> Iterator[str]:
    """A change: what it is, how much of it is mended, where it is."""
    first = change.first
    for number, line in enumerate(wrap(said(first), max(look.width, 40))):
        yield line if number else paint(look, BOLD, line)
    name = link(look, page_url(first.code, first.name), first.name)
    kind = paint(look, severity_style(first.severity), f"{first.severity}[{name}]")
    where = f"{count(len(change.findings), 'place')} in {count(len(change.places), 'file')}"
    yield f"  {kind} {first.code}: {where}, {_mended(change, run)}"
    if not run.statistics:
        for name_of_file, places in change.places.items():
            lines = wrap(f"{visible(name_of_file)}: {', '.join(places)}", max(look.width, 40) - len(INDENT), INDENT)
            yield from (f"{INDENT}{line}" for line in lines)
    reasons = dict.fromkeys(one.no_fix_reason for one in change.findings if one.fix is None)
    for reason in () if run.statistics else reasons:
        yield from (f"{INDENT}{line}" for line in wrap(f"by hand: {reason}", max(look.width, 40) - len(INDENT), INDENT))
    yield ""


def _mended(change: Change, run: Run) -> str:
    total, safe = len(change.findings), change.fixed(unsafe=run.unsafe_fixes)
    unsafe = change.fixed(unsafe=True) - safe
    parts = [f"{safe if safe < total else 'all'} fixed by --fix"] if safe else []
    parts += [f"{unsafe if unsafe < total else 'all'} by --fix --unsafe-fixes"] if unsafe else []
    parts += [f"{total - safe - unsafe if safe + unsafe else 'all'} by hand"] if total > safe + unsafe else []
    return ", ".join(parts)


def _summary(changes: list[Change], others: int, run: Run) -> Iterator[str]:
    total = sum(len(change.findings) for change in changes)
    files = {name for change in changes for name in change.places}
    if total:
        safe = sum(change.fixed(unsafe=run.unsafe_fixes) for change in changes)
        unsafe = sum(change.fixed(unsafe=True) for change in changes) - safe
        more = f" ({unsafe} more with --unsafe-fixes)" if unsafe else ""
        yield (
            f"{count(len(changes), 'change')}: {count(total, 'place')} in {count(len(files), 'file')}; "
            f"{safe} fixed by --fix{more}, {total - safe - unsafe} by hand."
        )
    else:
        yield f"Nothing to migrate in {count(run.summary.files, 'file')}."
    if run.summary.failed:
        yield f"{count(run.summary.failed, 'file')} could not be checked in full."
    if others:
        yield f"Not shown: {count(others, 'finding')} of other rules."
