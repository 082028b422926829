"""HF604: tasks that are gone, and in which versions."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("task", "target", "expected"),
    [
        ("'summarization'", {}, 1),
        ("'translation_en_to_fr'", {}, 1),
        ("'summarization'", {"transformers": "4.57.6"}, 0),
        ("'summarization'", {"transformers": ">=4.40"}, 1),
        ("'conversational'", {"transformers": "4.57.6"}, 1),
        ("'question-answering'", {"transformers": "5.2"}, 0),
        ("'question-answering'", {"transformers": "5.3"}, 1),
        ("'image-to-text'", {"transformers": "5.18"}, 1),
        ("'image-to-text'", {"transformers": "5.19"}, 0),
        ("'text-generation'", {}, 0),
        ("'our-own'", {}, 0),
        ("task", {}, 0),
    ],
)
def test_versions_decide(report_of, task, target, expected):
    report = report_of(f"from transformers import pipeline\npipe = pipeline({task})\n", "HF604", **target)
    assert len(report.findings) == expected


@pytest.mark.parametrize(
    ("target", "said", "severity"),
    [
        (">=4.57", "of the releases that this project allows, 5.0.0 to 5.18.0 lack it", "note"),
        (">=4.57,<5.19", "this project allows up to 5.18.0", "error"),
    ],
)
def test_a_message_of_a_task_that_came_back_says_so(report_of, target, said, severity):
    code = "from transformers import pipeline\npipe = pipeline('image-to-text')\n"
    (finding,) = report_of(code, "HF604", transformers=target).findings
    assert f"removed in transformers 5.0, back in 5.19 (KeyError); {said} (target" in finding.message
    assert finding.severity.value == severity
