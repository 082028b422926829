"""A fixture that checks a piece of code by one rule."""

from __future__ import annotations

from datetime import date
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from hflint.check import check_source, mend
from hflint.facts.lock import Entry, Lock, write_lock
from hflint.files import source_from_bytes
from hflint.project import Projects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hflint.facts.record import ModelRecord


@pytest.fixture
def report_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`report_of(code, rule, fix=False, **target)`: the report of the code, under versions such as transformers=">=4.50,<6".

    With `lock`, in a project that has a hflint.lock of these records.
    """
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    (tmp_path / ".git").mkdir()

    def check(code: str, rule: str, *, fix: bool = False, lock: Mapping[str, ModelRecord] | None = None, **target: str):
        if lock is not None:
            entries = {name: Entry(record, date(2026, 11, 21)) for name, record in lock.items()}
            write_lock(tmp_path / "hflint.lock", Lock(entries))
        overrides = {"select": [rule], "target": target, "unsafe_fixes": fix}
        path = tmp_path / "example.py"
        project = Projects(isolated=lock is None, overrides=overrides).of(path)
        report = check_source(source_from_bytes(dedent(code).encode(), path, path.name), project)
        assert not report.errors
        return mend(report, project) if fix else report

    return check
