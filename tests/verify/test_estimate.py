"""The arithmetic of hflint.facts on a config.json, against models that the installed transformers builds and runs."""

import pytest

from hflint.facts.estimate import activation_bytes
from hflint.facts.shape import shape_of

SIZES = {
    "vocab_size": 1000,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
OLD = {"vocab_size": 1000, "n_embd": 192, "n_layer": 3, "n_head": 6, "n_positions": 128}
UNGROUPED = {**SIZES, "num_key_value_heads": 6}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
CONFIGS = {
    "llama": {**SIZES, "mlp_bias": True, "attention_bias": True},
    "granite": SIZES,
    "smollm3": {**SIZES, "pad_token_id": 0},
    "mistral": SIZES,
    "mixtral": {**SIZES, "num_local_experts": 4},
    "phi3": {**SIZES, "pad_token_id": 0},
    "qwen2": SIZES,
    "qwen2_moe": {**SIZES, **EXPERTS, "shared_expert_intermediate_size": 96},
    "qwen3": SIZES,
    "qwen3_moe": {**SIZES, **EXPERTS},
    "olmo": SIZES,
    "olmo2": SIZES,
    "olmoe": {**SIZES, "num_experts": 4},
    "gemma": {**SIZES, "head_dim": 32},
    "gemma2": {**SIZES, "head_dim": 32},
    "gemma3_text": {**SIZES, "head_dim": 32},
    "cohere": SIZES,
    "cohere2": SIZES,
    "stablelm": SIZES,
    "starcoder2": SIZES,
    "phi": UNGROUPED,
    "gpt2": OLD,
    "gpt_bigcode": OLD,
    "gpt_neox": UNGROUPED,
    "gptj": {**OLD, "rotary_dim": 16},
    "opt": {**UNGROUPED, "ffn_dim": 512, "word_embed_proj_dim": 192},
    "bloom": {"vocab_size": 1000, "hidden_size": 192, "n_layer": 3, "n_head": 6},
    "mpt": {"vocab_size": 1000, "d_model": 192, "n_layers": 3, "n_heads": 6, "max_seq_len": 128},
    "falcon": {"vocab_size": 1000, "hidden_size": 192, "num_hidden_layers": 3, "num_attention_heads": 6},
}
MEASURED = {
    "llama": SIZES,
    "mistral": SIZES | {"sliding_window": None},
    "qwen2": SIZES,
    "qwen3": SIZES | {"head_dim": 32},
    "olmo2": SIZES,
    "phi3": SIZES | {"pad_token_id": 0},
    "gemma": SIZES | {"head_dim": 32},
    # With dropout of attention no fused kernel is taken on the CPU.
    "starcoder2": SIZES | dict.fromkeys(("residual_dropout", "embedding_dropout", "attention_dropout"), 0.0),
    "gpt2": OLD | {"attn_pdrop": 0.0},
}
BATCH, LENGTH = 2, 128

pytestmark = pytest.mark.usefixtures("session")  # it says why where the libraries are missing


def test_many_architectures():
    assert len(CONFIGS) >= 20
    assert len(MEASURED) >= 6


@pytest.mark.parametrize("kind", CONFIGS)
def test_parameters_equal_those_on_the_meta_device(kind):
    from hflint.verify.memory import meta_model

    config = {**CONFIGS[kind], "model_type": kind}
    shape = shape_of(config)
    built = meta_model(config)
    assert shape.parameters == sum(p.numel() for p in built.parameters())
    assert 2 * shape.parameters == sum(p.numel() * p.element_size() for p in built.parameters())


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", MEASURED)
def test_activations_are_those_that_autograd_keeps_on_the_cpu(kind, checkpointing):
    import torch
    import transformers

    from hflint.verify.memory import saved_activations
    from hflint.verify.twin import build, full_config

    config = {**MEASURED[kind], "model_type": kind, "use_cache": False}
    torch.manual_seed(0)
    model = build("AutoModelForCausalLM", full_config(kind, config)).to(torch.bfloat16)
    measured = saved_activations(model, BATCH, LENGTH, checkpointing=checkpointing)
    shape = shape_of(config)
    counted = activation_bytes(shape, shape.saved, BATCH * LENGTH, checkpointing=checkpointing)
    if checkpointing:
        counted -= BATCH * LENGTH * shape.saved  # the layer that is computed again is not kept from the first pass
    repeated = 0
    if transformers.__version__.startswith("4.") and "num_key_value_heads" in config and not checkpointing:
        # It repeats grouped keys and values before attention and keeps the copies, in 16 bits, which are not counted.
        repeated = BATCH * LENGTH * config["num_hidden_layers"] * 2 * config["hidden_size"] * 2
    assert 0.95 * measured <= counted + repeated
    assert counted <= 1.05 * measured
