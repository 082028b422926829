"""What certainly does not fit on the target GPU: figures, advice, and all that keeps the rule silent."""

from __future__ import annotations

from textwrap import dedent

import pytest

from hflint.check import check_source, mend
from hflint.files import source_from_bytes
from hflint.project import Projects

RULE = "memory-exceeds-device"
HEAD = """\
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification
from transformers import BitsAndBytesConfig, Trainer, TrainingArguments, pipeline
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""
EIGHT = '"meta-llama/Llama-3.1-8B"'
SEVENTY = '"meta-llama/Llama-3.1-70B"'


@pytest.fixture
def found(tmp_path):
    """`found(code, gpu, fix=False, **target)`: the messages on a GPU; with `fix` also the mended code."""

    def check(code, gpu="16GiB", *, fix=False, **target):
        overrides = {"select": [RULE], "target": target, "unsafe_fixes": fix, **({"target_gpu": gpu} if gpu else {})}
        path = tmp_path / "example.py"
        project = Projects(isolated=True, overrides=overrides).of(path)
        report = check_source(source_from_bytes((HEAD + dedent(code)).encode(), path, path.name), project)
        assert not report.errors
        messages = [one.message for one in report.findings if one.name == RULE]
        return (messages, mend(report, project).located.text.removeprefix(HEAD)) if fix else messages

    return check


def load(arguments="", model=EIGHT, loader="AutoModelForCausalLM"):
    return f"{loader}.from_pretrained({model}{arguments})"


@pytest.mark.parametrize(
    "code",
    [
        f"m = {load()}.to('cuda')",
        f"m = {load()}.to(device)",
        f"m = {load()}\nm.cuda()",
        f"m = {load()}\nm.to(device=torch.device('cuda:0'))",
        f"m = {load(', device_map=0')}",
        f"m = {load(', device_map=device')}",
        f"m = {load(', device_map=dict({str(): 0})')}".replace("dict({str(): 0})", "{'': 'cuda:0'}"),
        f"m = {load()}\nTrainer(model=m, args=TrainingArguments(output_dir='o'), train_dataset=d)",
        f"m = get_peft_model({load()}, LoraConfig())\nTrainer(model=m, args=TrainingArguments(output_dir='o'), train_dataset=d)",
        f"m = pipeline('text-generation', model={EIGHT}, device=0)",
        f"m = pipeline('text-generation', {EIGHT})",
        f"m = {load(loader='AutoModel')}.to('cuda')",
        f"m = {load()}\nprint(m.hf_device_map.values())\nm.config.use_cache = False\nm.cuda()",
        f"m = {load(', num_labels=2', loader='AutoModelForSequenceClassification')}.to('cuda')",
    ],
)
def test_weights_that_are_put_on_a_gpu(found, code):
    (message,) = found(code, "12GiB")
    assert message.startswith("the weights of `meta-llama/Llama-3.1-8B` take 1")
    assert "in bfloat16, and the target GPU has 12 GiB: " in message


@pytest.mark.parametrize(
    ("code", "gpu", "figures"),
    [
        (
            f"m = {load(', dtype=torch.float32')}.cuda()",
            "24GiB",
            ("29.9 GiB in float32", "in 16 bits they take 15.0 GiB"),
        ),
        (
            f"m = {load(', dtype=torch.float32')}.cuda()",
            "T4",
            ("the target GPU, T4, has 16 GiB", "in 8 bits they take 8.5 GiB"),
        ),
        (f"m = {load()}.cuda()", "8GiB", ("15.0 GiB in bfloat16", "in 4 bits they take 5.3 GiB")),
        (f"m = {load()}.cuda()", "4GiB", ("even in 4 bits they take 5.3 GiB, so it needs a larger GPU",)),
        (
            f"m = {load(', quantization_config=BitsAndBytesConfig(load_in_8bit=True)')}",
            "8GiB",
            ("8.5 GiB in 8 bits", "in 4 bits they take 5.3 GiB"),
        ),
        (
            f"m = {load(', quantization_config=BitsAndBytesConfig(load_in_4bit=True)')}",
            "4GiB",
            ("5.3 GiB in 4 bits", "it needs a larger GPU, or several"),
        ),
        (
            'm = AutoModelForSeq2SeqLM.from_pretrained("google/flan-t5-xxl", dtype=torch.float32).cuda()',
            "24GiB",
            ("41.5 GiB in float32", "in 16 bits they take 20.7 GiB"),
        ),
    ],
)
def test_figures_and_the_cheapest_change(found, code, gpu, figures):
    (message,) = found(code, gpu)
    for figure in figures:
        assert figure in message


TRAIN = "Trainer(model=m, args=TrainingArguments(output_dir='o'{}), train_dataset=d)"


@pytest.mark.parametrize(
    ("precision", "gpu", "figures"),
    [
        (
            "float32",
            "A100-80GB",
            (
                "takes 119.7 GiB before the first activation (weights 29.9 GiB in float32, as much for gradients, 59.8 GiB for AdamW)",
                "training all of it in 16 bits takes about 63.7 GiB (1 x 2048 tokens, checkpointed)",
            ),
        ),
        ("bfloat16", "A100-40GB", ("takes 59.8 GiB", "LoRA on 16 bits takes about 19.5 GiB")),
        ("bfloat16", "16GiB", ("takes 59.8 GiB", "QLoRA takes about 9.8 GiB")),
    ],
)
def test_training_all_of_it(found, precision, gpu, figures):
    (message,) = found(f"m = {load(f', dtype=torch.{precision}')}\n{TRAIN.format('')}", gpu)
    for figure in figures:
        assert figure in message


def test_quantized_and_trained(found):
    quantized = load(", quantization_config=BitsAndBytesConfig(load_in_4bit=True)", model=SEVENTY)
    code = f"m = prepare_model_for_kbit_training({quantized})\nm = get_peft_model(m, LoraConfig())\n" + TRAIN.format("")
    (message,) = found(code, "24GiB")
    assert "take 36.8 GiB in 4 bits" in message
    assert found(code, "A100-80GB") == []


def test_an_optimizer_that_keeps_less(found):
    code = f"m = {load()}\n" + TRAIN.format(", optim='adafactor'")
    (message,) = found(code, "24GiB")
    assert "takes 29.9 GiB before the first activation (weights 15.0 GiB in bfloat16, as much for gradients)" in message
    assert not found(f"m = {load()}\n" + TRAIN.format(", optim='adafactor'"), "A100-40GB")
    assert not found(f"m = {load()}\n" + TRAIN.format(", optim='lomo'"), "24GiB")


def test_the_weights_of_what_is_trained(found):
    (message,) = found(f"m = get_peft_model({load(model=SEVENTY)}, LoraConfig())\n" + TRAIN.format(""), "A100-80GB")
    assert "take 131.4 GiB in bfloat16" in message
    assert "QLoRA takes about 45.8 GiB" in message


def test_each_release_counts_with_its_own_default(found):
    code = f"m = {load()}.cuda()"
    assert "29.9 GiB in float32" in found(code, "24GiB", transformers="==4.57.6")[0]
    assert not found(code, "24GiB", transformers=">=4.57,<6"), "the newer ones load it as it is stored"
    (message,) = found(code, "12GiB", transformers=">=4.57,<6")
    assert "15.0 GiB in 16 bits" in message


@pytest.mark.parametrize(
    ("target", "name"),
    [({}, "dtype"), ({"transformers": ">=4.50"}, "torch_dtype"), ({"transformers": "==4.57.6"}, "dtype")],
)
def test_the_fix_loads_it_as_it_is_stored(found, target, name):
    written = "" if target == {"transformers": "==4.57.6"} else f", {name}=torch.float32"
    messages, text = found(f"m = {load(written)}\nm.cuda()\n", "24GiB", fix=True, **target)
    assert len(messages) == 1
    assert text == f"m = {load(f', {name}=')}".replace("=)", '="auto")') + "\nm.cuda()\n"


@pytest.mark.parametrize(
    "code",
    [
        f"m = {load()}",
        f"m = {load()}.to('cpu')",
        f"m = {load()}.to(args.device)",
        f"m = {load(', device_map=mine')}",
        f"m = {load(', **kwargs')}.cuda()",
        f"m = {load(', dtype=mine')}.cuda()",
        f"m = {load(', config=mine')}.cuda()",
        f"m = {load(', num_hidden_layers=2')}.cuda()",
        f"m = {load(', revision=mine')}.cuda()",
        f"m = {load(', revision=chr(118)')}.cuda()".replace("chr(118)", "'half'"),
        f"m = {load(', quantization_config=mine')}.cuda()",
        f"m = {load()}\nm.half().quantize(4).cuda()",
        f"m = {load()}\nm.to(mine)\nm.cuda()",
        f"m = {load()}\ncompress(m)\nm.cuda()",
        f"m = {load()}\ndel m.lm_head\nm.model.layers = m.model.layers[:2]\nm.cuda()",
        f"m = {load()}\nfor p in m.parameters():\n    p.data = p.data.to(torch.float8_e4m3fn)\nm.cuda()",
        f"if mine:\n    m = {load()}.cuda()\nelse:\n    m = {load(', dtype=torch.float16')}.cuda()",
        f"with torch.device('meta'):\n    m = {load()}.cuda()",
        f"import accelerate\nm = accelerate.cpu_offload({load()}, 'cuda')",
        f"m = {load(model=chr(34) + 'someone/model-70b' + chr(34))}.cuda()",
        f"m = {load(model=chr(34) + 'openai/gpt-oss-120b' + chr(34))}.cuda()",
        f"m = pipeline('text-generation', model={EIGHT}, device_map='auto')",
        f"m = pipeline('text-generation', model={EIGHT}, model_kwargs=mine)",
        f"m = pipeline('text-classification', model={EIGHT})",
        f"from unsloth import FastLanguageModel\nm = {load(loader='FastLanguageModel')}.cuda()",
        'm = AutoModelForCausalLM.from_pretrained("tiiuae/falcon-7b", quantization_config=BitsAndBytesConfig(load_in_4bit=True))',
    ],
)
def test_silent_where_size_or_place_is_not_certain(found, code):
    assert found(code, "5GiB") == []


@pytest.mark.parametrize(
    "code",
    [
        f"m = {load()}\n" + TRAIN.format(", deepspeed='zero.json'"),
        f"m = {load()}\n" + TRAIN.format(", fsdp='full_shard'"),
        f"m = {load()}\n" + TRAIN.format(", use_cpu=True"),
        f"m = {load()}\n" + TRAIN.format(", optim_target_modules=['q_proj']"),
        f"m = {load()}\n" + TRAIN.format(", **mine"),
        f"import os\nrank = os.environ['LOCAL_RANK']\nm = {load()}\n" + TRAIN.format(""),
        f"from accelerate import Accelerator\nm = {load()}\n" + TRAIN.format(""),
        f"m = {load(', device_map=chr(97)')}\n".replace("chr(97)", "'auto'") + TRAIN.format(""),
        f"m = {load()}\nTrainer(model=m, args=mine, train_dataset=d)",
        f"m = {load()}\nTrainer(model=m, args=TrainingArguments(output_dir='o'), eval_dataset=d).evaluate()",
    ],
)
def test_silent_where_training_may_be_sharded(found, code):
    assert found(code, "5GiB") == []


@pytest.mark.parametrize(
    "code",
    [
        f"m = {load()}\nm.requires_grad_(False)\n" + TRAIN.format(""),
        f"m = {load()}\nfor p in m.parameters():\n    p.requires_grad = False\n" + TRAIN.format(""),
        f"m = get_peft_model({load()}, LoraConfig())\n" + TRAIN.format(""),
        f"m = {load()}\nTrainer(model=m, args=TrainingArguments(output_dir='o'), train_dataset=d, optimizers=(o, None))",
        f"class T(Trainer):\n    def create_optimizer(self): ...\nm = {load()}\nT(model=m, args=TrainingArguments(output_dir='o'), train_dataset=d)",
        f"m = {load(', quantization_config=BitsAndBytesConfig(load_in_4bit=True)')}\n" + TRAIN.format(""),
    ],
)
def test_only_the_weights_count_where_not_all_is_certainly_trained(found, code):
    assert found(code, "24GiB") == []


def test_never_without_a_target_gpu(found):
    assert found(f"m = {load(model=SEVENTY)}.cuda()", "") == []
