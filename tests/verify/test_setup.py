import dataclasses
import json

import pytest

from hflint.verify.codec import CodecError, from_json, to_json
from hflint.verify.outcome import Outcome, Plan, Raised, Warned
from hflint.verify.setup import Binding, MethodCall, Model, Setup

from . import setups


@pytest.mark.parametrize(
    "setup",
    [
        Setup(),
        setups.pads(pad_token={"$ref": "tokenizer.eos_token"}),
        setups.generates(side="left"),
        setups.trains_4bit("before", learning_rate=1e-4),
        Setup(
            model=Model(calls=(MethodCall("to", ("cuda",)),)),
            bindings=(Binding("transformers.AdamW"),),
            imports=("a.b",),
        ),
    ],
)
def test_a_setup_survives_json(setup):
    assert Setup.from_json(json.loads(json.dumps(setup.to_json()))) == setup


def test_what_is_not_known_is_absent():
    assert Setup().to_json() == {"version": 1}
    assert setups.pads().to_json()["tokenizer"] == {"facts": {"special": {"pad_token": None}}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected an object"),
        ({}, "version None is not 1"),
        ({"version": 2}, "version 2 is not 1"),
        ({"version": 1, "modle": {}}, "unknown key 'modle'"),
        ({"version": 1, "model": {"kwarg": {}}}, "Setup.model: unknown key 'kwarg'"),
        ({"version": 1, "model": {"id": 7}}, "Setup.model.id: expected str, got int"),
        ({"version": 1, "tokenizer_calls": {}}, "Setup.tokenizer_calls: expected list, got dict"),
        ({"version": 1, "bindings": [{}]}, "target"),
        (
            {"version": 1, "tokenizer_calls": [{"batch": 1}]},
            r"Setup.tokenizer_calls\[0\].batch: expected bool, got int",
        ),
    ],
)
def test_a_wrong_setup_says_where(data, message):
    with pytest.raises(CodecError, match=message):
        Setup.from_json(data)


def test_plans_and_outcomes_survive_json():
    outcome = Outcome(
        status="raised", raised=Raised("ValueError", "text", "load"), warnings=(Warned("a", "b", "c"),), losses=(1.5, 2),
        weights={"torch.float32": 12}, eos_kept=0,
    )  # fmt: skip
    assert from_json(Outcome, json.loads(json.dumps(to_json(outcome)))) == outcome
    plan = Plan(timeout=3, phases=("bind",))
    assert from_json(Plan, json.loads(json.dumps(to_json(plan)))) == dataclasses.replace(plan, timeout=3.0)
