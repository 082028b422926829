"""Twins of architectures that stand for their kinds; `python -m hflint.verify.census` does them all."""

import pytest

TYPES = {
    "causal": ["llama", "gpt2", "qwen3_moe", "gemma2", "mamba"],
    "seq2seq": ["t5"],
    "encoder": ["bert"],
    "vision-text": ["llava"],
    "audio": ["wav2vec2"],
}


@pytest.mark.usefixtures("session")  # it says why where the libraries are missing
@pytest.mark.parametrize("kind", TYPES)
def test_twins_build_train_generate_and_keep_every_name(kind):
    from hflint.verify.census import census

    records = census(kind, TYPES[kind])
    assert [r["type"] for r in records if "failed" in r] == []
    assert [r["type"] for r in records if r["names"] is False] == []
    assert all(r["gradients"] for r in records)
    assert all(r["parameters"] < 5e6 for r in records)
