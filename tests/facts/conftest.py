"""Fixtures that several of these test modules share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .fake_hub import CONFIG, TOKENIZER, TOKENIZER_CONFIG, FakeHub


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The root of a repository, with nothing in it."""
    (tmp_path / ".git").mkdir()
    return tmp_path


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is logged in, and the local cache is empty."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    """A hub with a model, acme/tiny, and a dataset, acme/texts."""
    hub = FakeHub()
    hub.add(
        "acme/tiny",
        {
            "config.json": CONFIG,
            "tokenizer_config.json": TOKENIZER_CONFIG,
            "tokenizer.json": TOKENIZER,
            "generation_config.json": {"eos_token_id": [1, 2]},
            "README.md": b"#",
        },
        sizes={"model.safetensors": 1000, "pytorch_model.bin": 900, "original/consolidated.00.pth": 5},
        safetensors={"parameters": {"BF16": 123_456}, "total": 123_456},
        cardData={"license": "apache-2.0"},
    )
    hub.add("acme/texts", kind="datasets", gated="auto", tags=["license:mit"])
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
