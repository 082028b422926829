"""Arithmetic on a config.json against models that transformers built, and `hflint model`, which prints it."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflint.facts import estimate
from hflint.facts.lock import Entry, Lock, write_lock
from hflint.facts.model_command import ModelOptions, run_model
from hflint.facts.record import ModelRecord
from hflint.facts.shape import shape_of

RECORDED = json.loads((Path(__file__).parent / "recorded_shapes.json").read_text(encoding="utf-8"))["models"]
KINDS = {one["config"]["model_type"] for one in RECORDED}
LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
MIXTRAL = {
    **LLAMA_8B,
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "vocab_size": 32000,
    "num_local_experts": 8,
}
GIB = 2**30


def named(one):
    return f"{one['config']['model_type']}-{one['parameters']}"


@pytest.mark.parametrize("one", RECORDED, ids=named)
def test_counts_equal_the_models(one):
    shape = shape_of(one["config"])
    assert (shape.parameters, shape.linear, shape.adapted) == (one["parameters"], one["linear"], one["adapted"])


def test_many_architectures_are_recorded():
    assert len(KINDS) >= 20
    assert sum("saved" in one for one in RECORDED) >= 6


@pytest.mark.parametrize("one", [one for one in RECORDED if "saved" in one], ids=named)
def test_activations_are_within_a_twentieth_of_the_models(one):
    shape = shape_of(one["config"])
    for name, measured in one["saved"].items():
        layer = shape.saved_lora if name.startswith("lora") else shape.saved
        checkpointing = name.endswith("checkpointed")
        # What is saved leaves out the layer that is computed again.
        again = 1024 * layer if checkpointing else 0
        assert estimate.activation_bytes(shape, layer, 1024, checkpointing=checkpointing) - again == pytest.approx(
            measured, rel=0.05
        ), name


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "novel"},
        {"model_type": None},
        {"model_type": ["llama"]},
        {"hidden_size": None},
        {"hidden_size": "4096"},
        {"num_attention_heads": 0},
        {"num_attention_heads": 5000},  # more heads than the layers are wide
        {"intermediate_size": None},
        {"architectures": ["LlamaForSequenceClassification"]},
        {"architectures": "LlamaForCausalLM"},
        {"architectures": [3]},
        {"model_type": "mixtral"},  # without its experts
        {"model_type": "opt", "ffn_dim": 8, "word_embed_proj_dim": 512},
        {"model_type": "stablelm", "qk_layernorm": True},
        {"model_type": "qwen3_moe", "num_experts": 8, "moe_intermediate_size": 8, "mlp_only_layers": [0]},
        {"model_type": "gpt2"},  # without its positions
    ],
)
def test_what_is_not_known_has_no_shape(change):
    assert shape_of({**LLAMA_8B, **change}) is None


json_values = (
    st.none() | st.booleans() | st.integers(-2, 10**6) | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(sorted(LLAMA_8B)), json_values))
def test_no_config_raises(kind, change):
    shape_of({**LLAMA_8B, "model_type": kind, **change})


def test_without_its_head():
    whole, bare = shape_of(LLAMA_8B), shape_of({**LLAMA_8B, "architectures": ["LlamaModel"]})
    assert whole.parameters - bare.parameters == whole.embedding


def test_figures_of_an_8b_model():
    shape = shape_of(LLAMA_8B)
    weights = estimate.weight_bytes(shape)
    assert weights["float32"] / GIB == pytest.approx(29.9, abs=0.05)
    assert weights["bfloat16"] / GIB == pytest.approx(15.0, abs=0.05)
    assert weights["nf4"] / GIB == pytest.approx(5.3, abs=0.05)
    assert estimate.reached_share(shape) == pytest.approx(0.869, abs=0.001)
    assert estimate.cache_bytes(shape, 1, 8192) == GIB
    # rank 16 on all linear layers
    assert estimate.training(shape, "lora", rank=16).gradients == 4 * 41_943_040


def test_four_bits_pass_by_fused_experts():
    shape = shape_of(MIXTRAL)
    assert estimate.reached_share(shape) == pytest.approx(0.029, abs=0.001)
    assert estimate.weight_bytes(shape)["nf4"] / GIB == pytest.approx(85, abs=1)
    assert estimate.weight_bytes(shape, experts_reached=True)["nf4"] / GIB == pytest.approx(23, abs=1)
    assert estimate.training(shape, "full").total is None, "what its experts keep is not known"


def test_what_saves_memory_saves_memory():
    shape = shape_of(LLAMA_8B)
    full, lora, qlora = (estimate.training(shape, method) for method in ("full", "lora", "qlora"))
    assert full.total > lora.total > qlora.total
    assert full.weights == 2 * shape.parameters
    assert full.optimizer == 2 * full.gradients
    assert estimate.training(shape, "full", checkpointing=True).total < full.total
    more = estimate.training(shape, "full", batch=8)
    assert more.activations == 8 * full.activations


# the command


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """A project whose lock knows a model."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    shape = shape_of(LLAMA_8B)
    record = ModelRecord(
        commit="c" * 40,
        model_type="llama",
        parameters=shape.parameters,
        eos_token="<|eot|>",
        gated=True,
        tensors={"BF16": shape.parameters},
        shape=shape,
    )
    experts = ModelRecord(model_type="mixtral", shape=shape_of(MIXTRAL))
    path = tmp_path / "hflint.lock"
    write_lock(path, Lock({"acme/8b": Entry(record, date(2026, 11, 1)), "acme/moe": Entry(experts, date(2026, 11, 1))}))
    return path


@pytest.fixture
def printed(capsys):
    """`printed(id)`: what `hflint model` prints of it."""

    def run(model_id: str, **options) -> str:
        assert run_model(ModelOptions(model_id, **options)) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.usefixtures("lock")
def test_model_prints_facts_sources_and_memory(printed):
    text = printed("acme/8b")
    assert "hflint.lock, " in text
    assert "days old" in text
    assert "eos token            <|eot|>" in text
    assert "tensors              BF16 8,030,261,248" in text
    assert "4-bit (nf4)               5.3 GiB   reaches 86.9% of the parameters" in text
    assert "QLoRA" in text
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_json_is_a_contract(lock, printed):
    told = json.loads(printed("acme/8b", batch=2, length=1024, output_format="json"))
    assert list(told) == ["version", "id", "sources", "facts", "parameters_from", "shape", "memory"]
    assert told["version"] == 1
    assert told["sources"] == [{"origin": "lock", "source": str(lock), "since": "2026-11-01"}]
    assert told["facts"]["commit"] == "c" * 40
    assert (told["memory"]["batch"], told["memory"]["length"]) == (2, 1024)
    assert told["memory"]["kv_cache"] == GIB // 4
    assert [(step["method"], step["checkpointing"]) for step in told["memory"]["training"]][:2] == [
        ("full", False),
        ("full", True),
    ]


@pytest.mark.usefixtures("lock")
def test_a_mixture_says_what_four_bits_reach(printed):
    text = printed("acme/moe")
    assert "reaches 2.9% of the parameters" in text
    assert "before, 4-bit loading reached them" in text
    assert "was not measured" in text


@pytest.mark.usefixtures("lock")
def test_what_only_the_catalogue_or_the_name_knows(printed):
    text = printed("meta-llama/Llama-3.1-8B")
    assert "4-bit (nf4)               5.3 GiB   reaches 86.9% of the parameters" in text
    assert "QLoRA                    26.8 GiB        9.8 GiB" in text
    text = printed("google-bert/bert-base-uncased")
    assert "catalogue" in text
    assert "The sizes of its layers are not known here" in text
    assert "about 7B parameters, going by its name" in printed("acme/thing-7B")


@pytest.mark.usefixtures("lock")
def test_unknown_models_and_no_models(capsys):
    assert run_model(ModelOptions("acme/unheard-of")) == 1
    assert "Nothing is known of acme/unheard-of" in capsys.readouterr().out
    assert run_model(ModelOptions("acme/unheard-of", output_format="json")) == 1
    assert json.loads(capsys.readouterr().out)["facts"] is None
    assert run_model(ModelOptions("./output")) == 2
    assert capsys.readouterr().err == "error: './output' is no id of a model on the hub\n"


def test_a_clock_that_is_behind_makes_no_negative_age(lock, printed):
    write_lock(lock, Lock({"acme/8b": Entry(ModelRecord(parameters=1), date(2999, 1, 1))}))
    assert "hflint.lock, 0 days old" in printed("acme/8b")


def test_a_damaged_lock_is_one_line(lock, capsys):
    lock.write_text("version = 9\n")
    assert run_model(ModelOptions("acme/8b")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_nothing_heavy_is_imported(lock):
    code = (
        "import sys; from hflint.facts.model_command import *; run_model(ModelOptions('acme/8b'));"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub', 'libcst', 'rich') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=lock.parent, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "[]"
