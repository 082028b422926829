"""HF301: TRL's defaults by version, and who else may turn checkpointing on."""

from __future__ import annotations

import pytest

TRL = """
from trl import SFTConfig, SFTTrainer

trainer = SFTTrainer(model="Qwen/Qwen2.5-7B", args=SFTConfig(output_dir="out"), train_dataset=dataset)
"""


@pytest.mark.parametrize(("trl", "count"), [("0.21", 1), ("0.22", 0), (">=0.20", 0)])
def test_trl_turns_it_on_since_0_22(report_of, trl, count):
    assert len(report_of(TRL, "HF301", trl=trl).findings) == count


PROGRAM = """
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-7B", load_in_8bit=True)
{setup}
args = TrainingArguments(output_dir="out")
{more}
{trainer}(model=model, args=args, train_dataset=dataset).train()
"""


@pytest.mark.parametrize(
    ("setup", "more", "count"),
    [
        ("", "", 1),
        ("model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)", "", 1),
        ("model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=wanted)", "", 0),
        ("model = get_peft_model(model, LoraConfig(r=8))", "model.base_model.gradient_checkpointing_enable()", 0),
        ("model.config.gradient_checkpointing = True", "", 0),
        ("", "args.gradient_checkpointing = wanted", 0),
        ("helpers.prepare(model)", "", 0),
    ],
)
def test_whatever_may_turn_it_on_silences(report_of, setup, more, count):
    code = PROGRAM.format(setup=setup, more=more, trainer="Trainer")
    assert len(report_of(code, "HF301", transformers="4.57.6").findings) == count


def test_a_trainer_of_the_program_may_turn_it_on(report_of):
    own = """
class OwnTrainer(Trainer):
    def __init__(self, model, **kwargs):
        model.gradient_checkpointing_enable()
        super().__init__(model, **kwargs)
"""
    code = PROGRAM.format(setup=own, more="", trainer="OwnTrainer")
    assert not report_of(code, "HF301", transformers="4.57.6").findings


@pytest.mark.parametrize(
    ("allowed", "written"),
    [("==5.23.0", "activation_checkpointing=True"), (">=5.20,<6", "gradient_checkpointing=True")],
)
def test_the_new_name_is_written_where_every_version_knows_it(report_of, allowed, written):
    code = PROGRAM.format(setup="", more="", trainer="Trainer").replace(", load_in_8bit=True", "")
    assert written in report_of(code, "HF301", fix=True, transformers=allowed).located.text
