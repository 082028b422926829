"""HF802: what needs which package, and whose code is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hflint.check import check_source
from hflint.files import source_from_bytes
from hflint.project import Projects

LOAD = "from transformers import {0}\nmodel = {0}.from_pretrained('x', {1})\n"
TRAIN = "from transformers import Trainer, TrainingArguments\nTrainer(m, TrainingArguments('o', {0}), train_dataset=d).train()\n"


def script(code, *needs):
    return f"# /// script\n# dependencies = {['transformers', *needs]}\n# ///\n{code}"


def needed(report_of, code, **target):
    return [
        one.message.partition(" needs ")[2].partition(",")[0] for one in report_of(code, "HF802", **target).findings
    ]


@pytest.mark.parametrize(
    ("code", "target", "package"),
    [
        ("from transformers import TrainingArguments\nTrainingArguments('o')\n", {}, "accelerate"),
        (LOAD.format("AutoModel", "device_map='auto'"), {}, "accelerate"),
        (LOAD.format("AutoModel", "device_map={'': 0}"), {}, "accelerate"),
        ("from transformers import pipeline\npipeline('text-generation', 'x', device_map='auto')\n", {}, "accelerate"),
        (LOAD.format("AutoModel", "attn_implementation='flash_attention_2'"), {}, "flash-attn"),
        (LOAD.format("MarianTokenizer", ""), {}, "sentencepiece"),
        (LOAD.format("LlamaTokenizer", ""), {"transformers": "4.57.6"}, "sentencepiece"),
        (LOAD.format("LlamaTokenizer", ""), {}, None),
        (LOAD.format("AutoModel", "gguf_file='x.gguf'"), {"transformers": "4.57.6"}, "gguf"),
        (LOAD.format("AutoModel", "gguf_file='x.gguf'"), {}, None),
        (LOAD.format("AutoModel", "device_map=None"), {}, None),
        (LOAD.format("AutoModel", "device_map=chosen"), {}, None),
        (LOAD.format("AutoModel", "attn_implementation='sdpa'"), {}, None),
    ],
)
def test_what_needs_a_package(report_of, code, target, package):
    assert needed(report_of, script(code), **target) == ([package] if package else [])


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        ("optim='paged_adamw_8bit'", ["bitsandbytes"]),
        ("optim='adamw_bnb_8bit'", ["bitsandbytes"]),
        ("optim='adamw_torch'", []),
        ("report_to=['wandb', 'tensorboard']", ["wandb", "tensorboard"]),
        ("report_to='none'", []),
        ("report_to=chosen", []),
        ("use_liger_kernel=True", ["liger-kernel"]),
    ],
)
def test_what_training_needs(report_of, arguments, packages):
    assert needed(report_of, script(TRAIN.format(arguments), "accelerate")) == packages


def test_arguments_that_no_trainer_takes_need_nothing(report_of):
    code = "from transformers import TrainingArguments\nTrainingArguments('o', report_to='wandb')\n"
    assert needed(report_of, script(code, "accelerate")) == []


def test_one_of_several_packages_is_enough(report_of):
    code = LOAD.format("AutoModel", "attn_implementation='flash_attention_2'")
    assert needed(report_of, script(code, "kernels")) == []
    assert needed(report_of, script(TRAIN.format("report_to='tensorboard'"), "accelerate", "tensorboardX")) == []


def test_each_package_is_named_once(report_of):
    load = LOAD.format("AutoModel", "device_map='auto', quantization_config=BitsAndBytesConfig(load_in_8bit=True)")
    code = f"from transformers import BitsAndBytesConfig\n{load}{load}{TRAIN.format('')}"
    assert needed(report_of, script(code)) == ["accelerate", "bitsandbytes"]


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.system('pip install accelerate')\n" + LOAD.format("AutoModel", "device_map='auto'"),
        "try:\n    from transformers import TrainingArguments\n    TrainingArguments('o')\nexcept ImportError:\n    pass\n",
        "from transformers import AutoModel\nif quick:\n    AutoModel.from_pretrained('x', device_map='auto')\n",
        "from vllm import AutoModel\nAutoModel.from_pretrained('x', device_map='auto')\n",
    ],
)
def test_stays_silent(report_of, code):
    assert needed(report_of, script(code)) == []


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("app/train.py", True),
        ("train.py", True),
        ("tests/train.py", False),
        ("examples/a/train.py", False),
        ("app/test_it.py", False),
    ],
)
@pytest.mark.parametrize("is_relative", [False, True])
def test_the_code_that_the_declared_packages_are_for(tmp_path, monkeypatch, name, is_found, is_relative):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "app"\ndependencies = ["transformers", "torch"]\n')
    path = Path(name) if is_relative else tmp_path / name
    project = Projects(overrides={"select": ["HF802"]}).of_folder(tmp_path)
    code = b"from transformers import TrainingArguments\nargs = TrainingArguments('o')\n"
    findings = check_source(source_from_bytes(code, path, name), project).findings
    assert bool(findings) == is_found
    assert all("pyproject.toml: transformers" in one.message for one in findings)
