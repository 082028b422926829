"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import replace

import pytest
from hypothesis import settings

from hflint.findings import Confidence, Edit, Finding, Fix, Related, Safety, Severity, Span
from hflint.rules import Rule, all_rules

settings.register_profile("hflint", deadline=None)  # how long a case takes says nothing of what it does
settings.load_profile("hflint")

WORDS = re.compile(r"\b(BAD|UGLY|ODD|MAYBE|CRASH|DEEP|KILL)\b")


def _check(subject, context):
    """Find the words in capitals, once for each program; the worst of them are bugs of the rule."""
    if subject is not context.program.objects[0]:
        return
    text = context.program.source.text
    for match in WORDS.finditer(text):
        span = Span(*match.span())
        found = Finding("HF990", "test-word", Severity.ERROR, f"{match[0]} is a bad word", span, "this word")
        found = replace(found, related=(Related(Span(0, 4), "begins here"),))
        match match[0]:
            case "BAD":
                yield replace(found, fix=Fix("write GOOD", (Edit(*match.span(), "GOOD"),), Safety.SAFE))
            case "UGLY":
                edits = (Edit(*match.span(), "NICE"),)
                yield replace(found, severity=Severity.WARNING, fix=Fix("write NICE", edits, Safety.UNSAFE, "taste"))
            case "ODD":
                yield replace(found, severity=Severity.NOTE, no_fix_reason="it may be meant")
            case "MAYBE":
                yield replace(found, confidence=Confidence.POSSIBLE, no_fix_reason="it may be meant")
            case "CRASH":
                raise ValueError("a rule that\nfails")
            case "DEEP":
                _endless()
            case "KILL":
                os.kill(os.getpid(), signal.SIGKILL)


def _endless() -> None:
    _endless()


@pytest.fixture
def word_rule(monkeypatch: pytest.MonkeyPatch) -> Rule:
    """A rule HF990 test-word, in a group of its own, that finds words in capitals."""
    rule = Rule("HF990", "test-word", Severity.ERROR, "test", object, _check)
    monkeypatch.setitem(all_rules(), rule.code, rule)
    return rule
