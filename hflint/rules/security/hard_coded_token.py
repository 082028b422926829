"""HF701: a Hugging Face access token written into the code."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from hflint.findings import Finding, Severity, Span
from hflint.rules import rule
from hflint.semantics.objects import TextLiteral

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context

_TOKEN = re.compile(r"\bhf_([A-Za-z0-9]{30,})\b")
_SHOWN = 5  # characters of the token that a report may show

# What somebody writes who means "your token here". A real token is random: it has none of these.
_WORDS = re.compile(
    r"your|token|example|dummy|fake|secret|placeholder|replace|insert|redacted|changeme|hugging|x{4}", re.IGNORECASE
)
_RUN = 5  # characters in a row, equal or in the order of a keyboard or the alphabet
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_FEWEST = (
    12  # different characters; 34 random ones have 26 on average, and fewer than 15 of them in one case of ten million
)
_CASES = 7  # changes between capital and small; a random text has 16
_WORDS_IN_CAMEL_CASE = re.compile(r"[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})+")  # a class name, however long


@rule("HF701", "hard-coded-token", Severity.ERROR)
def check(literal: TextLiteral, context: Context) -> Iterator[Finding]:
    """A string literal with something in it that has the form, and the randomness, of a token."""
    found = next((match for match in _TOKEN.finditer(literal.text) if _is_random(match[1])), None)
    if found is None or _comes_from_another(literal, found[0], context):
        return
    yield context.finding(
        _place(literal, found[0], context),
        f"the Hugging Face token `{found[0][:_SHOWN]}***` stands in the code: whoever reads this file, or its history, acts as its owner",
        label="revoke it, then read one from the environment",
        no_fix="taking it out of the file does not make it safe again: revoke it at https://huggingface.co/settings/tokens, "
        "then run `hf auth login`, or set HF_TOKEN, which the libraries read by themselves",
    )


def _is_random(body: str) -> bool:
    """Whether it can have come out of a generator, rather than of somebody's head."""
    changes = sum(one.isupper() != other.isupper() for one, other in pairwise(body))
    pairs = [body[n : n + 2] for n in range(len(body) - 1)]
    return (
        not _WORDS.search(body)
        and not _has_run(body.lower())
        and len(set(body)) >= _FEWEST
        and changes > _CASES
        and not _WORDS_IN_CAMEL_CASE.fullmatch(body)
        and len(set(pairs)) > len(pairs) * 0.75  # a text that repeats itself has few different pairs
    )


def _has_run(body: str) -> bool:
    """Whether some characters in a row are the same, or neighbours on a keyboard or in the alphabet, either way round."""
    rows = (*_ROWS, *(row[::-1] for row in _ROWS))
    parts = (body[n : n + _RUN] for n in range(len(body) - _RUN + 1))
    return any(len(set(part)) == 1 or any(part in row for row in rows) for part in parts)


def _comes_from_another(literal: TextLiteral, token: str, context: Context) -> bool:
    """Whether the token is reported at the literal that it was put in from, as in f"Bearer {TOKEN}"."""
    span = literal.span
    return token not in context.program.source.text[span.start : span.end] and any(
        other is not literal and token in other.text and other.where.order < literal.where.order
        for other in context.program.all(TextLiteral)
    )


def _place(literal: TextLiteral, token: str, context: Context) -> Span:
    """The token inside its literal; all of the literal where it is split over lines or escaped."""
    span = literal.span
    start = context.program.source.text.find(token, span.start, span.end)
    return Span(start, start + len(token)) if start >= 0 else span
