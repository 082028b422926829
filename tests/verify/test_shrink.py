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


def test_layers_that_are_named_twice_stay_the_same():
    names = ["global", "local"] * 12
    small = shrink({"num_layers": 24, "attention_layers": names, "attention_types": [[["global", "local"], 12]]})
    assert small["num_layers"] == 4
    assert small["attention_types"] == [[small["attention_layers"], 1]] == [[["global", "local"] * 2, 1]]


def test_a_twin_needs_no_kernels_of_a_gpu():
    assert shrink({"use_mamba_kernels": True}) == {"use_mamba_kernels": False}
    assert "use_mamba_kernels" not in shrink({"hidden_size": 8})


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


def test_the_other_names_of_widths_heads_and_layers_shrink():
    small = shrink({"dim": 768, "hidden_dim": 3072, "n_heads": 12, "n_layers": 6, "vocab_size": 30522})
    assert small == {"dim": 64, "hidden_dim": 64, "n_heads": 4, "n_layers": 2, "vocab_size": 512}
    assert shrink({"hidden_size": 768, "projector_hidden_size": 4096, "out_channels": 256, "patch_dim": 768}) == {
        "hidden_size": 64, "projector_hidden_size": 64, "out_channels": 64, "patch_dim": 768,
    }  # fmt: skip


def test_stages_keep_their_ratios_and_heads():
    swin = {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "hidden_size": 768, "patch_size": 4}
    small = shrink(swin | {"image_size": 224})
    assert small == {
        "embed_dim": 24, "depths": [2, 2, 2, 2], "num_heads": [3, 6, 12, 24], "hidden_size": 192, "patch_size": 4,
        "image_size": 64,
    }  # fmt: skip
    assert shrink({"hidden_sizes": [64, 128, 320, 512], "depths": [3, 4, 6, 3]}) == {
        "hidden_sizes": [16, 32, 80, 128], "depths": [2, 2, 2, 2],
    }  # fmt: skip
    assert shrink({"conv_dim": [512] * 7})["conv_dim"] == [16] * 7


def test_layers_that_are_read_out_are_among_those_left():
    names = ["stem", *(f"stage{i}" for i in range(1, 13))]
    backbone = {
        "num_hidden_layers": 12,
        "stage_names": names,
        "out_indices": [3, 6, 9],
        "out_features": ["a", "b", "c"],
    }
    small = shrink(backbone)
    assert small["num_hidden_layers"] == 3
    assert small["out_indices"] == [1, 2, 3]
    assert small["out_features"] == ["stage1", "stage2", "stage3"]
    assert len(small["stage_names"]) == 4
    assert shrink({"vision_feature_layer": [24, 18]})["vision_feature_layer"] == [0, 1]
    assert shrink({"vision_feature_layer": [-2, -9]})["vision_feature_layer"] == [-2, -9]


def test_layers_that_take_the_keys_of_another_keep_it():
    sources = [0, 0, 2, 2, 4, 4]
    types = ["full", "shared"] * 3
    small = shrink({"num_hidden_layers": 6, "layer_types": types, "kv_source_layers": sources})
    left = small["kv_source_layers"]
    assert len(left) == small["num_hidden_layers"] == len(small["layer_types"])
    assert all(left[source] == source <= layer for layer, source in enumerate(left))
