"""HF605: methods and attributes that are gone, of objects that are known."""

from __future__ import annotations

import pytest

from hflint.facts.record import ModelRecord

IMPORTS = """\
from transformers import (
    AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer, BertTokenizer, DynamicCache, LayoutLMv3Tokenizer, Trainer,
)
from trl import SFTTrainer
"""


def found(report_of, code, **target):
    return [one.message.split("`")[1] for one in report_of(IMPORTS + code, "HF605", **target).findings]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AutoTokenizer.from_pretrained('x').encode_plus(text)", ["encode_plus"]),
        ("AutoTokenizer.from_pretrained(name).batch_encode_plus(texts)", ["batch_encode_plus"]),
        ("AutoTokenizer.from_pretrained('microsoft/layoutlmv2-base').encode_plus(text)", []),
        ("AutoTokenizer.from_pretrained(name).encode_plus(words, boxes=boxes)", []),
        ("LayoutLMv3Tokenizer.from_pretrained(name).encode_plus(words)", []),
        ("AutoProcessor.from_pretrained('x').tokenizer.batch_encode_plus(texts)", ["batch_encode_plus"]),
        ("AutoTokenizer.from_pretrained('x').additional_special_tokens", ["additional_special_tokens"]),
        ("getattr(AutoTokenizer.from_pretrained('x'), 'additional_special_tokens', None)", []),
        ("AutoTokenizer.from_pretrained('x')('a').words()", ["words"]),
        ("Trainer(model).tokenizer", ["tokenizer"]),
        ("SFTTrainer(model).tokenizer.decode(ids)", ["tokenizer"]),
        ("AutoModelForCausalLM.from_pretrained('x').to_bettertransformer()", ["to_bettertransformer"]),
        ("AutoModelForCausalLM.from_pretrained('x', trust_remote_code=True).sample(ids)", []),
        ("AutoModel.from_pretrained('x')(DynamicCache.from_legacy_cache(past))", ["from_legacy_cache"]),
        ("AutoModel.from_pretrained('x')(DynamicCache().to_legacy_cache())", ["to_legacy_cache"]),
        ("unknown.encode_plus(text)", []),
    ],
)
def test_only_objects_that_are_known_to_lack_it(report_of, code, expected):
    assert found(report_of, code) == expected
    assert found(report_of, code, transformers="4.44") == []


def test_the_programs_own_class_may_have_it(report_of):
    own = "class Ours(Trainer):\n    tokenizer = None\n\nOurs(model).tokenizer\n"
    other = "class Ours(Trainer):\n    def log(self, *args):\n        pass\n\nOurs(model).tokenizer\n"
    assert found(report_of, own) == []
    assert found(report_of, other) == ["tokenizer"]


@pytest.mark.parametrize(
    ("before", "after", "safety"),
    [
        ("t.encode_plus('a', return_tensors='pt')", "t('a', return_tensors='pt')", "safe"),
        ("t.encode_plus(words, is_split_into_words=True)", "t(words, is_split_into_words=True)", "safe"),
        ("t.encode_plus(text, pair)", "t(text, pair)", "unsafe"),
        ("t.batch_encode_plus(texts)", "t(texts)", "safe"),
        ("t.batch_encode_plus(batch_text_or_text_pairs=texts)", "t(text=texts)", "safe"),
        ("t('a').words(0)", "t('a').word_ids(0)", "safe"),
    ],
)
def test_the_call_itself_takes_its_place(report_of, before, after, safety):
    start = IMPORTS + "t = BertTokenizer.from_pretrained('x')\n"
    assert report_of(start + before, "HF605").findings[0].fix.safety == safety
    assert report_of(start + before, "HF605", fix=True).located.text == start + after


def test_positions_that_mean_something_else_are_not_moved(report_of):
    first = report_of(IMPORTS + "BertTokenizer.from_pretrained('x').encode_plus('a', 'b', False)", "HF605").findings[0]
    assert first.fix is None
    assert "by position" in first.no_fix_reason


@pytest.mark.parametrize(
    "call",
    [
        "t.encode_plus(t.encode(query, add_special_tokens=False), words, truncation='only_second')",
        "t.encode_plus(t.encode(query)[:64])",
        "t.encode_plus(text, t.encode(query))",
        "t.encode_plus(t(query)['input_ids'])",
        "t.encode_plus(t(query).input_ids)",
        "t.encode_plus(t.convert_tokens_to_ids(t.tokenize(query)))",
        "t.encode_plus([101, 102])",
        "t.encode_plus(text if flag else t.encode(text))",
        "t.batch_encode_plus([t.encode(one) for one in queries])",
        "t.batch_encode_plus(batch_text_or_text_pairs=[[101], [102]])",
    ],
)
def test_ids_are_not_handed_to_the_call(report_of, call):
    (finding,) = report_of(f"{IMPORTS}t = BertTokenizer.from_pretrained('x')\n{call}\n", "HF605").findings
    assert finding.fix is None
    assert "it is given ids" in finding.no_fix_reason


@pytest.mark.parametrize("text", ["t.tokenize(query)", "[query, other]", "t.decode(t.encode(query))", "t.encode"])
def test_what_is_no_list_of_ids_is_handed_to_the_call(report_of, text):
    (finding,) = report_of(
        f"{IMPORTS}t = BertTokenizer.from_pretrained('x')\nt.encode_plus({text})\n", "HF605"
    ).findings
    assert finding.fix.safety == "unsafe"


@pytest.mark.parametrize(
    ("target", "said", "severity"),
    [
        (
            ">=4.40,<4.43",
            "4.41, back in 4.42 (AttributeError); of the releases that this project allows, 4.41.0 to 4.41.2 lack it",
            "note",
        ),
        ("4.41", "4.41, back in 4.42 (AttributeError); this project allows up to 4.41.2", "error"),
        (">=4.42", "4.45 (AttributeError); this project allows up to 5.23.0", "error"),
    ],
)
def test_a_message_names_the_release_that_an_allowed_one_is_concerned_by(report_of, target, said, severity):
    code = IMPORTS + "AutoModelForCausalLM.from_pretrained('x').contrastive_search(ids)"
    (finding,) = report_of(code, "HF605", transformers=target).findings
    assert f"of a model was removed in transformers {said}" in finding.message
    assert finding.severity.value == severity


@pytest.mark.parametrize(("custom_code", "expected"), [(None, 0), (True, 0), (False, 1)])
def test_a_repositorys_own_class_may_have_it(report_of, custom_code, expected):
    code = IMPORTS + "AutoModelForCausalLM.from_pretrained('acme/own', trust_remote_code=True).to_bettertransformer()"
    lock = {"acme/own": ModelRecord(model_type="llama", custom_code=custom_code)}
    assert len(report_of(code, "HF605", lock=lock).findings) == expected


@pytest.mark.parametrize(
    "code",
    [
        "t = AutoTokenizer.from_pretrained('x') if flag else other.tokenizer\nt.additional_special_tokens",
        "t = other.tokenizer if flag else AutoTokenizer.from_pretrained('x')\nt.additional_special_tokens",
        "t = AutoTokenizer.from_pretrained('x') if flag else other.tokenizer\nt.encode_plus(text)",
        "p = AutoProcessor.from_pretrained('x') if flag else other.processor\np.tokenizer.encode_plus(text)",
        "trainer = Trainer(model) if flag else other.trainer\ntrainer.tokenizer",
        "t = AutoTokenizer.from_pretrained('x')\nhasattr(t, 'additional_special_tokens') and t.additional_special_tokens",
        "t = AutoTokenizer.from_pretrained('x')\nnot hasattr(t, 'words') or t.additional_special_tokens",
    ],
)
def test_one_of_several_things_or_what_is_asked_for_first_is_not_certain(report_of, code):
    assert found(report_of, code) == []


def test_nothing_is_no_other_object(report_of):
    code = "t = AutoTokenizer.from_pretrained('x') if flag else None\nt.additional_special_tokens"
    assert found(report_of, code) == ["additional_special_tokens"]


@pytest.mark.parametrize(
    ("read", "template", "expected"),
    [
        ("t.default_chat_template", True, ["error"]),
        ("t.chat_template or t.default_chat_template", None, ["warning"]),
        ("t.chat_template or t.default_chat_template", False, ["error"]),
        ("t.chat_template or t.default_chat_template", True, []),
        ("t.default_chat_template if t.chat_template is None else t.chat_template", None, ["warning"]),
    ],
)
def test_a_default_is_reached_only_where_a_tokenizer_has_none_of_its_own(report_of, read, template, expected):
    code = f"{IMPORTS}t = AutoTokenizer.from_pretrained('acme/own')\n{read}"
    lock = {"acme/own": ModelRecord(model_type="llama", chat_template=template)}
    assert [one.severity.value for one in report_of(code, "HF605", lock=lock).findings] == expected
