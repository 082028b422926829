"""HF602: a deprecated keyword argument whose new name every allowed version has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from hflint.facts.histories import dated
from hflint.facts.versions import newest_known
from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.rules.migration._arguments import SWALLOWED, changed_arguments, mend, subject
from hflint.rules.migration._versions import everywhere, versions_at
from hflint.semantics.objects import LibraryCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range


@rule("HF602", "renamed-argument", Severity.WARNING)
def check(call: LibraryCall, context: Context) -> Iterator[Finding]:
    """A call that gives such a keyword, which its library still takes."""
    versions = None
    for change in changed_arguments(call, context):
        versions = versions or versions_at(call, context)
        if versions is None or change.library not in versions or change.gone_in(versions):
            continue  # what is gone in some version is removed-argument's to say
        if not change.deprecated_in(versions) or not change.replaceable(versions):
            continue
        severity = _severity(call, change, versions)
        if severity is not None:
            fix, no_fix = mend(call, change, versions, context)
            yield context.finding(
                call.argument_span(change.name),
                f"`{change.name}` of {subject(call, change).rstrip(',')} is deprecated since {change.library} "
                f"{dated(change.library, change.deprecated or '')}: it is `{change.replacement}` now; {everywhere(change, versions)}",
                label="" if change.effect in SWALLOWED else change.note,  # that tells of releases which drop it
                fix=fix,
                no_fix=no_fix,
                severity=severity,
            )


def _severity(call: LibraryCall, change: Change, versions: Mapping[str, Range]) -> Severity | None:
    """How bad it is: no removal in sight is a note where nobody said which versions are meant."""
    if change.removed:
        return Severity.WARNING
    stated = versions[change.library].stated
    if _is_fresh(change):
        # Libraries built on it still use the old name, TRL's configs among them.
        own = call.library == change.owner.partition(".")[0]
        return Severity.NOTE if stated and own else None
    return Severity.WARNING if stated else Severity.NOTE


def _is_fresh(change: Change) -> bool:
    """Whether the newest minor release is the first that calls it deprecated."""
    newest, first = newest_known(change.library), Version(change.deprecated or "0")
    return newest.release[:2] == first.release[:2]
