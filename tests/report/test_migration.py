"""The migration report: findings grouped by change."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from hflint.check import FileReport
from hflint.files import Source
from hflint.findings import Edit, Finding, Fix, Safety, Severity, Span
from hflint.report import Look, Run, formats, renderer

TEXT = "one\ntwo\nthree\n"
SAFE = Fix("rename it", (Edit(0, 0, ""),), Safety.SAFE)
RENAMED = Finding(
    "HF601",
    "removed-argument",
    Severity.ERROR,
    "`no_cuda` was removed from `TrainingArguments` in transformers 5.0 (TypeError); this project allows 5.23.0",
    Span(0, 3),
    fix=SAFE,
)
UNSAFE = replace(RENAMED, span=Span(4, 7), fix=Fix("rename it", (Edit(0, 0, ""),), Safety.UNSAFE, "it may differ"))
BY_HAND = replace(RENAMED, span=Span(8, 11), fix=None, no_fix_reason="it comes from a dict")
GONE = replace(
    BY_HAND, code="HF603", name="removed-import", message="`AdamW` was removed from transformers in 4.50; see"
)
OTHER = replace(RENAMED, code="HF101", name="missing-pad-token", message="padding raises")


def shown(*files: tuple[str, tuple[Finding, ...]], errors: tuple[str, ...] = (), **run: bool) -> str:
    reports = []
    for name, findings in files:
        source = Source(Path(name), name, TEXT)
        reports.append(FileReport(source.path, name, source, findings, errors))
    stream = io.StringIO()
    renderer("migration")(Run(reports, **run), stream, Look())
    return stream.getvalue()


def test_it_is_offered() -> None:
    assert "migration" in formats()


def test_findings_are_grouped_by_change_over_all_files() -> None:
    text = shown(("a.py", (RENAMED, GONE, BY_HAND)), ("b.py", (RENAMED, UNSAFE)))
    assert text == (
        "`no_cuda` was removed from `TrainingArguments` in transformers 5.0 (TypeError)\n"
        "  error[removed-argument] HF601: 4 places in 2 files, 2 fixed by --fix, 1 by --fix --unsafe-fixes, 1 by hand\n"
        "    a.py: 1:1, 3:1\n"
        "    b.py: 1:1, 2:1\n"
        "    by hand: it comes from a dict\n"
        "\n"
        "`AdamW` was removed from transformers in 4.50\n"
        "  error[removed-import] HF603: 1 place in 1 file, all by hand\n"
        "    a.py: 3:1\n"
        "    by hand: it comes from a dict\n"
        "\n"
        "2 changes: 5 places in 2 files; 2 fixed by --fix (1 more with --unsafe-fixes), 2 by hand.\n"
    )


def test_unsafe_fixes_count_where_they_are_asked_for() -> None:
    text = shown(("a.py", (RENAMED, UNSAFE)), unsafe_fixes=True)
    assert "2 places in 1 file, all fixed by --fix\n" in text
    assert text.endswith("2 fixed by --fix, 0 by hand.\n")


def test_other_rules_are_counted_only() -> None:
    text = shown(("a.py", (OTHER,)))
    assert text == "Nothing to migrate in 1 file.\nNot shown: 1 finding of other rules.\n"


def test_errors_are_shown() -> None:
    text = shown(("a.py", ()), errors=("line 3: not Python",))
    assert "error: a.py: line 3: not Python\n" in text
    assert "1 file could not be checked in full." in text


@pytest.mark.parametrize("option", ["statistics", "quiet"])
def test_less_of_it(option: str) -> None:
    text = shown(("a.py", (RENAMED,)), **{option: True})
    assert ("1:1" in text) == (option == "quiet")
    assert ("1 change:" in text) == (option == "statistics")
