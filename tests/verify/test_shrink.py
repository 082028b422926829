import copy

import pytest

from hflint.verify.shrink import shrink

LLAMA = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
    "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072, "bos_token_id": 128000,
    "eos_token_id": [128001, 128008], "pad_token_id": None, "tie_word_embeddings": False, "head_dim": 128,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192},
}  # fmt: skip


def test_a_usual_model_becomes_tiny_and_the_original_stays():
    before = copy.deepcopy(LLAMA)
    small = shrink(LLAMA, 400)
    assert before == LLAMA
    assert (small["num_hidden_layers"], small["hidden_size"], small["vocab_size"]) == (2, 64, 400)
    assert (small["num_attention_heads"], small["num_key_value_heads"], small["head_dim"]) == (4, 2, 16)
    assert small["bos_token_id"] < 400
    assert all(token < 400 for token in small["eos_token_id"])
    assert small["rope_scaling"] == {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 128}
    assert small["tie_word_embeddings"] is False


@pytest.mark.parametrize(("heads", "kv", "expected"), [(32, 32, 4), (32, 8, 2), (32, 1, 1)])
def test_the_class_of_attention_is_kept(heads, kv, expected):
    assert shrink(LLAMA | {"num_attention_heads": heads, "num_key_value_heads": kv})["num_key_value_heads"] == expected


def test_two_layers_of_every_type_are_kept():
    types = ["linear", "linear", "linear", "full"] * 8
    small = shrink(LLAMA | {"layer_types": types})
    assert small["layer_types"] == ["linear", "linear", "full", "full"]
    assert small["num_hidden_layers"] == 4


def test_lists_of_layer_numbers_follow_the_layers_chosen():
    small = shrink(LLAMA | {"mlp_only_layers": [0, 5]})
    dense = [i in small["mlp_only_layers"] for i in range(small["num_hidden_layers"])]
    assert sum(dense) == 2
    assert dense.count(False) == 2


def test_experts_and_sub_configurations_shrink_too():
    moe = LLAMA | {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "decoder_sparse_step": 1}
    small = shrink({"model_type": "wrapped", "text_config": moe, "id2label": {"0": "a"}})
    assert small["text_config"]["num_experts"] == 4
    assert small["text_config"]["num_experts_per_tok"] == 2
    assert small["text_config"]["moe_intermediate_size"] == 32
    assert small["id2label"] == {"0": "a"}


def test_what_is_small_already_stays():
    tiny = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "vocab_size": 100}
    assert shrink(tiny) == tiny
