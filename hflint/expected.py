"""Places where a program expects an error or a warning: a finding there tells what its test already says."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.files import Source

_EXPECTING = frozenset(
    {"raises", "warns", "deprecated_call", "assertRaises", "assertRaisesRegex", "assertWarns", "assertWarnsRegex"}
)
_FAILING = frozenset({"xfail", "expectedFailure"})  # decorators of tests
_MENTION = re.compile(rf"\b(?:{'|'.join(_EXPECTING | _FAILING)})\b")
CONTEXTS = frozenset({"pytest.raises", "pytest.warns", "pytest.deprecated_call", "unittest.expectedFailure"})


def expected_lines(source: Source) -> list[range]:
    """The lines inside `with pytest.raises(...)` and its like, and of tests that are marked to fail."""
    if not _MENTION.search(source.text):
        return []
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [range(body[0].lineno, (body[-1].end_lineno or 0) + 1) for body in _bodies(tree)]


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            if any(_names(item.context_expr) & _EXPECTING for item in node.items):
                yield node.body
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and any(
            _names(decorator) & _FAILING for decorator in node.decorator_list
        ):
            yield node.body


def _names(expression: ast.expr) -> set[str]:
    """The last parts of the names in an expression."""
    found = (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in ast.walk(expression))
    return set(found)
