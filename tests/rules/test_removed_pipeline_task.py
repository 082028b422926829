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


def test_a_message_of_a_task_that_came_back_says_so(report_of):
    code = "from transformers import pipeline\npipe = pipeline('image-to-text')\n"
    message = report_of(code, "HF604", transformers=">=4.57").findings[0].message
    assert "removed in transformers 5.0, back in 5.19 (KeyError); this project allows up to 5.18.0" in message
