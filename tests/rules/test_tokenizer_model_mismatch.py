"""HF102: the consequence by the sizes of the vocabularies, and classes that cannot load the other tokenizer."""

from __future__ import annotations

import pytest

PAIR = """\
from transformers import AutoModel, {kind}
tokenizer = {kind}.from_pretrained("{tokenizer}")
model = AutoModel.from_pretrained("{model}")
model(**tokenizer("text", return_tensors="pt"))
"""


@pytest.mark.parametrize(
    ("tokenizer", "model", "said"),
    [
        ("bert-base-uncased", "bert-base-cased", "28996 and above fail"),
        ("bert-base-cased", "bert-base-uncased", "nothing is raised"),
        ("gpt2", "meta-llama/Llama-2-7b-hf", "32000 and above fail"),
        ("roberta-base", "microsoft/deberta-v3-base", "means another token there"),
    ],
)
def test_says_what_becomes_of_it(report_of, tokenizer, model, said):
    code = PAIR.format(kind="AutoTokenizer", tokenizer=tokenizer, model=model)
    (finding,) = report_of(code, "HF102").findings
    assert said in finding.message


def test_has_no_fix_where_the_class_is_of_another_model(report_of):
    (finding,) = report_of(
        PAIR.format(kind="BertTokenizer", tokenizer="bert-base-uncased", model="roberta-base"), "HF102"
    ).findings
    assert finding.fix is None
    (finding,) = report_of(
        PAIR.format(kind="BertTokenizer", tokenizer="bert-base-uncased", model="bert-base-cased"), "HF102"
    ).findings
    assert finding.fix is not None


def test_is_said_once_for_a_pair_however_often_it_meets(report_of):
    code = PAIR.format(kind="AutoTokenizer", tokenizer="gpt2", model="roberta-base")
    again = 'model(**tokenizer("more", return_tensors="pt"))\n'
    assert len(report_of(code + again, "HF102").findings) == 1


@pytest.mark.parametrize(
    "line",
    [
        'tokenizer.add_tokens(["<new>"])',
        "model.resize_token_embeddings(len(tokenizer))",
        "model.set_input_embeddings(table)",
        "adapt(model)",
        "adapt(tokenizer)",
    ],
)
def test_is_silent_where_either_may_have_changed(report_of, line):
    code = PAIR.format(kind="AutoTokenizer", tokenizer="gpt2", model="roberta-base")
    assert not report_of(f"from other import adapt, table\n{code}{line}\n", "HF102").findings
