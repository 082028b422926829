"""The worker and its limits: whatever happens to a run ends as a verdict, the others go on, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import venv
from pathlib import Path

import pytest

from hflint.verify import process as processes
from hflint.verify.outcome import Outcome, Plan, Verdict
from hflint.verify.process import SessionError, choose_python
from hflint.verify.results import Case, Result, exit_code, result_from_json, result_to_json
from hflint.verify.session import Session
from hflint.verify.setup import Adapter, Model, Quantization, Setup

from . import setups
from .setups import model, trains

ROOT = Path(processes.__file__).resolve().parents[2]
LONG = trains(learning_rate=1e-5)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An interpreter that has nothing: no hflint, no libraries."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=False)
    return str(folder / "bin" / "python")


def test_the_worker_needs_nothing_but_the_standard_library(bare):
    cases = [
        Case("missing-pad-token", "a.py", 1, setups.pads()),
        Case("removed-import", "a.py", 2, Setup(imports=("transformers.AdamW",))),
        Case("no-probe-for-this", "a.py", 3, Setup()),
    ]
    with Session(bare) as running:
        assert running.environment["libraries"] == {}
        results = list(running.verify(cases))
    assert [r.verdict.verdict for r in results] == ["cannot tell"] * 3
    assert "torch is not installed" in results[0].verdict.reason
    assert "transformers is not installed" in results[1].verdict.reason
    assert "has no probe" in results[2].verdict.reason


def test_an_interpreter_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SessionError, match="no Python at"):
        choose_python(str(tmp_path / "python"))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(SessionError, match="did not start the worker: it is broken"), Session(str(broken)):
        pass


def test_the_interpreter_is_the_one_asked_for_then_active_then_beside(tmp_path, monkeypatch, bare):
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert choose_python(None, tmp_path) == sys.executable
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert choose_python(None, tmp_path) == str(tmp_path / ".venv" / "bin" / "python")
    assert choose_python(None, tmp_path / "src" / "package") == str(tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setenv("VIRTUAL_ENV", str(Path(bare).parents[1]))
    assert choose_python(None, tmp_path) == bare
    assert choose_python(sys.executable, tmp_path) == sys.executable


def test_a_run_past_its_time_is_killed_and_the_next_goes_on(run_setup):
    late = run_setup(LONG, ("load", "train"), timeout=2.5, steps=100000)
    assert (late.status, late.reason) == ("timeout", "timed out after 2.5 s")
    assert late.losses == () or late.losses[0] > 0
    assert run_setup(setups.pads(), ("load",)).status == "ok"


def test_a_run_past_its_memory_is_killed(run_setup):
    outcome = run_setup(LONG, ("load", "train"), memory=0.01, steps=100000)
    assert (outcome.status, outcome.reason) == ("memory", "took more than 0.01 GiB of memory")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_a_run_that_gets_no_memory_is_a_verdict_of_one_line(session):
    import resource

    def starve(case, _side, event):
        if case.line == 1 and event.get("phase") == "load":
            resource.prlimit(session.workers[0]._child, resource.RLIMIT_AS, (1 << 20, 1 << 20))

    rule = "missing-gradient-checkpointing"
    cases = [Case(rule, "a.py", 1, LONG), Case("removed-import", "a.py", 2, Setup(imports=("transformers.AdamW",)))]
    starved, fine = session.verify(cases, starve)
    assert starved.before.status in ("memory", "killed", "raised")
    assert starved.verdict.verdict == "cannot tell"
    assert "\n" not in starved.verdict.reason
    assert starved.before.reason in starved.verdict.reason
    assert fine.verdict.verdict == "confirmed"


@pytest.mark.usefixtures("session")  # it says why where the libraries are missing
def test_results_of_several_workers_come_in_order():
    imports = ("transformers.AdamW", "transformers.AutoModel", "transformers.NoSuchName", "transformers.AutoConfig")
    cases = [Case("removed-import", "a.py", n, Setup(imports=(name,))) for n, name in enumerate(imports, 1)]
    with Session(sys.executable, jobs=2) as running:
        used = running.workers
        results = list(running.verify(cases))
        pids = {worker._process.pid for worker in used if worker._process}
        assert sorted(one.line for one in running.finished) == [1, 2, 3, 4]
        folder = running.folder
    assert [one.line for one in results] == [1, 2, 3, 4]
    assert [one.verdict.verdict for one in results] == ["confirmed", "not reproduced"] * 2
    assert len(pids) > 1
    assert all(gone(pid) for pid in pids)
    assert not folder.exists()


def test_a_session_that_has_ended_starts_no_worker_again(bare):
    with Session(bare, jobs=2) as running:
        pass
    for worker in running.workers:
        with pytest.raises(SessionError, match="has ended"):
            worker.run(Setup(), Plan(), lambda _: None)
    assert not running.folder.exists()


def test_what_libraries_keep_for_themselves_goes_with_the_session(bare, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Session(bare) as running:
        variables = Path(f"/proc/{running.workers[0]._process.pid}/environ")
        assert not variables.exists() or f"TMPDIR={tmp_path}".encode() in variables.read_bytes()
        assert (running.workers[0].folder / "tmp").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_child_is_a_verdict_and_the_others_go_on(session):
    def kill(case, _side, event):
        if case.line == 1 and event.get("phase") == "train":
            os.kill(session.workers[0]._child, signal.SIGKILL)

    rule = "missing-gradient-checkpointing"
    cases = [Case(rule, "a.py", 1, LONG, LONG), Case(rule, "a.py", 2, trains(), trains(gradient_checkpointing=True))]
    killed, fine = session.verify(cases, kill)
    assert killed.verdict.verdict == "cannot tell"
    assert "killed by SIGKILL" in killed.verdict.reason
    assert fine.verdict.verdict == "improved"


def test_a_killed_worker_is_started_again(session):
    def kill(_case, side, event):
        if side == "before" and event.get("phase") == "load":
            os.kill(session.workers[0]._process.pid, signal.SIGKILL)

    (result,) = session.verify([Case("fp32-inference", "a.py", 1, Setup(model=model()), Setup(model=model()))], kill)
    assert result.verdict.verdict == "cannot tell"
    assert "the worker ended" in result.verdict.reason
    assert result.after.status == "ok"


@pytest.mark.parametrize(
    ("setup", "plan", "reason"),
    [
        (Setup(model=Model(id="acme/absent")), {"model": "real"}, "acme/absent is not in the local cache"),
        (Setup(model=Model(id="acme/damaged")), {"model": "real"}, "config.json in the cache is damaged"),
        (Setup(model=Model(id="acme/custom")), {"model": "real"}, "needs its own code"),
        (Setup(model=model("no-such-type")), {}, "has no model type 'no-such-type'"),
        (Setup(model=model()), {"device": "cuda"}, "there is no CUDA device"),
        (Setup(model=model(), quantization=Quantization("QuarkConfig")), {}, "quark"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(run_setup, setup, plan, reason):
    outcome = run_setup(setup, ("load",), **plan)
    assert outcome.status in ("unavailable", "missing")
    assert reason in outcome.reason
    assert "\n" not in outcome.reason


def test_a_damaged_cache_is_no_hindrance_where_a_twin_will_do(run_setup):
    outcome = run_setup(Setup(model=Model(id="acme/damaged")), ("load",))
    assert outcome.status == "ok"
    assert "damaged" in outcome.model


def test_remote_code_is_not_run(run_setup):
    outcome = run_setup(Setup(model=Model(id="acme/custom", kwargs={"trust_remote_code": True})), ("load",))
    assert outcome.model.startswith("twin of llama")


def test_what_a_library_raises_is_kept_with_its_phase(run_setup):
    setup = Setup(model=model("gpt2"), adapter=Adapter(kwargs={"target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}))
    outcome = run_setup(setup, ("load", "train"))
    assert outcome.status == "raised"
    assert outcome.raised.phase == "train"
    assert "q_proj" in outcome.raised.text


def test_results_are_taken_up_again_and_not_run_twice(session):
    cases = [Case("removed-import", "a.py", 1, Setup(imports=("transformers.AdamW",)))]
    first = list(session.verify(cases))
    events = []
    data = [result_from_json(result_to_json(result)) for result in first]
    again = list(session.verify(cases, lambda *event: events.append(event), known=data))
    assert again[0].verdict == first[0].verdict
    assert events == []


def test_what_was_cut_short_is_run_again(session):
    (first,) = session.verify([Case("fp32-inference", "a.py", 1, Setup(model=model("no-such-type")))])
    assert first.before.status == "unavailable"
    events = []
    again = list(
        session.verify(
            [Case("fp32-inference", "a.py", 1, Setup(model=model("no-such-type")))],
            lambda *e: events.append(e),
            [first],
        )
    )
    assert events
    assert again[0].verdict == first.verdict


INTERRUPTED = """
    import sys
    from hflint.verify.outcome import Plan
    from hflint.verify.results import Case
    from hflint.verify.session import Session
    from tests.verify.setups import trains

    def progress(case, side, event):
        print(session.folder, session.workers[0]._process.pid, session.workers[0]._child, event.get("step", 0), flush=True)

    with Session(sys.executable, plan=Plan(steps=100000)) as session:
        list(session.verify([Case("missing-gradient-checkpointing", "a.py", 1, trains())], progress))
"""


@pytest.mark.usefixtures("session")  # it says why where the libraries are missing
def test_ctrl_c_leaves_no_process_and_no_file(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    for line in process.stdout:
        folder, worker, child, step = line.split()
        if int(step) >= 2:
            break
    assert Path(folder).parent == tmp_path
    process.send_signal(signal.SIGINT)
    process.wait(20)
    process.stdout.close()
    assert gone(int(worker))
    assert gone(int(child))
    assert list(tmp_path.glob("hflint-verify-*")) == []


def gone(pid, patience=5.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_exit_codes():
    def results(*verdicts):
        return [Result("r", "p", 1, Verdict(v), Outcome()) for v in verdicts]

    assert exit_code(results("confirmed", "improved")) == 0
    assert exit_code(results("confirmed", "fix fails", "cannot tell")) == 1
    assert exit_code(results("not reproduced")) == 1
    assert exit_code(results("cannot tell", "confirmed")) == 2
    assert Plan().model == "auto"
