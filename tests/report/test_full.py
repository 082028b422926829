"""The code frame, as text of 80 columns and as a terminal gets it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from hflint.check import FileReport
from hflint.files import Source
from hflint.findings import Edit, Finding, Fix, Related, Safety, Severity, Span
from hflint.report import Look, Run, formats, renderer
from hflint.report._text import cell_width

SHORT = """\
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("meta-llama/Llama-3.1-8B")
model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-3.1-8B")
batch = tokenizer(["a", "b c"], padding=True, return_tensors="pt")
"""
FIX = Fix("set `tokenizer.pad_token = tokenizer.eos_token`", (Edit(0, 0, ""),), Safety.SAFE)


def span(text: str, part: str) -> Span:
    start = text.index(part)
    return Span(start, start + len(part))


def finding(text: str, part: str, **more: object) -> Finding:
    values: dict[str, object] = {
        "code": "HF101",
        "name": "missing-pad-token",
        "severity": Severity.ERROR,
        "message": "padding raises ValueError: this tokenizer has no pad token",
        "span": span(text, part),
        "label": "pads here",
        "fix": FIX,
    }
    return Finding(**{**values, **more})


def shown(
    text: str, *findings: Finding, look: Look | None = None, style: str = "full", errors: tuple[str, ...] = ()
) -> str:
    source = Source(Path("src/train.py"), "src/train.py", text)
    stream = io.StringIO()
    renderer(style)(Run([FileReport(source.path, source.name, source, findings, errors)]), stream, look or Look())
    return stream.getvalue()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m|\x1b\]8;;.*?\x1b\\", "", text)


def far_apart() -> str:
    return SHORT.replace("\nmodel", "\n" * 12 + "model")


LOAD = 'AutoTokenizer.from_pretrained("meta-llama/Llama-3.1-8B")'
LONG = (
    "the first batch of unequal lengths raises `ValueError: Asking to pad but the tokenizer does not have a padding"
    " token`, for meta-llama/Llama-3.1-8B-Instruct-with-a-name-that-has-no-end-and-is-never-broken ships none"
)
LONG_LABEL = "pads a batch with a tokenizer that is known to have no pad token, because its repository sets none"
LONG_REASON = "which token pads is the tokenizer's training to say, and that cannot be read from the file"
UNSAFE = Fix("load in bfloat16", (Edit(0, 0, ""),), Safety.UNSAFE, "results differ in the third digit")
ELSEWHERE = Related(Span(0, 8, "src/gone.py", 12), "the model's id")

CASES = {
    "related": {"related": (Related(span(SHORT, LOAD), "loaded here, without a pad token"),)},
    "related-one-line-between": {"related": (Related(span(SHORT, "tokenizer = "), "this tokenizer"),)},
    "related-same-line": {"related": (Related(span(SHORT, "padding=True"), "asks for padding"),)},
    "related-far": {"related": (Related(span(SHORT, "tokenizer = "), "this tokenizer"),), "text": far_apart()},
    "related-file-that-is-gone": {"related": (ELSEWHERE,)},
    "unsafe": {"severity": Severity.WARNING, "fix": UNSAFE},
    "no-fix": {"severity": Severity.NOTE, "fix": None, "no_fix_reason": LONG_REASON},
    "long": {"message": LONG, "label": LONG_LABEL},
}


@pytest.mark.parametrize("name", CASES)
def test_frame(name, snapshot):
    more = dict(CASES[name])
    text = more.pop("text", SHORT)
    output = shown(text, finding(text, 'tokenizer(["a", "b c"], padding=True, return_tensors="pt")', **more))
    snapshot.assert_match(output, f"{name}.txt")


MANY = ", ".join(f"option_{n}={n}" for n in range(20))
NUMBERS = ", ".join(f"{n}" for n in range(60))

LINES = {
    "tabs": ("def f():\n\tif True:\n\t\treturn tokenizer(text,\tpadding=True)\n", "tokenizer(text,\tpadding=True)"),
    "wide": ('batch = tokenizer(["你好世界", "🤗 transformers"], padding=True)  # é e\u0301\n', "padding=True"),
    "combining": ('name = "e\u0301e\u0301"; tokenizer(name, padding=True)\n', "padding=True"),
    "long-right": (f"batch = tokenizer(texts, padding=True, {MANY})\n", "padding=True"),
    "long-left": (f"batch = [{NUMBERS}]; tokenizer(texts, padding=True)\n", "padding=True"),
    "long-middle": (f"a = [{NUMBERS}]; tokenizer(texts, padding=True); b = [{NUMBERS}]\n", "padding=True"),
    "long-span": (f"batch = tokenizer({MANY}, padding=True)\n", f"tokenizer({MANY}, padding=True)"),
    "several-lines": (
        "batch = tokenizer(\n    texts,\n    padding=True,\n)\n",
        "tokenizer(\n    texts,\n    padding=True,\n)",
    ),
    "end-of-file": ("tokenizer(texts)", ""),
    "controls": ('x = "\x1b[31mred\u202e"; tokenizer(padding=True)\n', "padding=True"),
    "line-ends": ("a = 1\rb = 2\r\ntokenizer(padding=True)\r\n", "padding=True"),
    "form-feed": ("a = 1\n\x0cb = 2; tokenizer(padding=True)\n", "padding=True"),
}


@pytest.mark.parametrize("name", LINES)
def test_line(name, snapshot):
    text, part = LINES[name]
    output = shown(text, finding(text, part, **({"span": Span(len(text), len(text))} if not part else {})))
    assert all(cell_width(line) <= 80 for line in output.splitlines())
    snapshot.assert_match(output, f"{name}.txt")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", LINES)
def test_the_underline_stands_under_what_it_marks(name, width):
    text, part = LINES[name]
    if not part or "\n" in part:
        part = "tokenizer("
    lines = shown(text, finding(text, part, label=""), look=Look(width=width)).splitlines()
    under = next(number for number, line in enumerate(lines) if set(line) <= set(" |^") and "^" in line)
    code, carets = lines[under - 1], lines[under]
    left, cells = carets.index("^"), 0
    picked = ""
    for character in code:
        if left <= cells < len(carets):
            picked += character
        cells += cell_width(character)
    expected = part.replace("\t", "    ")
    assert picked == expected or picked.endswith("…")
    assert expected.startswith(picked.rstrip("…"))


def test_a_related_place_in_another_file_has_a_frame_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.py").write_text('# names\nMODEL = "meta-llama/Llama-3.1-8B"\n')
    related = (Related(Span(8, 13, "config.py", 2), "the model's id"),)
    output = shown(SHORT, finding(SHORT, "padding=True", related=related))
    frame = ' ::: config.py:2:1\n  |\n2 | MODEL = "meta-llama/Llama-3.1-8B"\n  | ----- the model\'s id\n'
    assert frame in output


def test_colours_and_links_change_no_character():
    text = SHORT
    related = (Related(span(SHORT, "tokenizer = "), "this tokenizer"),)
    one = finding(text, 'tokenizer(["a", "b c"], padding=True, return_tensors="pt")', related=related)
    bright = shown(text, one, look=Look(colour=True, links=True))
    assert "\x1b[1;31m" in bright
    assert "\x1b]8;;https://" in bright
    assert "HF101-missing-pad-token" in bright
    assert plain(bright) == shown(text, one)


def test_nothing_but_text_without_colours():
    assert "\x1b" not in shown(SHORT, finding(SHORT, "padding=True"))


def test_errors_are_lines():
    assert shown(SHORT, errors=("3:5: not Python",)).startswith("error: src/train.py: 3:5: not Python\n")


def test_concise_is_one_line_a_finding(snapshot):
    output = shown(SHORT, finding(SHORT, "padding=True"), style="concise", errors=("is a folder",))
    snapshot.assert_match(output, "concise.txt")


def test_formats_are_found_by_file():
    assert formats() == ["full", "concise", "json", "migration"]


@pytest.mark.parametrize(
    ("severities", "safeties", "unsafe", "line"),
    [
        ("", "", False, "No findings in 1 file."),
        ("e", "s", False, "Found 1 error in 1 file; 1 fixable with --fix."),
        (
            "eew",
            "ssu",
            False,
            "Found 2 errors, 1 warning in 1 file; 2 fixable with --fix (1 more with --unsafe-fixes).",
        ),
        ("eew", "ssu", True, "Found 2 errors, 1 warning in 1 file; 3 fixable with --fix."),
        ("n", "u", False, "Found 1 note in 1 file; 1 fixable with --fix --unsafe-fixes."),
        ("n", "-", False, "Found 1 note in 1 file."),
    ],
)
def test_summary(severities, safeties, unsafe, line):
    kinds = {"e": Severity.ERROR, "w": Severity.WARNING, "n": Severity.NOTE}
    fixes = {"s": FIX, "u": Fix("t", (), Safety.UNSAFE, "r"), "-": None}
    findings = [
        finding(SHORT, "padding=True", severity=kinds[severity], fix=fixes[safety])
        for severity, safety in zip(severities, safeties, strict=True)
    ]
    source = Source(Path("a.py"), "a.py", SHORT)
    stream = io.StringIO()
    run = Run([FileReport(source.path, source.name, source, tuple(findings))], unsafe_fixes=unsafe)
    renderer("concise")(run, stream, Look())
    assert stream.getvalue().splitlines()[-1] == line
