"""HF403: what becomes of a quantization that a checkpoint has already."""

from __future__ import annotations

import pytest

CODE = """\
from transformers import AutoModelForCausalLM, AwqConfig, BitsAndBytesConfig, GPTQConfig

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
