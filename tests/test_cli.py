"""`hflint` as its users call it: exit codes, streams, bad input, and what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import hflint
from hflint.cli import main

HEAD = 'from transformers import AutoModel\n\nmodel = AutoModel.from_pretrained("bert-base-uncased")\n'
SELECT = ["--select", "HF990"]

pytestmark = pytest.mark.usefixtures("word_rule")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, and no colours."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments, **more):
    """The command's result; it ends by an exit code, never by an exception."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], **more)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def check(*arguments, **more):
    return run("check", *SELECT, *arguments, **more)


def write(name, *words, head=HEAD):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "".join(f"x = '{word}'\n" for word in words))
    return path


# --- exit codes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "options", "code"),
    [
        ([], [], 0),
        (["BAD"], [], 1),
        (["UGLY"], [], 1),
        (["ODD"], [], 0),  # a note never fails a run, by default
        (["ODD"], ["--config", "fail-on='note'"], 1),
        (["UGLY"], ["--config", "fail-on=error"], 0),
        (["BAD"], ["--exit-zero"], 0),
        (["MAYBE"], [], 0),
        (["MAYBE"], ["--pedantic"], 1),
        (["BAD"], ["--ignore", "test-word"], 0),
        (["BAD"], ["--select", "HF99"], 1),
        (["BAD"], ["--config", "severity={test-word='note'}"], 0),
        (["BAD"], ["--config", "per-file-ignores={'a.py'=['HF990']}"], 0),
        (["BAD  # hflint: ignore[test-word]"], [], 1),  # a comment within a string silences nothing
        (["CRASH"], [], 2),
        (["CRASH"], ["--exit-zero"], 2),
        (["BAD"], ["missing.py"], 2),
        (["BAD"], ["--select", "no-such-rule"], 2),
        (["BAD"], ["--no-such-option"], 2),
        (["BAD"], ["--target", "transformers"], 2),
        (["BAD"], ["--config", "no-such-key=1"], 2),
        (["BAD"], ["--config", "missing.toml"], 2),
        (["BAD"], ["--jobs", "0"], 2),
        (["BAD"], ["-", "--fix"], 2),
        (["BAD"], ["--output-file", "no/such/folder/out.txt"], 2),
    ],
)
def test_exit_code(words, options, code):
    path = write("a.py", *words)
    result = check(path, *options)
    assert result.exit_code == code, result.output
    if code == 2:
        assert result.output.strip()


def test_the_current_folder_is_the_default():
    write("a/b/c.py", "BAD")
    assert "a/b/c.py:4:6" in check().stdout


def test_unused_suppression_is_a_finding():
    Path("a.py").write_text(HEAD + "x = 1  # hflint: ignore[test-word]\n")
    result = check("a.py", "--extend-select", "HF001", "--output-format", "concise")
    assert "[unused-ignore] HF001" in result.stdout


def test_suppression_silences():
    Path("a.py").write_text(HEAD + "x = 'BAD'  # hflint: ignore[test-word] meant\n")
    assert check("a.py").exit_code == 0


# --- fixing -----------------------------------------------------------------------------------------------------------


def test_fix_writes_safe_fixes_only():
    path = write("a.py", "BAD", "UGLY")
    result = check(path, "--fix")
    assert result.exit_code == 1
    assert path.read_text() == HEAD + "x = 'GOOD'\nx = 'UGLY'\n"
    assert "Fixed 1 finding. Found 1 warning in 1 file" in result.stdout
    assert "UGLY is a bad word" in result.stdout
    assert "BAD is" not in result.stdout


def test_fix_of_everything_exits_with_0():
    path = write("a.py", "BAD", "UGLY")
    assert check(path, "--fix", "--unsafe-fixes").exit_code == 0
    assert path.read_text() == HEAD + "x = 'GOOD'\nx = 'NICE'\n"
    assert check(path).exit_code == 0


def test_diff_writes_nothing():
    path = write("a.py", "BAD")
    before = path.read_bytes()
    result = check(path, "--diff")
    assert path.read_bytes() == before
    assert result.exit_code == 1
    assert result.stdout.startswith("--- a/a.py\n+++ b/a.py\n@@ ")
    assert "-x = 'BAD'\n+x = 'GOOD'\n" in result.stdout
    assert result.stderr == "Would fix 1 finding in 1 file.\n"


def test_diff_of_nothing():
    result = check(write("a.py", "ODD"), "--diff")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Nothing to fix.\n")


@pytest.mark.parametrize("text", ["x = 'BAD'", "x = 'BAD'\n", "x = 'BAD'\r\ny = 1\r\n"])
def test_git_applies_the_diff(text):
    path = Path("a.py")
    path.write_bytes((HEAD + text).encode())
    diff = subprocess.run(
        [sys.executable, "-c", DRIVER, "check", *SELECT, "--diff", "a.py"], capture_output=True, check=False, env=ENV
    )
    applied = subprocess.run(["git", "apply", "-"], input=diff.stdout, capture_output=True, check=False)
    assert applied.returncode == 0, applied.stderr
    assert path.read_bytes() == (HEAD + text.replace("BAD", "GOOD")).encode()


def test_a_file_that_cannot_be_written_is_an_error(monkeypatch):
    from hflint.files import FileError

    def refuse(source, _):
        raise FileError(source.path, "cannot be written: Read-only file system")

    monkeypatch.setattr("hflint.fix.write_source", refuse)
    result = check(write("a.py", "BAD"), "--fix")
    assert result.exit_code == 2
    assert "a.py: cannot be written: Read-only file system" in result.stdout
    assert "Fixed" not in result.stdout


# --- stdin ------------------------------------------------------------------------------------------------------------


def test_stdin_is_reported_under_its_name():
    result = check("-", "--stdin-filename", "src/a.py", "--output-format", "concise", input=HEAD + "x = 'BAD'\n")
    assert result.stdout.startswith("src/a.py:4:6: error[test-word] HF990 ")
    assert result.exit_code == 1
    assert check("-", input=HEAD + "x = 'BAD'\n").stdout.count("<stdin>:4:6") == 1


@pytest.mark.parametrize("text", [HEAD + "x = 'BAD'\n", HEAD + "x = 'UGLY'\r\n", "x = 1\n", "", HEAD + "def f(:\n"])
def test_stdin_fixed_goes_to_stdout(text):
    result = check("-", "--fix", input=text.encode())
    assert result.stdout_bytes == text.replace("BAD", "GOOD").encode()
    assert result.stderr


def test_stdin_diff():
    result = check("-", "--fix", "--diff", "--stdin-filename", "a.py", input=HEAD + "x = 'BAD'\n")
    assert "+x = 'GOOD'" in result.stdout
    assert result.exit_code == 1


def test_stdin_settings_are_those_of_its_folder():
    Path("sub").mkdir()
    Path("sub/hflint.toml").write_text("per-file-ignores = {'a.py' = ['test-word']}\n")
    assert check("-", "--stdin-filename", "sub/a.py", input=HEAD + "x = 'BAD'\n").exit_code == 0
    assert check("-", "--stdin-filename", "a.py", input=HEAD + "x = 'BAD'\n").exit_code == 1


def test_stdin_excluded_passes_through():
    write("build/a.py", "BAD")
    options = ("-", "--fix", "--stdin-filename", "build/a.py", "--force-exclude")
    assert check(*options, input=HEAD + "x = 'BAD'\n").stdout == HEAD + "x = 'BAD'\n"


# --- what is printed --------------------------------------------------------------------------------------------------


def test_json_is_the_contract():
    write("a.py", "BAD", "ODD")
    result = check("a.py", "missing.py", "--output-format", "json")
    document = json.loads(result.stdout)
    assert document["version"] == 1
    first, second = document["findings"]
    assert first == {
        "code": "HF990",
        "name": "test-word",
        "severity": "error",
        "confidence": "certain",
        "message": "BAD is a bad word",
        "path": "a.py",
        "cell": None,
        "range": {"start": {"line": 4, "column": 6}, "end": {"line": 4, "column": 9}},
        "label": "this word",
        "related": [
            {
                "label": "begins here",
                "path": "a.py",
                "cell": None,
                "range": {"start": {"line": 1, "column": 1}, "end": {"line": 1, "column": 5}},
            }
        ],
        "fix": {
            "title": "write GOOD",
            "safety": "safe",
            "reason": "",
            "edits": [
                {
                    "cell": None,
                    "range": {"start": {"line": 4, "column": 6}, "end": {"line": 4, "column": 9}},
                    "text": "GOOD",
                }
            ],
        },
        "no_fix_reason": None,
        "url": first["url"],
    }
    assert second["fix"] is None
    assert second["no_fix_reason"] == "it may be meant"
    assert document["errors"] == [{"path": "missing.py", "message": "no such file or folder"}]
    assert document["summary"] == {
        "files": 2,
        "files_with_findings": 1,
        "files_with_errors": 1,
        "findings": {"error": 1, "warning": 0, "note": 1},
        "fixable": {"safe": 1, "unsafe": 0},
        "fixed": 0,
        "rules": [{"code": "HF990", "name": "test-word", "count": 2, "fixable": 1}],
    }
    assert result.exit_code == 2


def test_output_file_holds_what_stdout_would():
    write("a.py", "BAD")
    shown = check("a.py").stdout
    result = check("a.py", "--output-file", "out.txt")
    assert result.stdout == ""
    assert Path("out.txt").read_text() == shown


def test_statistics():
    write("a.py", "BAD", "UGLY", "ODD")
    result = check("a.py", "--statistics")
    assert result.stdout.startswith("3  HF990  test-word  [2 fixable]\nFound 1 error, 1 warning, 1 note in 1 file")
    document = json.loads(check("a.py", "--statistics", "--output-format", "json").stdout)
    assert "findings" not in document
    assert document["summary"]["rules"][0]["count"] == 3


def test_quiet_prints_findings_only():
    write("a.py", "BAD")
    lines = check("a.py", "-q", "--output-format", "concise").stdout.splitlines()
    assert len(lines) == 1
    assert check(write("b.py"), "-q").output == ""


def test_verbose_says_where_from():
    Path("hflint.toml").write_text("pedantic = true\n")
    result = check(write("a.py"), "-v")
    assert "settings from hflint.toml" in result.stderr
    assert "transformers" in result.stderr


def test_findings_are_in_the_order_of_files_and_lines():
    for name in ("b.py", "a/z.py", "a.py"):
        write(name, "BAD", "ODD", "UGLY")
    places = [line.split(": ")[0] for line in check("--output-format", "concise").stdout.splitlines()[:-1]]
    assert places == [f"{name}:{line}:6" for name in ("a/z.py", "a.py", "b.py") for line in (4, 5, 6)]


@pytest.mark.parametrize(("environment", "coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_colours(environment, coloured, monkeypatch):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert ("\x1b[" in check(write("a.py", "BAD")).stdout) == coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in check("a.py").stdout


def test_show_settings_and_files():
    write("b.py")
    write("a.py")
    assert run("check", "--show-files").stdout == "a.py\nb.py\n"
    settings = json.loads(run("check", "--show-settings", "--pedantic", "--target", "transformers=5.0").stdout)
    assert settings["pedantic"] is True
    assert settings["target"]


def test_settings_of_each_file_are_the_nearest():
    write("a.py", "BAD")
    write("sub/a.py", "BAD")
    Path("sub/hflint.toml").write_text("ignore = ['test-word']\n")
    result = run("check", "--output-format", "concise")
    assert "a.py:4:6" in result.stdout
    assert "sub/a.py" not in result.stdout
    assert "sub/a.py:4:6" in run("check", "--isolated", "--output-format", "concise").stdout


# --- bad input --------------------------------------------------------------------------------------------------------

BAD_INPUT = {
    "syntax error": (HEAD.encode() + b"def f(:\n    pass\n", True),
    "tabs and spaces": (HEAD.encode() + b"if x:\n\ty = 1\n        z = 2\n", None),
    "unfinished": (HEAD.encode() + b"x = '''", True),
    "null byte": (HEAD.encode() + b"x = '\0'\n", True),
    "utf-16": ("\ufeff" + HEAD).encode("utf-16-le") and (("\ufeff" + HEAD).encode("utf-16-le"), None),
    "not utf-8": (HEAD.encode() + b"x = '\xff'\n", True),
    "unknown encoding": (b"# coding: klingon\n" + HEAD.encode(), True),
    "deep nesting": (HEAD.encode() + b"x = " + b"[" * 5000 + b"]" * 5000 + b"\n", None),
    "deep sum": (HEAD.encode() + b"x = " + b"+".join([b"1"] * 20000) + b"\n", None),
    "deep attribute": (HEAD.encode() + b"x = a" + b".b" * 5000 + b"\n", None),
    "deep blocks": (HEAD.encode() + b"".join(b" " * n + b"if x:\n" for n in range(120)) + b" " * 120 + b"pass\n", None),
    "a word too long": (HEAD.encode() + b"x" * 1_000_000 + b" = 1\n", None),
    "python 2": (HEAD.encode() + b"print 'x'\n", True),
    "empty": (b"", False),
    "bom": (b"\xef\xbb\xbf" + HEAD.encode(), False),
    "crlf": (HEAD.replace("\n", "\r\n").encode(), False),
    "cr": (HEAD.replace("\n", "\r").encode(), None),
    "latin-1": (b"# -*- coding: latin-1 -*-\n" + HEAD.encode() + b"x = '\xe9'\n", False),
    "no line end": (HEAD.rstrip("\n").encode(), False),
    "form feed": (HEAD.encode() + b"\x0c\nx = 1\n", False),
    "only a mention": (b"# transformers", False),
    "random": (b"import transformers " + bytes(range(1, 256)) * 20, True),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_one_line_at_most(name):
    data, fails = BAD_INPUT[name]
    Path("a.py").write_bytes(data)
    write("b.py", "BAD")
    process = hflint_process("check", *SELECT, "--output-format", "concise", "a.py", "b.py")
    assert "Traceback" not in process.stdout + process.stderr
    assert "b.py:4:6: error[test-word]" in process.stdout  # the others go on
    errors = [line for line in process.stdout.splitlines() if line.startswith("a.py")]
    assert len(errors) <= 1
    assert "internal error" not in process.stdout
    if fails is not None:
        assert bool(errors) == fails
    assert process.returncode == (2 if errors else 1)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file():
    write("a.py", "BAD").chmod(0)
    assert check("a.py").exit_code == 2


def test_internal_errors_are_one_line_and_the_rest_goes_on():
    write("a.py", "CRASH")
    write("b.py", "DEEP")
    write("c.py", "BAD")
    result = check("--output-format", "concise")
    assert "a.py: error: internal error in test-word: ValueError: a rule that fails\n" in result.stdout
    assert "b.py: error: internal error in test-word: RecursionError: " in result.stdout
    assert "c.py:4:6: error[test-word]" in result.stdout
    assert result.stderr == ""
    assert result.exit_code == 2


# --- many files, processes --------------------------------------------------------------------------------------------


def many(number=60):
    for n in range(number):
        write(f"f{n:03}.py", "BAD" if n % 3 == 0 else "FINE", head=HEAD + "# padding\n" * 400)


def test_processes_find_what_one_finds():
    many()
    one = check("--jobs", "1", "--no-cache", "--output-format", "json")
    two = check("--jobs", "2", "--no-cache", "--output-format", "json")
    assert json.loads(one.stdout) == json.loads(two.stdout)
    assert len(json.loads(one.stdout)["findings"]) == 20


def test_a_killed_worker_is_an_error_and_the_rest_goes_on():
    many()
    write("f030.py", "KILL")
    document = json.loads(check("--jobs", "2", "--output-format", "json").stdout)
    assert [error["path"] for error in document["errors"]] == ["f030.py"]
    assert "died" in document["errors"][0]["message"]
    assert len(document["findings"]) == 19
    assert document["summary"]["files"] == 60


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="sees the workers through /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_process(number):
    many(300)
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, "check", *SELECT, "--jobs", "2", "--no-cache"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=ENV,
        start_new_session=True,
        text=True,
    )
    while not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():  # until there are workers
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):  # its process group is empty
        os.killpg(process.pid, 0)


def test_a_reader_that_goes_away_is_no_news():
    many()
    command = f'"{sys.executable}" -c "$DRIVER" check --select HF990 --output-format full | head -1'
    process = subprocess.run(
        ["/bin/sh", "-c", command], env=ENV | {"DRIVER": DRIVER}, capture_output=True, text=True, check=False
    )
    assert process.stderr == ""
    assert process.stdout.startswith("error[test-word]")


# --- what it imports --------------------------------------------------------------------------------------------------

HEAVY = (
    "torch",
    "transformers",
    "huggingface_hub",
    "pygls",
    "rich",
    "concurrent.futures",
    "multiprocessing",
    "asyncio",
)


def imported(*arguments):
    """The modules that a run of hflint imports."""
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hflint", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=ENV,
    )
    return {line.rpartition("|")[2].strip() for line in process.stderr.splitlines() if line.startswith("import time:")}


def test_check_imports_nothing_heavy():
    write("a.py", "BAD")
    modules = imported("check", "a.py")
    assert "hflint.semantics.tree.reading" in modules
    assert modules.isdisjoint({"libcst", *HEAVY})


def test_a_finding_is_placed_by_libcst_and_nothing_heavier():
    Path("a.py").write_text(
        "from transformers import AutoModel\nmodel = AutoModel.from_pretrained('gpt2', use_auth_token=True)\n"
    )
    modules = imported("check", "a.py")
    assert "libcst" in modules
    assert modules.isdisjoint(HEAVY)


def test_a_file_without_a_mention_reaches_no_parser():
    Path("a.py").write_text("x = 1\n")
    assert imported("check", "a.py").isdisjoint({"libcst", "hflint.semantics.tree.reading", *HEAVY})


def test_version_is_quick():
    modules = imported("--version")
    assert modules.isdisjoint({"libcst", "json", "packaging", *HEAVY})
    assert len([name for name in modules if name.startswith("hflint")]) <= 5


# --- the other commands -----------------------------------------------------------------------------------------------


def test_version():
    assert run("--version").stdout == f"hflint, version {hflint.__version__}\n"


def test_rule_prints_its_page():
    by_name, by_code = run("rule", "unused-ignore"), run("rule", "hf001")
    assert by_name.stdout == by_code.stdout
    assert by_name.stdout.startswith("# unused-ignore (HF001)\n")
    assert "## Example" in by_name.stdout
    assert json.loads(run("rule", "HF001", "--output-format", "json").stdout)["name"] == "unused-ignore"


def test_rule_lists_all():
    listed = run("rule").stdout.splitlines()
    everything = json.loads(run("rule", "--all", "--output-format", "json").stdout)
    assert len(listed) == len(everything) >= 2
    assert run("rule", "--all").stdout.count("\n## Example") == len(everything)


def test_unknown_rule_suggests_the_nearest():
    result = run("rule", "unusd-ignore")
    assert result.exit_code == 2
    assert 'did you mean "unused-ignore"?' in result.stderr


def test_rule_is_rendered_on_a_terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("rule", "HF001").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell):
    assert "_HFLINT_COMPLETE" in run("completion", shell).stdout


def test_completion_knows_rules():
    environment = {"_HFLINT_COMPLETE": "bash_complete", "COMP_WORDS": "hflint check --select unused", "COMP_CWORD": "3"}
    process = subprocess.run(
        [sys.executable, "-c", "from hflint.cli import main; main(prog_name='hflint')"],
        env=ENV | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == "plain,unused-ignore\n"


def test_explain_follows_other_modules_of_the_project():
    Path("config.py").write_text('MODEL = "gpt2"\n')
    Path("a.py").write_text(
        "from transformers import AutoModel\nfrom config import MODEL\n\nmodel = AutoModel.from_pretrained(MODEL)\n"
    )
    assert "'gpt2'" in run("explain", "a.py").stdout


@pytest.mark.parametrize("option", ["--offline", "--upgrade"])
def test_a_lock_is_checked_or_written(option):
    result = run("lock", ".", "--check", option)
    assert result.exit_code == 2
    assert "--check asks nobody" in result.stderr


@pytest.mark.parametrize("command", ["check", "explain a.py", "lock", "model gpt2", "verify"])
def test_a_current_folder_that_is_gone_is_one_line(tmp_path, monkeypatch, command):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = run(*command.split())
    assert (result.exit_code, result.stderr) == (2, "error: the current folder is not there any more\n")


def test_explain_says_what_is_understood():
    write("a.py")
    whole, line = run("explain", "a.py"), run("explain", "a.py:3")
    assert whole.exit_code == line.exit_code == 0
    assert "bert-base-uncased" in whole.stdout
    assert "bert-base-uncased" in line.stdout


@pytest.mark.parametrize("place", ["missing.py", "missing.py:3", "bad.py", "."])
def test_explain_of_nothing(place):
    Path("bad.py").write_text(HEAD + "def f(:\n")
    result = run("explain", place)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


# --- in a process of its own ------------------------------------------------------------------------------------------

ROOT = Path(hflint.__file__).parents[1]
ENV = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "NO_COLOR"}} | {
    "PYTHONPATH": str(ROOT)
}
# The word rule of conftest.py, registered as the fixture does.
DRIVER = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("support", {str(Path(__file__).with_name("conftest.py"))!r})
support = importlib.util.module_from_spec(spec)
sys.modules["support"] = support
spec.loader.exec_module(support)
support.all_rules()["HF990"] = support.Rule("HF990", "test-word", support.Severity.ERROR, "test", object, support._check)
from hflint.cli import main
main(prog_name="hflint")
"""


def hflint_process(*arguments):
    return subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments], capture_output=True, text=True, check=False, env=ENV
    )
