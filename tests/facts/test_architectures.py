"""The table of architectures agrees with what else is known of them."""

from __future__ import annotations

import pytest

from hflint.facts.architectures import architecture, inner_names, native_since
from hflint.facts.models import Catalogue
from hflint.facts.shape import shape_of

MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "vocab_size": 32000,
}


def test_every_type_of_the_catalogue_is_in_the_table_but_those_without_code():
    catalogue = Catalogue()
    types = {facts.model_type for model in catalogue if (facts := catalogue.find(model)) and facts.model_type}
    assert {kind for kind in types if native_since(kind) is None} == {"chatglm"}


def test_what_is_reached_of_a_mixture_is_what_its_shape_says():
    shape, kind = shape_of(MIXTRAL), architecture("mixtral")
    assert shape is not None
    assert kind is not None
    before, now = kind.reached["4.57.6"], kind.reached["5.23.0"]
    assert before.parameters == now.parameters == shape.parameters
    assert now.exact == pytest.approx(shape.linear / shape.parameters, abs=1e-4)
    assert before.exact == pytest.approx((shape.linear + shape.experts) / shape.parameters, abs=1e-4)


@pytest.mark.parametrize(
    ("model_type", "linear", "head", "since"),
    [
        ("llama", "q_proj", "AutoModelForCausalLM", "4.40"),
        ("gpt2", "c_attn", "AutoModelForCausalLM", "4.40"),
        ("t5", "wi_0", "AutoModelForSeq2SeqLM", "4.40"),
        ("qwen3", "k_proj", "AutoModelForTokenClassification", "4.51"),
        ("whisper", "proj_out", "AutoModelForSpeechSeq2Seq", "4.40"),
    ],
)
def test_an_architecture_has_its_modules_and_heads(model_type, linear, head, since):
    kind = architecture(model_type)
    assert kind is not None
    assert linear in kind.linear | kind.modules
    assert head in kind.heads
    assert kind.since == since


def test_what_is_unknown_stays_so():
    assert architecture(None) is None
    assert architecture("no-such-type") is None
    assert native_since("chatglm") is None


def test_names_at_the_top_of_some_architecture_are_no_inner_names():
    assert {"q_proj", "c_attn", "query_key_value"} <= inner_names()
    assert not {"lm_head", "classifier", "score"} & inner_names()
