"""HF606: a keyword that the callable does not take in some allowed version: it raises, or is silently dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from hflint.facts.libraries import removed_name
from hflint.facts.signatures import Refusal
from hflint.facts.sources import canonical
from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.migration._callables import Target, called, callee_since
from hflint.rules.migration._versions import imports_unsloth, listed, versions_at
from hflint.semantics.objects import LibraryCall, Load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range

_ID = "pretrained_model_name_or_path"
_DELETE = "what it was meant to do is not known"
_GONE = "releases before {} {} took it, and nothing is known to take its place"


@rule("HF606", "unknown-argument", Severity.ERROR)
def check(call: LibraryCall, context: Context) -> Iterator[Finding]:
    """A keyword written in the call."""
    target = called(call)
    if target is None or (call.library == "trl" and imports_unsloth(context)):
        return
    versions = versions_at(call, context)
    if versions is None or target.library not in versions:
        return
    changes = target.changes()
    known = target.parameters(versions)
    for name, node in call.nodes.items():
        change = changes.get(name)
        if node.keyword is None or (change and (change.removed or change.deprecated)):
            continue  # what went or will go is removed-argument's and renamed-argument's to say
        refusal = target.refusal(name, versions)
        near = (_nearest(name, known) or _meant_id(call, name)) if refusal else None
        if refusal and target.needs_near(refusal) and not near:
            refusal = None
        refusal = refusal or (_not_yet(change, versions) if change else None)
        refusal = refusal and _by_those_that_have_it(refusal, target, call, versions, context)
        if refusal is None or _is_told_otherwise(call, versions) or _is_one_of_several(call, context):
            continue
        fix, no_fix = _mend(call, name, near, refusal, context)
        yield context.finding(
            call.argument_span(name),
            _message(name, target, refusal, near or _like(name, known), versions),
            fix=fix,
            no_fix=no_fix,
            severity=_severity(refusal, versions),
        )


def _meant_id(call: LibraryCall, name: str) -> str | None:
    """The parameter that takes what is loaded, where a load has it under a name that a pipeline would take it by, and nothing else."""
    is_lost = isinstance(call, Load) and name == "model" and call.lacks(_ID)
    return _ID if is_lost else None


def _is_one_of_several(call: LibraryCall, context: Context) -> bool:
    """Whether the same call may call something else, as in `config_class(**options)`: which options go with which is not known."""
    others = (one for one in context.program.objects if isinstance(one, LibraryCall) and one.callee != call.callee)
    return any(one.place.node is call.place.node for one in others)


def _not_yet(change: Change, versions: Mapping[str, Range]) -> Refusal | None:
    """An argument that came later than some allowed release, as the table of changes has it."""
    too_old = (
        versions[change.library].narrowed(f"<{change.since}")
        if change.since and change.effect in {"", "TypeError"} and change.library in versions
        else None
    )
    if too_old is None:
        return None
    return Refusal(change.library, too_old.releases, False, frozenset({"raises"}), since=Version(change.since or ""))


def _by_those_that_have_it(
    refusal: Refusal, target: Target, call: LibraryCall, versions: Mapping[str, Range], context: Context
) -> Refusal | None:
    """The refusal by the releases that have what is called.

    None where only older ones than the newest refuse, and the oldest allowed has not got it: then the project's lower bound is not meant. Of older
    ones than were read it is not known whether they have it.
    """
    allowed = versions[refusal.library]
    if len({canonical(one) for one in (refusal.library, target.library, call.library)}) > 1:
        return refusal
    first = callee_since(call, context)
    absent = {one for one in allowed.releases if target.signatures[0].lacks(one) or (first and one < first)}
    left = tuple(one for one in refusal.releases if one not in absent)
    if allowed.highest not in refusal.releases:
        read = target.signatures[0].read[0]
        left = () if allowed.lowest in absent else tuple(one for one in left if one >= read)
    return replace(refusal, releases=left) if left else None


def _is_told_otherwise(call: LibraryCall, versions: Mapping[str, Range]) -> bool:
    """Whether the class itself is gone: that is removed-import's to say."""
    whole = removed_name(call.callee)
    return whole is not None and whole.always_gone(versions)


def _severity(refusal: Refusal, versions: Mapping[str, Range]) -> Severity:
    """What only older releases than the newest refuse is for whoever still runs them to know."""
    if versions[refusal.library].highest not in refusal.releases:
        return Severity.NOTE
    return Severity.ERROR if "raises" in refusal.fates else Severity.WARNING


def _mend(call: LibraryCall, name: str, near: str | None, refusal: Refusal, context: Context) -> tuple[Fix | None, str]:
    if near is None and refusal.since:
        return (
            None,
            f"the first release that takes it is {refusal.library} {refusal.since}: ask for that or a newer one",
        )
    if near is None:
        return None, _GONE.format(refusal.library, refusal.until) if refusal.until else _DELETE
    if call.given(near):
        return None, f"`{near}` is given beside it"
    if call.open:
        return None, f"`**` may bring `{near}` as well"
    edits = context.program.rewriter.rename_argument(call, name, near)
    if edits is None:
        return None, "it is not a keyword written in this file"
    guess = "that this was meant is a guess" + ("" if near == _ID else " by the spelling")
    return Fix(f"rename it to `{near}`", edits, Safety.UNSAFE, guess), ""


# --- words ------------------------------------------------------------------------------------------------------------


def _message(name: str, target: Target, refusal: Refusal, near: str | None, versions: Mapping[str, Range]) -> str:
    allowed = versions[refusal.library]
    which, is_newest = listed(refusal.releases, allowed), allowed.highest in refusal.releases
    said = allowed.origin if allowed.stated or allowed.beside else "this project names no version"
    end = f"; did you mean `{near}`?" if near and not (refusal.since or refusal.until) else ""
    if "raises" not in refusal.fates:
        how = "drops keywords that it does not know" if "drops" in refusal.fates else target.keeping
        return f"`{name}` does nothing: `{target.name}` {how} ({refusal.library} {which}, {said}){end}"
    raised = f"({target.error})" if refusal.fates == {"raises"} else f"({target.error}, or nothing at all)"
    if refusal.since:
        those = f"this project allows {which} ({said})"
        if refusal.releases != allowed.releases:
            do = "do" if len(refusal.releases) > 1 else "does"
            those = f"of the releases that this project allows, {which} {do} not ({said})"
        return f"`{target.name}` takes `{name}` since {refusal.library} {refusal.since} only {raised}; {those}"
    if refusal.until:
        return f"`{target.name}` no longer takes `{name}` in {refusal.library} {which} {raised}; {said}"
    newer = "" if is_newest else ", and of newer ones it is not known"
    return f"`{target.name}` has no argument `{name}` in {refusal.library} {which}{newer} {raised}; {said}{end}"


# --- spelling ---------------------------------------------------------------------------------------------------------


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs by a slip of the finger: one edit, in a long name two."""
    most = 2 if len(name) >= 8 else 1
    found = [(edits, one) for one in known if (edits := _edits(name, one, most)) <= most]
    best = min(found, default=None)
    is_single = best is not None and sum(edits == best[0] for edits, _ in found) == 1
    return best[1] if best and is_single and len(name) > 3 else None


def _like(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # for a finding only

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.75)), None)


def _edits(left: str, right: str, most: int) -> int:
    """How many letters to insert, delete, replace or swap with the next; `most` + 1 where it is more than that."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    rows = [list(range(len(right) + 1))]
    for i, letter in enumerate(left, 1):
        row = [i]
        for j, other in enumerate(right, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other)))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
        if min(row) > most:
            return most + 1
    return rows[-1][-1]
