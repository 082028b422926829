"""What the lock and the local cache say of a repository, against what transformers makes of it; with a hub on loopback.

transformers loads everything once, in a process of its own, for it reads HF_ENDPOINT when it is imported.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hflint.check import check_source
from hflint.facts.cache import LocalCache
from hflint.facts.hub import Hub
from hflint.facts.lock import Entry, Lock, write_lock
from hflint.files import source_from_bytes
from hflint.project import Projects

from .fake_hub import CONFIG, TOKENIZER, TOKENIZER_CONFIG, FakeHub

pytestmark = pytest.mark.usefixtures("no_account")
LOADS = """
import json, sys
from transformers import AutoConfig, AutoTokenizer

def look(name):
    tokenizer, said = AutoTokenizer.from_pretrained(name), {}
    for one in ("eos_token", "bos_token", "pad_token", "padding_side", "model_max_length"):
        said[one] = getattr(tokenizer, one)
    said |= {"tokenizer_length": len(tokenizer), "has_pad_token": tokenizer.pad_token is not None}
    said |= {"chat_template": tokenizer.chat_template is not None}
    said |= {"adds_bos": tokenizer("a").input_ids[0] == tokenizer.bos_token_id}
    try:
        config = AutoConfig.from_pretrained(name)
    except ValueError as error:
        return {**said, "error": str(error)}
    return {**said, "context_length": config.max_position_embeddings, "vocab_size": config.vocab_size}

said = {name: look(name) for name in sys.argv[1:]}
print("\\n" + json.dumps(said))
"""
BOS_FIRST = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]}},
}
CODE = {"auto_map": {"AutoConfig": "own.AcmeConfig"}}
REPOSITORIES = {  # config.json, tokenizer_config.json and tokenizer.json, beside what all of them have
    "acme/plain": ({}, {}, {}),
    "acme/left": ({}, {"pad_token": "</s>", "padding_side": "left", "model_max_length": 77}, {}),
    "acme/chat": ({}, {"chat_template": "{{ messages[0]['content'] }}"}, {"post_processor": BOS_FIRST}),
    "acme/variant": (CODE, {}, {}),
    "acme/own": ({**CODE, "model_type": "acme"}, {}, {}),
}
LIMIT = 10**6  # beyond it a tokenizer has no limit


@dataclass
class World:
    """A hub, what transformers said of its models, and the local cache that it filled by that."""

    hub: FakeHub
    said: dict[str, dict[str, Any]]
    cache: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if find_spec("transformers") is None or find_spec("tokenizers") is None:
        assert os.environ.get("HFLINT_FULL_TESTS") != "1", "transformers must be installed"
        pytest.skip("transformers is not installed; with HFLINT_FULL_TESTS=1 that fails")
    hub, home = FakeHub(), tmp_path_factory.mktemp("hf")
    for name, (config, tokenizer_config, tokenizer) in REPOSITORIES.items():
        files = {
            "config.json": CONFIG | config,
            "tokenizer_config.json": TOKENIZER_CONFIG | tokenizer_config,
            "tokenizer.json": TOKENIZER | tokenizer,
            "own.py": b"",
        }
        hub.add(name, files)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    run = subprocess.run(
        [sys.executable, "-c", LOADS, *REPOSITORIES],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    yield World(hub, json.loads(run.stdout.splitlines()[-1]), home / "hub")
    hub.server.shutdown()
    hub.server.server_close()


@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_transformers_loads_is_what_is_locked_and_cached(world, tmp_path, name):
    asked, notes = Hub(endpoint=world.hub.url, cache=tmp_path / "none").model(name)
    cache = LocalCache(world.cache)
    snapshot = cache.snapshot(name)
    held = cache.record(snapshot, count_tokens=True)
    assert [*notes, *snapshot.notes] == []
    said = {key: value for key, value in world.said[name].items() if key != "error"}
    said["model_max_length"] = said["model_max_length"] if said["model_max_length"] < LIMIT else None
    unknown = {None} if name == "acme/own" else set()  # its code may do as it likes
    for key, value in said.items():
        assert getattr(asked, key) in {value} | unknown, key
        assert getattr(held, key) == getattr(asked, key) or (key == "chat_template" and held.chat_template is None), key


@pytest.mark.parametrize("name", REPOSITORIES)
def test_missing_remote_code_is_what_transformers_refuses(world, project, name):
    refused = "contains custom code" in world.said[name].get("error", "")
    assert refused is (name == "acme/own")
    record, _ = Hub(endpoint=world.hub.url).model(name)
    write_lock(project / "hflint.lock", Lock({name: Entry(record, date(2026, 11, 22))}))
    lines = [f"{auto}.from_pretrained({name!r})" for auto in ("AutoTokenizer", "AutoConfig")]
    text = "\n".join(["from transformers import AutoConfig, AutoTokenizer", *lines])
    path = project / "load.py"
    report = check_source(
        source_from_bytes(text.encode(), path, path.name), Projects(overrides={"select": ["HF204"]}).of(path)
    )
    assert [report.located.locate(one.span.start).line for one in report.findings] == [3] * refused
