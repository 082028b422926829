"""Settings: where they are read, what they mean, and what is said of wrong ones."""

import json
import pickle
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflint import rules, selectors
from hflint.findings import Severity
from hflint.kinds import GPU_GIB
from hflint.rules import Rule
from hflint.settings import (
    Settings,
    SettingsError,
    active_codes,
    ignored_for,
    json_schema,
    load_settings,
    parse_target,
    selected_rules,
    settings_dict,
    severity_for,
)

RULES = [
    Rule("HF101", "missing-pad-token", Severity.ERROR, "inference", object, iter),
    Rule("HF102", "fp32-inference", Severity.WARNING, "inference", object, iter),
    Rule("HF201", "missing-gradient-checkpointing", Severity.NOTE, "training", object, iter),
    Rule("HF901", "hand-written-loop", Severity.NOTE, "production", object, iter, default=False),
]
OWN = {"HF001", "HF002"}
Load = Callable[..., Settings]


@pytest.fixture(autouse=True)
def known_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "all_rules", lambda: {rule.code: rule for rule in RULES})


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Settings from the text of an hflint.toml."""
    monkeypatch.chdir(tmp_path)

    def from_text(text: str, **options: object) -> Settings:
        (tmp_path / "hflint.toml").write_text(text)
        return load_settings(tmp_path, **options)

    return from_text


# --- which file ----------------------------------------------------------------------------------------------------


def test_nothing_configured(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings == Settings(root=settings.root, origin="defaults")
    assert (settings.fail_on, settings.select) == (Severity.WARNING, ("HF",))


def test_the_nearest_file_wins_and_hflint_toml_before_pyproject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (tmp_path / "hflint.toml").write_text("pedantic = true")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.hflint]\nignore = ['HF101']")
    (tmp_path / "a" / "b" / "pyproject.toml").write_text("[tool.other]\nhflint = 1")
    nearest = load_settings(deep / "new.py")
    assert (nearest.pedantic, nearest.ignore) == (False, ("HF101",))
    assert (nearest.root, nearest.origin) == (tmp_path / "a", "a/pyproject.toml")
    (tmp_path / "a" / "hflint.toml").write_text("ignore = ['HF102']")
    assert load_settings(deep).ignore == ("HF102",)
    assert load_settings(deep, isolated=True).ignore == ()
    given = load_settings(deep, config=tmp_path / "hflint.toml")
    assert given.pedantic
    assert given.root == tmp_path / "a" / "b"


def test_extend(load: Load, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "pyproject.toml").write_text(
        "[tool.hflint]\nextend = '../base.toml'\nextend-select = ['production']\ntarget.peft = '0.17'\nselect = ['HF1']"
    )
    (tmp_path / "base.toml").write_text("pedantic = true\nfail-on = 'error'\ntarget.transformers = '4.57'\n")
    settings = load(
        "extend = 'shared/pyproject.toml'\nselect = ['HF2']\ntarget.peft = '0.18'\nextend-select = ['HF101']"
    )
    assert settings.pedantic
    assert settings.fail_on is Severity.ERROR
    assert settings.target == {"transformers": "==4.57.*", "peft": "==0.18.*"}
    assert settings.select == ("HF2",)
    assert settings.extend_select == ("production", "HF101")


# --- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("selct = []", 'unknown key "selct"; did you mean "select"?'),
        ("extend_select = []", 'unknown key "extend_select"; did you mean "extend-select"?'),
        ("zzz = 1", 'unknown key "zzz"'),
        ("[tool.hflint]", 'unknown key "tool"; in hflint.toml the keys stand at the top, without [tool.hflint]'),
        ("select = 'HF101'", "select: expected a list of strings, got a string"),
        ("ignore = [1]", "ignore: expected a list of strings, got a number in it"),
        ("ignore = ['missing-pad-tokn']", 'ignore: unknown rule "missing-pad-tokn"; did you mean "missing-pad-token"?'),
        ("ignore = ['HF3']", 'ignore: unknown rule "HF3"'),
        ("ignore = ['']", 'ignore: unknown rule ""'),
        ("pedantic = 1", "pedantic: expected true or false, got a number"),
        ("fail-on = 'eror'", 'fail-on: expected one of error, warning, note, got "eror"; did you mean "error"?'),
        ("fail-on = true", "fail-on: expected one of error, warning, note, got a boolean"),
        ("severity = []", "severity: expected a table, got a list"),
        ("severity.HF101 = 'bad'", 'severity: "HF101": expected one of error, warning, note, off, got "bad"'),
        ("severity.HF777 = 'off'", 'severity: unknown rule "HF777"'),
        ("target.peft = 0.17", 'target: "peft": expected a version in quotes, such as "5.23" or ">=4.50,<6", got a'),
        ("target.peft = 'new'", 'target: "peft": "new" is not a version, such as "5.23", nor a range'),
        ("target.peft = ''", 'target: "peft": "" is not a version'),
        ("target-gpu = 'A100'", 'target-gpu: unknown GPU "A100"; did you mean "A10'),
        ("target-gpu = '0GiB'", 'target-gpu: unknown GPU "0GiB"'),
        ("per-file-ignores.'a/*' = 'HF101'", 'per-file-ignores: "a/*": expected a list of strings, got a string'),
        ("extend = 'no.toml'", 'extend: there is no file "no.toml"'),
        ("extend = 1", "extend: expected a string, got a number"),
        ("extend = 'hflint.toml'", "extend goes in a circle"),
        ("select = [", "is not valid TOML: "),
    ],
)
def test_wrong_settings_are_one_line_that_says_where(load: Load, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert str(caught.value).startswith(f"hflint.toml: {message}")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool]\nhflint = 1")
    with pytest.raises(SettingsError, match=r"^pyproject.toml: tool.hflint: expected a table, got a number$"):
        load_settings(tmp_path)
    (tmp_path / "pyproject.toml").write_bytes(b"# hflint \xff")
    with pytest.raises(SettingsError, match=r"^pyproject.toml: is not UTF-8$"):
        load_settings(tmp_path)
    with pytest.raises(SettingsError, match=r"^none.toml: cannot be read: No such file or directory$"):
        load_settings(tmp_path, config=Path("none.toml"))
    (tmp_path / "pyproject.toml").write_text("[project]")
    with pytest.raises(SettingsError, match=r"^pyproject.toml: has no \[tool.hflint\]$"):
        load_settings(tmp_path, config=Path("pyproject.toml"))
    with pytest.raises(SettingsError, match="--isolated"):
        load_settings(tmp_path, config=Path("pyproject.toml"), isolated=True)


def test_wrong_options_name_no_file(load: Load) -> None:
    with pytest.raises(SettingsError, match=r'^select: unknown rule "x"'):
        load("", overrides={"select": ["x"]})


# --- which rules ---------------------------------------------------------------------------------------------------

DEFAULT = {"HF101", "HF102", "HF201"} | OWN


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", DEFAULT),
        ("select = []", set()),
        ("select = ['ALL']", DEFAULT | {"HF901"}),
        ("select = ['HF9']", set()),
        ("select = ['hf901']", {"HF901"}),
        ("select = ['hand-written-loop', 'inference']", {"HF901", "HF101", "HF102"}),
        ("extend-select = ['production']", DEFAULT | {"HF901"}),
        ("ignore = ['HF1']", {"HF201"} | OWN),
        ("ignore = ['inference', 'unused-ignore']", {"HF201", "HF002"}),
        ("ignore = ['HF1']\nextend-select = ['missing-pad-token']", {"HF101", "HF201"} | OWN),
        ("select = ['HF101']\nignore = ['HF101']", set()),
        ("select = ['HF101']\nignore = ['ALL']", {"HF101"}),
        ("severity = {HF101 = 'off', training = 'off', HF201 = 'note'}", {"HF102", "HF201"} | OWN),
    ],
)
def test_selection(load: Load, text: str, codes: set[str]) -> None:
    settings = load(text)
    assert active_codes(settings) == codes
    assert [rule.code for rule in selected_rules(settings)] == sorted(codes - OWN)


@pytest.mark.parametrize(
    ("text", "overrides", "codes"),
    [
        ("select = ['HF2']", {"select": ["HF101"]}, {"HF101"}),
        ("ignore = ['HF101']\nextend-select = ['HF901']", {"select": ("HF1",)}, {"HF101", "HF102"}),
        ("ignore = ['HF101']", {"ignore": ["HF102"]}, {"HF201"} | OWN),
        ("ignore = ['HF101', 'HF102']", {"extend_select": ["HF101"]}, {"HF101", "HF201"} | OWN),
        ("select = ['HF1']", {"extend-select": ["HF201"], "ignore": [], "pedantic": None}, {"HF101", "HF102", "HF201"}),
    ],
)
def test_the_command_line_is_not_undone_by_the_file(
    load: Load, text: str, overrides: dict[str, object], codes: set[str]
) -> None:
    assert active_codes(load(text, overrides=overrides)) == codes


def test_severity(load: Load) -> None:
    settings = load("severity = {HF1 = 'note', missing-pad-token = 'error', HF201 = 'off'}")
    given = Severity.WARNING
    assert [severity_for(settings, rule.code, given) for rule in RULES] == ["error", "note", "warning", "warning"]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("tests/a.py", {"HF101"}),
        ("deep/tests/a.py", {"HF101"}),
        ("src/gen/a.py", {"HF101", "HF102"}),
        ("src/a.pyi", {"HF901"}),
        ("other/src/gen/a.py", set()),
        ("../tests/a.py", {"HF101"}),
    ],
)
def test_per_file_ignores(load: Load, tmp_path: Path, name: str, codes: set[str]) -> None:
    settings = load("[per-file-ignores]\ntests = ['HF101']\n'src/gen/**' = ['inference']\n'*.pyi' = ['production']")
    assert ignored_for(settings, name) == codes
    assert ignored_for(settings, tmp_path / name) == codes


def test_per_file_ignores_hold_from_any_folder(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load("per-file-ignores.'src/*.py' = ['HF101']")
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    assert ignored_for(settings, "a.py") == {"HF101"}


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("transformers=5.23", ("transformers", "==5.23.*")),
        ("transformers==5.23.1", ("transformers", "==5.23.1")),
        ("transformers>=4.50,<6", ("transformers", ">=4.50,<6")),
        ("Sentence_Transformers = 5", ("sentence-transformers", "==5.*")),
        ("trl~=0.24.0", ("trl", "~=0.24.0")),
        ("transformers=5.0.0rc1", ("transformers", "==5.0.0rc1")),
        ("transformers!=5.1", ("transformers", "!=5.1")),
    ],
)
def test_targets(load: Load, text: str, target: tuple[str, str]) -> None:
    assert parse_target(text) == target
    assert load("", overrides={"target": {target[0]: target[1]}}).target == dict([target])


@pytest.mark.parametrize("text", ["", "transformers", "=5", "transformers=", "transformers=x", "a b=1"])
def test_wrong_targets(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "gib"),
    [("24GiB", 24), ("24 GB", 24), ("8g", 8), ("512MiB", 0.5), ("7.5GiB", 7.5), ("rtx-4090", 24), ("NVIDIA T4", 16)],
)
def test_target_gpu(load: Load, text: str, gib: float) -> None:
    assert load(f"target-gpu = '{text}'").target_gpu_gib == gib


def test_every_known_card_is_its_own(load: Load) -> None:
    for name, gib in GPU_GIB.items():
        assert load(f"target-gpu = '{name.lower()}'").target_gpu_gib == gib
    assert load("").target_gpu_gib is None


# --- as values -----------------------------------------------------------------------------------------------------

FULL = """
select = ["ALL"]
extend-select = ["production"]
ignore = ["HF1", "fp32-inference"]
extend-ignore = ["hf201"]
exclude = ["a"]
extend-exclude = ["b/**"]
force-exclude = true
target-gpu = "A100-80GB"
fail-on = "note"
pedantic = true
unsafe-fixes = true
[per-file-ignores]
"tests/**" = ["HF101"]
[severity]
missing-pad-token = "off"
[target]
transformers = ">=4.50,<6"
"""


def test_settings_can_be_hashed_sent_and_shown(load: Load) -> None:
    settings = load(FULL)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert {settings: 1}[load(FULL)] == 1
    shown = json.loads(json.dumps(settings_dict(settings)))
    written = tomllib.loads(FULL)
    written["extend-ignore"] = ["HF201"]
    assert shown == written


def test_the_fingerprint_changes_with_what_can_change_findings(load: Load) -> None:
    settings = load(FULL)
    assert settings.fingerprint() == load(FULL).fingerprint()
    others = [replace(settings, pedantic=False), replace(settings, ignore=()), replace(settings, target_gpu="T4")]
    assert len({settings.fingerprint(), *(other.fingerprint() for other in others)}) == 4
    assert settings.fingerprint() == replace(settings, fail_on=Severity.ERROR, unsafe_fixes=False).fingerprint()


def test_the_schema_accepts_what_loads(load: Load) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    keys = schema["properties"]
    assert keys.keys() == {"extend", *tomllib.loads(FULL)}
    assert all(key["description"] for key in keys.values())
    for text in (FULL, "", "extend = 'x.toml'", "select = ['HF', 'hf1', 'HF101', 'inference', 'ALL']"):
        jsonschema.validate(tomllib.loads(text), schema)
    jsonschema.validate(json.loads(json.dumps(settings_dict(load("")))), schema)


VALUES = st.sampled_from(
    [1, True, "HF101", "24GiB", "x", [1], ["HF101"], ["x"], {"HF101": "off"}, {"a": ["HF101"]}, {"peft": "1.0"}]
)


@given(st.dictionaries(st.sampled_from([*tomllib.loads(FULL), "x"]), VALUES, max_size=2))
def test_the_schema_rejects_what_does_not_load(table: dict[str, object]) -> None:
    try:
        load_settings(Path(), isolated=True, overrides=table)
    except SettingsError:
        loads = False
    else:
        loads = True
    valid = jsonschema.Draft202012Validator(json_schema()).is_valid(table)
    # the schema does not know which strings are GPUs
    assert valid == loads or (valid and table.get("target-gpu") in ("x", "HF101"))


def test_selectors_name_every_rule_and_group() -> None:
    every = selectors.names()
    assert len(set(every)) == len(every)
    assert {"ALL", "directives", "inference", "HF101", "HF001", "missing-pad-token", "unused-ignore"} <= set(every)
    assert all(selectors.codes(selector) for selector in every)


def test_reading_no_file_loads_no_parser(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hflint.settings import load_settings; load_settings(Path());"
        "slow = {'tomllib', 'packaging', 'pathspec', 'libcst', 'difflib', 'hashlib'} & set(sys.modules);"
        "assert not slow, slow"
    )
    path = str(Path(__file__).parent.parent)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env={"PYTHONPATH": path})
