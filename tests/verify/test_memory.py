"""Memory counted on the meta device, against what autograd keeps on the CPU and what is known of real models."""

import pytest

LLAMA_8B = {
    "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False, "max_position_embeddings": 131072,
}  # fmt: skip
SIZES = {
    "vocab_size": 800,
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
}
GROUPED = SIZES | {"num_key_value_heads": 4}
SMALL = {
    "llama": GROUPED,
    "mistral": GROUPED | {"sliding_window": None},
    "qwen2": GROUPED,
    "olmo2": GROUPED,
    "phi3": GROUPED | {"pad_token_id": 0},
    "gpt2": {"vocab_size": 800, "n_embd": 128, "n_layer": 3, "n_head": 8}
    | dict.fromkeys(("attn_pdrop", "resid_pdrop", "embd_pdrop"), 0.0),
}

pytestmark = pytest.mark.usefixtures("session")  # it says why where the libraries are missing


def test_a_real_size_without_its_bytes():
    from hflint.verify.memory import estimate

    found = estimate(LLAMA_8B, dtype="bfloat16", batch=1, length=2048)
    assert found.parameters == 8_030_261_248
    assert found.weights == 2 * found.parameters
    assert found.optimizer == 2 * found.gradients == 4 * found.parameters
    assert found.kv_cache == 2 * 32 * 8 * 128 * 2048 * 2
    assert found.quantizable_share == pytest.approx(0.869, abs=0.001)
    assert found.activations / 2**30 == pytest.approx(13.3, abs=0.1)
    less = estimate(LLAMA_8B, dtype="bfloat16", batch=1, length=2048, checkpointing=True)
    assert less.activations / 2**30 == pytest.approx(1.91, abs=0.05)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_arithmetic_says_the_same_as_the_count(checkpointing):
    from hflint.facts.estimate import training
    from hflint.facts.shape import shape_of
    from hflint.verify.memory import estimate

    counted = estimate(LLAMA_8B, batch=2, length=1024, checkpointing=checkpointing)
    worked_out = training(shape_of(LLAMA_8B), "full", batch=2, length=1024, checkpointing=checkpointing)
    assert counted.activations + counted.logits == pytest.approx(worked_out.activations, rel=0.02)
    assert counted.total == pytest.approx(worked_out.total, rel=0.01)


def test_lora_and_four_bits():
    from hflint.verify.memory import estimate
    from hflint.verify.setup import Adapter, Quantization

    adapter = Adapter(kwargs={"r": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"})
    quantization = Quantization(kwargs={"load_in_4bit": True})
    found = estimate(LLAMA_8B, length=128, adapter=adapter, quantization=quantization)
    assert found.weights / 2**30 == pytest.approx(5.3, abs=0.1)
    assert found.trainable < found.parameters / 100


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", SMALL)
def test_activations_equal_what_autograd_keeps(kind, checkpointing):
    import torch
    import transformers

    from hflint.verify.memory import meta_model, saved_activations
    from hflint.verify.twin import build, full_config

    config = SMALL[kind] | {"model_type": kind, "use_cache": False}
    counted = saved_activations(meta_model(config, dtype="float32"), 2, 64, checkpointing=checkpointing)
    torch.manual_seed(0)
    real = build("AutoModelForCausalLM", full_config(kind, config))
    measured = saved_activations(real, 2, 64, checkpointing=checkpointing)
    # transformers 4 repeats grouped keys and values before attention, which the stand-in does not
    old = transformers.__version__.startswith("4.")
    assert counted == pytest.approx(measured, rel=0.08 if old else 0.05)


def test_an_architecture_that_cannot_be_built_is_one_line():
    from hflint.verify.libraries import UnavailableError
    from hflint.verify.memory import estimate

    with pytest.raises(UnavailableError, match="no model type 'no-such'"):
        estimate({"model_type": "no-such"})
