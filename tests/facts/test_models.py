"""Model facts: the catalogue's shape and figures, what names give away, what is no model id, and several providers."""

import importlib.util
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from hflint.facts.model_names import is_model_id, quantization_in_name, size_in_name
from hflint.facts.models import Catalogue, ModelFacts, Models

ROOT = Path(__file__).parents[2]
FACTS = ROOT / "hflint" / "facts"
CATALOGUE = tomllib.loads((FACTS / "catalogue.toml").read_text(encoding="utf-8"))

FIELD_TYPES = {
    "model_type": str,
    "head": str,
    "parameters": int,
    "dtype": str,
    "tokenizer": str,
    "vocab_size": int,
    "has_pad_token": bool,
    "pad_token": str,
    "pad_token_since": str,
    "padding_side": str,
    "context_length": int,
    "model_max_length": int,
    "instruct": bool,
    "chat_template": bool,
    "adds_bos": bool,
    "remote_code": bool,
    "gated": bool,
    "license": str,
    "quantized": str,
    "quantization_bits": int,
    "task_prefix": list,
}
WORDS = {
    "head": {"causal", "seq2seq", "encoder", "embedding", "vision", "audio", "vision-text"},
    "dtype": {"float32", "float16", "bfloat16"},
    "padding_side": {"left", "right"},
}


def maker():
    spec = importlib.util.spec_from_file_location("make_catalogue", ROOT / "scripts" / "make_catalogue.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Only:
    """A provider that knows one model."""

    def __init__(self, facts):
        self.facts = facts

    def find(self, model_id, _revision=None):
        return self.facts if model_id == self.facts.id else None

    def fingerprint(self):
        return repr(self.facts)


class Allowed:
    """Releases of transformers that a project allows."""

    def __init__(self, *releases):
        self.releases = releases

    def any(self, spec):
        return any(release in SpecifierSet(spec) for release in self.releases)


# the catalogue


def test_table_is_made_of_the_catalogue():
    module = maker()
    assert module.render(module.build(CATALOGUE)) == (FACTS / "tables" / "models.json").read_text(encoding="utf-8")


def test_table_is_small():
    assert (FACTS / "tables" / "models.json").stat().st_size < 200_000


@pytest.mark.parametrize("name", CATALOGUE["family"])
def test_fields_are_typed_and_sourced(name):
    family = CATALOGUE["family"][name]
    assert family["model"], "a family has models"
    for entry in (family, *family["model"]):
        assert entry["from"], "every entry has a source"
        for field, value in entry.items():
            if field in {"id", "from", "model", "also", "copies", "bnb_4bit", "config"}:
                continue
            assert type(value) is FIELD_TYPES[field], f"{name}: {field}"
            assert value or value is False, f"{name}: {field}"
            assert field not in WORDS or value in WORDS[field], f"{name}: {field} = {value}"


def test_every_field_of_the_catalogue_is_a_field_of_the_facts():
    assert set(FIELD_TYPES) <= {field.name for field in fields(ModelFacts)}


@pytest.mark.parametrize("model_id", list(Catalogue()))
def test_every_id_is_an_id_and_consistent(model_id):
    assert is_model_id(model_id)
    facts = Models().find(model_id)
    assert facts.origin == "catalogue"
    assert facts.source
    assert facts.head, "what a model is for is always known"
    assert facts.has_pad_token or facts.pad_token is None, "a pad token is named only where there is one"
    assert facts.has_pad_token is None or facts.pad_token_since is None, "either it holds always, or from a release on"
    assert facts.parameters is None or 1_000_000 < facts.parameters < 2_000_000_000_000


def test_a_size_in_an_id_is_near_the_counted_one():
    far = {}
    for model_id in Catalogue():
        counted, named = Catalogue().find(model_id).parameters, size_in_name(model_id)
        if counted and named and not 0.7 < named / counted < 1.3:
            far[model_id] = (named, counted)
    assert set(far) == {"tiiuae/Falcon3-1B-Base", "tiiuae/Falcon3-1B-Instruct"}, "1.67 billion, as published"


@pytest.mark.parametrize(
    ("model_id", "parameters"),
    [
        ("meta-llama/Llama-3.1-8B", 8_030_261_248),
        ("meta-llama/Llama-2-7b-hf", 6_738_415_616),
        ("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400),
        ("Qwen/Qwen2.5-0.5B", 494_032_768),
        ("Qwen/Qwen3-30B-A3B", 30_532_122_624),
        ("mistralai/Mixtral-8x7B-v0.1", 46_702_792_704),
        ("google/gemma-2-2b-it", 2_614_341_888),
        ("gpt2", 124_439_808),
        ("google/flan-t5-base", 247_577_856),
        ("bert-base-uncased", 109_482_240),
        ("sentence-transformers/all-MiniLM-L6-v2", 22_713_216),
    ],
)
def test_parameters_are_exact(model_id, parameters):
    facts = Models().find(model_id)
    assert (facts.parameters, facts.parameters_from) == (parameters, "catalogue")


def test_sizes_of_layers_give_the_parameters_that_another_source_counted():
    shaped = [facts for model_id in Catalogue() if (facts := Catalogue().find(model_id)) and facts.shape]
    assert len(shaped) > 300, "with the copies"
    assert all(facts.shape.parameters == facts.parameters for facts in shaped)


def test_a_copy_has_the_same_layers():
    original, copy = Models().find("meta-llama/Llama-3.1-8B"), Models().find("unsloth/Llama-3.1-8B")
    assert (original.shape.layers, original.shape.vocabulary) == (32, 128256)
    assert copy.shape == original.shape


def test_checkpoints_that_are_stored_quantized():
    stored = {name: Models().find(name) for name in ("openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V3")}
    assert [(one.quantized, one.quantization_bits) for one in stored.values()] == [("mxfp4", 4), ("fp8", 8)]
    assert Models().find("unsloth/llama-3-8b-bnb-4bit").quantization_bits == 4


@pytest.mark.parametrize(
    ("model_id", "pad_token"),
    [("Qwen/Qwen2.5-7B-Instruct", "<|endoftext|>"), ("google/gemma-2-9b", "<pad>"), ("google-t5/t5-small", "<pad>")],
)
def test_tokenizers_that_ship_a_pad_token(model_id, pad_token):
    facts = Models().find(model_id)
    assert facts.pad_token == pad_token
    assert not facts.lacks_pad_token(Allowed("4.57.6", "5.23.0"))


@pytest.mark.parametrize(
    "model_id",
    [
        "gpt2",
        "meta-llama/Llama-2-7b-hf",
        "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "mistralai/Mistral-7B-v0.1",
        "microsoft/phi-2",
    ],
)
def test_tokenizers_without_a_pad_token(model_id):
    facts = Models().find(model_id)
    assert facts.has_pad_token is False
    assert facts.lacks_pad_token()


def test_a_pad_token_that_came_with_a_release():
    pythia = Models().find("EleutherAI/pythia-1.4b")
    assert pythia.has_pad_token is None
    assert not pythia.lacks_pad_token()
    assert pythia.lacks_pad_token(Allowed("4.50.0", "4.57.6"))
    assert not pythia.lacks_pad_token(Allowed("4.57.6", "5.23.0"))


def test_unknown_says_neither():
    facts = Models().find("someone/model-7b")
    assert facts.has_pad_token is None
    assert not facts.lacks_pad_token(Allowed("5.23.0"))


def test_families_that_share_a_tokenizer():
    tokenizer = {model_id: Models().find(model_id).tokenizer for model_id in Catalogue()}
    assert tokenizer["meta-llama/Llama-3.2-1B"] == tokenizer["meta-llama/Meta-Llama-3-8B"]
    assert tokenizer["Qwen/Qwen3-8B"] == tokenizer["Qwen/Qwen2.5-7B"]
    assert tokenizer["distilbert-base-uncased"] == tokenizer["bert-base-uncased"] == tokenizer["BAAI/bge-small-en-v1.5"]
    assert tokenizer["gpt2"] != tokenizer["facebook/opt-125m"]
    assert tokenizer["bert-base-cased"] != tokenizer["bert-base-uncased"]
    assert tokenizer["google/gemma-3-1b-it"] != tokenizer["google/gemma-2-2b"]


def test_other_ids_of_the_same_repository():
    for short, full in [("gpt2", "openai-community/gpt2"), ("t5-small", "google-t5/t5-small")]:
        one, other = Models().find(short), Models().find(full)
        assert one.id == short
        assert one.family == other.family
        assert one.has_pad_token == other.has_pad_token
    assert Models().find("meta-llama/llama-2-7B-HF").family == "llama-2", "the hub compares ids without case"


def test_a_copy_has_the_weights_but_not_the_tokenizer_files():
    original, copy = Models().find("meta-llama/Llama-3.2-1B-Instruct"), Models().find("unsloth/Llama-3.2-1B-Instruct")
    assert (copy.family, copy.parameters, copy.context_length) == (
        original.family,
        original.parameters,
        original.context_length,
    )
    assert original.gated
    assert original.has_pad_token is False
    assert copy.gated is None
    assert copy.has_pad_token is None
    assert not copy.lacks_pad_token()


def test_a_quantized_copy():
    facts = Models().find("unsloth/llama-3-8b-bnb-4bit")
    assert facts.quantized == "bitsandbytes"
    assert facts.family == "llama-3"
    assert facts.dtype is None


# names


@pytest.mark.parametrize(
    ("model_id", "size"),
    [
        ("org/name-8B", 8_000_000_000),
        ("org/name-8b-it", 8_000_000_000),
        ("org/name-1.3B", 1_300_000_000),
        ("org/name_7B_chat", 7_000_000_000),
        ("org/name-135M-Instruct", 135_000_000),
        ("org/name-7b1", 7_100_000_000),
        ("org/name-1b7-mt", 1_700_000_000),
        ("org/Name2.5-Coder-32B-Instruct-AWQ", 32_000_000_000),
        ("org/name-30B-A3B", 30_000_000_000),
        ("org/name-235B-A22B-Instruct-2507", 235_000_000_000),
        ("org/name-7B-Instruct-1M", 7_000_000_000),
        ("org/name-9b-chat-1m", 9_000_000_000),
        ("org/name-1.1B-step-50K-105b-tokens", 1_100_000_000),
        ("org/7b", 7_000_000_000),
        ("org/name", None),
        ("org/name-A2.7B", None),
        ("org/name-8x7B", None),
        ("org/name-8x7b-instruct-v0.1", None),
        ("org/name-4bit", None),
        ("org/name-v0.1b2", None),
        ("org/name-v2", None),
        ("org/web7b", None),
        ("org/name7bchat", None),
        ("org/name-4.0bpw", None),
        ("org/name-160m-300B", None),
        ("org/teacher-70B-student-7B", None),
        ("org/name-100BT", None),
        ("org/name-1M", None),
        ("org/name-1_8B", None),
        ("org/name_3_8b", None),
        ("org/name-3-8b", 8_000_000_000),
        ("org/name-7b-lora", None),
        ("org/qlora-name-7b", None),
        ("org/name-7b-tokenizer", None),
        ("70b-org/name", None),
    ],
)
def test_size_in_name(model_id, size):
    assert size_in_name(model_id) == size


@pytest.mark.parametrize(
    ("model_id", "method"),
    [
        ("TheBloke/Llama-2-7B-Chat-GPTQ", "gptq"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "gptq"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "awq"),
        ("org/name-7B-GGUF", "gguf"),
        ("org/name-bnb-4bit", "bitsandbytes"),
        ("org/name-nf4", "bitsandbytes"),
        ("mlx-community/name-4bit", "mlx"),
        ("org/name-FP8-dynamic", "fp8"),
        ("org/name-quantized.w4a16", "compressed-tensors"),
        ("org/name-5.0bpw-exl2", "exl2"),
        ("org/name-4bit", "unknown"),
        ("org/name-int8", "unknown"),
        ("org/name-8B", None),
        ("org/hawq", None),
        ("org/name-128bit", None),
        ("org/gggml-like", None),
    ],
)
def test_quantization_in_name(model_id, method):
    assert quantization_in_name(model_id) == method


def test_an_unknown_id_has_only_the_size_of_its_name():
    facts = Models().find("someone/unheard-of-13B-AWQ")
    assert facts == ModelFacts(
        "someone/unheard-of-13B-AWQ",
        "name",
        "its name",
        parameters=13_000_000_000,
        parameters_from="name",
        quantized="awq",
    )
    assert facts.size == "about 13B parameters, going by its name"


def test_a_counted_size_is_said_without_reserve():
    assert Models().find("meta-llama/Llama-3.1-8B").size == "8B parameters"
    assert Models().find("gpt2").size == "124.4M parameters"
    assert ModelFacts("org/name", "lock").size == ""


def test_a_known_model_without_a_count_takes_the_size_of_its_name():
    facts = Models().find("facebook/opt-6.7b")
    assert facts.family == "opt"
    assert (facts.parameters, facts.parameters_from) == (6_700_000_000, "name")
    assert facts.source.endswith("; its name")


@pytest.mark.parametrize("model_id", ["someone/unheard-of", "someone/mixture-8x7B", "unheard-of-7b", "resnet-50"])
def test_an_unknown_id_that_says_nothing(model_id):
    assert Models().find(model_id) is None


# what is no model id


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "./out",
        "./llama-7b",
        "../models/llama-7b",
        "/models/llama-7b",
        "~/llama-7b",
        "~",
        "C:\\models\\llama-7b",
        "C:/models/llama-7b",
        "models\\llama-7b",
        "a/b/llama-7b",
        "meta-llama/Llama-2-7b-hf/",
        "/gpt2",
        "gpt2/",
        "models/llama-7b",
        "outputs/checkpoint-500-7b",
        "checkpoints/llama-7b",
        "saved_models/llama-7b",
        "org/name-7b.gguf",
        "model.safetensors",
        "https://huggingface.co/org/name-7b",
        "org/name 7b",
        "org/name-7b\n",
        "org/name--7b",
        "org/na..me-7b",
        "-org/name-7b",
        "{org}/name-7b",
        "$MODEL",
        "ümlaut/name-7b",
        "x" * 200,
    ],
)
def test_paths_and_other_texts_are_no_models(text):
    assert not is_model_id(text)
    assert Models().find(text) is None


@given(st.text())
def test_any_text_is_answered(text):
    facts = Models().find(text)
    assert facts is None or is_model_id(text)


# several providers


def test_an_earlier_provider_is_right_and_later_ones_fill_its_gaps():
    locked = ModelFacts(
        "meta-llama/Llama-3.1-8B", "lock", "hflint.lock", dtype="float16", parameters=5, parameters_from="lock"
    )
    facts = Models([Only(locked)]).find("meta-llama/Llama-3.1-8B")
    assert (facts.origin, facts.dtype, facts.parameters, facts.parameters_from) == ("lock", "float16", 5, "lock")
    assert (facts.family, facts.tokenizer) == ("llama-3.1", "llama-3")
    assert facts.source.startswith("hflint.lock; ")


def test_what_belongs_together_is_not_mixed():
    locked = ModelFacts("Qwen/Qwen2.5-7B", "lock", "hflint.lock", has_pad_token=False)
    facts = Models([Only(locked)]).find("Qwen/Qwen2.5-7B")
    assert facts.has_pad_token is False
    assert facts.pad_token is None


def test_a_commit_and_its_files_are_those_of_the_first_that_knows_the_model():
    locked = ModelFacts("my/own", "lock", "hflint.lock", gated=True)
    cached = ModelFacts("my/own", "cache", "cache", commit="a" * 40, weights={"safetensors": 1}, eos_token="</s>")
    facts = Models([Only(locked), Only(cached)]).find("my/own")
    assert (facts.gated, facts.eos_token) == (True, "</s>")
    assert (facts.commit, facts.weights) == (None, None)


def test_an_unknown_id_may_be_locked():
    locked = ModelFacts("my/own", "lock", "hflint.lock", has_pad_token=True)
    assert Models([Only(locked)]).find("my/own") == locked


def test_the_fingerprint_follows_the_providers():
    one = Models([Only(ModelFacts("my/own", "lock"))])
    other = Models([Only(ModelFacts("my/own", "lock", gated=True))])
    assert len({Models().fingerprint(), one.fingerprint(), other.fingerprint()}) == 3
    assert Models().fingerprint() == Models().fingerprint()


def test_the_fingerprint_follows_the_catalogue(tmp_path):
    table = tmp_path / "models.json"
    table.write_text("{}", encoding="utf-8")
    assert Catalogue(table).fingerprint() != Catalogue().fingerprint()


# the maker


def test_the_maker_refuses_a_field_without_a_source():
    catalogue = {
        "sources": {"a": "A"},
        "family": {"f": {"head": "causal", "from": {}, "model": [{"id": "x/y", "from": ["a"]}]}},
    }
    with pytest.raises(ValueError, match="sources and fields differ"):
        maker().build(catalogue)


def test_the_maker_refuses_sizes_that_do_not_fit():
    model = {"id": "x/y", "parameters": 7, "config": {"n_embd": 8, "n_layer": 1, "n_head": 1}, "from": ["a"]}
    family = {"model_type": "gpt2", "vocab_size": 9, "from": {"a": ["model_type", "vocab_size"]}, "model": [model]}
    with pytest.raises(ValueError, match="x/y: the sizes of its layers give no known architecture"):
        maker().build({"sources": {"a": "A"}, "family": {"f": family}})
    model["config"]["n_positions"] = 4
    with pytest.raises(ValueError, match="x/y: the sizes of its layers give 992 parameters"):
        maker().build({"sources": {"a": "A"}, "family": {"f": family}})


def test_the_maker_refuses_an_id_twice_whatever_its_case():
    models = [{"id": "x/y", "from": ["a"]}, {"id": "X/y", "from": ["a"]}]
    catalogue = {"sources": {"a": "A"}, "family": {"f": {"head": "causal", "from": {"a": ["head"]}, "model": models}}}
    with pytest.raises(ValueError, match="X/y is there twice"):
        maker().build(catalogue)


def test_the_maker_refuses_a_source_that_is_not_declared():
    catalogue = {
        "sources": {"a": "A"},
        "family": {"f": {"head": "causal", "from": {"a": ["head"]}, "model": [{"id": "x/y", "from": ["b"]}]}},
    }
    with pytest.raises(ValueError, match="x/y names no declared source"):
        maker().build(catalogue)
