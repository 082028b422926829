"""Applying fixes: edits to text, many fixes to one source until nothing changes, and text to its file."""

from __future__ import annotations

import ast
import os
import tempfile
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hflint.files import FileError, Source, read_bytes, source_from_bytes
from hflint.findings import Edit, Finding, Fix, Safety, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NEARBY = 400  # characters between the edits of two fixes that may be about the same statement
MAX_ROUNDS = 20  # fixes that overlap wait for the next round; no real file needs more than a few


@dataclass(frozen=True, slots=True)
class Fixed:
    """A mended text, the findings whose fixes made it, and one line for each fix that was not kept (bugs of ours)."""

    text: str
    applied: list[Finding]
    refused: list[str]
    left: Finding | None = None  # the finding that was to be left alone, as it is found in the mended text


# --- edits ------------------------------------------------------------------------------------------------------------


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; their offsets are of the text as it is given.

    Insertions at one offset keep their order, and come before what replaces the text from there on.

    Raises:
        ValueError: an edit is outside of the text, or two overlap.
    """
    parts: list[str] = []
    done = 0
    for edit in _ordered(edits):
        if not 0 <= edit.start <= edit.end <= len(text):
            raise ValueError(f"edit {edit.start}-{edit.end} is outside of a text of {len(text)} characters")
        if edit.start < done:
            raise ValueError(f"edit {edit.start}-{edit.end} overlaps one that ends at {done}")
        parts += [text[done : edit.start], edit.text]
        done = edit.end
    return "".join([*parts, text[done:]])


def moved(offset: int, edits: Iterable[Edit]) -> tuple[int, int]:
    """Where an offset is after edits: before and behind what was inserted right there."""
    before = behind = offset
    for edit in edits:
        if edit.end <= offset:
            shift = len(edit.text) - (edit.end - edit.start)
            before += shift if edit.start < offset else 0
            behind += shift
    return before, behind


def _ordered(edits: Iterable[Edit]) -> list[Edit]:
    return sorted(edits, key=lambda edit: (edit.start, edit.end))  # stable: insertions at one place keep their order


def _overlap(one: Edit, other: Edit) -> bool:
    """Do two edits of two fixes touch the same text? Two insertions at one place do not."""
    if one.start == one.end and other.start == other.end:
        return False
    if one.start == one.end or other.start == other.end:
        return one.start <= other.end and other.start <= one.end
    return one.start < other.end and other.start < one.end


def select_fixes(findings: Iterable[Finding], unsafe: bool) -> list[Finding]:
    """The findings whose fixes can be applied together, in the order of place and code.

    A fix that overlaps one taken before it is left out. Edits that are the same count as one.
    """
    fixable = [(finding, fix) for finding in findings if (fix := _applicable(finding, unsafe=unsafe))]
    taken: list[Finding] = []
    edits: set[Edit] = set()
    for finding, fix in sorted(fixable, key=_place):
        new = set(fix.edits) - edits
        if not any(_overlap(one, other) or _waits(one, other) for one in new for other in edits):
            taken.append(finding)
            edits |= new
    return taken


def _waits(one: Edit, other: Edit) -> bool:
    """Whether a new statement may follow the one that another fix changes: what it adds may be wrong or needless then."""
    adds_line = (
        one.start == one.end and one.text[:1] in "\r\n" and not one.text.lstrip("\r\n").startswith(("import ", "from "))
    )
    return adds_line and 0 <= one.start - other.end < NEARBY


def _place(fixable: tuple[Finding, Fix]) -> tuple[int, str, Span, tuple[Edit, ...]]:
    finding, fix = fixable
    return min(edit.start for edit in fix.edits), finding.code, finding.span, fix.edits


def _applicable(finding: Finding, *, unsafe: bool) -> Fix | None:
    fix = finding.fix
    return fix if fix and fix.edits and (unsafe or fix.safety is Safety.SAFE) else None


def _edits_of(batch: Sequence[Finding]) -> list[Edit]:
    """The edits of all fixes of a batch, those that are the same once."""
    return _ordered(dict.fromkeys(edit for finding in batch if finding.fix for edit in finding.fix.edits))


# --- one source -------------------------------------------------------------------------------------------------------


def fix_source(
    source: Source, check: Callable[[Source], list[Finding]], *, unsafe: bool, leave: Finding | None = None
) -> Fixed:
    """Apply the fixes of what `check` finds, check again, until there is nothing left to apply.

    A fix after which the text no longer parses, cannot be written in its encoding, or still shows the same finding is
    not kept; the others are. What `check` finds must depend on nothing but the source.

    Args:
        source: what is mended.
        check: finds what there is to mend.
        unsafe: whether fixes that need a look are applied as well.
        leave: a finding that is not mended, wherever it moves and whatever it says meanwhile; nor is what the same
            edits mend.
    """
    refused: list[str] = []
    endless: set[str] = set()
    while True:
        work = _Work(source, check, check(source), unsafe, endless)
        if leave is not None:
            work.code, work.places = leave.code, (leave.span.start,)
        for _ in range(MAX_ROUNDS):
            if not work.open():
                refused = list(dict.fromkeys(refused + work.refused))
                return Fixed(work.source.text, work.applied, refused, next(iter(work.left()), None))
            work.advance()
        for finding in work.open():  # begin again without these
            endless.add(finding.code)
            refused.append(f"{finding.code} {finding.name}: its fixes do not come to an end")


@dataclass(slots=True)
class _Work:
    """One source on its way to be mended."""

    source: Source
    check: Callable[[Source], list[Finding]]
    findings: list[Finding]
    unsafe: bool
    endless: set[str]  # codes whose fixes are not tried
    applied: list[Finding] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    barred: set[tuple[str, str, int]] = field(default_factory=set)  # code, message, offset
    seen: set[str] = field(default_factory=set)  # texts on the way
    code: str = ""  # of the finding that is left alone
    places: tuple[int, ...] = ()  # where it may be now

    def open(self) -> list[Finding]:
        """The findings whose fixes can be tried now."""
        left = self.left()
        kept = [one.fix.edits for one in left if one.fix]
        tried = [
            each
            for each in self.findings
            if each.code not in self.endless and each not in left and not (each.fix and each.fix.edits in kept)
        ]
        return select_fixes((each for each in tried if _key(each) not in self.barred), self.unsafe)

    def left(self) -> list[Finding]:
        """What stands where the finding is that is left alone."""
        return [one for one in self.findings if one.code == self.code and one.span.start in self.places]

    def advance(self) -> None:
        """Apply what can be applied together, and bar what cannot be."""
        batch = self.open()
        attempt = self._attempt(batch)
        if isinstance(attempt, str):  # one of them is bad, or they are together
            batch = [finding for finding in batch if self._stands_alone(finding)]
            attempt = self._attempt(batch) if batch else attempt
        if isinstance(attempt, str) and batch:
            batch = batch[:1]
            attempt = self._attempt(batch)
        if not isinstance(attempt, str):
            self._accept(batch, *attempt)

    def _stands_alone(self, finding: Finding) -> bool:
        """Can this fix be applied? If not, it is barred and said so."""
        attempt = self._attempt([finding])
        if isinstance(attempt, str):
            self.barred.add(_key(finding))
            self.refused.append(f"{_title(self.source, finding)}: {attempt}")
        return not isinstance(attempt, str)

    def _attempt(self, batch: Sequence[Finding]) -> tuple[Source, list[Finding]] | str:
        """The source with a batch applied and what is found in it, or why this is not kept."""
        edits = _edits_of(batch)
        try:
            source = replace(self.source, text=apply_edits(self.source.text, edits))
            again = source_from_bytes(source.encode(source.text), source.path, source.name)
        except ValueError as error:
            return str(error)
        except FileError as error:
            return error.message
        if again.text != source.text:
            return "the fixed file would not be read in its encoding"
        if source.text in self.seen or source.text == self.source.text:
            return "its fix changes nothing, or takes back another"
        if not _parses(source.text):
            return "the fixed code does not parse"
        findings = self.check(source)
        if _still_there(batch, edits, self.findings, findings):
            return "the finding is still there after its fix"
        return source, findings

    def _accept(self, batch: Sequence[Finding], source: Source, findings: list[Finding]) -> None:
        edits = _edits_of(batch)
        self.seen.add(self.source.text)
        self.barred = {(code, text, place) for code, text, old in self.barred for place in moved(old, edits)}
        self.places = tuple(dict.fromkeys(place for old in self.places for place in moved(old, edits)))
        self.applied += batch
        self.source, self.findings = source, findings


def _kind(finding: Finding) -> tuple[str, str]:
    return finding.code, finding.message


def _key(finding: Finding) -> tuple[str, str, int]:
    return *_kind(finding), finding.span.start


def _still_there(batch: Sequence[Finding], edits: Sequence[Edit], old: list[Finding], new: list[Finding]) -> bool:
    """Is one of the batch found again, at its place or within what replaced it?

    One of the same code and message may have moved to that place, so as many as were mended must be gone as well.
    """
    gone = Counter(map(_kind, old))
    gone.subtract(map(_kind, new))
    mended = Counter(map(_kind, batch))
    for finding in batch:
        start = finding.span.start
        around = next((edit for edit in edits if edit.start <= start < edit.end), Edit(start, start, ""))
        first, last = moved(around.start, edits)
        again = any(
            _kind(each) == _kind(finding) and first <= each.span.start <= last + len(around.text) for each in new
        )
        if again and gone[_kind(finding)] < mended[_kind(finding)]:
            return True
    return False


def _title(source: Source, finding: Finding) -> str:
    return f"{finding.code} {finding.name} on line {source.locate(finding.span.start).line}"


def _parses(text: str) -> bool:
    """Is this Python? libcst is asked about syntax newer than the Python that runs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "invalid escape sequence" and the like go to stderr
            ast.parse(text)
    except (RecursionError, MemoryError):
        return False
    except (SyntaxError, ValueError) as error:
        import libcst

        if "too many nested" in str(error):
            return False

        try:
            libcst.parse_module(text)
        except (libcst.ParserSyntaxError, RecursionError):
            return False
    return True


# --- one file ---------------------------------------------------------------------------------------------------------


def write_source(source: Source, text: str) -> None:
    """Write text to the source's file whole or not at all: its encoding, byte order mark, mode and links are kept.

    Raises:
        FileError: the text cannot be encoded, the file cannot be written, or it has changed since it was read.
    """
    if text == source.text:
        return
    data = source.encode(text)
    if read_bytes(source.path) != source.encode(source.text):
        raise FileError(source.path, "has changed since it was read, so it was not fixed; run again")
    target = Path(os.path.realpath(source.path))
    try:
        _replace(target, data)
    except OSError as error:
        raise FileError(source.path, f"cannot be written: {error.strerror or error}") from None


def _replace(target: Path, data: bytes) -> None:
    """Put bytes in the place of a file through a temporary one beside it."""
    status = target.stat()
    if not os.access(target, os.W_OK):
        raise PermissionError(None, "it is read-only")
    handle, name = tempfile.mkstemp(prefix=".hflint-", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        with suppress(OSError, AttributeError):  # its owner is kept where that is allowed
            os.chown(temporary, status.st_uid, status.st_gid)
        temporary.chmod(status.st_mode)  # after its owner: a change of that clears mode bits
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
