"""What a rule reports: findings, the edits that mend them, and how sure both are.

Every place is a `Span` of character offsets into `Source.text`; only `Source` knows lines, columns and notebook cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a finding costs its user, worst first."""

    ERROR = "error"  # the run dies or its result is wrong
    WARNING = "warning"  # a real defect of bounded harm
    NOTE = "note"  # correct but untuned; never fails a build

    @property
    def rank(self) -> int:
        """0 for the worst; a smaller rank outweighs a larger one."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """Whether code or a fact shows the defect, or it merely may be there."""

    CERTAIN = "certain"
    POSSIBLE = "possible"  # reported with --pedantic only


class Safety(StrEnum):
    """Whether a fix can be applied unread."""

    SAFE = "safe"
    UNSAFE = "unsafe"  # applied with --unsafe-fixes only


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters `start` up to but not including `end` of `Source.text`.

    `file` and `line` say where that is when it is in another file than the finding's; they are empty in the finding's own.
    """

    start: int
    end: int
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace the characters `start` to `end` of `Source.text` by `text`; an insertion where both are equal."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that mend one finding, applied all or none."""

    title: str
    edits: tuple[Edit, ...]
    safety: Safety
    reason: str = ""  # why it is unsafe; empty where it is safe


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that the finding speaks of, with what to say there."""

    span: Span
    label: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect at one place; `fix` and `no_fix_reason` exclude each other."""

    code: str
    name: str
    severity: Severity
    message: str
    span: Span
    label: str = ""  # what to write under the primary span in a code frame
    related: tuple[Related, ...] = ()
    confidence: Confidence = Confidence.CERTAIN
    fix: Fix | None = None
    no_fix_reason: str = ""
