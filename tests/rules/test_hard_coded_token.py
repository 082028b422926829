"""HF701: what looks like a token, and what a report may show of it."""

from __future__ import annotations

import random
import string

import pytest

TOKEN = "hf_NqVwYSVPHbDXpPdkhxEpyIgKpaUnArlXykQ4w7"


def _messages(report):
    return [(f.message, f.label, f.no_fix_reason, *(r.label for r in f.related)) for f in report.findings]


def test_never_shows_more_than_five_characters(report_of):
    report = report_of(f'from huggingface_hub import login\nlogin("{TOKEN}")\n', "HF701")
    (texts,) = _messages(report)
    assert TOKEN[:5] + "***" in texts[0]
    assert not any(TOKEN[:6] in text for text in texts)


def test_marks_the_token_alone_in_a_longer_text(report_of):
    report = report_of(f'COMMAND = "hf auth login --token {TOKEN} --quiet"\n', "HF701")
    (finding,) = report.findings
    assert report.source.text[finding.span.start : finding.span.end] == TOKEN


def test_marks_the_whole_literal_where_it_is_split(report_of):
    report = report_of(f'token = ("{TOKEN[:20]}"\n    "{TOKEN[20:]}")\n# {TOKEN}\n', "HF701")
    (finding,) = report.findings
    assert report.source.text[finding.span.start] == '"'


def test_is_said_once_where_another_text_is_made_of_it(report_of):
    report = report_of(f'TOKEN = "{TOKEN}"\nheaders = {{"Authorization": f"Bearer {{TOKEN}}"}}\n', "HF701")
    assert [report.source.locate(f.span.start).line for f in report.findings] == [1]


@pytest.mark.parametrize("alphabet", [string.ascii_letters, string.ascii_letters + string.digits])
def test_finds_random_tokens(report_of, alphabet):
    generator = random.Random(20)
    tokens = ["hf_" + "".join(generator.choices(alphabet, k=34)) for _ in range(200)]
    report = report_of("".join(f"a{n} = '{token}'\n" for n, token in enumerate(tokens)), "HF701")
    assert len(report.findings) >= 198


@pytest.mark.parametrize(
    "body",
    [
        "x" * 34,
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh",
        "zyxwvutsrqponmlkjihgfedcbaZYXWVUTS",
        "1234567890123456789012345678901234",
        "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi",
        "YourAccessGoesHereAndNotSomewhereX",
        "REPLACEqVwYSVPHbDXpPdkhxEpyIgKpaUn",
        "aBcQaBcQaBcQaBcQaBcQaBcQaBcQaBcQaB",
        "d41d8cd98f00b204e9800998ecf8427e41",
        "MaskedLanguageModelingOutputWithPooling",
        "SOMECONSTANTTHATISWRITTENINCAPITALS",
    ],
)
def test_is_silent_on_placeholders(report_of, body):
    assert not report_of(f"token = 'hf_{body}'\n", "HF701").findings
