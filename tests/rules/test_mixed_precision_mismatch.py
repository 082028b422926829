"""HF302: what decides besides the flags: adapters and casts, the trainer's own casts, and what a fix cannot reach."""

from __future__ import annotations

import pytest

PROGRAM = """\
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, Trainer, TrainingArguments
from trl import DPOConfig, DPOTrainer

{setup}
args = TrainingArguments(output_dir="out", fp16=True)
Trainer(model=model, args=args, train_dataset=dataset).train()
"""
LOAD = 'model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B", dtype=torch.{dtype})\n'
ADAPTERS = "model = get_peft_model(model, LoraConfig(task_type='CAUSAL_LM'){more})\n"


def severities(report_of, setup: str) -> list[str]:
    found = report_of(PROGRAM.format(setup=setup), "HF302", transformers="5.23").findings
    return [finding.severity.value for finding in found]


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        (LOAD.format(dtype="float16") + ADAPTERS.format(more=", autocast_adapter_dtype=False"), ["error"]),
        (LOAD.format(dtype="float16") + ADAPTERS.format(more=", autocast_adapter_dtype=flag"), []),
        (LOAD.format(dtype="float16") + ADAPTERS.format(more="") + "model.half()", ["error"]),
        (LOAD.format(dtype="bfloat16") + ADAPTERS.format(more=""), ["warning"]),
        (LOAD.format(dtype="bfloat16") + "model.add_adapter(LoraConfig(r=8))", ["error"]),
        (LOAD.format(dtype="bfloat16") + "if lora:\n    model.add_adapter(LoraConfig(r=8))", []),
        (LOAD.format(dtype="bfloat16") + "model.load_adapter('me/adapter')", []),
        (LOAD.format(dtype="float32") + "model.add_adapter(LoraConfig(r=8))", []),
        (LOAD.format(dtype="float16") + "model = model.to('cuda', dtype=torch.float32)", []),
        (LOAD.format(dtype="float32") + "model.to(torch.bfloat16)", ["error"]),
        (LOAD.format(dtype="float16") + "model.to(device)", ["error"]),
        (LOAD.format(dtype="float16") + "model.to(dtype=wanted)", []),
        (LOAD.format(dtype="float16") + "model.lm_head.float()", []),
        (LOAD.format(dtype="float16") + "if small:\n    model.float()", []),
        (LOAD.format(dtype="float16") + "for p in model.parameters():\n    p.data = p.data.float()", []),
        (LOAD.format(dtype="bfloat16") + "model = prepare_model_for_kbit_training(model)", []),
        (LOAD.format(dtype="float32") + "either = model if flag else other.model\neither.half()", []),
        (LOAD.format(dtype="float16") + "(accelerator if flag else model).apply(model)", []),
        (
            LOAD.format(dtype="float16")
            + ADAPTERS.format(more=", autocast_adapter_dtype=False")
            + 'model.load_adapter("other", "other")',
            [],
        ),
    ],
)
def test_follows_the_dtype_of_what_is_trained(report_of, setup, expected):
    assert severities(report_of, setup) == expected


@pytest.mark.parametrize(("prepared", "expected"), [("model", ["warning"]), ("model if flag else other.model", [])])
def test_what_prepares_one_of_several_models_gives_back_one_of_them(report_of, prepared, expected):
    config = "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype='bfloat16')"
    setup = f"model = AutoModelForCausalLM.from_pretrained('gpt2', quantization_config={config})\n"
    assert severities(report_of, f"{setup}model = prepare_model_for_kbit_training({prepared})") == expected


def test_adapters_on_one_branch_only_are_not_certain(report_of):
    setup = LOAD.format(dtype="float16") + "if lora:\n    " + ADAPTERS.format(more="")
    assert severities(report_of, setup) == []


@pytest.mark.parametrize(("trl", "expected"), [("0.28", "warning"), ("0.29", "error")])
def test_trl_casts_since_a_version_that_depends_on_the_trainer(report_of, trl, expected):
    code = """
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from trl import DPOConfig, DPOTrainer

    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype="bfloat16")
    model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-3.1-8B", quantization_config=config)
    args = DPOConfig(output_dir="out", fp16=True)
    DPOTrainer(model=model, args=args, train_dataset=dataset, peft_config=LoraConfig(r=8))
    """
    (finding,) = report_of(code, "HF302", trl=trl).findings
    assert finding.severity.value == expected


def test_a_flag_that_is_off_is_turned_round(report_of):
    code = PROGRAM.format(setup=LOAD.format(dtype="bfloat16")).replace("fp16=True", "fp16=True, bf16=False")
    assert "fp16=False, bf16=True" in report_of(code, "HF302", fix=True).located.text


def test_a_cast_of_weights_that_are_loaded_in_float16_has_no_fix(report_of):
    (finding,) = report_of(PROGRAM.format(setup=LOAD.format(dtype="float16") + "model.half()"), "HF302").findings
    assert finding.fix is None
    assert finding.no_fix_reason


def test_a_test_that_expects_the_error(report_of):
    code = """
import pytest
import torch
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("facebook/opt-350m", dtype=torch.float16)
trainer = Trainer(model=model, train_dataset=data, args=TrainingArguments("out", fp16=True))
{}
    trainer.train()
"""
    assert report_of(code.format("with pytest.raises(ValueError):"), "HF302").findings == ()
    assert len(report_of(code.format("if True:"), "HF302").findings) == 1
