"""HF403: what becomes of a quantization that a checkpoint has already."""

from __future__ import annotations

from datetime import date

import pytest

from hflint.check import check_source
from hflint.facts.lock import Entry, Lock, write_lock
from hflint.facts.record import ModelRecord
from hflint.files import source_from_bytes
from hflint.project import Projects

CODE = """\
from transformers import AutoModelForCausalLM, AwqConfig, BitsAndBytesConfig, GPTQConfig, Mxfp4Config

model = AutoModelForCausalLM.from_pretrained("{model}", {arguments})
"""
BITS = "quantization_config=BitsAndBytesConfig(load_in_4bit=True)"
STORED = "unsloth/Qwen2.5-7B-Instruct-bnb-4bit"


def found(report_of, model: str, arguments: str, transformers: str = "5.23"):
    return report_of(CODE.format(model=model, arguments=arguments), "HF403", transformers=transformers).findings


@pytest.mark.parametrize(
    ("model", "arguments", "transformers", "expected"),
    [
        (STORED, BITS, "5.23", ("warning", "ignored with a warning")),
        (STORED, "load_in_4bit=True", "4.57.6", ("warning", "ignored with a warning")),
        (STORED, "quantization_config=GPTQConfig(bits=4)", "5.23", ("error", "transformers 5.23.0 raises")),
        (STORED, "quantization_config=GPTQConfig(bits=4)", ">=4.50,<4.57", ("error", "which this project allows")),
        (STORED, "quantization_config=GPTQConfig(bits=4)", "4.55", ("warning", "ignored with a warning")),
        ("TheBloke/Llama-2-7B-Chat-AWQ", BITS, "5.23", ("warning", "awq, going by its name")),
        ("TheBloke/Llama-2-7B-Chat-AWQ", BITS, "4.54.1", ("warning", "4.54.1 raises `AttributeError`")),
        ("TheBloke/Llama-2-7B-Chat-AWQ", "quantization_config=GPTQConfig(bits=4)", "4.54.1", ("warning", "ignored")),
        ("deepseek-ai/DeepSeek-V3", BITS, "5.23", ("error", "(fp8): transformers 5.23.0 raises `ValueError`")),
        ("deepseek-ai/DeepSeek-V3", BITS, "4.55.4", ("warning", "ignored with a warning")),
        ("openai/gpt-oss-20b", BITS, "5.23", ("error", "(mxfp4): transformers 5.23.0 raises `ValueError`")),
        ("openai/gpt-oss-20b", BITS, "4.55.4", ("error", "4.55.4 raises `AttributeError`")),
    ],
)
def test_what_happens_depends_on_kind_and_release(report_of, model, arguments, transformers, expected):
    (finding,) = found(report_of, model, arguments, transformers)
    severity, words = expected
    assert finding.severity.value == severity
    assert words in finding.message


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("TheBloke/Llama-2-7B-Chat-GPTQ", "quantization_config=GPTQConfig(bits=4, backend='marlin')"),
        ("TheBloke/Llama-2-7B-Chat-AWQ", "quantization_config=AwqConfig(do_fuse=True)"),
        ("openai/gpt-oss-20b", "quantization_config=Mxfp4Config(dequantize=True)"),
        ("Qwen/Qwen2.5-7B-Instruct", BITS),
        ("my-org/model-4bit", BITS),
        ("my-org/model-GPTQ-lora", BITS),
        ("TheBloke/Llama-2-7B-Chat-GGUF", BITS),
        (STORED, "quantization_config=BitsAndBytesConfig(load_in_4bit=True) if wanted else None"),
        (STORED, "load_in_4bit=wanted"),
        (STORED, "**options"),
    ],
)
def test_is_silent_on(report_of, model, arguments):
    assert not found(report_of, model, arguments)


def test_only_what_is_known_of_the_checkpoint_makes_the_fix_safe(report_of):
    (known,) = found(report_of, STORED, BITS)
    (named,) = found(report_of, "TheBloke/Llama-2-7B-Chat-GPTQ", BITS)
    assert known.fix.safety.value == "safe"
    assert named.fix.safety.value == "unsafe"


def test_releases_that_do_not_know_the_format_are_left_alone(report_of):
    assert not found(report_of, "openai/gpt-oss-20b", BITS, "4.50.3")


@pytest.mark.parametrize(("revision", "expected"), [("", 0), (', revision="gptq"', 1), (", revision=chosen", 0)])
def test_the_revision_that_is_loaded_decides(tmp_path, monkeypatch, revision, expected):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    (tmp_path / ".git").mkdir()
    records = {"acme/x": ModelRecord(model_type="llama"), "acme/x@gptq": ModelRecord(quantized="gptq")}
    write_lock(tmp_path / "hflint.lock", Lock({name: Entry(one, date(2026, 11, 21)) for name, one in records.items()}))
    code = CODE.format(model="acme/x", arguments=BITS + revision).encode()
    path = tmp_path / "example.py"
    project = Projects(overrides={"select": ["HF403"]}).of(path)
    assert len(check_source(source_from_bytes(code, path, path.name), project).findings) == expected
