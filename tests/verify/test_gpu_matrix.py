"""benchmarks/gpu_matrix.py: the same rows as on a GPU, of a toy on the CPU; what it keeps, and what it makes of figures."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_matrix.py"


@pytest.fixture(scope="module")
def matrix():
    spec = importlib.util.spec_from_file_location("gpu_matrix", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_matrix"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_matrix"]


@pytest.fixture
def run(matrix, tmp_path):
    """The exit code of the command for a toy, and the rows that it kept."""

    def run(*arguments, device="cpu"):
        common = f"--model toy --device {device} --memory 8 --python {sys.executable} --out {tmp_path}".split()
        code = matrix.main([*common, *arguments])
        kept = tmp_path / "gpu.json"
        return code, json.loads(kept.read_text())["rows"] if kept.exists() else {}

    return run


def test_rows_are_every_combination_once(matrix):
    found = matrix.rows("1b")
    assert len({row.name for row in found}) == len(found) == 34
    assert {row.precision for row in found if row.method == "lora"} == {"fp32", "bf16", "int8", "nf4"}
    assert [row.name for row in matrix.rows("1b", ["full", "checkpointed", "bf16", "batch-4"])] == [
        "1b full bf16 batch-4 checkpointed"
    ]
    assert not [row for row in matrix.rows("8b") if row.method == "full"]


@pytest.mark.usefixtures("session")  # it says why where the libraries are missing
def test_a_toy_is_measured_row_by_row_and_taken_up_again(run, tmp_path, capsys):
    assert run("bf16", "batch-1", "checkpointed", "--minutes", "0") == (1, {})
    assert run("nf4", "batch-1", "generate")[0] == 0
    code, kept = run("bf16", "batch-1", "checkpointed")
    names = ["toy generate nf4 batch-1", "toy lora bf16 batch-1 checkpointed", "toy full bf16 batch-1 checkpointed"]
    assert (code, list(kept)) == (0, names)
    capsys.readouterr()
    assert run("bf16", "batch-1", "checkpointed") == (0, kept)
    assert "measured" not in capsys.readouterr().err
    generated, lora, full = kept.values()
    assert {one["status"] for one in kept.values()} == {"ok"}, kept
    assert all(one["tokens_per_second"] > 0 for one in kept.values())
    assert generated["weights"] == pytest.approx(generated["estimated"]["load"], rel=0.02)
    assert full["weights"] == full["estimated"]["load"]
    assert full["step_seconds"] > 0
    assert lora["weights"] > full["weights"]
    assert full["counted"]["peak"] > full["counted"]["load"] == full["estimated"]["load"]
    assert full["load"] is full["peak"] is None  # a CPU has no figure of its own for these
    page = (tmp_path / "gpu.md").read_text()
    assert "on cpu, with torch" in page
    assert all(f"| {name} |" in page for name in kept)
    assert "off by" not in page


@pytest.mark.usefixtures("session")
def test_what_it_cannot_do_is_one_line(run, tmp_path, capsys):
    import torch  # where it is installed

    if not torch.cuda.is_available():
        assert run("generate", "bf16", "batch-1", device="cuda") == (2, {})
        assert capsys.readouterr().err == "error: there is no CUDA device\n"
    assert run("lora", "nonsense") == (2, {})
    assert capsys.readouterr().err == "error: no row of the toy model has the words lora nonsense\n"
    (tmp_path / "gpu.json").write_text(json.dumps({"version": 1, "libraries": {"torch": "1.0"}, "rows": {}}))
    assert run("nf4") == (2, {})
    assert "was made with other libraries" in capsys.readouterr().err
    (tmp_path / "gpu.json").write_text("{")
    with pytest.raises(json.JSONDecodeError):  # it is left as it was
        run("nf4")
    assert "cannot be read" in capsys.readouterr().err


def test_estimates_are_held_against_what_was_measured(matrix):
    def row(name, **fields):
        told = {
            "name": name,
            "status": "ok",
            "reason": "",
            "device": "cuda: X1",
            "step_seconds": 0.5,
            "tokens_per_second": 1024,
        }
        sizes = {"load": 2**30, "peak": 4 * 2**30, "estimated": {"load": 2**30, "peak": 5 * 2**30}}
        return {**told, **sizes, "counted": {"load": None, "peak": 3 * 2**30}, **fields}

    found = [row("a"), row("b", peak=2**32, estimated={"load": 2**29, "peak": None}), row("c", status="memory")]
    record = {"date": "2026-01-01", "libraries": {"torch": "2"}, "rows": {one["name"]: one for one in found}}
    page = matrix.page(record)
    assert "| a | 1.0 GiB | 1.0 GiB (+0%) | 4.0 GiB | 5.0 GiB (+25%) | 3.0 GiB (-25%) | 0.500 | 1024 |" in page
    assert "| c | out of memory |" in page
    assert "- estimated load: off by 25.0% on average over 2 rows, by 50.0% at most" in page
    assert "- counted peak: off by 25.0% on average over 2 rows, by 25.0% at most" in page
