"""Models of a real size, made here at a small one: how they are cut to it, and that a run measures what it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hflint.verify import libraries as wrapped
from hflint.verify import sized, twin
from hflint.verify.codec import to_json
from hflint.verify.outcome import Outcome, Plan
from hflint.verify.probes import PROBES, judge
from hflint.verify.run import run_message
from hflint.verify.setup import Generation

from . import setups

ROOT = Path(wrapped.__file__).resolve().parents[2]


@pytest.fixture
def libraries():
    return pytest.importorskip("torch") and pytest.importorskip("transformers")


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize(("kind", "parameters"), [("llama", 7_000_000_000), ("qwen2", 1_000_000_000), ("gpt2", 10**9)])
def test_layers_make_the_size(kind, parameters):
    config = sized.scaled(twin.full_config(kind), "AutoModelForCausalLM", parameters)
    assert sized._count(config, "AutoModelForCausalLM") == pytest.approx(parameters, rel=0.15)
    assert (config.get("num_hidden_layers") or config["n_layer"]) >= 8


@pytest.mark.usefixtures("libraries")
def test_a_size_is_that_of_the_model_between_bounds():
    assert sized.size(500_000_000, "cpu", trained=True) == sized.SMALLEST
    assert sized.size(70_000_000_000, "cpu", trained=False) == sized.LARGEST
    assert sized.size(None, "cpu", trained=True) == sized.LARGEST_TRAINED


@pytest.mark.usefixtures("libraries")
def test_a_program_is_run_at_a_size(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sized, "size", lambda *_args, **_kwargs: 2_000_000)
    monkeypatch.setattr(sized, "LENGTH", 24)
    facts = {"dtype": "bfloat16", "parameters": 500_000_000}
    setup = replace(
        setups.trains("mamba"),
        model=setups.model("mamba", kwargs={"dtype": "auto"}, facts=facts),
        generation=Generation(),
    )
    plan = Plan(phases=("load", "train", "generate", "estimate"), device="cpu", sized=True)
    outcome = run_message(setup.to_json(), to_json(plan), tmp_path, tmp_path, lambda **_: None)
    assert outcome.status == "ok", outcome.reason
    assert outcome.model.startswith("random mamba of 0.0B")
    assert len(outcome.losses) == 3
    assert outcome.step_seconds > 0
    (folder,) = tmp_path.glob("twin-*")
    assert json.loads((folder / "parameters.json").read_text()) == outcome.parameters
    assert max(outcome.weights, key=outcome.weights.get) == "torch.bfloat16"


@pytest.mark.usefixtures("libraries")
def test_the_paths_of_a_gpu_without_one(tmp_path, monkeypatch):
    import torch  # where it is installed

    monkeypatch.chdir(tmp_path)
    made_as = sized._made_as
    monkeypatch.setattr(sized, "_made_as", lambda dtype, _device: made_as(dtype, "cpu"))
    monkeypatch.setattr(sized, "SMALLEST", 1_000_000)
    calls = {"is_available": True, "get_device_name": "NVIDIA X1", "mem_get_info": (120_000_000, 2**40)}
    calls |= {"reset_peak_memory_stats": None, "max_memory_allocated": 2**30, "synchronize": None, "empty_cache": None}
    calls |= {"memory_allocated": 2**29}
    for name, result in calls.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_args, _result=result: _result)
    setup = replace(setups.generates("mamba"), tokenizer_calls=())
    plan = Plan(phases=("load", "generate"), device="cuda", sized=True)
    outcome = run_message(setup.to_json(), to_json(plan), tmp_path, tmp_path, lambda **_: None)
    assert outcome.status == "ok", outcome.reason
    assert (outcome.device, outcome.loaded_bytes, outcome.peak_bytes) == ("cuda: NVIDIA X1", 2**29, 2**30)
    assert 12_000_000 < outcome.parameters < 24_000_000  # as many as fit
    assert outcome.tokens_per_second > 0


def test_only_figures_of_size_need_one():
    assert PROBES["fp32-inference"].plan(Plan(sized=True)).sized
    assert not PROBES["fp32-inference"].plan(Plan()).sized
    assert not PROBES["missing-pad-token"].plan(Plan(sized=True)).sized


def test_what_a_gpu_gains():
    slow = Outcome(device="cuda: A100", model_device="cpu", tokens_per_second=2.0)
    fast = replace(slow, model_device="cuda", tokens_per_second=50.0)
    assert judge(PROBES["missing-device-map"], slow, fast).figure == "25.0x as fast (2.0 to 50.0 tokens a second)"
    full = Outcome(peak_bytes=4 * 2**30, saved_bytes=9, checkpointing=False)
    less = replace(full, peak_bytes=2**30, checkpointing=True)
    assert "peak memory 4.0x smaller" in judge(PROBES["missing-gradient-checkpointing"], full, less).figure


PRETENDS = """
import sys, torch
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 1
torch.version.cuda = "13.0"
torch._C._cuda_getCurrentRawStream = lambda device: 0
started = []
torch.cuda._lazy_init = lambda: started.append(1) or exec("raise RuntimeError('CUDA started')")
from hflint.verify.libraries import MissingError, attribute, library
try:
    library("bitsandbytes")
except MissingError:
    pass
print(len(started), "bitsandbytes.cuda_specs" in sys.modules)
"""


@pytest.mark.usefixtures("libraries")
def test_imports_do_not_start_cuda():
    pytest.importorskip("bitsandbytes")
    done = subprocess.run([sys.executable, "-c", PRETENDS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0", "True"], done.stderr
