"""What a terminal gets: colours, links, a bar that comes late and goes away."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hflint
from hflint import command
from hflint.command import look_of, with_progress

TOKEN = 'import transformers\n\ntoken = "hf_C3J27XDCG2LmlZGEONYlgCtjfIZ4SOcMz9CPVNPk"\n'


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """An environment that says nothing of colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize(
    ("stream", "environment", "colour", "links"),
    [
        (io.StringIO(), {}, False, False),
        (Terminal(), {}, True, True),
        (Terminal(), {"NO_COLOR": "1"}, False, True),
        (Terminal(), {"NO_COLOR": ""}, True, True),
        (Terminal(), {"TERM": "dumb"}, False, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True, False),
        (io.StringIO(), {"FORCE_COLOR": "0"}, False, False),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_look(stream, environment, colour, links, monkeypatch):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    look = look_of(stream)
    assert (look.colour, look.links) == (colour, links)


@pytest.mark.parametrize(("columns", "width"), [("20", 40), ("60", 60), ("300", 120)])
def test_width_is_the_terminals_within_reason(columns, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert look_of(Terminal()).width == width
    assert look_of(io.StringIO()).width == 80


def bar(monkeypatch, *, patience, held, terminal=True):
    """What passes, in order, and what is written to stderr, while 30 reports go through."""
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(command, "PATIENCE", patience)
    made = []

    def reports():
        for number in range(30):
            made.append(number)
            yield number

    seen = [(report, len(made)) for report in with_progress(reports(), 30, held=held)]
    return seen, stderr.getvalue()


def test_no_bar_for_a_short_run(monkeypatch):
    assert bar(monkeypatch, patience=60, held=True) == ([(n, n + 1) for n in range(30)], "")


def test_no_bar_without_a_terminal(monkeypatch):
    assert bar(monkeypatch, patience=-1, held=False, terminal=False)[1] == ""


def test_a_bar_for_a_long_run(monkeypatch):
    seen, text = bar(monkeypatch, patience=-1, held=False)
    assert seen == [(n, n + 1) for n in range(30)]
    assert "Checking" in text


def test_reports_for_the_same_terminal_wait_for_the_bar_to_go(monkeypatch):
    seen, text = bar(monkeypatch, patience=-1, held=True)
    assert [report for report, _ in seen] == list(range(30))
    assert [made for _, made in seen[1:]] == [30] * 29
    assert text.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))  # nothing of it is left


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_a_real_terminal(tmp_path):
    import pty

    (tmp_path / "a.py").write_text(TOKEN)
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(Path(hflint.__file__).parents[1]), "COLUMNS": "80"}
    process = subprocess.run(
        [sys.executable, "-m", "hflint", "check", "--no-cache", "a.py"],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    os.close(theirs)
    output = os.read(ours, 100_000).decode()
    assert process.returncode == 1
    assert "\x1b[1;31merror[\x1b]8;;https://" in output
    assert "HF701-hard-coded-token" in output
