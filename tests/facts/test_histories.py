"""Model types, LoRA targets, requirements and variables over the releases read."""

import pytest
from packaging.version import Version

from hflint.facts.histories import auto_classes, default_lora_targets, first_release, reads_variable, required


@pytest.mark.parametrize(("model_type", "release"), [("qwen3", "4.51.0"), ("llama", "4.40.0"), ("nonsense", None)])
def test_the_first_release_with_a_model_type(model_type: str, release: str | None) -> None:
    found = first_release(model_type)
    assert (found and str(found)) == release


def test_auto_classes() -> None:
    assert auto_classes("llama")["CAUSAL_LM"] == "LlamaForCausalLM"
    assert auto_classes("llama")["CONFIG"] == "LlamaConfig"
    assert not auto_classes("nonsense")


def test_default_lora_targets() -> None:
    assert default_lora_targets("llama") == ("q_proj", "v_proj")
    assert default_lora_targets("gpt2") == ("c_attn",)
    assert default_lora_targets("phi3") == ()


def test_requirements() -> None:
    assert required("transformers", Version("4.57.6"))["python"] == ">=3.9.0"
    assert required("transformers", Version("5.23.0"))["torch"] == ">=2.6"
    assert required("transformers", Version("4.30.0")) == {}
    assert required("nonsense", Version("1.0")) == {}


def test_variables() -> None:
    assert reads_variable("huggingface_hub", "HF_ENDPOINT")
    assert not reads_variable("transformers", "NONSENSE")
