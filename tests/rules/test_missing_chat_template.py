"""HF106: which text is a message that lacks its template."""

from __future__ import annotations

import pytest

GENERATE = """\
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{model}")
model = AutoModelForCausalLM.from_pretrained("{model}")
{setup}
inputs = tokenizer({text}, return_tensors="pt")
model.generate(**inputs, max_new_tokens=20)
"""
CHAT = "Qwen/Qwen2.5-0.5B-Instruct"
QUESTION = "'What is the capital of France?'"


def count(report_of, text: str, model: str = CHAT, setup: str = "") -> int:
    return len(report_of(GENERATE.format(model=model, text=text, setup=setup), "HF106").findings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (QUESTION, 1),
        ("'Write a poem about rain.\\n'", 1),
        ("['Who are you?', 'Where do you live?']", 1),
        ("['Who are you?', 'Once upon a time']", 0),
        ("'Once upon a time'", 0),
        ("'def fibonacci(n):'", 0),
        ("'[INST] Who are you? [/INST].'", 0),
        ("'<\\uff5cUser\\uff5c>Who are you?'", 0),
        ("'### Instruction: Who are you?'", 0),
        ("'USER: Who are you?'", 0),
        ("'Translate.\\n\\nBonjour.'", 0),
        ("f'What is {thing}?'", 0),
        ("texts", 0),
        ("''", 0),
    ],
)
def test_complete_sentences_without_a_form_are_messages(report_of, text, expected):
    assert count(report_of, text) == expected


@pytest.mark.parametrize(
    ("model", "setup", "expected"),
    [
        ("Qwen/Qwen2.5-0.5B", "", 0),
        ("bigscience/bloomz-560m", "", 0),
        ("google/flan-t5-small", "", 0),
        ("my-org/my-chat", "", 0),
        (CHAT, "ids = tokenizer.apply_chat_template(messages)", 0),
        (CHAT, "model = PeftModel.from_pretrained(model, 'my-org/adapter')", 0),
        (CHAT, "model = AutoModelForCausalLM.from_pretrained('my-org/tuned')", 0),
    ],
)
def test_only_chat_models_as_they_are_stored(report_of, model, setup, expected):
    assert count(report_of, QUESTION, model, setup) == expected


@pytest.mark.parametrize(
    ("task", "call", "expected"),
    [
        ("text-generation", f"pipe({QUESTION})", 1),
        ("text-generation", f"pipe(text_inputs={QUESTION})", 1),
        ("text-generation", "pipe([{'role': 'user', 'content': 'Who are you?'}])", 0),
        ("text-generation", "pipe(messages)", 0),
        ("feature-extraction", f"pipe({QUESTION})", 0),
    ],
)
def test_pipelines_take_a_text_as_it_is(report_of, task, call, expected):
    code = f"from transformers import pipeline\npipe = pipeline('{task}', model='{CHAT}')\n{call}\n"
    assert len(report_of(code, "HF106").findings) == expected
