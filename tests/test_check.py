"""The road of one source, of many files, and what is remembered of them."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

from hflint import cache
from hflint.check import check_data, check_source, mend
from hflint.checker import Checker, Runner
from hflint.files import Source
from hflint.findings import Severity
from hflint.project import Projects
from hflint.semantics import choice
from hflint.settings import SettingsError

HEAD = 'from transformers import AutoModel\n\nmodel = AutoModel.from_pretrained("bert-base-uncased")\n'

pytestmark = pytest.mark.usefixtures("word_rule")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def projects(**overrides):
    return Projects(isolated=True, overrides={"select": ["HF990", "HF001"], **overrides})


def report_of(text, **overrides):
    path = Path("a.py").absolute()
    return check_source(Source(path, "a.py", HEAD + text), projects(**overrides).of(path))


def words(report):
    return [found.message.split()[0] for found in report.findings]


# --- one source -------------------------------------------------------------------------------------------------------


def test_findings_are_sorted_by_place():
    report = report_of("x = 'ODD', 'BAD'\ny = 'UGLY'\n")
    assert words(report) == ["ODD", "BAD", "UGLY"]
    assert report.errors == ()
    assert report.located.text[report.findings[1].span.start :].startswith("BAD")


def test_the_gate_keeps_files_without_a_library_from_the_parser(monkeypatch):
    def refuse(*_):
        raise AssertionError("parsed")

    monkeypatch.setattr("hflint.semantics.build.build_program", refuse)
    path = Path("a.py").absolute()
    report = check_data(b"x = 'BAD'\ndef f(:\n", path, "a.py", projects().of(path))
    assert (report.source, report.findings, report.errors) == (None, (), ())


def test_possible_findings_are_for_the_pedantic():
    assert words(report_of("x = 'MAYBE'\n")) == []
    assert words(report_of("x = 'MAYBE'\n", pedantic=True)) == ["MAYBE"]


def test_a_comment_for_a_possible_finding_is_in_use():
    assert report_of("x = 'MAYBE'  # hflint: ignore[test-word]\n").findings == ()


def test_a_comment_for_a_failed_rule_is_not_judged():
    report = report_of("x = 'CRASH'\ny = 1  # hflint: ignore[test-word]\n")
    assert report.findings == ()
    assert len(report.errors) == 1


def test_severity_of_the_settings():
    (finding,) = report_of("x = 'BAD'\n", severity={"test-word": "note"}).findings
    assert finding.severity is Severity.NOTE
    assert report_of("x = 'BAD'\n", severity={"test-word": "off"}).findings == ()


def test_per_file_ignores():
    assert report_of("x = 'BAD'\n", per_file_ignores={"a.py": ["test-word"]}).findings == ()
    assert words(report_of("x = 'BAD'\n", per_file_ignores={"b.py": ["test-word"]})) == ["BAD"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("CRASH", "internal error in test-word: ValueError: a rule that fails"),
        ("DEEP", "internal error in test-word: RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_a_rule_that_fails_is_one_line(word, message, capsys, monkeypatch):
    report = report_of(f"x = '{word}'\n")
    assert len(report.errors) == 1
    assert report.errors[0].startswith(message)
    assert "\n" not in report.errors[0]
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("HFLINT_DEBUG", "1")
    report_of(f"x = '{word}'\n")
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [RuntimeError("no\nway"), MemoryError(), KeyError("x")])
def test_an_analysis_that_fails_is_one_line(error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("hflint.semantics.build.Interpreter.run", fail)
    report = report_of("x = 'BAD'\n")
    assert len(report.errors) == 1
    assert report.errors[0].startswith(f"internal error in the analysis: {type(error).__name__}")
    assert "\n" not in report.errors[0]


def test_a_syntax_error_says_where():
    assert report_of("def f(:\n").errors[0].startswith("4:")


def test_a_target_without_a_release_is_an_error_of_the_settings():
    with pytest.raises(SettingsError):
        report_of("", target={"transformers": "<0.1"})


def test_mending_reports_what_is_left():
    project = projects().of(Path("a.py").absolute())
    before = report_of("x = 'BAD'\ny = 'UGLY'\n")
    after = mend(before, project)
    assert after.before == before.source
    assert after.located.text == HEAD + "x = 'GOOD'\ny = 'UGLY'\n"
    assert [found.message.split()[0] for found in after.fixed] == ["BAD"]
    assert words(after) == ["UGLY"]
    assert mend(after, project).before == before.source  # nothing more to do


# --- many files -------------------------------------------------------------------------------------------------------


def write(name, text):
    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path, name


def run(files, *, cached=True, **overrides):
    return list(Checker(projects(**overrides), jobs=1, cached=cached).check(files))


@pytest.fixture
def parsed(monkeypatch):
    """The names of the files that were parsed."""
    names = []
    real = Runner.run

    def run_noted(runner, job):
        names.append(job.name)
        return real(runner, job)

    monkeypatch.setattr(Runner, "run", run_noted)
    cache._digest_of.cache_clear()
    return names


def test_a_project_crosses_processes():
    write("pyproject.toml", '[project]\nname = "x"\ndependencies = ["transformers>=4.50,<5"]\n')
    project = projects().of(Path("a.py").absolute())
    found = (project.rules, project.versions, project.models, project.codes, project.modules)
    again = pickle.loads(pickle.dumps(project))
    assert [rule.code for rule in again.rules] == [rule.code for rule in found[0]]
    assert str(again.versions["transformers"]) == str(project.versions["transformers"])
    assert again.models.find("bert-base-uncased") == project.models.find("bert-base-uncased")
    assert again.looked_up


def test_each_folder_has_its_own_project():
    write("one/pyproject.toml", '[project]\nname = "one"\ndependencies = ["transformers==4.57.6"]\n')
    write("two/requirements.txt", "transformers==4.50.0\n")
    of = projects().of
    assert str(of(Path("one/a/b.py").absolute()).versions["transformers"]) == "transformers 4.57.6"
    assert str(of(Path("two/b.py").absolute()).versions["transformers"]) == "transformers 4.50.0"
    assert of(Path("one/a.py").absolute()) is of(Path("one/b/c.py").absolute())


def test_what_is_known_is_not_parsed_again(parsed):
    files = [write("a.py", HEAD + "x = 'BAD'\n"), write("b.py", HEAD), write("c.py", "x = 1\n")]
    first = run(files)
    assert parsed == ["a.py", "b.py"]
    second = run(files)
    assert parsed == ["a.py", "b.py"]
    assert [report.findings for report in first] == [report.findings for report in second]
    assert second[0].located.text == HEAD + "x = 'BAD'\n"


def test_a_change_is_seen(parsed):
    files = [write("a.py", HEAD), write("b.py", HEAD)]
    run(files)
    write("b.py", HEAD + "x = 'BAD'\n")
    assert [words(report) for report in run(files)] == [[], ["BAD"]]
    assert parsed == ["a.py", "b.py", "b.py"]


def test_a_change_in_an_imported_module_is_seen(parsed):
    code = "from transformers import AutoModel\nfrom config import MODEL\n\nmodel = AutoModel.from_pretrained(MODEL, revision=WORD)\n"
    files = [write("train.py", code)]
    write("config.py", 'MODEL = "bert-base-uncased"\n')
    (report,) = run(files)
    assert Path("config.py").resolve() in report.reads
    run(files)
    assert parsed == ["train.py"]
    cache._digest_of.cache_clear()
    write("config.py", 'MODEL = "gpt2"\n')
    run(files)
    assert parsed == ["train.py", "train.py"]


SETTINGS = """\
import os

MODEL = "bert-base-uncased"


def device():
    return os.environ.get("DEVICE", "cpu")
"""
USER = "from transformers import AutoModel\nfrom config import MODEL, WORD\n\nmodel = AutoModel.from_pretrained(MODEL, revision=WORD)\n"


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ('"cpu"', '"cuda"', False),
        ("\n\n\n", "\n\n\n# A comment.\n", False),
        ("import os\n", "import os\nimport re\n\nOTHER = re.compile('x')\n", False),
        ("import os\n", "import os\n\nWORD = 1\n", True),  # it was looked for
        ("import os\n", "import os\nfrom words import *\n", True),
        ("bert-base-uncased", "gpt2", True),
        ("\n\n\n", "\nMODEL += '-v2'\n", True),
    ],
)
def test_only_a_change_of_what_is_imported_matters(parsed, old, new, again):
    files = [write("train.py", USER)]
    write("config.py", SETTINGS)
    run(files)
    cache._digest_of.cache_clear()
    write("config.py", SETTINGS.replace(old, new, 1))
    run(files)
    assert parsed == ["train.py"] * (2 if again else 1)


def test_a_module_that_is_the_same_is_not_read_again(monkeypatch):
    files = [write("train.py", USER), write("other.py", USER)]
    write("config.py", SETTINGS)
    run(files[:1])
    read = []
    real = choice.survey
    monkeypatch.setattr(choice, "survey", lambda text: (read.append(text), real(text))[1])
    run(files)
    assert read == [USER]  # the other file itself


def test_a_change_in_a_settings_file_is_seen(parsed):
    code = "import json\n" + HEAD.replace('"bert-base-uncased"', 'json.load(open("settings.json"))["model"]')
    files = [write("train.py", code)]
    write("settings.json", '{"model": "gpt2"}')
    run(files)
    run(files)
    assert parsed == ["train.py"]
    cache._digest_of.cache_clear()
    write("settings.json", '{"model": "gpt2-medium"}')
    run(files)
    assert parsed == ["train.py", "train.py"]


def test_findings_may_point_into_an_imported_module(parsed):
    files = [write("train.py", USER + "x = 'BAD'\n")]
    write("config.py", SETTINGS)
    run(files)
    cache._digest_of.cache_clear()
    write("config.py", SETTINGS.replace("\n\n\n", "\n\n\n# A comment.\n"))
    run(files)
    assert parsed == ["train.py", "train.py"]


HELPER = "from transformers import AutoModel\n\ndef load(name):\n    return AutoModel.from_pretrained(name)\n"
OFFER = "from transformers import AutoTokenizer\n\ntokenizer = AutoTokenizer.from_pretrained('gpt2')\n"
CALLER = "from helper import load\n\nload('gpt2')\n"
CHANGER = "from helper import tokenizer\n\ntokenizer.pad_token = tokenizer.eos_token\n"


@pytest.mark.parametrize(("code", "newcomer"), [(HELPER, CALLER), (OFFER, CHANGER)])
def test_a_new_importer_of_a_module_is_seen(parsed, code, newcomer):
    files = [write("helper.py", code), write("other.py", HEAD)]
    run(files)
    write("apart.py", "import json\n")
    run(files)
    assert parsed == ["helper.py", "other.py"]
    write("importer.py", newcomer)
    run([files[1]])
    run(files)
    assert parsed == ["helper.py", "other.py", "helper.py"]
    run(files)
    assert len(parsed) == 3


def test_an_importer_that_is_checked_first_leaves_no_old_findings(parsed):
    files = [write("helper.py", HELPER)]
    run(files)
    newcomer = write("importer.py", "from transformers import AutoModel\n" + CALLER)
    run([newcomer])
    run(files)
    assert parsed == ["helper.py", "importer.py", "helper.py"]


@pytest.mark.parametrize("change", [{"pedantic": True}, {"target": {"transformers": "4.57"}}, {"select": ["HF001"]}])
def test_other_settings_and_versions_are_another_cache(change, parsed):
    files = [write("a.py", HEAD)]
    run(files)
    run(files, **change)
    assert parsed == ["a.py", "a.py"]
    run(files)
    assert parsed == ["a.py", "a.py"]


def test_errors_are_not_remembered(parsed):
    files = [write("a.py", HEAD + "x = 'CRASH'\n")]
    run(files)
    assert run(files)[0].errors
    assert parsed == ["a.py", "a.py"]


def test_no_cache_leaves_nothing():
    run([write("a.py", HEAD)], cached=False)
    assert not Path(cache.FOLDER).exists()


def test_the_cache_keeps_itself_out_of_git():
    run([write("a.py", HEAD)])
    assert re.search(r"^\*$", Path(cache.FOLDER, ".gitignore").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"files": {}, "entries": {"a.py": 1}}',
        b'{"files": {}, "entries": {"a.py": ["x", {}, [], []]}}',
        b'{"files": [], "entries": {}}',
        "fields",
        "severity",
        "reads",
    ],
)
def test_a_damaged_cache_is_none(damage):
    files = [write("a.py", HEAD + "x = 'BAD'\n")]
    first = run(files)
    (path,) = Path(cache.FOLDER).glob("[!m]*.json")
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        known = json.loads(path.read_text())
        entry = known["entries"]["a.py"]
        finding = entry[3][0]
        if damage == "fields":
            del finding["message"]
        elif damage == "severity":
            finding["severity"] = "fatal"
        else:
            entry[1] = {"gone.py": "0"}
        path.write_text(json.dumps(known))
    assert [report.findings for report in run(files)] == [report.findings for report in first]


def test_a_cache_that_cannot_be_written_is_none():
    Path(cache.FOLDER).write_text("a file in its place")
    assert words(run([write("a.py", HEAD + "x = 'BAD'\n")])[0]) == ["BAD"]


def test_the_cache_forgets_what_is_gone_and_what_is_old():
    files = [write("a.py", HEAD), write("b.py", HEAD)]
    run(files)
    files[0][0].unlink()
    write("b.py", HEAD + "x = 1\n")
    run(files[1:])
    (path,) = Path(cache.FOLDER).glob("[!m]*.json")
    assert list(json.loads(path.read_text())["entries"]) == ["b.py"]
    for number in range(cache.KEPT + 3):
        run(files[1:], target={"transformers": f"4.{40 + number}"})
    assert len(list(Path(cache.FOLDER).glob("*.json"))) == cache.KEPT


def test_a_package_is_checked_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "names.py").write_text('NAME = "gpt2"\n')
    (tmp_path / "a.py").write_text(
        "from names import NAME\nfrom transformers import AutoTokenizer\n\n"
        'AutoTokenizer.from_pretrained(NAME)(["a", "b"], padding=True)\n'
    )
    monkeypatch.chdir(tmp_path)
    path = Path("a.py")
    report = check_data(path.read_bytes(), path, "a.py", Projects(isolated=True).of(path))
    assert [finding.code for finding in report.findings] == ["HF101"]
