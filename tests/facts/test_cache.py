"""The local hub cache: made by hand in all its states, damaged files among them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hflint.facts.cache import LocalCache, cache_folder
from hflint.facts.models import Models
from hflint.facts.record import ModelRecord

SHA = "0123456789abcdef0123456789abcdef01234567"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "vocab_size": 100,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>",
    "eos_token": {"content": "</s>", "lstrip": False},
    "model_max_length": 2048,
}
TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [{"id": 3, "content": "<s>"}, {"id": 1, "content": "b"}],
    "post_processor": {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel"},
            {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {}}]},
        ],
    },
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2}, "merges": []},
}
PARAMETERS = 86_848  # of CONFIG, as transformers builds it


def weights(path: Path, *shapes, dtype="BF16", extra=None, cut=0):
    header, offset = dict(extra or {}), sum(one["data_offsets"][1] for one in (extra or {}).values())
    for number, shape in enumerate(shapes):
        size = 2
        for side in shape:
            size *= side
        header[f"w{number}"] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    data = json.dumps(header).encode()
    path.write_bytes((len(data).to_bytes(8, "little") + data + bytes(offset))[: -cut or None])


class Hand:
    """A cache made by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = LocalCache(folder)

    def repository(self, model_id="acme/tiny", *, ref=True, **files) -> Path:
        root = self.folder / f"models--{model_id.replace('/', '--')}"
        snapshot = root / "snapshots" / SHA
        snapshot.mkdir(parents=True)
        if ref:
            (root / "refs").mkdir()
            (root / "refs" / "main").write_text(SHA)
        for name, content in files.items():
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            path = snapshot / name.replace("__", ".")
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return snapshot

    def absent(self, *names, model_id="acme/tiny"):
        """Remember that the hub has no such files, as huggingface_hub does."""
        folder = self.folder / f"models--{model_id.replace('/', '--')}" / ".no_exist" / SHA
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).touch()

    def record(self, model_id="acme/tiny", **options) -> ModelRecord | None:
        self.snapshot = self.cache.snapshot(model_id)
        return self.cache.record(self.snapshot, **options)


@pytest.fixture
def hand(tmp_path):
    return Hand(tmp_path / "hub")


# where it is


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}, "/c"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/h"}, "/old"),
        ({"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/h/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": "~/h"}, str(Path.home() / "h" / "hub")),
        ({}, str(Path.home() / ".cache" / "huggingface" / "hub")),
    ],
)
def test_folder_is_huggingface_hubs(environment, expected):
    assert cache_folder(environment) == Path(expected)
    pytest.importorskip("huggingface_hub")
    code = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    base = {"HOME": str(Path.home()), "PATH": "/usr/bin:/bin"}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**base, **environment}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == expected


def test_what_is_not_cached_costs_one_open(hand, monkeypatch):
    opened = []
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, **options: opened.append(self) or real(self, **options))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: pytest.fail("a stat too many"))
    assert hand.cache.find("acme/other") is None
    assert len(opened) == 1


# what it says


def test_facts_of_a_whole_repository(hand):
    snapshot = hand.repository(config__json=CONFIG, tokenizer_config__json=TOKENIZER_CONFIG, tokenizer__json=TOKENIZER)
    hand.absent("special_tokens_map.json", "chat_template.jinja", "chat_template.json")
    weights(snapshot / "model.safetensors", [40_000], [46_848])
    facts = Models([hand.cache]).find("acme/tiny")
    assert (facts.origin, facts.source) == ("cache", f"local cache, commit {SHA[:8]}")
    assert (facts.model_type, facts.head, facts.dtype) == ("llama", "causal", "bfloat16")
    assert (facts.parameters, facts.parameters_from) == (PARAMETERS, "cache")
    assert (facts.vocab_size, facts.context_length, facts.model_max_length) == (100, 4096, 2048)
    assert (facts.has_pad_token, facts.padding_side, facts.adds_bos) == (False, "right", True)
    assert (facts.chat_template, facts.remote_code, facts.quantized) == (False, False, None)
    assert facts.gated is None
    assert (facts.commit, facts.architectures, facts.custom_code) == (SHA, ("LlamaForCausalLM",), False)
    assert (facts.bos_token, facts.eos_token) == ("<s>", "</s>")
    assert facts.weights == {"safetensors": (snapshot / "model.safetensors").stat().st_size}
    assert facts.shape.parameters == PARAMETERS
    assert (facts.template_writes_bos, facts.quantization_bits, facts.tokenizer_length) == (None, None, None)
    record = hand.record(count_tokens=True)
    assert (record.bos_token, record.eos_token, record.tokenizer_length) == ("<s>", "</s>", 4)
    assert record.shape.parameters == PARAMETERS
    assert record.weights == {"safetensors": (snapshot / "model.safetensors").stat().st_size}
    assert not hand.cache.notes


def test_parameters_from_the_config_where_no_weights_are_cached(hand):
    hand.repository(config__json=CONFIG)
    facts = hand.cache.find("acme/tiny")
    assert (facts.parameters, facts.dtype) == (PARAMETERS, "bfloat16")
    assert facts.chat_template is None
    assert facts.remote_code is None, "its tokenizer may bring code"


def test_stored_dtype_goes_before_what_the_config_says(hand):
    snapshot = hand.repository(config__json=CONFIG)
    weights(snapshot / "model.safetensors", [PARAMETERS], dtype="F32")
    assert hand.cache.find("acme/tiny").dtype == "float32"


def test_shards_are_counted_together(hand):
    shards = {"w0": "model-00001-of-00002.safetensors", "w1": "model-00002-of-00002.safetensors"}
    snapshot = hand.repository(
        config__json={"model_type": "novel"}, model__safetensors__index__json={"weight_map": shards}
    )
    weights(snapshot / shards["w0"], [1000])
    assert hand.cache.find("acme/tiny").parameters is None, "a shard is missing"
    weights(snapshot / shards["w1"], [10, 20])
    assert hand.cache.find("acme/tiny").parameters == 1200


def test_buffers_and_a_tied_head_are_no_parameters(hand):
    snapshot = hand.repository(config__json={**CONFIG, "tie_word_embeddings": True})
    mask = {"h.0.attn.bias": {"dtype": "BF16", "shape": [1, 1, 8, 8], "data_offsets": [0, 128]}}
    weights(snapshot / "model.safetensors", [PARAMETERS], extra=mask)  # one embedding too many
    assert hand.cache.find("acme/tiny").parameters == PARAMETERS - 6400


@pytest.mark.parametrize(
    ("config", "method", "bits"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq", 4),
        ({"quant_method": "awq", "w_bit": 4}, "awq", 4),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", 8),
        ({"load_in_4bit": True}, "bitsandbytes", 4),
        ({"quant_method": "fp8"}, "fp8", None),
    ],
)
def test_packed_weights_say_how_and_no_parameters(hand, config, method, bits):
    snapshot = hand.repository(config__json={**CONFIG, "quantization_config": config})
    weights(snapshot / "model.safetensors", [500], dtype="I32")
    record = hand.record()
    assert (record.quantized, record.quantization_bits) == (method, bits)
    assert record.parameters is None
    assert record.dtype is None


@pytest.mark.parametrize(
    ("tokenizer_config", "config", "expected"),
    [
        ({"pad_token": "<pad>"}, {}, True),
        ({"pad_token": {"content": "<pad>"}}, {}, True),
        ({"pad_token": None}, {}, False),
        ({"pad_token": None}, {"model_type": "novel"}, None),
        ({}, {}, False),
        ({}, {"model_type": "qwen2"}, None),  # AutoTokenizer brings one with its own class
        ({"tokenizer_class": "Qwen2Tokenizer"}, {"model_type": "qwen3"}, None),
        ({"tokenizer_class": "NovelTokenizer"}, {}, None),
        ({"tokenizer_class": None}, {}, None),
    ],
)
def test_a_missing_pad_token_is_certain_only_where_it_was_measured(hand, tokenizer_config, config, expected):
    hand.repository(
        config__json={**CONFIG, **config},
        tokenizer_config__json={**TOKENIZER_CONFIG, **tokenizer_config},
        tokenizer__json=TOKENIZER,
        special_tokens_map__json={"bos_token": "<s>"},
    )
    assert hand.cache.find("acme/tiny").has_pad_token is expected


@pytest.mark.parametrize(
    "files",
    [
        {},  # no tokenizer.json, and no word of special_tokens_map.json
        {"tokenizer__json": TOKENIZER},
        {"tokenizer__json": {**TOKENIZER, "padding": {"pad_token": "<pad>"}}, "special_tokens_map__json": {"a": "b"}},
        {"tokenizer__json": TOKENIZER, "special_tokens_map__json": {"pad_token": "<pad>"}},
        {"tokenizer__json": "{", "special_tokens_map__json": {"a": "b"}},
    ],
)
def test_a_pad_token_that_another_file_may_bring_is_unknown(hand, files):
    hand.repository(config__json=CONFIG, tokenizer_config__json=TOKENIZER_CONFIG, **files)
    assert hand.cache.find("acme/tiny").has_pad_token is None


@pytest.mark.parametrize(
    ("template", "present", "writes"),
    [
        ("{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}", True, True),
        ("{{- bos_token + messages[0].content }}", True, True),
        ("<s>[INST] {{ messages[0].content }}", True, True),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", True, False),
        ("{% set first = bos_token %}{{ first }}", True, None),
        ([{"name": "default", "template": "{{ bos_token }}"}, {"name": "tools", "template": "x"}], True, True),
        ([{"name": "tools", "template": "{{ bos_token }}"}], True, None),
    ],
)
def test_chat_templates(hand, template, present, writes):
    hand.repository(config__json=CONFIG, tokenizer_config__json={**TOKENIZER_CONFIG, "chat_template": template})
    record = hand.record()
    assert (record.chat_template, record.template_writes_bos) == (present, writes)


def test_a_template_of_its_own_file_goes_first(hand):
    hand.repository(
        config__json=CONFIG,
        tokenizer_config__json={**TOKENIZER_CONFIG, "chat_template": "{{ bos_token }}"},
        chat_template__jinja="plain",
    )
    assert hand.record().template_writes_bos is False


@pytest.mark.parametrize(("where", "expected"), [("config", True), ("tokenizer", True), ("", False)])
def test_code_of_the_repository(hand, where, expected):
    code = {"auto_map": {"AutoConfig": "configuration_acme.AcmeConfig"}}
    hand.repository(
        config__json={**CONFIG, **(code if where == "config" else {})},
        tokenizer_config__json={**TOKENIZER_CONFIG, **(code if where == "tokenizer" else {})},
    )
    record = hand.record()
    assert record.custom_code is expected
    assert record.remote_code is (False if not expected else None), "transformers has its own code for llama"
    assert record.code_repository is None


@pytest.mark.parametrize(
    ("kind", "tokenizer", "expected"),
    [
        ("novel", {"auto_map": {"AutoTokenizer": ["acme/code--tokenization.Tokenizer", None]}}, True),
        ("novel", {"tokenizer_class": "PreTrainedTokenizerFast"}, None),  # that can be loaded without
        ("mamba", {"auto_map": {"AutoTokenizer": ["acme/code--tokenization.Tokenizer", None]}}, None),
        (None, {"auto_map": {"AutoTokenizer": ["acme/code--tokenization.Tokenizer", None]}}, None),
    ],
)
def test_a_type_that_no_release_knows_needs_its_code(hand, kind, tokenizer, expected):
    code = {"AutoConfig": "acme/code--configuration.Config", "AutoModel": "acme/code--modeling.Model"}
    hand.repository(config__json={"model_type": kind, "auto_map": code}, tokenizer_config__json=tokenizer)
    facts = hand.cache.find("acme/tiny")
    assert (facts.remote_code, facts.custom_code, facts.code_repository) == (expected, True, "acme/code")
    assert facts.tokenizer_code is ("auto_map" in tokenizer)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"pad_token_id": 0, "eos_token_id": [1, 2], "max_length": 4096, "temperature": 0.6},
            (0, (1, 2), 4096),
        ),
        ({"pad_token_id": -1, "eos_token_id": 7, "max_length": "long"}, (None, (7,), None)),
        ({"eos_token_id": [True, None, 3]}, (None, (3,), None)),
        ("[]", (None, None, None)),
    ],
)
def test_what_the_generation_config_says(hand, content, expected):
    hand.repository(config__json=CONFIG, generation_config__json=content)
    facts = hand.cache.find("acme/tiny")
    assert (facts.generation_pad_id, facts.generation_eos_ids, facts.generation_max_length) == expected


def test_a_revision_is_looked_up_as_such(hand):
    snapshot = hand.repository(config__json=CONFIG)
    other = snapshot.with_name("f" * 40)
    other.mkdir()
    (other / "config.json").write_text(json.dumps({**CONFIG, "max_position_embeddings": 77}))
    (snapshot.parents[1] / "refs" / "v1").write_text("f" * 40)
    find = hand.cache.find
    assert find("acme/tiny", "v1").context_length == find("acme/tiny", "f" * 40).context_length == 77
    assert find("acme/tiny", "main").context_length == find("acme/tiny", SHA).context_length == 4096
    assert (find("acme/tiny", "v1").revision, find("acme/tiny", "main").revision) == ("v1", None)
    assert find("acme/tiny", "v2") is find("acme/tiny", "e" * 40) is find("acme/tiny", "../refs/main") is None
    assert Models([hand.cache]).find("acme/tiny", "v1").commit == "f" * 40


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"n_positions": 1024}, 1024),
        ({"max_seq_len": 2048}, 2048),
        ({"text_config": {"max_position_embeddings": 8192, "vocab_size": 7}}, 8192),
        ({"model_type": "t5", "n_positions": 512}, None),
        ({"model_type": "roberta", "max_position_embeddings": 514}, None),
        ({"max_position_embeddings": "long"}, None),
        ({"max_position_embeddings": True}, None),
        ({}, None),
    ],
)
def test_context_length_under_its_names(hand, config, expected):
    hand.repository(config__json={"model_type": "novel", **config})
    assert hand.cache.find("acme/tiny").context_length == expected


def test_the_sentinel_is_no_length(hand):
    hand.repository(config__json=CONFIG, tokenizer_config__json={**TOKENIZER_CONFIG, "model_max_length": 10**30})
    assert hand.cache.find("acme/tiny").model_max_length is None


# what is damaged, or missing


@pytest.mark.parametrize("content", ["", "{", "[]", "null", b"\xff\xfe\x00", "[" * 100_000])
def test_a_damaged_config_is_no_answer_and_noted(hand, content):
    hand.repository(config__json=content)
    assert hand.cache.find("acme/tiny") is None
    assert any("config.json" in note for note in hand.cache.notes)


@pytest.mark.parametrize("content", ["", "{", "[]", b"\xff\xfe\x00"])
def test_a_damaged_tokenizer_config_leaves_the_rest(hand, content):
    hand.repository(config__json=CONFIG, tokenizer_config__json=content)
    facts = hand.cache.find("acme/tiny")
    assert facts.model_type == "llama"
    assert facts.has_pad_token is None
    assert hand.cache.notes == [
        "acme/tiny: tokenizer_config.json is " + ("no JSON object" if content == "[]" else "not valid JSON")
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        (2**40).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"nope",
        (2).to_bytes(8, "little") + b"[]",
        (12).to_bytes(8, "little") + b'{"w": {"x"}}',
        (8).to_bytes(8, "little") + b'{"w": 1}',
    ],
)
def test_damaged_weights_leave_the_rest(hand, data):
    hand.repository(config__json=CONFIG, model__safetensors=data)
    facts = hand.cache.find("acme/tiny")
    assert facts.parameters == PARAMETERS
    assert any("model.safetensors is damaged" in note for note in hand.cache.notes)


def test_weights_that_end_early_are_damaged(hand):
    snapshot = hand.repository(config__json={"model_type": "novel"})
    weights(snapshot / "model.safetensors", [1000], cut=1)
    assert hand.cache.find("acme/tiny").parameters is None
    assert "it ends after" in hand.cache.notes[0]


def test_a_link_to_nowhere_is_noted(hand):
    snapshot = hand.repository(config__json=CONFIG)
    (snapshot / "tokenizer_config.json").symlink_to("../../blobs/gone")
    assert hand.cache.find("acme/tiny").model_type == "llama"
    assert hand.cache.notes == ["acme/tiny: tokenizer_config.json is a link to nowhere"]


def test_without_the_main_branch_nothing_is_loaded_by_default(hand):
    hand.repository(ref=False, config__json=CONFIG)
    assert hand.cache.find("acme/tiny") is None


@pytest.mark.parametrize("reference", ["", "../../elsewhere", "\x00", "é"])
def test_a_damaged_reference_is_no_answer(hand, reference):
    snapshot = hand.repository(config__json=CONFIG)
    (snapshot.parents[1] / "refs" / "main").write_text(reference, encoding="utf-8")
    assert hand.cache.find("acme/tiny") is None


@pytest.mark.parametrize("model_id", ["../x", "a/b/c", "", "a--b", "./x", "a\x00b"])
def test_no_id_leaves_the_cache(hand, model_id):
    assert hand.cache.find(model_id) is None


def test_a_name_without_organization(hand):
    hand.repository("gpt2", config__json=CONFIG)
    assert hand.cache.find("gpt2").model_type == "llama"


# as a provider


def test_the_catalogue_fills_the_gaps(hand):
    hand.repository("openai-community/gpt2", config__json={"model_type": "gpt2", "n_positions": 77})
    facts = Models([hand.cache]).find("openai-community/gpt2")
    assert facts.context_length == 77
    assert facts.head == "causal"
    assert facts.source.startswith("local cache")


def test_fingerprint_changes_with_the_files(hand):
    seen = {hand.cache.fingerprint()}
    snapshot = hand.repository(config__json=CONFIG)
    seen.add(hand.cache.fingerprint())
    (snapshot / "tokenizer_config.json").write_text("{}")
    seen.add(hand.cache.fingerprint())
    (snapshot / "config.json").write_text("{ }")
    seen.add(hand.cache.fingerprint())
    (snapshot.parents[1] / "refs" / "v1").write_text(SHA)
    seen.add(hand.cache.fingerprint())
    assert hand.cache.fingerprint() in seen
    shutil.rmtree(snapshot.parents[1])
    assert len(seen) == 5
    assert hand.cache.fingerprint() in seen


def test_huggingface_hub_is_not_imported():
    code = (
        "import sys; from hflint.facts.cache import LocalCache; LocalCache().find('acme/x'); LocalCache().fingerprint();"
        "print([name for name in ('huggingface_hub', 'torch', 'transformers', 'safetensors') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["..", ".", "", "../../../etc/x.safetensors", "a\\b.safetensors", 3])
def test_an_index_that_names_no_file_beside_it_counts_nothing(hand, name):
    hand.repository(config__json=CONFIG, model__safetensors__index__json={"weight_map": {"w": name}})
    assert hand.record().tensors == {}
    assert hand.snapshot.notes == []


def test_a_number_that_nobody_means_is_not_read(hand):
    hand.repository(config__json={**CONFIG, "hidden_size": 10**200, "vocab_size": 10**400})
    record = hand.record()
    assert (record.shape, record.vocab_size, record.context_length) == (None, None, 4096)


def test_a_shape_of_more_numbers_than_the_file_has_bits_is_damaged(hand):
    snapshot = hand.repository(config__json={"model_type": "novel"})
    extra = {"w": {"dtype": "BF16", "shape": [10**40], "data_offsets": [0, 4]}}
    weights(snapshot / "model.safetensors", extra=extra)
    assert hand.record().tensors == {}
    assert hand.snapshot.notes == ["model.safetensors is damaged: the header's entry of w is not valid"]
