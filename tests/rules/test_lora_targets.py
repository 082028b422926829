"""HF405: which targets of an adapter match nothing."""

from __future__ import annotations

import pytest

from hflint.facts.record import ModelRecord

CONFIG = "from peft import LoraConfig\nconfig = LoraConfig(target_modules={targets})\n"
CODE = """\
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM
from trl import SFTTrainer

config = LoraConfig(target_modules={targets}{more})
model = AutoModelForCausalLM.from_pretrained("{model}")
{use}
"""
ADAPTS = "model = get_peft_model(model, config)"


@pytest.mark.parametrize(
    ("targets", "severities"),
    [
        ("'q_proj'", ["error"]),
        ("'q_proj,v_proj'", ["error"]),
        ("'q_proj, v_proj'", ["error"]),
        ("['all-linear']", ["error"]),
        ("['all-linear', 'lm_head']", ["warning"]),
        ("'all-linear'", []),
        ("'All-Linear'", []),
        ("'lm_head'", []),
        ("'lin0'", []),
        ("'.*q_proj'", []),
        ("'model.layers.0.self_attn.q_proj'", []),
        ("['q_proj', 'v_proj']", []),
        ("wanted", []),
        ("None", []),
    ],
)
def test_a_text_is_a_pattern_for_whole_names(report_of, targets, severities):
    findings = report_of(CONFIG.format(targets=targets), "HF405").findings
    assert [finding.severity.value for finding in findings] == severities


@pytest.mark.parametrize(
    ("model", "targets", "fixed"),
    [
        ("gpt2", "['q_proj', 'v_proj']", '["c_attn"]'),
        ("EleutherAI/pythia-70m", "['q_proj', 'v_proj']", '["query_key_value"]'),
        ("microsoft/phi-4", "['q_proj', 'k_proj', 'v_proj']", '"all-linear"'),
        ("google-t5/t5-small", "['q_proj']", '["q", "v"]'),
        ("google-bert/bert-base-uncased", "('q_lin', 'v_lin')", '["query", "value"]'),
        ("gpt2", "['transformer.h.0.attn.q_proj']", '["c_attn"]'),
    ],
)
def test_names_are_those_of_the_architecture(report_of, model, targets, fixed):
    code = CODE.format(model=model, targets=targets, use=ADAPTS, more="")
    (finding,) = report_of(code, "HF405").findings
    assert "peft raises" in finding.message
    assert [edit.text for edit in finding.fix.edits] == [fixed]


@pytest.mark.parametrize(
    ("model", "targets", "use", "more"),
    [
        ("gpt2", "['c_attn']", ADAPTS, ""),
        ("gpt2", "['q_proj', 'c_proj']", ADAPTS, ""),
        ("gpt2", "['0']", ADAPTS, ""),
        ("google-t5/t5-small", "['wi_0']", ADAPTS, ""),
        ("mistralai/Mixtral-8x7B-v0.1", "['w1', 'w2', 'w3']", ADAPTS, ""),
        ("gpt2", "['q_proj']", ADAPTS, ", target_parameters=['a.weight']"),
        ("gpt2", "['q_proj', name]", ADAPTS, ""),
        ("gpt2", "['q_proj']", "print(model)", ""),
        ("gpt2", "['q_proj']", "model = get_peft_model(other(), config)", ""),
        ("my-org/my-gpt2", "['q_proj']", ADAPTS, ""),
    ],
)
def test_is_silent_where_one_may_match(report_of, model, targets, use, more):
    assert not report_of(CODE.format(model=model, targets=targets, use=use, more=more), "HF405").findings


@pytest.mark.parametrize(
    "use",
    [
        "SFTTrainer(model=model, peft_config=config, train_dataset=data)",
        "model = get_peft_model(prepare_model_for_kbit_training(model), config)",
    ],
)
def test_finds_the_model_in_trainers_and_behind_preparation(report_of, use):
    code = CODE.format(model="gpt2", targets="['q_proj']", use=use, more="")
    assert len(report_of(code, "HF405").findings) == 1


@pytest.mark.parametrize(("custom_code", "expected"), [(None, 0), (True, 0), (False, 1)])
def test_remote_code_may_have_other_modules_where_there_is_any(report_of, custom_code, expected):
    code = CODE.format(
        targets="['c_attn']", more="", model='acme/own", trust_remote_code=True, revision="main', use=ADAPTS
    )
    lock = {"acme/own": ModelRecord(model_type="llama", custom_code=custom_code)}
    assert len(report_of(code, "HF405", lock=lock).findings) == expected
