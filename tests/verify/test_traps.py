"""The traps of verification, each shown to be avoided."""

from dataclasses import replace

import pytest

from . import setups
from .setups import trains, trains_4bit


def test_evaluating_before_training_cuts_no_gradient_of_a_4bit_model(run_setup):
    plain = run_setup(trains_4bit("before"), ("load", "train"))
    evaluated = run_setup(trains_4bit("before", eval_on_start=True, eval_strategy="steps"), ("load", "train"))
    assert evaluated.status == "ok", evaluated.reason
    assert evaluated.losses == pytest.approx(plain.losses, abs=1e-3)
    first = {name: norm for name, norm in plain.gradients.items() if "lora_B" in name}
    assert first
    assert {name: evaluated.gradients[name] for name in first} == pytest.approx(first, rel=1e-2)
    assert all(first.values())


def test_fp16_on_a_cpu_does_nothing_and_says_so(run_setup):
    plain, fp16 = run_setup(trains(), ("load", "train")), run_setup(trains(fp16=True), ("load", "train"))
    assert "fp16=True does nothing on a CPU" in fp16.notes
    assert fp16.losses == plain.losses


def test_memory_is_counted_and_not_read_off_the_process(run_setup):
    once, twice = (run_setup(trains(), ("load", "train")) for _ in range(2))
    assert once.saved_bytes == twice.saved_bytes  # resident memory never repeats to the byte
    assert once.peak_bytes is None  # that is the accelerator's


def test_right_padding_needs_a_twin_that_has_learned(run_setup):
    untaught = run_setup(setups.generates(), ("load", "generate"), compare_alone=True)
    taught = run_setup(setups.generates(), ("load", "generate"), compare_alone=True, pretrained=True)
    assert len(untaught.alone) == len(taught.alone) == 4
    assert taught.outputs != taught.alone
    left = run_setup(setups.generates(side="left"), ("load", "generate"), compare_alone=True, pretrained=True)
    assert left.outputs == left.alone


def test_a_qwen2_tokenizer_without_pad_token_gets_one_from_its_class(run_setup):
    setup = replace(setups.pads(), model=setups.model("qwen2"))
    assert run_setup(setup, ("load", "tokenize")).status in ("ok", "raised")  # the class decides, not the saved files
