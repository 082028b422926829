"""A fixture that checks a piece of code by one rule."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from hflint.check import check_source, mend
from hflint.files import source_from_bytes
from hflint.project import Projects

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def report_of(tmp_path: Path):
    """`report_of(code, rule, fix=False, **target)`: the report of the code, under versions such as transformers=">=4.50,<6"."""

    def check(code: str, rule: str, *, fix: bool = False, **target: str):
        overrides = {"select": [rule], "target": target, "unsafe_fixes": fix}
        path = tmp_path / "example.py"
        project = Projects(isolated=True, overrides=overrides).of(path)
        report = check_source(source_from_bytes(dedent(code).encode(), path, path.name), project)
        assert not report.errors
        return mend(report, project) if fix else report

    return check
