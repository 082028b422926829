"""Whole programs as people write them: their report, and their text after all fixes.

Each folder of fixtures/programs is a project with an hflint.toml that pins the versions. `pytest --snapshot-update` writes what came out
beside it, in `expected`: read it before you keep it.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from hflint.cli import main

PROGRAMS = Path(__file__).parent.parent / "fixtures" / "programs"
SILENT = ("modern_clean", "same_names")


@pytest.fixture(params=sorted(folder.name for folder in PROGRAMS.iterdir()))
def program(request, tmp_path, monkeypatch):
    """The name of a program; a copy of it, without what is expected, is the current folder."""
    copy = tmp_path / request.param
    shutil.copytree(PROGRAMS / request.param, copy, ignore=shutil.ignore_patterns("expected", "__pycache__"))
    monkeypatch.chdir(copy)
    return request.param


def check(*options):
    """The output of `hflint check`, and its exit code."""
    result = CliRunner().invoke(main, ["check", "--output-format", "concise", "--no-cache", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1), result.output
    return result.output, result.exit_code


def texts():
    return {path.as_posix(): path.read_text() for path in sorted(Path().rglob("*.py"))}


def test_report(program, snapshot):
    output, code = check()
    snapshot.snapshot_dir = PROGRAMS / program / "expected"
    snapshot.assert_match(f"{output}exit code {code}\n", "report.txt")


def test_all_fixes(program, snapshot):
    before = texts()
    check("--fix", "--unsafe-fixes")
    after = texts()
    for text in after.values():
        ast.parse(text)
    check("--fix", "--unsafe-fixes")
    assert texts() == after
    changed = {name: text for name, text in after.items() if text != before[name]}
    snapshot.snapshot_dir = PROGRAMS / program / "expected"
    if changed:
        snapshot.assert_match_dir(changed, "fixed")
    else:
        assert not (snapshot.snapshot_dir / "fixed").exists()


@pytest.mark.parametrize("program", SILENT, indirect=True)
def test_nothing_is_said_of_what_is_right_or_not_ours(program):
    output, code = check()
    assert code == 0, program
    assert output.startswith("No findings in "), program
