"""Comments that silence findings, and what is wrong with them.

`# hflint: ignore[missing-pad-token, HF102] why` on any line of a statement, or alone above it; a compound statement is
its header with its decorators. `# hflint: ignore-file[...]` alone on a line at the top level. `# noqa: HF101`, and a
bare `# noqa`, on a line of the statement. Rules are named by code, name, group, prefix or ALL; without brackets, all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint import selectors
from hflint.findings import Edit, Finding, Fix, Safety, Span
from hflint.layout import Layout, layout_of
from hflint.selectors import BAD_DIRECTIVE, UNUSED_IGNORE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from hflint.files import Source
    from hflint.selectors import BuiltIn

_OURS = re.compile(r"#\s*hflint:\s*(?P<verb>[\w-]*)(?:\s*\[(?P<names>[^\]]*)\])?(?P<broken>\s*\[)?")
_NOQA = re.compile(r"#\s*noqa\b(?:(?P<colon>\s*:)\s*(?P<names>[a-z]+[0-9]+(?:[\s,]+[a-z]+[0-9]+)*)?)?", re.IGNORECASE)
_NEXT_PART = re.compile(r"\s+(?=#\s*[A-Za-z])")  # "see issue #12" goes on, "# type: ignore" is another's
_NAME = re.compile(r"[^\s,]+")
_OWN_CODE = re.compile(r"HF[0-9]{1,3}", re.IGNORECASE)
_VERBS = ("ignore", "ignore-file")


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What is left to report, what comments silenced, and what is wrong with the comments (HF001, HF002)."""

    kept: list[Finding]
    silenced: list[Finding]
    unused: list[Finding]


@dataclass(slots=True)
class _Directive:
    """One comment's order to be silent; `names` are spans of text, none where all rules are meant."""

    verb: str  # ignore, ignore-file or noqa
    span: Span  # from its # to the end of its reason
    comment: Span  # the whole comment
    names: tuple[Span, ...]
    problem: str = ""  # why it is not understood
    lines: range = range(0)  # it silences the findings that begin on these
    used: set[str] = field(default_factory=set)  # codes


def apply_suppressions(source: Source, findings: list[Finding], active_codes: AbstractSet[str]) -> Suppressed:
    """Part findings into kept and silenced ones, and judge the comments.

    Args:
        source: the text that holds the comments.
        findings: all that the active rules found, those that would not be reported for their confidence too.
        active_codes: the codes that were looked for in this file (`settings.active_codes`, less `ignored_for` and less
            the rules that failed). A comment for others is not judged. HF001 and HF002 are reported if they are in it.
    """
    if not _may_silence(source.text, findings):
        return Suppressed(findings, [], [])
    layout = layout_of(source)
    directives = [directive for comment in layout.comments for directive in _directives(source, layout, comment)]
    kept: list[Finding] = []
    silenced: list[Finding] = []
    for finding in findings:
        line = source.locate(finding.span.start).line
        covering = [each for each in directives if line in each.lines and _means(source, each, finding.code)]
        for directive in covering:
            directive.used.add(finding.code)
        (silenced if covering else kept).append(finding)
    problems = [found for directive in directives for found in _judged(source, directive, active_codes)]
    return Suppressed(kept, silenced, [found for found in problems if not _excused(source, directives, found.code)])


def _may_silence(text: str, findings: list[Finding]) -> bool:
    """Is it worth reading the tokens? A foreign or bare noqa is of interest only where something was found."""
    if "hflint:" in text:
        return True
    return any(findings or _OWN_CODE.search(noqa["names"] or "") for noqa in _NOQA.finditer(text))


def _directives(source: Source, layout: Layout, comment: Span) -> Iterator[_Directive]:
    """The directives in one comment, of which each may be a part."""
    text = source.text[comment.start : comment.end]
    line = source.locate(comment.start).line
    own_line = not source.line(line)[: source.locate(comment.start).column - 1].strip()
    start = 0
    for end in [*(gap.end() for gap in _NEXT_PART.finditer(text)), len(text)]:
        part = text[start:end].rstrip()
        span = Span(comment.start + start, comment.start + start + len(part))
        start = end
        if ours := _OURS.match(part):
            directive = _Directive(ours["verb"], span, comment, _names(ours, span.start), _problem(ours))
        elif (noqa := _NOQA.match(part)) and (noqa["names"] or not noqa["colon"]):
            directive = _Directive("noqa", span, comment, _names(noqa, span.start))
        else:
            continue
        if directive.verb == "ignore-file":
            top = own_line and source.locate(comment.start).column == 1 and not layout.statement(line)
            directive.lines = range(1, source.line_count + 1) if top else range(0)
            directive.problem = directive.problem or ("" if top else "ignore-file stands alone on a top-level line")
        elif directive.verb in ("ignore", "noqa") and not directive.problem:
            directive.lines = layout.statement(line) or (layout.below(line) if directive.verb == "ignore" else range(0))
        yield directive


def _names(match: re.Match[str], offset: int) -> tuple[Span, ...]:
    if match["names"] is None:
        return ()
    found = _NAME.finditer(match.string, match.start("names"), match.end("names"))
    return tuple(Span(offset + name.start(), offset + name.end()) for name in found)


def _problem(match: re.Match[str]) -> str:
    """Why a comment that begins as ours is not understood."""
    verb, after = match["verb"], match.string[match.end() :]
    first = next(iter(after.split()), "").strip(",:;")
    if verb not in _VERBS:
        return f'"{verb}" is not a directive{selectors.nearest(verb, _VERBS)}' if verb else "no directive follows"
    if match["broken"]:
        return "its bracket is not closed"
    if match["names"] is not None:
        return "" if _names(match, 0) else "its brackets name no rule"
    if after[:1].strip() or _OWN_CODE.fullmatch(first) or ("-" in first and selectors.codes(first)):
        return f"rules are named in brackets, as in {verb}[{first if selectors.codes(first) else 'missing-pad-token'}]"
    return ""


def _means(source: Source, directive: _Directive, code: str) -> bool:
    """Does a directive name this code, or no code at all?"""
    return not directive.names or any(code in selectors.codes(_text(source, name)) for name in directive.names)


def _text(source: Source, span: Span) -> str:
    return source.text[span.start : span.end]


def _excused(source: Source, directives: list[_Directive], code: str) -> bool:
    """Does an ignore-file name this code of hflint's own?"""
    return any(
        each.verb == "ignore-file" and each.lines and each.names and _means(source, each, code) for each in directives
    )


# --- judging the comments ---------------------------------------------------------------------------------------------


def _judged(source: Source, directive: _Directive, active: AbstractSet[str]) -> Iterator[Finding]:
    """What is wrong with one directive."""
    if directive.problem:
        if BAD_DIRECTIVE.code in active:
            message = f"this comment silences nothing: {directive.problem}"
            yield _finding(BAD_DIRECTIVE, message, directive.span, no_fix_reason="what was meant is not known")
        return
    if UNUSED_IGNORE.code not in active:
        return
    if not directive.names:
        if directive.verb != "noqa" and not directive.used and _judgeable(selectors.EVERYTHING, active):
            yield _unused(source, directive, (), "this comment silences nothing")
        return
    useless = {name: why for name in directive.names if (why := _why_useless(source, directive, name, active))}
    if useless:
        kept = tuple(name for name in directive.names if name not in useless)
        yield _unused(source, directive, kept, f"this comment silences nothing with {', '.join(useless.values())}")


def _why_useless(source: Source, directive: _Directive, name: Span, active: AbstractSet[str]) -> str:
    """A name as the message gives it, if it silences nothing; empty where it does or where that cannot be said."""
    text = _text(source, name)
    if directive.verb == "noqa" and not _OWN_CODE.fullmatch(text):
        return ""
    codes = selectors.codes(text)
    if not codes:
        return f'"{text}", an unknown rule{selectors.nearest(text, selectors.names()).replace(";", ",")}'
    built_in = codes <= {UNUSED_IGNORE.code, BAD_DIRECTIVE.code}
    return "" if built_in or codes & directive.used or not _judgeable(text, active) else f'"{text}"'


def _judgeable(selector: str, active: AbstractSet[str]) -> bool:
    """Were all rules looked for that a selector means, bar those that are off by default and not named alone?"""
    codes = selectors.codes(selector)
    own = {entry.code for entry in selectors.BUILT_IN}
    expected = codes if len(codes) == 1 else {e.code for e in selectors.known() if e.default and e.code in codes} - own
    return expected <= active


def _unused(source: Source, directive: _Directive, kept: tuple[Span, ...], message: str) -> Finding:
    """An HF001 whose fix leaves the `kept` names, or removes the directive."""
    if not kept:
        fix = Fix("Remove the comment", (_removal(source, directive),), Safety.SAFE)
        return _finding(UNUSED_IGNORE, message, directive.span, fix=fix)
    names = Span(directive.names[0].start, directive.names[-1].end)
    edit = Edit(names.start, names.end, ", ".join(_text(source, name) for name in kept))
    return _finding(UNUSED_IGNORE, message, names, fix=Fix("Remove what is unused", (edit,), Safety.SAFE))


def _removal(source: Source, directive: _Directive) -> Edit:
    """Take a directive out of its comment, an empty comment out of its line, an empty line out of the file."""
    text, span, comment = source.text, directive.span, directive.comment
    start = len(text[: span.start].rstrip(" \t\f"))
    if span.start > comment.start:
        return Edit(start, span.end, "")  # after another part
    rest = text[span.end : comment.end]
    if rest.strip():
        return Edit(span.start, span.end + len(rest) - len(rest.lstrip()), "")  # before another part
    line = source.locate(span.start).line
    first = source.offset(line, 1)
    if text[first : span.start].strip():
        return Edit(start, comment.end, "")  # behind code
    return Edit(first, source.offset(line + 1, 1) if line < source.line_count else len(text), "")


def _finding(kind: BuiltIn, message: str, span: Span, *, fix: Fix | None = None, no_fix_reason: str = "") -> Finding:
    return Finding(kind.code, kind.name, kind.severity, message, span, fix=fix, no_fix_reason=no_fix_reason)
