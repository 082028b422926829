"""hflint.lock: its text, what it is asked for, and real huggingface_hub clients against a hub on loopback."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflint.facts import commands
from hflint.facts.cache import LocalCache
from hflint.facts.commands import ALL, LockOptions, run_lock
from hflint.facts.hub import Hub, HubError
from hflint.facts.lock import Entry, Lock, LockError, LockFile, parse, read_lock, render, write_lock
from hflint.facts.models import Models
from hflint.facts.providers import find_lock, project_models
from hflint.facts.record import DatasetRecord, ModelRecord
from hflint.facts.shape import Shape
from hflint.settings import SettingsError

from .fake_hub import CONFIG, SHA, TOKENIZER_CONFIG

pytestmark = pytest.mark.usefixtures("no_account")
ROOT = Path(__file__).parents[2]
DAY = date(2026, 11, 21)
PROGRAM = """
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained("acme/tiny")
tokenizer = AutoTokenizer.from_pretrained("acme/tiny")
data = load_dataset("acme/texts")
"""


def in_cache(folder, files):
    """acme/tiny in a local cache, with these files."""
    snapshot = folder / "models--acme--tiny" / "snapshots" / SHA
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(SHA)
    for name, data in files.items():
        (snapshot / name).write_bytes(data)


def client(fake, **options):
    return Hub(endpoint=fake.url, waits=(0.0, 0.0), **options)


@pytest.fixture
def project(tmp_path, monkeypatch, fake):
    """A project in the current folder, whose lock asks the hub on loopback."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "train.py").write_text(PROGRAM)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(commands, "Hub", lambda: client(fake))
    return folder


# the file


RECORD = ModelRecord(
    commit=SHA,
    architectures=("LlamaForCausalLM",),
    model_type="llama",
    head="causal",
    tensors={"BF16": 5, "F32": 1},
    has_pad_token=False,
    bos_token='<|"\\\n\x7f😀|>',
    gated=True,
    weights={"safetensors": 12},
    shape=Shape(1, 2, 3, 4, 5, 6, 7, 8, 9),
    generation_eos_ids=(1, 2),
)


def test_what_is_written_is_read_again():
    lock = Lock(
        {"acme/tiny": Entry(RECORD, DAY), "gpt2": Entry(None, DAY, unavailable="gone")},
        {"x/y": Entry(DatasetRecord("c"), DAY)},
    )
    assert parse(render(lock).encode(), Path("hflint.lock")) == lock


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    name=texts,
    record=st.builds(
        ModelRecord,
        commit=st.none() | texts,
        architectures=st.lists(texts).map(tuple),
        parameters=st.none() | st.integers(0, 2**60),
        pad_token=st.none() | texts,
        gated=st.none() | st.booleans(),
        tensors=st.dictionaries(texts, st.integers(0, 2**60)),
    ),
)
def test_any_record_survives(name, record):
    lock = Lock({name: Entry(record, DAY)})
    assert parse(render(lock).encode(), Path("hflint.lock")) == lock


def test_the_text_is_stable_and_in_order():
    one = Lock({name: Entry(RECORD, DAY) for name in ("b/B", "a/a", "B/a")})
    other = Lock({name: Entry(RECORD, DAY) for name in ("B/a", "b/B", "a/a")})
    assert render(one) == render(other)
    assert re.findall(r"\[model\.(.+)\]", render(one)) == ['"a/a"', '"B/a"', '"b/B"']


NOTHING = ", ".join(f"{one.name} = 0" for one in fields(Shape))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("version = 1\n[model", "not valid TOML"),
        ("\xff", "has no `version"),
        ("<<<<<<< HEAD\nversion = 1\n", "merge conflict"),
        ("version = 2\n", "newer hflint"),
        ("version = true\n", "has no `version"),
        ("", "has no `version"),
        ("version = 1\nmodel = 3\n", "no table of tables"),
        ('version = 1\n[model."a/b"]\ncommit = "x"\n', "when it was asked"),
        (
            'version = 1\n[model."a/b"]\nasked = 2026-11-21\ncommit = 1\n',
            "model.a/b.commit has a value of the wrong kind",
        ),
        ('version = 1\n[model."a/b"]\nasked = 2026-11-21T10:00:00\n', "when it was asked"),
        ('version = 1\n[model."a/b"]\nasked = 2026-11-21\nparameters = -1\n', "of the wrong kind"),
        (f'version = 1\n[model."a/b"]\nasked = 2026-11-21\nparameters = {10**400}\n', "of the wrong kind"),
        ('version = 1\n[model."a/b"]\nasked = 2026-11-21\nshape = { hidden = 1 }\n', "shape is not complete"),
        (f'version = 1\n[model."a/b"]\nasked = 2026-11-21\nshape = {{ {NOTHING} }}\n', "shape is that of no model"),
        ('version = 1\n[model."a/b"]\nasked = 2026-11-21\ntensors = { BF16 = "1" }\n', "of the wrong kind"),
        ('version = 1\n[model."a/b"]\nasked = 2026-11-21\narchitectures = [1]\n', "of the wrong kind"),
    ],
)
def test_a_damaged_lock_is_one_line(tmp_path, text, why):
    path = tmp_path / "hflint.lock"
    path.write_bytes(text.encode("latin-1") if text != "\xff" else b"# \xc3\xa9\n")
    with pytest.raises(LockError, match=re.escape(why)) as caught:
        LockFile(path)
    assert "\n" not in str(caught.value).removesuffix("\n")


def test_fields_of_a_later_hflint_are_passed_over():
    text = 'version = 1\n[model."a/b"]\nasked = 2026-11-21\nlater = 1\ngated = true\n'
    assert parse(text.encode(), Path("x")).models["a/b"].record == ModelRecord(gated=True)


def test_a_write_that_fails_leaves_the_old_lock(tmp_path, monkeypatch):
    path = tmp_path / "hflint.lock"
    write_lock(path, Lock())
    before = path.read_bytes()

    def full(self, data):
        with self.open("wb") as stream:
            stream.write(data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_lock(path, Lock({"a/b": Entry(RECORD, DAY)}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_itself_is_replaced(tmp_path):
    path = tmp_path / "hflint.lock"
    path.symlink_to(path)
    assert write_lock(path, Lock())
    assert read_lock(path) == Lock()


def test_it_is_found_upwards_to_the_repositorys_root(tmp_path):
    inner = tmp_path / "repository" / "src" / "package"
    inner.mkdir(parents=True)
    (tmp_path / "hflint.lock").write_text("version = 1\n")
    assert find_lock(inner) == tmp_path / "hflint.lock"
    (tmp_path / "repository" / ".git").mkdir()
    assert find_lock(inner) is None
    (tmp_path / "repository" / "hflint.lock").write_text("version = 1\n")
    assert find_lock(inner) == tmp_path / "repository" / "hflint.lock"


def test_a_project_asks_its_lock_then_the_cache(tmp_path):
    (tmp_path / ".git").mkdir()
    bare = project_models(tmp_path)
    assert bare.find("openai-community/gpt2").origin == "catalogue"
    write_lock(tmp_path / "hflint.lock", Lock({"openai-community/gpt2": Entry(RECORD, DAY)}))
    assert project_models(tmp_path).find("openai-community/gpt2").origin == "lock"
    assert project_models(tmp_path).fingerprint() != bare.fingerprint()
    (tmp_path / "hflint.lock").write_text("version = 9")
    with pytest.raises(SettingsError, match="newer hflint"):
        project_models(tmp_path)


def test_it_goes_before_the_catalogue(tmp_path):
    path = tmp_path / "hflint.lock"
    record = replace(RECORD, context_length=7, parameters=9)
    write_lock(
        path, Lock({"openai-community/gpt2": Entry(record, DAY), "acme/gone": Entry(None, DAY, unavailable="x")})
    )
    models = Models([LockFile(path)])
    facts = models.find("openai-community/gpt2")
    assert (facts.origin, facts.context_length, facts.parameters, facts.parameters_from) == ("lock", 7, 9, "lock")
    assert facts.source.startswith("hflint.lock of 2026-11-21, commit aaaaaaaa")
    assert models.find("acme/gone") is None
    before = models.fingerprint()
    write_lock(path, Lock())
    assert Models([LockFile(path)]).fingerprint() != before


def test_all_that_is_locked_reaches_the_rules(tmp_path):
    path = tmp_path / "hflint.lock"
    record = replace(RECORD, tokenizer_length=9, custom_code=True, eos_token="</s>", template_writes_bos=False)
    write_lock(path, Lock({"acme/tiny": Entry(replace(record, quantized="gptq", quantization_bits=4), DAY)}))
    facts = Models([LockFile(path)]).find("acme/tiny")
    assert (facts.commit, facts.architectures, facts.tokenizer_length) == (SHA, ("LlamaForCausalLM",), 9)
    assert (facts.custom_code, facts.bos_token, facts.eos_token) == (True, RECORD.bos_token, "</s>")
    assert (facts.template_writes_bos, facts.quantization_bits, facts.weights) == (False, 4, {"safetensors": 12})
    assert (facts.shape, facts.generation_eos_ids, facts.generation_pad_id) == (RECORD.shape, (1, 2), None)
    write_lock(path, Lock({"acme/tiny": Entry(ModelRecord(), DAY)}))
    facts = Models([LockFile(path)]).find("acme/tiny")
    assert (facts.architectures, facts.weights, facts.generation_eos_ids) == (None, None, None), "unknown is None"


def test_which_entry_is_meant_by_a_revision(tmp_path):
    path = tmp_path / "hflint.lock"
    commits = {
        "acme/a": "1" * 40,
        "acme/a@v1": "2" * 40,
        "acme/b@v1": "3" * 40,
        "acme/c@v1": "4" * 40,
        "acme/c@v2": "5" * 40,
    }
    write_lock(path, Lock({name: Entry(ModelRecord(commit=commit), DAY) for name, commit in commits.items()}))
    lock = LockFile(path)

    def found(*asked):
        facts = lock.find(*asked)
        return facts and (facts.commit[0], facts.revision)

    assert found("acme/a") == found("acme/a", "main") == found("acme/a", "1" * 40) == ("1", None)
    assert found("acme/a", "v1") == found("acme/a", "2" * 40) == ("2", "v1")
    assert found("acme/a", "v2") is found("acme/a", "3" * 40) is None
    assert found("acme/b") == ("3", "v1"), "all of the project's loads are pinned to it"
    assert found("acme/c") is None, "to one of two"


# the hub


def test_what_the_hub_says_of_a_model(fake):
    record, notes = client(fake).model("acme/tiny")
    assert notes == []
    assert (record.commit, record.license, record.gated) == (SHA, "apache-2.0", False)
    assert (record.tensors, record.parameters, record.dtype) == ({"BF16": 123_456}, 123_456, "bfloat16")
    assert (record.model_type, record.context_length, record.vocab_size, record.tokenizer_length) == (
        "llama",
        4096,
        100,
        4,
    )
    assert (record.has_pad_token, record.eos_token, record.chat_template) == (False, "</s>", False)
    assert record.weights == {"safetensors": 1000, "pickle": 900}
    assert record.custom_code is False
    assert record.generation_eos_ids == (1, 2)


def test_it_takes_one_request_and_one_a_small_file(fake):
    client(fake).model("acme/tiny")
    files = ["config.json", "tokenizer_config.json", "tokenizer.json", "generation_config.json"]
    assert sorted(path for _, path, _ in fake.requests) == sorted(
        ["/api/models/acme/tiny", *(f"/acme/tiny/resolve/{SHA}/{name}" for name in files)]
    )


def test_files_of_the_same_commit_come_from_the_cache(fake, tmp_path):
    in_cache(tmp_path / "cache", fake.repositories["models", "acme/tiny"][1])
    record, _ = client(fake, cache=tmp_path / "cache").model("acme/tiny")
    assert record.model_type == "llama"
    assert [path for _, path, _ in fake.requests] == ["/api/models/acme/tiny"]


def test_a_revision_is_asked_for_as_such(fake):
    fake.add("acme/tiny@v1", {"config.json": {**CONFIG, "max_position_embeddings": 77}}, sha="b" * 40)
    fake.repositories["models", "acme/tiny@v1"][0]["id"] = "acme/tiny"
    record, notes = client(fake).model("acme/tiny", "v1")
    assert (record.commit, record.context_length, notes) == ("b" * 40, 77, [])
    with pytest.raises(HubError, match="has no such revision") as caught:
        client(fake).model("acme/tiny", "v2")
    assert caught.value.lasting


def test_a_dataset(fake):
    record, _ = client(fake).dataset("acme/texts")
    assert record == DatasetRecord(SHA, gated=True, license="mit")


def test_the_token_is_sent(fake, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 10)
    client(fake).model("acme/tiny")
    assert {token for _, _, token in fake.requests} == {"Bearer hf_" + "x" * 10}


def test_a_gated_model_keeps_what_is_public(fake):
    fake.add(
        "acme/gated",
        {"config.json": CONFIG},
        gated="manual",
        safetensors={"parameters": {"BF16": 10}, "total": 10},
        config={"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        cardData={"license": "other", "license_name": "acme-1"},
    )
    record, notes = client(fake).model("acme/gated")
    assert (record.gated, record.license, record.parameters, record.commit) == (True, "acme-1", 10, SHA)
    assert (record.model_type, record.architectures) == ("llama", ("LlamaForCausalLM",))
    assert record.context_length is None
    assert record.custom_code is None
    assert notes == ["config.json: gated: accept its terms on the hub and set HF_TOKEN"]


def test_a_renamed_repository_is_noted(fake):
    fake.repositories["models", "acme/old"] = fake.repositories["models", "acme/tiny"]
    assert client(fake).model("acme/old")[1] == ["is called acme/tiny now"]


@pytest.mark.parametrize(
    ("trouble", "why", "lasting"),
    [
        ((404, {"X-Error-Code": "RepoNotFound"}), "not on the hub, or private", True),
        ((401, {"X-Error-Code": "RepoNotFound"}), "not on the hub, or private", True),
        ((403, {"X-Error-Code": "GatedRepo"}), "gated", True),
        ((403, {}), "forbidden", True),
        ((401, {"X-Error-Message": "Invalid credentials in Authorization header"}), "does not accept HF_TOKEN", False),
        ((429, {"Retry-After": "1000"}), "limits the rate", False),
        ((429, {}), "limits the rate", False),
        ((500, {}), "answered 500", False),
        ((503, {}), "answered 503", False),
        ((200, {}, b"<html>welcome to this hotel</html>"), "does not answer as a hub does", False),
        ((200, {}, b"[]"), "does not answer as a hub does", False),
        ((200, {}, b"{}"), "does not answer as a hub does", False),
    ],
)
def test_every_trouble_has_its_reason(fake, trouble, why, lasting):
    fake.trouble["acme/tiny"] = trouble
    with pytest.raises(HubError, match=why) as caught:
        client(fake).model("acme/tiny")
    assert caught.value.lasting is lasting


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again(fake, status):
    fake.trouble["acme/tiny"] = [(status, {"Retry-After": "0"}), (status, {})]
    assert client(fake).model("acme/tiny")[0].commit == SHA


def test_a_token_that_cannot_be_read_is_not_the_hubs_fault(fake, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "file" / "token"))
    with pytest.raises(HubError, match=r"file.token: Not a directory") as caught:
        client(fake).model("acme/tiny")
    assert caught.value.down


def test_a_slow_hub_times_out(fake, monkeypatch):
    monkeypatch.setattr("hflint.facts.hub.TIMEOUT", 0.2)
    fake.trouble["acme/tiny"] = 1.0
    with pytest.raises(HubError, match="did not answer in"):
        client(fake).model("acme/tiny")


def test_a_hub_that_is_down_is_asked_once(fake):
    hub = client(fake)
    fake.server.shutdown()
    fake.server.server_close()
    with pytest.raises(HubError, match=r"127.0.0.1:\d+ cannot be reached"):
        hub.model("acme/tiny")
    with pytest.raises(HubError, match=r"not asked: .* cannot be reached"):
        hub.dataset("acme/texts")


def test_a_file_that_fails_for_a_while_fails_the_model(fake):
    fake.trouble[f"/acme/tiny/resolve/{SHA}/config.json"] = (500, {})
    with pytest.raises(HubError, match="answered 500"):
        client(fake).model("acme/tiny")


def test_a_damaged_file_is_noted(fake):
    fake.add("acme/tiny", {"config.json": b"{", "tokenizer_config.json": TOKENIZER_CONFIG})
    record, notes = client(fake).model("acme/tiny")
    assert notes == ["config.json is not valid JSON"]
    assert record.eos_token == "</s>"


def test_a_cache_that_huggingface_hub_made_is_read(fake, tmp_path):
    import huggingface_hub

    for name in (
        "config.json",
        "tokenizer_config.json",
        "tokenizer.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "generation_config.json",
    ):
        with contextlib.suppress(huggingface_hub.errors.EntryNotFoundError):
            huggingface_hub.hf_hub_download("acme/tiny", name, cache_dir=tmp_path / "cache", endpoint=fake.url)
    cache = LocalCache(tmp_path / "cache")
    record = cache.record(cache.snapshot("acme/tiny"), count_tokens=True)
    asked, _ = client(fake).model("acme/tiny")
    assert (cache.snapshot("acme/tiny").folder / "config.json").is_symlink()
    for name in (
        "commit",
        "model_type",
        "context_length",
        "has_pad_token",
        "eos_token",
        "tokenizer_length",
        "custom_code",
        "shape",
        "generation_eos_ids",
    ):
        assert getattr(record, name) == getattr(asked, name), name
    assert record.has_pad_token is False
    assert record.chat_template is None, "chat_template.json was not looked for"


# the command


def test_lock_writes_what_the_programs_use(project, capsys):
    assert run_lock(LockOptions()) == 0
    lock = read_lock(project / "hflint.lock")
    assert list(lock.models) == ["acme/tiny"]
    assert lock.models["acme/tiny"].record.parameters == 123_456
    assert lock.datasets["acme/texts"].record.gated is True
    assert capsys.readouterr().err == "hflint.lock: 2 locked, 2 ids in all.\n"


def test_a_second_run_asks_nobody(project, fake, capsys):
    run_lock(LockOptions())
    before = (project / "hflint.lock").read_bytes()
    fake.requests.clear()
    capsys.readouterr()
    assert run_lock(LockOptions()) == 0
    assert fake.requests == []
    assert (project / "hflint.lock").read_bytes() == before
    assert "up to date" in capsys.readouterr().err


def test_check_asks_nobody_and_says_what_is_stale(project, fake, capsys):
    assert run_lock(LockOptions(check=True)) == 1
    assert not (project / "hflint.lock").exists()
    assert "the model acme/tiny is missing (used in train.py)" in capsys.readouterr().out
    run_lock(LockOptions())
    fake.requests.clear()
    assert run_lock(LockOptions(check=True)) == 0
    (project / "train.py").write_text("import transformers\n")
    assert run_lock(LockOptions(check=True)) == 1
    assert "the dataset acme/texts is not used any more" in capsys.readouterr().out
    assert fake.requests == []


def test_what_is_not_used_any_more_goes(project):
    run_lock(LockOptions())
    (project / "train.py").write_text(PROGRAM.replace('load_dataset("acme/texts")', "None"))
    assert run_lock(LockOptions()) == 0
    lock = read_lock(project / "hflint.lock")
    assert (list(lock.models), list(lock.datasets)) == (["acme/tiny"], [])


def test_a_part_of_the_project_removes_nothing(project):
    run_lock(LockOptions())
    (project / "other.py").write_text("import transformers\n")
    assert run_lock(LockOptions(paths=(Path("other.py"),))) == 0
    assert list(read_lock(project / "hflint.lock").models) == ["acme/tiny"]
    assert run_lock(LockOptions(paths=(Path("other.py"),), check=True)) == 0


def test_a_file_that_cannot_be_read_removes_nothing(project, capsys):
    run_lock(LockOptions())
    (project / "train.py").write_text("import transformers\ndef f(:\n")
    assert run_lock(LockOptions()) == 0
    assert list(read_lock(project / "hflint.lock").models) == ["acme/tiny"]
    assert "train.py" in capsys.readouterr().err


@pytest.mark.parametrize("check", [False, True])
def test_a_path_that_is_not_there_is_no_success(project, capsys, check):
    run_lock(LockOptions())
    assert run_lock(LockOptions(paths=(Path("nowhere"),), check=check)) == 2
    assert "error: nowhere: no such file or folder" in capsys.readouterr().err
    assert list(read_lock(project / "hflint.lock").models) == ["acme/tiny"]


def test_upgrade_asks_again(project, fake):
    run_lock(LockOptions())
    for name in ("models", "datasets"):
        fake.repositories[name, "acme/tiny" if name == "models" else "acme/texts"][0]["sha"] = "b" * 40
    run_lock(LockOptions(upgrade=("acme/texts",)))
    lock = read_lock(project / "hflint.lock")
    assert (lock.models["acme/tiny"].record.commit, lock.datasets["acme/texts"].record.commit) == (SHA, "b" * 40)
    run_lock(LockOptions(upgrade=(ALL,)))
    assert read_lock(project / "hflint.lock").models["acme/tiny"].record.commit == "b" * 40


PINNED = PROGRAM.replace('AutoTokenizer.from_pretrained("acme/tiny")', "None")


def test_a_pinned_revision_is_locked_as_such(project, fake, capsys):
    fake.add("acme/tiny@v1", {"config.json": CONFIG}, sha="b" * 40)
    fake.add("acme/texts@v2", kind="datasets", sha="c" * 40)
    text = PINNED.replace('"acme/tiny"', '"acme/tiny", revision="v1"').replace(
        '"acme/texts"', '"acme/texts", revision="v2"'
    )
    (project / "train.py").write_text(text)
    assert run_lock(LockOptions()) == 0
    lock = read_lock(project / "hflint.lock")
    assert (list(lock.models), list(lock.datasets)) == (["acme/tiny@v1"], ["acme/texts@v2"])
    assert lock.models["acme/tiny@v1"].record.commit == "b" * 40
    assert lock.datasets["acme/texts@v2"].record.commit == "c" * 40
    assert run_lock(LockOptions(check=True)) == 0
    fake.repositories["models", "acme/tiny@v1"][0]["sha"] = "d" * 40
    run_lock(LockOptions(upgrade=("acme/tiny",)))
    assert read_lock(project / "hflint.lock").models["acme/tiny@v1"].record.commit == "d" * 40
    (project / "train.py").write_text(text.replace("v1", "v3"))
    assert run_lock(LockOptions(check=True)) == 1
    assert "the model acme/tiny@v3 is missing (used in train.py)" in capsys.readouterr().out


def test_a_commit_that_is_locked_for_its_branch_is_not_locked_again(project, fake):
    run_lock(LockOptions())
    fake.requests.clear()
    (project / "train.py").write_text(PROGRAM.replace('"acme/tiny"', f'"acme/tiny", revision="{SHA}"'))
    assert run_lock(LockOptions(check=True)) == 0
    assert run_lock(LockOptions()) == 0
    assert fake.requests == []
    assert list(read_lock(project / "hflint.lock").models) == ["acme/tiny"]


def test_upgrade_of_an_unknown_id_suggests(project, capsys):
    assert run_lock(LockOptions(upgrade=("acme/tinny",))) == 2
    assert "did you mean acme/tiny?" in capsys.readouterr().err
    assert run_lock(LockOptions(upgrade=("train.py",))) == 2
    assert "paths go before it" in capsys.readouterr().err
    assert not (project / "hflint.lock").exists()


@pytest.mark.parametrize(
    "trouble", [(429, {"Retry-After": "99"}), (500, {}), (404, {"X-Error-Code": "RepoNotFound"}), (403, {})]
)
def test_an_entry_is_never_lost_to_a_failure(project, fake, capsys, trouble):
    run_lock(LockOptions())
    before = (project / "hflint.lock").read_bytes()
    fake.trouble["acme/tiny"] = trouble
    assert run_lock(LockOptions(upgrade=("acme/tiny",))) == (0 if trouble[0] in (403, 404) else 2)
    assert (project / "hflint.lock").read_bytes() == before
    assert "its entry is kept" in capsys.readouterr().err


def test_one_that_fails_leaves_the_others(project, fake, capsys):
    fake.trouble["acme/tiny"] = (500, {})
    assert run_lock(LockOptions()) == 2
    lock = read_lock(project / "hflint.lock")
    assert (list(lock.models), list(lock.datasets)) == ([], ["acme/texts"])
    assert "error: acme/tiny: the hub answered 500; not locked" in capsys.readouterr().err


def test_one_that_is_not_there_is_locked_as_such(project, fake, capsys):
    del fake.repositories["models", "acme/tiny"]
    assert run_lock(LockOptions()) == 0
    assert (
        "warning: acme/tiny: not on the hub, or private (then set HF_TOKEN); locked as unavailable"
        in capsys.readouterr().err
    )
    assert run_lock(LockOptions(check=True)) == 0
    assert LockFile(project / "hflint.lock").find("acme/tiny") is None


def test_a_damaged_lock_is_not_overwritten(project, capsys):
    (project / "hflint.lock").write_text("<<<<<<< HEAD\n")
    assert run_lock(LockOptions()) == 2
    assert "merge conflict" in capsys.readouterr().err
    assert (project / "hflint.lock").read_text() == "<<<<<<< HEAD\n"


@pytest.mark.usefixtures("project")
def test_a_lock_that_cannot_be_written_is_one_line(monkeypatch, capsys):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refused)
    assert run_lock(LockOptions()) == 2
    assert capsys.readouterr().err == "error: hflint.lock cannot be written: Permission denied\n"


def test_offline_fills_from_the_cache(project, fake, tmp_path, capsys):
    in_cache(tmp_path / "hf" / "hub", {"config.json": json.dumps(CONFIG).encode()})
    assert run_lock(LockOptions(offline=True)) == 2
    assert "acme/texts: not in the local cache; not locked" in capsys.readouterr().err
    entry = read_lock(project / "hflint.lock").models["acme/tiny"]
    assert (entry.source, entry.record.commit, entry.record.model_type) == ("cache", SHA, "llama")
    assert fake.requests == []


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("files", "why"), [({}, "config.json is missing"), ({"config.json": b"{"}, "config.json is not valid JSON")]
)
def test_offline_says_what_the_cache_lacks(tmp_path, capsys, files, why):
    in_cache(tmp_path / "hf" / "hub", files)
    assert run_lock(LockOptions(offline=True)) == 2
    assert f"error: acme/tiny: in the local cache, {why}; not locked" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_the_offline_variable_holds(fake, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert run_lock(LockOptions()) == 2
    assert fake.requests == []


@pytest.mark.usefixtures("project")
def test_a_missing_library_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(commands, "Hub", Hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert run_lock(LockOptions()) == 2
    assert capsys.readouterr().err == "error: huggingface_hub is not installed: pip install 'hflint[lock]'\n"
    assert run_lock(LockOptions(check=True)) == 1


@pytest.mark.parametrize(
    ("code", "models", "datasets"),
    [
        ('pipeline("text-generation", model="acme/a")', ["acme/a"], []),
        ('pipeline("text-generation", model="gpt2")', ["gpt2"], []),
        ('AutoModel.from_pretrained("output")', [], []),
        ('AutoModel.from_pretrained("./acme/a")', [], []),
        ('AutoModel.from_pretrained("here/model")', [], []),
        ("AutoModel.from_pretrained(name)", [], []),
        ('AutoModel.from_pretrained("acme/a" if flag else "acme/b")', ["acme/a", "acme/b"], []),
        ('PeftModel.from_pretrained(AutoModel.from_pretrained("acme/a"), "acme/lora")', ["acme/a", "acme/lora"], []),
        ('load_dataset("csv", data_files="x.csv")', [], []),
        ('load_dataset("squad")', [], ["squad"]),
        ('SFTTrainer("acme/a")', ["acme/a"], []),
        ('SentenceTransformer("acme/a")', ["acme/a"], []),
        ('AutoModel.from_pretrained("acme/a", revision="main")', ["acme/a"], []),
        ('AutoModel.from_pretrained("acme/a", revision=name)', ["acme/a"], []),
        ('AutoModel.from_pretrained("acme/a", revision="v1" if name else None)', ["acme/a", "acme/a/revision/v1"], []),
        ('load_dataset("acme/a", revision="v1")', [], ["acme/a/revision/v1"]),
    ],
)
def test_which_ids_are_meant_for_the_hub(project, fake, code, models, datasets):
    (project / "here" / "model").mkdir(parents=True)
    (project / "train.py").write_text(
        "from transformers import AutoModel, pipeline\nfrom peft import PeftModel\nfrom trl import SFTTrainer\n"
        f"from datasets import load_dataset\nfrom sentence_transformers import SentenceTransformer\nx = {code}\n"
    )
    run_lock(LockOptions())
    assert {path for _, path, _ in fake.requests} == {
        *(f"/api/models/{name}" for name in models),
        *(f"/api/datasets/{name}" for name in datasets),
    }


@pytest.mark.usefixtures("project")
def test_the_endpoint_and_the_token_of_the_environment_hold(fake):
    code = "import sys; from hflint.facts.commands import *; sys.exit(run_lock(LockOptions()))"
    environment = {**os.environ, "HF_ENDPOINT": fake.url, "HF_TOKEN": "hf_abc", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "hflint.lock: 2 locked, 2 ids in all.\n")
    assert {token for _, _, token in fake.requests} == {"Bearer hf_abc"}


def test_an_interrupt_does_not_wait_for_a_slow_hub(project, fake):
    fake.trouble["acme/tiny"] = 120.0
    code = "import sys; from hflint.facts.commands import *; sys.exit(run_lock(LockOptions()))"
    environment = {**os.environ, "HF_ENDPOINT": fake.url, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not any("acme/tiny" in path for _, path, _ in fake.requests):
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=60)[1] == "error: interrupted; the lock is as it was\n"
    assert run.returncode == 130
    assert not (project / "hflint.lock").exists()


def test_an_interrupt_leaves_the_lock(project, monkeypatch, capsys):
    run_lock(LockOptions())
    before = (project / "hflint.lock").read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Hub, "model", interrupted)
    assert run_lock(LockOptions(upgrade=(ALL,))) == 130
    assert "the lock is as it was" in capsys.readouterr().err
    assert (project / "hflint.lock").read_bytes() == before
