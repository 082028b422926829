"""Unified diffs of what fixes change, as `git apply` takes them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from hflint.report._text import BOLD, paint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.check import FileReport
    from hflint.report import Look

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_STYLES = {"+": "32", "-": "31", "@": "36"}


def diff_lines(report: FileReport, look: Look) -> Iterator[str]:
    """The lines, with their ends, of the diff from the file to its mended text; none where nothing is mended."""
    if report.before is None or report.source is None:
        return
    before, after = _LINES.findall(report.before.text), _LINES.findall(report.source.text)
    name = report.name.lstrip("/")
    for line in difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"):
        head = line.startswith(("--- ", "+++ "))
        text = line.removesuffix("\n")
        yield paint(look, BOLD if head else _STYLES.get(line[0], ""), text) if look.colour else text
        yield "\n" if line.endswith("\n") else "\n\\ No newline at end of file\n"
