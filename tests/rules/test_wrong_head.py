"""HF205: which Auto classes know which architectures, and which trainers need a head."""

from __future__ import annotations

import pytest

from hflint.facts.record import ModelRecord

LOAD = "from transformers import {auto}\nmodel = {auto}.from_pretrained('{model}')\n"
TRAIN = """\
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, Trainer

model = AutoModel.from_pretrained("{model}"{arguments})
{setup}
"""
TRAINS = "Trainer(model=model, train_dataset=data).train()"


@pytest.mark.parametrize(
    ("auto", "model", "expected"),
    [
        ("AutoModelForSeq2SeqLM", "gpt2", 1),
        ("AutoModelForCausalLM", "google-t5/t5-small", 1),
        ("AutoModelForCausalLM", "google-bert/bert-base-uncased", 0),
        ("AutoModelForCausalLM", "facebook/bart-base", 0),
        ("AutoModelForCausalLM", "openai/whisper-tiny", 0),
        ("AutoModelForCausalLM", "distilbert/distilbert-base-uncased", 1),
        ("AutoModelForCausalLM", "Qwen/Qwen2-VL-2B-Instruct", 1),
        ("AutoModelForMaskedLM", "gpt2", 1),
        ("AutoModelForSequenceClassification", "google-t5/t5-small", 0),
        ("AutoModelForSequenceClassification", "google/vit-base-patch16-224", 1),
        ("AutoModel", "google-t5/t5-small", 0),
        ("AutoModelForImageClassification", "google/vit-base-patch16-224", 0),
    ],
)
def test_the_table_of_the_class_decides(report_of, auto, model, expected):
    assert len(report_of(LOAD.format(auto=auto, model=model), "HF205").findings) == expected


def test_the_fix_names_the_class_as_the_file_does(report_of):
    code = "import transformers\nmodel = transformers.AutoModelForCausalLM.from_pretrained('google-t5/t5-small')\n"
    (finding,) = report_of(code, "HF205").findings
    assert finding.fix is None
    assert "AutoModelForSeq2SeqLM" in finding.no_fix_reason
    mended = report_of(LOAD.format(auto="AutoModelForCausalLM", model="google-t5/t5-small"), "HF205", fix=True)
    assert "AutoModelForSeq2SeqLM.from_pretrained('google-t5/t5-small')" in mended.located.text


@pytest.mark.parametrize(
    ("model", "arguments", "setup", "expected"),
    [
        ("google-bert/bert-base-uncased", "", TRAINS, 1),
        ("google-bert/bert-base-uncased", "", f"model = get_peft_model(model, LoraConfig())\n{TRAINS}", 1),
        ("google-bert/bert-base-uncased", "", "Trainer(model=model, eval_dataset=data).predict(data)", 0),
        ("google-bert/bert-base-uncased", "", f"wrap(model)\n{TRAINS}", 0),
        ("google-bert/bert-base-uncased", ", trust_remote_code=True", TRAINS, 0),
        ("openai/clip-vit-base-patch32", "", TRAINS, 0),
        ("my-org/my-model", "", TRAINS, 0),
    ],
)
def test_a_trainer_needs_a_loss(report_of, model, arguments, setup, expected):
    code = TRAIN.format(model=model, arguments=arguments, setup=setup)
    assert len(report_of(code, "HF205").findings) == expected


@pytest.mark.parametrize(
    ("custom_code", "arguments", "expected"),
    [
        (None, "", 1),
        (None, ", trust_remote_code=True", 0),
        (False, ", trust_remote_code=True", 1),
        (True, "", 0),  # its code may have the class
    ],
)
def test_a_repositorys_own_code_may_have_the_head(report_of, custom_code, arguments, expected):
    code = LOAD.format(auto="AutoModelForSeq2SeqLM", model=f"acme/own'{arguments}, revision='main")
    lock = {"acme/own": ModelRecord(model_type="gpt2", custom_code=custom_code)}
    assert len(report_of(code, "HF205", lock=lock).findings) == expected
