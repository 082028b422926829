"""What programs load in other ways than a plain causal model: heads with labels, pipelines by name, attributes set later."""

from __future__ import annotations

import pytest

from hflint.verify.setup import Binding, Model, ModelFacts, Pipeline, Setup, Tokenizer, TokenizerCall, TokenizerFacts
from hflint.verify.twin import SENTENCES

CLASSIFIER = "AutoModelForSequenceClassification"


def classifier(**fields):
    return Model(id="acme/distilbert", loader=CLASSIFIER, facts=ModelFacts(model_type="distilbert"), **fields)


def test_a_head_has_the_labels_that_the_program_asks_for(run_setup):
    outcome = run_setup(Setup(model=classifier(kwargs={"num_labels": 3})), phases=("load",))
    assert (outcome.status, outcome.reason) == ("ok", "")


def test_a_tokenizer_makes_no_token_types_for_a_model_without_them(run_setup):
    setup = Setup(model=classifier(), pipeline=Pipeline("text-classification", batch=True))
    outcome = run_setup(setup, phases=("load", "pipeline"))
    assert (outcome.status, outcome.reason) == ("ok", "")


def test_a_pipeline_loads_the_model_that_it_is_named(run_setup):
    model = Model(id="acme/llama", loader="", facts=ModelFacts(model_type="llama", dtype="bfloat16"))
    setup = Setup(model=model, pipeline=Pipeline("text-generation", {"dtype": "torch.float32"}, loads_model=True))
    if run_setup(setup, phases=("load", "pipeline")).status == "raised":  # its name before 4.56
        setup = Setup(
            model=model, pipeline=Pipeline("text-generation", {"torch_dtype": "torch.float32"}, loads_model=True)
        )
    outcome = run_setup(setup, phases=("load", "pipeline"))
    assert outcome.status == "ok", outcome.reason
    assert set(outcome.weights) == {"torch.float32"}


def test_the_rows_of_a_batching_pipeline_are_compared_with_each_alone(run_setup):
    model = Model(id="acme/llama", loader="", facts=ModelFacts(model_type="llama"))
    tokenizer = Tokenizer(facts=TokenizerFacts(special={"pad_token": "<pad>"}))
    pipeline = Pipeline("text-generation", {"batch_size": 8}, batch=True, loads_model=True)
    setup = Setup(model=model, tokenizer=tokenizer, pipeline=pipeline)
    outcome = run_setup(setup, phases=("load", "pipeline"), pretrained=True, compare_alone=True)
    assert outcome.status == "ok", outcome.reason
    assert len(outcome.alone) == len(outcome.outputs) == 4
    assert any(text.startswith(SENTENCES[0][:12]) for text in outcome.alone)


def test_attributes_set_after_the_load_are_set(run_setup):
    model = Model(
        id="acme/llama",
        facts=ModelFacts(model_type="llama"),
        attributes={"config.pad_token_id": {"$ref": "tokenizer.eos_token_id"}, "no_such_part.x": 1},
    )
    outcome = run_setup(Setup(model=model), phases=("load",))
    assert (outcome.status, outcome.reason) == ("ok", "")


def test_signatures_that_decide_spare_the_load(run_setup):
    refused = Binding("transformers.AutoConfig", "no_such_method")
    setup = Setup(model=Model(id="acme/llama", facts=ModelFacts(model_type="llama")), bindings=(refused,))
    outcome = run_setup(setup, phases=("bind", "load"), until_bound=True)
    assert [binding["ok"] for binding in outcome.bindings] == [False]
    assert outcome.model == ""


@pytest.mark.parametrize(
    ("target", "method", "spared"),
    [("transformers.TrainingArguments", "", True), ("transformers.AutoModel", "from_pretrained", False)],
)
def test_a_call_without_a_keyword_in_question_is_decided_where_the_signature_is_closed(
    run_setup, target, method, spared
):
    model = Model(id="acme/llama", facts=ModelFacts(model_type="llama"))
    setup = Setup(model=model, bindings=(Binding(target, method),))
    outcome = run_setup(setup, phases=("bind", "load"), until_bound=True)
    assert (outcome.status, outcome.model == "") == ("ok", spared)


def test_a_method_is_looked_up_on_the_loaded_tokenizer(run_setup):
    setup = Setup(
        tokenizer=Tokenizer(facts=TokenizerFacts(special={"pad_token": "<pad>"})),
        tokenizer_calls=(TokenizerCall(),),
        bindings=(Binding("tokenizer", "encode"), Binding("tokenizer", "no_such_method")),
    )
    outcome = run_setup(setup, phases=("bind",))
    assert [binding["ok"] for binding in outcome.bindings] == [True, False]
