"""HF107: which length is too much, for which model."""

from __future__ import annotations

import pytest

CODE = """\
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{model}")
{load}
batch = tokenizer(texts, {arguments})
"""
LOAD = 'model = AutoModel.from_pretrained("{model}"{more})'
CUTS = "truncation=True, max_length="


def found(report_of, arguments: str, model: str = "gpt2", load: str = LOAD, more: str = ""):
    load = load.format(model=model, more=more)
    return report_of(CODE.format(model=model, load=load, arguments=arguments), "HF107").findings


@pytest.mark.parametrize(
    ("model", "arguments", "severities"),
    [
        ("gpt2", CUTS + "1024", []),
        ("gpt2", CUTS + "1025", ["warning"]),
        ("gpt2", CUTS + "1025, padding='max_length'", ["error"]),
        ("gpt2", "padding='max_length', max_length=2048", ["error"]),
        ("gpt2", "padding=True, max_length=2048", []),
        ("gpt2", "truncation=False, max_length=2048", []),
        ("gpt2", CUTS + "limit", []),
        ("gpt2", CUTS + "True", []),
        ("meta-llama/Llama-2-7b-hf", CUTS + "8192, padding='max_length'", ["warning"]),
        ("FacebookAI/roberta-base", CUTS + "4096", []),
    ],
)
def test_the_positions_of_the_model_decide(report_of, model, arguments, severities):
    assert [one.severity.value for one in found(report_of, arguments, model)] == severities


@pytest.mark.parametrize(
    ("load", "more"),
    [
        ("", ""),
        ('model = AutoModel.from_pretrained("facebook/opt-125m")', ""),
        (LOAD, ", rope_scaling={{'factor': 2.0}}"),
        (LOAD, ", config=config"),
        (LOAD, ", **options"),
        (LOAD + "\nmodel.config.n_positions = 4096", ""),
    ],
)
def test_is_silent_where_the_model_is_another_or_stretched(report_of, load, more):
    assert not found(report_of, CUTS + "2048", load=load, more=more)


def test_a_number_that_is_written_elsewhere_is_left_alone(report_of):
    (finding,) = found(report_of, CUTS + "LIMIT", load="LIMIT = 2048\n" + LOAD)
    assert finding.fix is None
