"""`hflint verify` as a user runs it: verdicts, exit codes, reports, what it says, and that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import venv
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import validate

import hflint.evidence
from hflint import verifying
from hflint.cli import main
from hflint.evidence import Evidence, Record, evidence_section, read_record, write_record
from hflint.findings import Edit, Fix, Safety, Severity, Span
from hflint.pages import all_pages
from hflint.rules import Rule, all_rules
from hflint.semantics.objects import TokenizerCall
from hflint.verify.probes import PROBES, VERDICTS

PADS = """\
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{}")
batch = tokenizer(["one", "and two"], padding=True, return_tensors="pt")
"""
FP16 = """\
import torch
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B", dtype=torch.float16)
args = TrainingArguments(output_dir="out", fp16=True)
Trainer(model=model, args=args, train_dataset=dataset).train()
"""
FP32 = """\
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-2-7b-hf", device_map="auto")
model.generate(max_new_tokens=20)
"""
TRAINS = """\
from transformers import AutoModelForCausalLM, DataCollatorForLanguageModeling, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("gpt2")
args = TrainingArguments("out", lr_scheduler_type="no_such")
collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
Trainer(model, args, train_dataset=dataset, data_collator=collator).train()
"""
VISION = """\
from transformers import AutoModelForVision2Seq

model = AutoModelForVision2Seq.from_pretrained("HuggingFaceTB/SmolVLM-256M-Instruct")
"""
RUNS = 'open("ran.txt", "w").close()\n'
OUTCOME = {
    "type": "object",
    "properties": {
        "status": {"enum": ["ok", "raised", "timeout", "memory", "killed", "missing", "unavailable"]},
        "reason": {"type": "string"},
        "raised": {"type": "object", "required": ["type", "text", "phase"]},
        "weights": {"type": "object", "additionalProperties": {"type": "integer"}},
        "losses": {"type": "array", "items": {"type": "number"}},
    },
}
CONTRACT = {
    "type": "object",
    "required": ["version", "environment", "verdicts"],
    "properties": {
        "version": {"const": 1},
        "environment": {"type": "object", "required": ["python", "platform", "libraries"]},
        "verdicts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["rule", "path", "line", "verdict", "figure", "reason", "before", "after"],
                "properties": {
                    "rule": {"type": "string"},
                    "path": {"type": "string"},
                    "line": {"type": "integer", "minimum": 1},
                    "verdict": {"enum": list(VERDICTS)},
                    "figure": {"type": "string"},
                    "reason": {"type": "string"},
                    "before": OUTCOME,
                    "after": {"anyOf": [OUTCOME, {"type": "null"}]},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def libraries():
    """The test needs torch and transformers in this interpreter."""
    assert find_spec("torch"), "torch is not installed, and HFLINT_FULL_TESTS=1 lets nothing be skipped"
    assert find_spec("transformers"), "transformers is not installed, and HFLINT_FULL_TESTS=1 lets nothing be skipped"
    return True


def left_in(temporary):
    """The processes that stay: a killed one is gone only when the system gets to it."""
    last = time.monotonic() + 20
    while (left := processes_in(temporary)) and time.monotonic() < last:
        time.sleep(0.05)
    return left


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`hflint verify` in a folder of its own, with this interpreter's libraries; checks that nothing is left behind."""
    folder = tmp_path_factory.mktemp("verify")
    temporary = folder / "temporary"
    temporary.mkdir()

    def verify(*arguments, python=sys.executable):
        words = ["verify", "--isolated", "--device", "cpu", "--python", str(python), *map(str, arguments)]
        result = CliRunner().invoke(main, words)
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert not list(temporary.glob("hflint-verify-*"))
        assert not left_in(temporary)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr("tempfile.tempdir", None)
        yield verify


def processes_in(folder):
    """The processes whose temporary folder this is, without this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in variables and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def program(text, name="program.py"):
    Path(name).write_text(text, encoding="utf-8")
    return name


@pytest.fixture(scope="module")
def wrong_rule():
    """A rule without a page that finds each padding call, with a fix that mends nothing."""

    def check(call, context):
        if call.given("padding"):
            end = context.program.source.text.index("\n", call.span.end)
            fix = Fix("pad on the left", (Edit(end, end, '\ntokenizer.padding_side = "left"'),), Safety.SAFE)
            yield context.finding(Span(call.span.start, call.span.end), "there is no pad token", fix=fix)

    made = Rule("HF991", "wrong-rule", Severity.ERROR, "test", TokenizerCall, check)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(all_rules(), made.code, made)
        patch.setitem(PROBES, made.name, replace(PROBES["missing-pad-token"], name=made.name))
        yield made


@pytest.fixture(scope="module")
def report(run, wrong_rule, libraries):
    """One run over programs of every kind, so that the libraries are imported once; its report, and what was said."""
    names = [
        program(RUNS + PADS.format("gpt2"), "right.py"),
        program(PADS.format("gpt2") + TRAINS, "other_defect.py"),
        program(PADS.format("bert-base-uncased"), "wrong.py"),
        program(FP16, "gpu.py"),
    ]
    assert libraries
    rules = f"missing-pad-token,{wrong_rule.name},mixed-precision-mismatch"
    result = run(*names, "--select", rules, "--report", "all.json")
    report = json.loads(Path("all.json").read_text(encoding="utf-8"))
    return result, {(one["path"], one["rule"]): one for one in report["verdicts"]}, report


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_the_report_keeps_its_contract(report):
    validate(report[2], CONTRACT)
    assert len(report[2]["verdicts"]) == 7


def test_a_finding_and_its_fix_are_confirmed(report):
    verdict = report[1]["right.py", "missing-pad-token"]
    assert (verdict["verdict"], verdict["line"]) == ("confirmed", 5)
    assert verdict["before"]["raised"]["type"] == "ValueError"
    assert "raised" not in verdict["after"]


def test_a_fix_that_mends_nothing_fails(report):
    verdict = report[1]["right.py", "wrong-rule"]
    assert verdict["verdict"] == "fix fails"
    assert "shows it too" in verdict["reason"]


def test_a_finding_that_is_wrong_is_not_reproduced(report):
    assert report[1]["wrong.py", "wrong-rule"]["verdict"] == "not reproduced"


def test_what_a_cpu_cannot_decide_is_left_open(report):
    verdict = report[1]["gpu.py", "mixed-precision-mismatch"]
    assert (verdict["verdict"], verdict["reason"]) == ("cannot tell", "needs a GPU")


def test_a_fix_that_leaves_a_program_that_raises_fails(report):
    verdict = report[1]["other_defect.py", "missing-pad-token"]
    assert verdict["before"]["raised"]["phase"] == "tokenize"
    assert verdict["verdict"] == "fix fails"
    assert "no_such" in verdict["reason"]


@pytest.mark.usefixtures("libraries")
def test_a_keyword_that_is_another_findings_is_not_in_the_way(run):
    """Though nothing mends it."""
    text = PADS.format("gpt2") + TRAINS.replace('lr_scheduler_type="no_such"', "do_nothing_at_all=True")
    result = run(program(text), "--select", "missing-pad-token", "--report", "odd.json")
    verdicts = json.loads(Path("odd.json").read_text(encoding="utf-8"))["verdicts"]
    assert {(one["verdict"], one["reason"]) for one in verdicts} == {
        ("confirmed", "with the file's other findings mended")
    }
    assert result.exit_code == 0


@pytest.mark.usefixtures("report")
def test_the_program_itself_is_never_run():
    assert not Path("ran.txt").exists()


def test_the_summary_says_rule_place_verdict_and_figure(report):
    said = " ".join(report[0].stdout.split())
    for text in ("missing-pad-token right.py:5", "ValueError in tokenize", "confirmed", "fix fails", "not reproduced"):
        assert text in said
    assert "1 confirmed, 1 not reproduced, 4 fix fails, 1 cannot tell." in report[0].stderr


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize(
    ("name", "rule", "code"),
    [
        ("right.py", "missing-pad-token", 0),
        ("right.py", "wrong-rule", 1),
        ("wrong.py", "wrong-rule", 1),
        ("gpu.py", "mixed-precision-mismatch", 2),
    ],
)
def test_exit_codes_follow_the_verdicts(run, name, rule, code):
    assert run(name, "--select", rule, "--resume", "all.json").exit_code == code


@pytest.mark.usefixtures("report")
def test_verdicts_are_taken_over_from_an_earlier_report(run):
    changed = json.loads(Path("all.json").read_text(encoding="utf-8"))
    for verdict in changed["verdicts"]:
        verdict["figure"] = "kept from the first run"
    Path("changed.json").write_text(json.dumps(changed), encoding="utf-8")
    result = run("right.py", "--select", "missing-pad-token", "--resume", "changed.json")
    assert "kept from the first run" in " ".join(result.stdout.split())


@pytest.mark.usefixtures("report")
def test_verdicts_of_other_libraries_are_not_taken_over(run):
    changed = json.loads(Path("all.json").read_text(encoding="utf-8"))
    changed["environment"]["libraries"]["transformers"] = "1.0"
    for verdict in changed["verdicts"]:
        verdict["figure"] = "of other libraries"
    Path("old.json").write_text(json.dumps(changed), encoding="utf-8")
    result = run("right.py", "--select", "missing-pad-token", "--resume", "old.json")
    assert "old.json was made with other libraries" in result.stderr
    assert "of other libraries" not in result.stdout
    assert result.exit_code == 0


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize("ending", ["html", "md"])
def test_reports_for_readers(run, ending):
    run("right.py", "--select", "missing-pad-token", "--resume", "all.json", "--report", f"report.{ending}")
    text = Path(f"report.{ending}").read_text(encoding="utf-8")
    assert "missing-pad-token" in text
    assert "confirmed" in text


@pytest.mark.usefixtures("libraries")
def test_a_claim_about_other_versions_is_not_held_against_those_installed(run):
    if int(version("transformers").partition(".")[0]) >= 5:
        other, text, rule = "4.57.6", FP32, "fp32-inference"
    else:
        other, text, rule = "5.23.0", VISION, "removed-import"
    result = run(program(text), "--select", rule, "--target", f"transformers=={other}")
    assert result.exit_code == 2
    assert f"found for transformers {other}, not for {version('transformers')}, which is installed" in " ".join(
        result.stdout.split()
    )


# --- what is not run --------------------------------------------------------------------------------------------------


def test_missing_libraries_are_said_in_one_line(run, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    result = run(program(PADS.format("gpt2")), python=tmp_path / "bare" / "bin" / "python")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "has no torch and no transformers: pip install 'hflint[verify]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_interpreter_that_is_not_there(run):
    result = run(program(PADS.format("gpt2")), python="/no/such/python")
    assert (result.exit_code, result.stderr) == (2, "error: no Python at /no/such/python\n")


def test_nothing_found_needs_no_libraries(run):
    result = run(program("import transformers\n"), python="/no/such/python")
    assert result.exit_code == 0
    assert "Nothing to verify" in result.stderr


def test_a_finding_whose_rule_has_no_probe_is_named(run):
    result = run(
        program('from huggingface_hub import login\nlogin("hf_' + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3k" + '")\n')
    )
    assert result.exit_code == 0
    assert "hard-coded-token (1): its rule has no probe" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--report", "report.txt"], "report.txt: a report is .html, .md or .json"),
        (["--report", "nowhere/report.html"], "nowhere/report.html: there is no folder nowhere"),
        (["--report", "folder.html"], "folder.html cannot be written: Is a directory"),
        (["--select", "no-such-rule"], "no-such-rule"),
        (["--resume", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--spec", "nowhere.json"], "nowhere.json: cannot be read"),
        (["missing.py"], "missing.py: no such file or folder"),
    ],
)
def test_what_cannot_be_done_is_an_error_of_one_line(run, arguments, said):
    Path("folder.html").mkdir(exist_ok=True)
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("error: ")


# --- setups and evidence ----------------------------------------------------------------------------------------------


def test_a_verdict_of_a_report_can_be_run_again(run, report):
    Path("case.json").write_text(json.dumps(report[1]["right.py", "missing-pad-token"]), encoding="utf-8")
    again = run("--spec", "case.json")
    assert (again.exit_code, "confirmed" in again.stdout) == (0, True)


@pytest.mark.usefixtures("libraries")
def test_a_setup_alone_is_run_for_what_it_shows(run):
    Path("setup.json").write_text('{"version": 1, "imports": ["transformers.AutoModel"]}', encoding="utf-8")
    assert run("--spec", "setup.json").exit_code == 0
    Path("setup.json").write_text('{"version": 1, "imports": ["transformers.NoSuchName"]}', encoding="utf-8")
    refused = run("--spec", "setup.json")
    assert refused.exit_code == 1
    assert "NoSuchName" in refused.stdout


@pytest.mark.usefixtures("libraries")
def test_evidence_is_recorded_for_a_page(run, monkeypatch, tmp_path):
    folder = tmp_path / "evidence"
    monkeypatch.setattr(hflint.evidence, "evidence_folder", lambda: folder)
    result = run("--record", "--select", "missing-pad-token")
    assert result.exit_code == 0
    (evidence,) = read_record("missing-pad-token").runs
    assert (evidence.verdict, evidence.device, evidence.after) == ("confirmed", "cpu", "ran")
    assert evidence.libraries["transformers"] == version("transformers")


@pytest.mark.usefixtures("libraries")
def test_nothing_is_kept_of_a_gpu_that_is_not_there(run, monkeypatch, tmp_path):
    if sys.modules.get("torch") and sys.modules["torch"].cuda.is_available():
        pytest.skip("there is one")
    monkeypatch.setattr(hflint.evidence, "evidence_folder", lambda: tmp_path)
    result = run("--record", "--device", "cuda", "--select", "missing-device-map")
    assert result.exit_code == 2
    assert "needs a GPU" in " ".join(result.stdout.split())
    assert list(tmp_path.iterdir()) == []


def test_newer_evidence_takes_the_place_of_what_it_repeats(tmp_path):
    old = Evidence(1, 4, 9, "cpu", {"transformers": "4.57.6"}, "2026-01-01", "confirmed", "old")
    new = replace(old, date="2026-02-01", figure="new")
    other = replace(old, libraries={"transformers": "5.23.0"})
    gpu = replace(old, device="cuda: NVIDIA H100")
    beside = replace(old, column=20)
    write_record(Record("a-rule").with_runs([old, other, gpu, beside]).with_runs([new]), tmp_path)
    runs = read_record("a-rule", tmp_path).runs
    assert sorted(run.figure for run in runs) == ["new", "old", "old", "old"]
    section = evidence_section("a-rule", tmp_path)
    assert section.count("\n| 1, line 4 |") == 4
    assert evidence_section("another-rule", tmp_path) == ""


def test_runs_that_differ_by_versions_only_share_a_row(tmp_path):
    old = Evidence(1, 4, 9, "cpu", {"torch": "2.13.0", "transformers": "4.57.6"}, "2026-01-01", "confirmed", "a | <b>")
    new = replace(old, libraries={"torch": "2.13.0", "transformers": "5.23.0"}, date="2026-02-01")
    other = replace(new, line=5, figure="word " * 100)
    write_record(Record("a-rule").with_runs([old, new, other]), tmp_path)
    section = evidence_section("a-rule", tmp_path)
    assert section.count("\n| 1, line ") == 2
    assert "cpu, transformers 4.57.6 and 5.23.0 |" in section
    assert "**confirmed**: a \\| \\<b>" in section
    assert "word ... |" in section
    assert section.endswith("torch 2.13.0, 2026-01-01, 2026-02-01.")


def test_a_page_shows_its_evidence():
    result = CliRunner().invoke(main, ["rule", "missing-pad-token"])
    assert "## Evidence" in result.stdout
    assert "| **confirmed**: ValueError: Asking to pad" in result.stdout
    assert result.stdout.index("## Evidence") < result.stdout.index("## Limits")


def test_every_rule_with_a_probe_has_evidence_that_bears_it_out():
    for page in all_pages():
        if page.name in PROBES:
            verdicts = {run.verdict for run in read_record(page.name).runs}
            assert verdicts, page.name
            assert verdicts <= {"confirmed", "improved", "cannot tell"}, page.name


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("libraries")
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_an_interrupted_run_leaves_nothing(tmp_path, number, jobs):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for name in ("program.py", "other.py"):
        (tmp_path / name).write_text(PADS.format("gpt2"), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "hflint",
        "verify",
        "program.py",
        "other.py",
        "--isolated",
        "--python",
        sys.executable,
    ]
    command += ["--jobs", str(jobs)]
    root = Path(hflint.evidence.__file__).parent.parent
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(root)}
    started = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while len(workers := [pid for pid in processes_in(temporary) if pid != started.pid]) < jobs:
            assert started.poll() is None, started.stderr.read()
            time.sleep(0.02)
        assert list(temporary.glob("hflint-verify-*"))
        for _ in range(3):  # impatience must not cut the clearing up short
            started.send_signal(number)
        _, said = started.communicate(timeout=60)
    finally:
        started.kill()
    assert (started.returncode, said) == (130, "error: interrupted\n")
    assert workers
    assert not left_in(temporary)
    assert not list(temporary.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_that_a_library_swallows_can_be_repeated(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    said = []
    try:
        with verifying._terminable(said):
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # impatience
            assert len(said) == 1
            monkeypatch.setattr(verifying, "PATIENCE", -1.0)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
