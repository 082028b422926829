"""From programs to setups: what is known, what a default is taken for, and what the fix of one finding leaves."""

from __future__ import annotations

from datetime import date

import pytest

from hflint.check import check_source
from hflint.facts.lock import Entry, Lock, write_lock
from hflint.facts.record import ModelRecord
from hflint.files import Source
from hflint.project import Project
from hflint.settings import load_settings
from hflint.verify.cases import Unverified, cases_of
from hflint.verify.setup import Setup

QLORA = """\
import argparse
import torch
from peft import LoraConfig, TaskType, get_peft_model, prepare_model_for_kbit_training
from transformers import (
    AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, DataCollatorForLanguageModeling, Trainer, TrainingArguments
)

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="meta-llama/Llama-3.1-8B")
parser.add_argument("--rank", type=int)
options = parser.parse_args()
tokenizer = AutoTokenizer.from_pretrained(options.model)
if tokenizer.pad_token is None:
    tokenizer.pad_token = tokenizer.eos_token
quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModelForCausalLM.from_pretrained(options.model, quantization_config=quantization, device_map={"": 0})
model.config.use_cache = False
model = prepare_model_for_kbit_training(model)
model = get_peft_model(model, LoraConfig(task_type=TaskType.CAUSAL_LM, r=options.rank, target_modules=["q_proj"]))
args = TrainingArguments("out", fp16=True, per_device_train_batch_size=4)
collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
Trainer(model, args, train_dataset=data, data_collator=collator).train()
"""


@pytest.fixture
def cases(tmp_path):
    """The cases of a program, by default for the newest releases."""

    def find(text, select=("ALL",), **target):
        overrides = {"select": list(select), "target": {"transformers": "5.23.0", **target}}
        project = Project(tmp_path, load_settings(tmp_path, isolated=True, overrides=overrides))
        source = Source(tmp_path / "train.py", "train.py", text)
        return list(cases_of(source, check_source(source, project).findings, project))

    return find


def test_a_program_becomes_the_setup_that_it_describes(cases):
    (case,) = cases(QLORA, ["mixed-precision-mismatch"])
    before = case.before
    assert (case.rule, case.path, case.line) == ("mixed-precision-mismatch", "train.py", 20)
    assert before.model.id == "meta-llama/Llama-3.1-8B"
    assert before.model.kwargs == {"device_map": {"": 0}}
    assert before.model.attributes == {"config.use_cache": False}
    assert (before.model.facts.model_type, before.model.facts.dtype) == ("llama", "bfloat16")
    assert before.quantization.kwargs == {"load_in_4bit": True, "bnb_4bit_compute_dtype": "torch.bfloat16"}
    assert before.adapter.kwargs == {"task_type": "CAUSAL_LM", "target_modules": ["q_proj"]}
    assert before.adapter.preparation == "before"
    assert before.tokenizer.attributes == {"pad_token": {"$ref": "tokenizer.eos_token"}}
    assert before.tokenizer.facts.special == {"pad_token": None}
    assert before.training.collator.kind == "DataCollatorForLanguageModeling"
    assert before.training.arguments == {"output_dir": "out", "fp16": True, "per_device_train_batch_size": 4}
    assert "fp16" not in case.after.training.arguments
    assert case.after.training.arguments["bf16"] is True


def test_a_default_that_a_user_may_change_is_taken_and_marked(cases):
    (case,) = cases(QLORA, ["mixed-precision-mismatch"])
    assert set(case.before.assumed) == {"model.id", "tokenizer.id"}
    assert "r" not in case.before.adapter.kwargs  # no default: not known, so absent


def test_facts_are_of_the_revision_that_is_loaded(cases, tmp_path):
    records = {"": ModelRecord(model_type="llama"), "@v2": ModelRecord(model_type="mistral", dtype="float16")}
    locked = {f"acme/a{name}": Entry(record, date(2026, 11, 1)) for name, record in records.items()}
    write_lock(tmp_path / "hflint.lock", Lock(locked))
    text = QLORA.replace("meta-llama/Llama-3.1-8B", "acme/a").replace(
        "options.model, quantization", 'options.model, revision="v2", quantization'
    )
    (case,) = cases(text, ["mixed-precision-mismatch"])
    assert (case.before.model.facts.model_type, case.before.model.facts.dtype) == ("mistral", "float16")
    assert case.before.tokenizer.facts.model_type == "llama"


def test_a_pipeline_is_of_the_revision_that_it_names(cases, tmp_path):
    locked = {"acme/a@v2": Entry(ModelRecord(model_type="bart"), date(2026, 11, 1))}
    write_lock(tmp_path / "hflint.lock", Lock(locked))
    text = 'from transformers import pipeline\npipe = pipeline("summarization", "acme/a", revision="v2")\n'
    (case,) = cases(text, ["removed-pipeline-task"])
    assert (case.before.model.facts.model_type, case.before.tokenizer.facts.model_type) == ("bart", "bart")


def test_setups_survive_the_way_to_the_worker(cases):
    (case,) = cases(QLORA, ["mixed-precision-mismatch"])
    for setup in (case.before, case.after):
        assert Setup.from_json(setup.to_json()) == setup


def test_only_the_part_that_the_finding_concerns_is_taken(cases):
    text = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        'one = AutoTokenizer.from_pretrained("gpt2")\n'
        'other = AutoTokenizer.from_pretrained("bert-base-uncased")\n'
        'model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B")\n'
        'other("a text", max_length=5)\n'
        'batch = one(["a", "b c"], padding=True)\n'
    )
    (case,) = cases(text, ["missing-pad-token"])
    assert case.before.tokenizer.id == "gpt2"
    assert case.before.model is None
    assert [(call.kwargs, call.batch) for call in case.before.tokenizer_calls] == [({"padding": True}, True)]
    assert case.after.tokenizer.attributes == {"pad_token": {"$ref": "tokenizer.eos_token"}}


def test_each_keyword_is_held_against_the_signature_alone(cases):
    text = (
        "from transformers import TrainingArguments\n"
        "args = TrainingArguments(\n"
        '    output_dir="out",\n'
        '    evaluation_strategy="epoch",\n'
        "    overwrite_output_dir=True,\n"
        ")\n"
    )
    first, second = cases(text, ["removed-argument"])
    assert first.before.bindings[0].kwargs == {"evaluation_strategy": "epoch"}
    assert first.after.bindings[0].kwargs == {"eval_strategy": "epoch"}
    assert second.before.bindings[0].kwargs == {"overwrite_output_dir": True}
    assert second.after.bindings[0].kwargs == {}


def test_a_keyword_that_a_table_brings_is_held_against_the_signature(cases):
    text = (
        "from transformers import TrainingArguments\n"
        'settings = {"output_dir": "out", "overwrite_output_dir": True}\n'
        "args = TrainingArguments(**settings)\n"
    )
    (case,) = cases(text, ["removed-argument"])
    assert case.before.bindings[0].kwargs == {"overwrite_output_dir": True}
    assert case.before.bindings[0].made == {"output_dir": "out", "overwrite_output_dir": True}


def test_a_keyword_in_question_is_given_whatever_its_value(cases):
    text = (
        "from transformers import AutoModelForCausalLM\n"
        "def load(flag, dtype):\n"
        '    return AutoModelForCausalLM.from_pretrained("gpt2", load_in_8bit=flag, torch_dtype=dtype, revision=dtype)\n'
    )
    removed, renamed = cases(text, ["removed-argument", "renamed-argument"])
    assert removed.before.model.kwargs == {"load_in_8bit": True}  # and nothing that is not in question
    assert "model.load_in_8bit" in removed.before.assumed
    assert renamed.before.model.kwargs == {"torch_dtype": "torch.float16"}
    assert renamed.after.model.kwargs == {"dtype": "torch.float16"}


def test_a_claim_about_a_load_is_run_without_what_is_done_with_it_later(cases):
    text = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments\n"
        'tokenizer = AutoTokenizer.from_pretrained("gpt2", use_fast=False)\n'
        'model = AutoModelForCausalLM.from_pretrained("gpt2", torch_dtype="auto").half()\n'
        "model.config.use_cache = False\n"
        'Trainer(model, TrainingArguments("out"), train_dataset=data).train()\n'
    )
    fast, dtype = cases(text, ["removed-argument", "renamed-argument"])
    assert (fast.before.model, fast.before.tokenizer.kwargs) == (None, {"use_fast": False})
    assert dtype.before.model.kwargs == {"torch_dtype": "auto"}
    assert (dtype.before.model.calls, dtype.before.model.attributes) == ((), {})
    assert (dtype.before.tokenizer, dtype.before.training) == (None, None)


def test_of_several_classes_the_first_is_loaded(cases):
    text = (
        "from transformers import BloomForCausalLM, LlamaForCausalLM\n"
        'kinds = {"llama": LlamaForCausalLM, "bloom": BloomForCausalLM}\n'
        "def load(kind):\n"
        '    return kinds[kind].from_pretrained("some/model", torch_dtype="auto")\n'
    )
    (case,) = cases(text, ["renamed-argument"])
    assert case.before.model.loader == "LlamaForCausalLM"
    assert "model.loader" in case.before.assumed


def test_the_other_findings_can_be_mended_on_both_sides(cases):
    text = (
        "from transformers import AutoTokenizer, TrainingArguments\n"
        'tokenizer = AutoTokenizer.from_pretrained("gpt2", use_auth_token="x")\n'
        'batch = tokenizer(["a", "b c"], padding=True)\n'
    )
    case = next(one for one in cases(text) if one.rule == "missing-pad-token")
    assert "use_auth_token" in case.before.tokenizer.kwargs
    assert "use_auth_token" in case.after.tokenizer.kwargs
    assert "use_auth_token" not in case.others().before.tokenizer.kwargs
    assert "pad_token" not in case.others().before.tokenizer.attributes
    assert "pad_token" in case.others().after.tokenizer.attributes


def test_where_mending_all_others_mends_it_too_only_errors_are_mended(cases):
    text = (
        QLORA.replace("model = prepare_model_for_kbit_training(model)\n", "")
        .replace("options.model", '"meta-llama/Llama-3.1-8B"')
        .replace('"out", fp16=True', '"out", evaluation_strategy="epoch", bf16=True')
    )
    case = next(one for one in cases(text) if one.rule == "missing-gradient-checkpointing")
    others = case.others()
    assert "evaluation_strategy" in case.before.training.arguments
    assert "eval_strategy" in others.before.training.arguments
    assert others.before.adapter.preparation is None  # preparing for 4 bits turns checkpointing on
    assert others.after.training.arguments["activation_checkpointing"] is True


def test_a_claim_is_its_own_whatever_the_others_change_in_what_it_says(cases):
    text = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        'tokenizer = AutoTokenizer.from_pretrained("gpt2", use_auth_token=True)\n'
        'batch = tokenizer(["a", "b c"], padding=True)\n'
        'model = AutoModelForCausalLM.from_pretrained("gpt2", load_in_8bit=True, load_in_4bit=False)\n'
    )
    found = [one for one in cases(text) if one.rule == "removed-argument"]
    assert [next(iter(one.before.bindings[0].kwargs)) for one in found] == [
        "use_auth_token",
        "load_in_8bit",
        "load_in_4bit",
    ]
    assert [next(iter(one.others().before.bindings[0].kwargs)) for one in found] == [
        "use_auth_token",
        "load_in_8bit",
        "load_in_4bit",
    ]


def test_what_the_same_edits_mend_is_not_mended_before(cases):
    text = (
        "from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments\n"
        'tokenizer = AutoTokenizer.from_pretrained("gpt2")\n'
        'batch = tokenizer(["a", "b c"], padding=True)\n'
        'args = TrainingArguments("out", evaluation_strategy="epoch")\n'
        "Trainer(model, args, train_dataset=data, data_collator=DataCollatorWithPadding(tokenizer)).train()\n"
    )
    found = [one for one in cases(text) if one.rule == "missing-pad-token"]
    assert [one.line for one in found] == [3, 5]
    for one in found:
        assert "pad_token" not in one.others().before.tokenizer.attributes
        assert "pad_token" in one.others().after.tokenizer.attributes
    assert "eval_strategy" in found[1].others().after.training.arguments


def test_of_findings_that_say_the_same_each_is_its_own(cases):
    text = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer, TrainingArguments\n"
        'tokenizer = AutoTokenizer.from_pretrained("tiiuae/falcon-7b", trust_remote_code=True)\n'
        'model = AutoModelForCausalLM.from_pretrained("tiiuae/falcon-7b", trust_remote_code=True)\n'
        'args = TrainingArguments("out", evaluation_strategy="epoch")\n'
    )
    found = [one.others() for one in cases(text) if one.rule == "unnecessary-remote-code"]
    assert [one.before.bindings[0].target.rpartition(".")[2] for one in found] == [
        "AutoTokenizer",
        "AutoModelForCausalLM",
    ]


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("from transformers import AdamW\nAdamW(p)\n", "transformers.AdamW", "torch.optim.AdamW"),
        ("import torch\nimport transformers\ntransformers.AdamW(p)\n", "transformers.AdamW", "torch.optim.AdamW"),
    ],
)
def test_an_import_is_compared_with_what_takes_its_place(cases, text, before, after):
    (case,) = cases(text, ["removed-import"])
    assert case.before.imports == (before,)
    assert after in case.after.imports


def test_a_method_is_looked_up_on_what_the_run_loads(cases):
    text = (
        "from transformers import AutoTokenizer\n"
        'tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")\n'
        'tokenizer.encode_plus("a text", max_length=8, truncation=True)\n'
    )
    (case,) = cases(text, ["removed-method"])
    assert (case.before.bindings[0].target, case.before.bindings[0].method) == ("tokenizer", "encode_plus")
    assert case.after.bindings[0].method == "__call__"


def test_a_pipeline_brings_its_own_model(cases):
    text = 'from transformers import pipeline\npipe = pipeline("summarization", model="facebook/bart-large-cnn")\n'
    (case,) = cases(text, ["removed-pipeline-task"])
    assert case.before.pipeline.loads_model
    assert case.before.model.id == "facebook/bart-large-cnn"
    assert case.before.bindings[0].kwargs["task"] == "summarization"
    assert case.after is None


def test_a_finding_without_a_probe_is_said_to_have_none(cases):
    text = 'from huggingface_hub import login\nlogin("hf_' + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3k" + '")\n'
    (one,) = cases(text, ["hard-coded-token"])
    assert one == Unverified("hard-coded-token", "train.py", 2, "its rule has no probe")
