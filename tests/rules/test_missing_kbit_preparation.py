"""HF401: what trains a model, and which kind of checkpointing kills it before transformers 5.0."""

from __future__ import annotations

import pytest

PROGRAM = """\
from peft import LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, Trainer, TrainingArguments

config = BitsAndBytesConfig(load_in_4bit=True)
model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-3.1-8B", quantization_config=config)
{setup}
"""
ADAPTERS = "model = get_peft_model(model, LoraConfig(task_type='CAUSAL_LM'))\n"
TRAINS = "Trainer(model=model, args=TrainingArguments(output_dir='out', {args}), train_dataset=dataset).train()\n"


def severities(report_of, setup: str) -> list[str]:
    found = report_of(PROGRAM.format(setup=setup), "HF401", transformers="4.57.6").findings
    return [finding.severity.value for finding in found]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("gradient_checkpointing=True", "error"),
        ("gradient_checkpointing=True, gradient_checkpointing_kwargs={'use_reentrant': True}", "error"),
        ("gradient_checkpointing=True, gradient_checkpointing_kwargs={'use_reentrant': False}", "warning"),
        ("gradient_checkpointing=True, gradient_checkpointing_kwargs=settings", "warning"),
        ("gradient_checkpointing=wanted", "warning"),
        ("bf16=True", "warning"),
    ],
)
def test_only_the_reentrant_kind_of_checkpointing_is_fatal(report_of, args, expected):
    assert severities(report_of, ADAPTERS + TRAINS.format(args=args)) == [expected]


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("model.gradient_checkpointing_enable()\n" + ADAPTERS + TRAINS.format(args=""), ["error"]),
        (ADAPTERS + "loss = model(**batch).loss\nloss.backward()", ["warning"]),
        (ADAPTERS + "accelerator.backward(model(**batch).loss)", []),
        (ADAPTERS + "from accelerate import Accelerator\nAccelerator().backward(model(**batch).loss)", ["warning"]),
        (ADAPTERS + "other(**batch).loss.backward()\nprint(model(**batch).logits)", []),
        (ADAPTERS + "print(model(**batch).logits)", []),
        ("model = get_peft_model(model, PrefixTuningConfig(num_virtual_tokens=8))\n" + TRAINS.format(args=""), []),
        ("model = get_peft_model(model, settings.adapter)\n" + TRAINS.format(args=""), []),
        (ADAPTERS + "model = model if flag else other.model\n" + TRAINS.format(args=""), []),
        ("if flag:\n    " + ADAPTERS + TRAINS.format(args=""), ["warning"]),
        ("model = PeftModel.from_pretrained(model, 'a/b', is_trainable=True)\n" + TRAINS.format(args=""), ["warning"]),
        ("model = PeftModel.from_pretrained(model, 'a/b')\n" + TRAINS.format(args=""), []),
    ],
)
def test_only_a_model_that_is_trained_counts(report_of, setup, expected):
    assert severities(report_of, setup) == expected


def test_a_checkpoint_in_float32_loses_nothing(report_of):
    code = PROGRAM.format(setup=ADAPTERS + TRAINS.format(args="")).replace("meta-llama/Llama-3.1-8B", "gpt2")
    assert not report_of(code, "HF401", transformers="5.23").findings
    assert report_of(code, "HF401", transformers="4.57.6").findings


@pytest.mark.parametrize(("peft", "fixed"), [(">=0.3", False), (">=0.4", True)])
def test_what_some_allowed_release_of_peft_lacks_is_not_written(report_of, peft, fixed):
    code = PROGRAM.format(setup=ADAPTERS + TRAINS.format(args=""))
    (finding,) = report_of(code, "HF401", transformers="4.57.6", peft=peft).findings
    assert (finding.fix is not None) == fixed
    assert fixed or "there since peft 0.4 only, and this project allows 0.3.0" in finding.no_fix_reason
