"""HF404: what bitsandbytes reaches of an architecture, in which release."""

from __future__ import annotations

import pytest

from hflint.facts.record import ModelRecord

CODE = """\
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

config = BitsAndBytesConfig({bits})
model = AutoModelForCausalLM.from_pretrained("{model}", quantization_config=config{arguments})
"""
FOUR, EIGHT = "load_in_4bit=True", "load_in_8bit=True"


def found(report_of, model: str, bits: str = FOUR, transformers: str = "5.23", arguments: str = ""):
    code = CODE.format(model=model, bits=bits, arguments=arguments)
    return report_of(code, "HF404", transformers=transformers).findings


@pytest.mark.parametrize(
    ("model", "bits", "words"),
    [
        ("mistralai/Mixtral-8x7B-v0.1", FOUR, ("2.9%", "85 GiB, not 23")),
        ("mistralai/Mixtral-8x22B-v0.1", FOUR, ("3.5%", "255 GiB, not 68")),
        ("Qwen/Qwen3-30B-A3B", FOUR, ("3.0%", "56 GiB, not 16")),
        ("Qwen/Qwen3-30B-A3B", EIGHT, ("3.0%", "56 GiB, not 29")),
        ("tiiuae/falcon-7b", FOUR, ("reaches nothing", "13 GiB, not 4")),
    ],
)
def test_says_how_much_is_reached_and_what_it_takes(report_of, model, bits, words):
    (finding,) = found(report_of, model, bits)
    assert all(word in finding.message for word in words), finding.message


@pytest.mark.parametrize(
    ("model", "transformers", "expected"),
    [
        ("mistralai/Mixtral-8x7B-v0.1", "4.57.6", 0),
        ("mistralai/Mixtral-8x7B-v0.1", "5.0.0", 1),
        ("mistralai/Mixtral-8x7B-v0.1", ">=4.57,<6", 1),
        ("tiiuae/falcon-7b", "5.4.0", 0),
        ("tiiuae/falcon-7b", "5.5.0", 1),
        ("meta-llama/Llama-3.1-8B", "5.23", 0),
        ("bigscience/bloom-560m", "5.23", 0),
        ("google/mt5-small", "5.23", 0),
    ],
)
def test_the_release_decides(report_of, model, transformers, expected):
    assert len(found(report_of, model, transformers=transformers)) == expected


@pytest.mark.parametrize(
    ("model", "bits", "arguments", "expected"),
    [
        ("mistralai/Mixtral-8x7B-v0.1", FOUR, ", trust_remote_code=True", 1),
        ("tiiuae/falcon-7b", FOUR, ", trust_remote_code=True", 0),
        ("tiiuae/falcon-7b", FOUR, ", **options", 0),
        ("mistralai/Mixtral-8x7B-v0.1", "load_in_4bit=wanted", "", 0),
        ("mistralai/Mixtral-8x7B-v0.1", "load_in_4bit=False", "", 0),
        ("TheBloke/Mixtral-8x7B-v0.1-GPTQ", FOUR, "", 0),
        ("deepseek-ai/DeepSeek-V3", FOUR, "", 0),  # stored in fp8: HF403 reports it
    ],
)
def test_only_the_librarys_own_layers_count(report_of, model, bits, arguments, expected):
    assert len(found(report_of, model, bits, arguments=arguments)) == expected


@pytest.mark.parametrize(
    ("model_type", "custom_code", "arguments", "expected"),
    [
        ("falcon", False, "trust_remote_code=True", 1),
        ("falcon", False, "trust_remote_code=True, revision=wanted", 0),
        ("falcon", True, "trust_remote_code=True", 0),
        ("falcon", True, "", 1),
        ("falcon", None, "trust_remote_code=True", 0),
        ("mixtral", None, "trust_remote_code=True", 1),
        ("mixtral", True, "trust_remote_code=True", 0),
    ],
)
def test_what_a_lock_says_of_the_repositorys_code_decides(report_of, model_type, custom_code, arguments, expected):
    code = CODE.format(model="acme/own", bits=FOUR, arguments=f", {arguments}")
    lock = {"acme/own": ModelRecord(model_type=model_type, custom_code=custom_code)}
    assert len(report_of(code, "HF404", lock=lock, transformers="5.23").findings) == expected
