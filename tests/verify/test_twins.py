"""Twins of architectures that stand for their kinds; `python -m hflint.verify.census` does them all."""

import os
import time

import pytest

from hflint.verify import census

TYPES = {
    "causal": ["llama", "gpt2", "gpt_neo", "qwen3_moe", "gemma2", "mamba"],
    "seq2seq": ["t5"],
    "encoder": ["bert"],
    "vision-text": ["llava", "qwen2_vl"],
    "audio": ["wav2vec2"],
    "speech": ["whisper"],
}
# Each names its widths, layers and stages in a way of its own.
SMALL = ["distilbert", "florence2", "dots3_note_text", "perceiver", "wav2vec2-bert", "ernie4_5_vl_moe", "swinv2"]


@pytest.mark.usefixtures("session")  # it says why where the libraries are missing
@pytest.mark.parametrize("kind", TYPES)
def test_twins_build_train_generate_and_keep_every_name(kind):
    records = list(census.census(kind, TYPES[kind]))
    assert [r["type"] for r in records if "failed" in r] == []
    assert [r["type"] for r in records if r["names"] is False] == []
    assert all(r["gradients"] for r in records)
    assert all(4 * r["parameters"] < census.LARGEST for r in records)
    said = census.summary(kind, records)
    assert said.startswith(f"{len(records)} of {len(records)} {kind} architectures that can be built build, train")


@pytest.mark.usefixtures("session")
def test_twins_are_small_whatever_their_widths_are_called():
    records = list(census.sizes(SMALL))
    assert [r["type"] for r in records if "failed" in r] == []
    assert {r["type"]: r["bytes"] for r in records if r["bytes"] > census.LARGEST} == {}


def test_an_architecture_that_hangs_or_dies_is_a_record():
    hung = census.forked(lambda: time.sleep(600), "slow", 0.5)
    assert (hung["type"], hung["failed"], hung["text"]) == ("slow", "time", "no answer in 0.5 s")
    assert census.forked(lambda: os._exit(3), "broken", 60.0)["failed"] == "crash"
    assert census.forked(lambda: {"type": "fine"}, "fine", 60.0) == {"type": "fine"}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"type": "a", "names": True}, "1 of 1 causal"),
        ({"type": "a", "failed": "build", "buildable": True}, "0 of 1 causal"),
        ({"type": "a", "failed": "build", "buildable": False}, "0 of 0 causal"),
    ],
)
def test_what_cannot_be_built_at_all_is_not_held_against_the_twins(record, said):
    assert census.summary("causal", [record]).startswith(said)
