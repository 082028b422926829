"""Selectors: how a user names rules, by code, name, group, the beginning of a code, or ALL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint import rules
from hflint.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hflint.rules import Rule

EVERYTHING = "ALL"
PREFIX = re.compile(r"HF[0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A code that hflint reports of itself, without a rule's module; it is selected and ignored as a rule is."""

    code: str
    name: str
    severity: Severity
    summary: str
    group: str = "directives"
    default: bool = True


UNUSED_IGNORE = BuiltIn("HF001", "unused-ignore", Severity.WARNING, "A comment silences nothing.")
BAD_DIRECTIVE = BuiltIn("HF002", "bad-directive", Severity.WARNING, "A comment to hflint is not understood.")
BUILT_IN = (UNUSED_IGNORE, BAD_DIRECTIVE)


def known() -> tuple[Rule | BuiltIn, ...]:
    """Every code that can be reported, in the order of codes."""
    return (*BUILT_IN, *rules.all_rules().values())


def names() -> list[str]:
    """Every selector but the prefixes: ALL, then groups, codes and names, each sorted."""
    every = known()
    return [EVERYTHING, *sorted({e.group for e in every}), *(e.code for e in every), *sorted(e.name for e in every)]


def canonical(selector: str) -> str:
    """A selector as it is compared: codes, prefixes and ALL in capitals, names and groups in small letters."""
    capitals = selector.strip().upper()
    return capitals if capitals == EVERYTHING or PREFIX.fullmatch(capitals) else capitals.lower()


def codes(selector: str) -> frozenset[str]:
    """The codes a selector stands for; none if it is unknown."""
    wanted = canonical(selector)
    every = known()
    if wanted == EVERYTHING:
        return frozenset(entry.code for entry in every)
    if PREFIX.fullmatch(wanted):
        return frozenset(entry.code for entry in every if entry.code.startswith(wanted))
    return frozenset(entry.code for entry in every if wanted in (entry.name, entry.group))


def rank(selector: str) -> int:
    """How exactly a selector names its rules: 0 for ALL, then prefixes by length with groups among them, then rules."""
    wanted = canonical(selector)
    if wanted == EVERYTHING:
        return 0
    if PREFIX.fullmatch(wanted):
        return len(wanted)
    return len("HF1") if any(entry.group == wanted for entry in known()) else len("HF101")


def selects(selector: str) -> frozenset[str]:
    """The codes a selector switches on: its codes, for a prefix less those that are off by default."""
    wanted = canonical(selector)
    if not PREFIX.fullmatch(wanted) or len(wanted) == len("HF101"):
        return codes(selector)
    return codes(selector) & {entry.code for entry in known() if entry.default}


def nearest(word: str, choices: Iterable[str]) -> str:
    """`; did you mean "x"?` for the choice that is most like a word, or nothing."""
    from difflib import get_close_matches  # needed for an error only

    by_lower = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.strip().lower(), by_lower, n=1)
    return f'; did you mean "{by_lower[close[0]]}"?' if close else ""
