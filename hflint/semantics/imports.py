"""Edits that let a file import another name, or the same one from elsewhere, with all its uses."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hflint.findings import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.files import Source

Edits = tuple[Edit, ...]


class Refused(Exception):  # noqa: N818 - an answer for the user, not an error
    """Why an import cannot be edited without guessing."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A name that an import statement binds."""

    statement: ast.Import | ast.ImportFrom
    alias: ast.alias

    @property
    def qualified(self) -> str:
        """The full dotted name of what is imported."""
        module = self.statement.module if isinstance(self.statement, ast.ImportFrom) else ""
        return f"{module}.{self.alias.name}" if module else self.alias.name

    @property
    def name(self) -> str:
        """What it is called in the file."""
        return self.alias.asname or self.alias.name.partition(".")[0]


class Imports:
    """The imports of one source, found anywhere in it."""

    def __init__(self, source: Source) -> None:
        """Parse a source.

        Raises:
            Refused: it does not parse.
        """
        self.source = source
        try:
            self.tree = ast.parse(source.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise Refused("the file as a whole does not parse") from None

    def move(self, old: str, new: str) -> Edits:
        """Import `new` wherever the file imports `old`, both qualified names, and rename the uses where the last parts differ.

        Raises:
            Refused: that cannot be done without guessing.
        """
        found = [one for one in self._bound if one.qualified == old and isinstance(one.statement, ast.ImportFrom)]
        if not found:
            raise Refused("it is not imported by name")
        edits: list[Edit] = []
        (old_module, _, name), (module, _, new_name) = old.rpartition("."), new.rpartition(".")
        renamed = new_name != name and any(not one.alias.asname for one in found)
        drop = renamed and self._prepare(name, new_name, old, new)
        for one in found:
            if drop and not one.alias.asname:
                edits += self._without(one)
            elif module == old_module:
                edits.append(self._replace(one.alias, self._written(one, new_name)))
            else:
                edits += self._moved(one, module, new_name)
        return (*edits, *(self._renamed(name, new_name) if renamed else ()))

    def move_module(self, statement: ast.ImportFrom, new: str) -> Edits:
        """Let a `from old import a, b` import from another module."""
        start, end = self._span(statement)
        match = re.compile(r"from\s+([\w.]+)\s+import\b").match(self.source.text, start, end)
        if match is None:
            raise Refused("the statement is written in an uncommon way")
        return (Edit(match.start(1), match.end(1), new),)

    def statement_at(self, offset: int) -> ast.ImportFrom:
        """The `from` import that holds a place.

        Raises:
            Refused: there is none.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                start, end = self._span(node)
                if start <= offset < end:
                    return node
        raise Refused("it is imported as a module")

    def keywords_of(self, name: str) -> set[str]:
        """The keywords that calls of a name, or of an attribute of that name, give."""
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        named = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) == name]
        return {keyword.arg for call in named for keyword in call.keywords if keyword.arg}

    # Parts

    @cached_property
    def _bound(self) -> list[Bound]:
        imports = [node for node in ast.walk(self.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        return [Bound(one, alias) for one in imports for alias in one.names]

    def _prepare(self, name: str, new_name: str, old: str, new: str) -> bool:
        """Whether the file imports the new name beside the old one already; refuses where either means something else as well."""
        if name in _assigned(self.tree) or any(one.name == name and one.qualified != old for one in self._bound):
            raise Refused(f"`{name}` means something else in this file as well")
        others = [one for one in self._bound if one.name == new_name]
        if new_name in _assigned(self.tree) or any(one.qualified != new for one in others):
            raise Refused(f"`{new_name}` means something else in this file")
        if others and others[0].statement not in self.tree.body:
            raise Refused(f"`{new_name}` is imported elsewhere in this file")
        return bool(others)

    def _renamed(self, name: str, new_name: str) -> Iterator[Edit]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and node.id == name:
                yield self._replace(node, new_name)

    def _written(self, one: Bound, new_name: str) -> str:
        return f"{new_name} as {one.alias.asname}" if one.alias.asname else new_name

    def _moved(self, one: Bound, module: str, new_name: str) -> Edits:
        """The import of one name taken out of its statement and put into one of its own."""
        assert isinstance(one.statement, ast.ImportFrom)  # noqa: S101 - `move` looks at no others
        if len(one.statement.names) == 1:
            return (*self.move_module(one.statement, module), self._replace(one.alias, self._written(one, new_name)))
        start, end = self._span(one.statement)
        text = self.source.text
        line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
        rest = re.compile(r"[^\r\n]*").match(text, end)
        indent, line_end = text[line_start:start], rest.end() if rest else end
        tail = text[end:line_end].strip()
        if indent.strip() or (tail and not tail.startswith("#")):
            raise Refused("the import shares its line with other code")
        line = f"{self.source.newline}{indent}from {module} import {self._written(one, new_name)}"
        return (*self._without(one), Edit(line_end, line_end, line))

    def _without(self, one: Bound) -> Edits:
        """The statement without one of its names."""
        names = one.statement.names
        if len(names) == 1:
            raise Refused("nothing would be left of the import")
        position = names.index(one.alias)
        if position + 1 < len(names):
            start, end = self._span(one.alias)[0], self._span(names[position + 1])[0]
        else:
            start, end = self._span(names[position - 1])[1], self._span(one.alias)[1]
        if "#" in self.source.text[start:end]:
            raise Refused("a comment stands between the names of the import")
        return (Edit(start, end, ""),)

    def _replace(self, node: ast.expr | ast.alias, code: str) -> Edit:
        start, end = self._span(node)
        return Edit(start, end, code)

    def _span(self, node: ast.stmt | ast.expr | ast.alias) -> tuple[int, int]:
        return (
            self._offset(node.lineno, node.col_offset),
            self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )

    def _offset(self, line: int, column: int) -> int:
        """The character offset of a line and a column in UTF-8 bytes, as `ast` counts."""
        before = self.source.line(line).encode()[:column].decode(errors="ignore")
        return self.source.offset(line, 1) + len(before)


def _assigned(tree: ast.Module) -> set[str]:
    """The names that a file binds otherwise than by an import, and those that it exports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and "__all__" in ast.dump(node):
            found.update(
                one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )
    return found
