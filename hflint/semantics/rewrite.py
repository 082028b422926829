"""Edits of code: what a fix needs to change a call, add a statement or import a name, in the style of the code around."""

from __future__ import annotations

import ast
import re
from functools import cached_property
from typing import TYPE_CHECKING

from hflint.findings import Edit, Span
from hflint.semantics import tree

if TYPE_CHECKING:
    from hflint.semantics.module import Module
    from hflint.semantics.objects import LibraryCall, Object

Edits = tuple[Edit, ...]


class Rewriter:
    """Makes edits of one module. A method that cannot do what it is asked for without guessing returns None."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.text = module.source.text
        self._newline = module.source.newline

    # Arguments

    def rename_argument(self, call: LibraryCall, old: str, new: str) -> Edits | None:
        """Rename a keyword."""
        arg = self._argument(call, old)
        if arg is None or arg.keyword is None:
            return None
        span = self.module.span(arg.keyword)
        return (Edit(span.start, span.end, new),)

    def argument_code(self, call: LibraryCall, name: str) -> str | None:
        """The source text of an argument's value."""
        arg = self._argument(call, name)
        if arg is not None and isinstance(arg.value, tree.Name):  # most are, and a name is its own text
            return arg.value.value
        return self.module.code(arg.value) if arg is not None else None

    def set_argument(self, call: LibraryCall, name: str, code: str) -> Edits | None:
        """Give an argument this value, in place of the one written or as a new keyword."""
        arg = self._argument(call, name)
        if arg is not None:
            span = self.module.span(arg.value)
            return (Edit(span.start, span.end, code),)
        if name in call.arguments or not isinstance(call.place.node, tree.Call) or call.place.module is not self.module:
            return None
        return self._insert_argument(call.place.node, f"{name}={code}")

    def replace_argument(self, call: LibraryCall, old: str, code: str) -> Edits | None:
        """Put `code`, such as `name=value`, in place of a whole keyword argument."""
        arg = self._argument(call, old)
        if arg is None or arg.keyword is None:
            return None
        span = self._argument_span(arg)
        return (Edit(span.start, span.end, code),)

    def remove_argument(self, call: LibraryCall, name: str) -> Edits | None:
        """Remove a keyword with its comma, and the line where it stood alone."""
        arg = self._argument(call, name)
        if arg is None or not isinstance(call.place.node, tree.Call):
            return None
        args = list(call.place.node.args)
        position = args.index(arg)
        if arg.keyword is None and position != len(args) - 1:
            return None
        span = self._argument_span(arg)
        start, end = span.start, span.end
        comma = re.compile(r"[ \t]*,").match(self.text, end)
        if comma:
            end = comma.end()
        line_start, line_end = self._line_start(start), self._line_end(end)
        rest = self.text[end:line_end]
        if not self.text[line_start:start].strip() and (not rest.strip() or rest.lstrip().startswith("#")):
            return (Edit(line_start, self._next_line(line_end), ""),)  # a comma left before it is a trailing comma
        if comma:
            blank = re.compile(r"[ \t]*").match(self.text, end)
            next_one = blank.end() if blank else end
            if self.text.startswith(("\r", "\n", "#"), next_one):
                return (Edit(len(self.text[:start].rstrip(" \t")), end, ""),)
            return (Edit(start, next_one, ""),)
        if position:
            return (Edit(self._argument_span(args[position - 1]).end, end, ""),)
        return (Edit(start, end, ""),)

    def _insert_argument(self, node: tree.Call, code: str) -> Edits | None:
        args = list(node.args)
        close = self.module.span(node).end - 1
        if not args:
            inside = self.text[self.module.span(node.func).end : close]
            return (Edit(close, close, code),) if "#" not in inside else None
        if (
            len(args) == 1
            and isinstance(args[0].value, tree.GeneratorExp)
            and not self.module.is_parenthesized(args[0].value)
        ):
            return None
        splats = [arg for arg in args if arg.star == "**"]
        if splats:
            start = self._argument_span(splats[0]).start
            indent = self._own_line_indent(start)
            return (Edit(start, start, f"{code},{self._newline}{indent}" if indent is not None else f"{code}, "),)
        end = self._argument_span(args[-1]).end
        indent = self._own_line_indent(self._argument_span(args[-1]).start)
        tail = self.text[end:close]
        if indent is None or not re.search(r"[\r\n]", tail):
            return (Edit(end, end, f", {code}"),)
        after_comma = re.match(r"[ \t]*,", tail)
        line_end = self._line_end(end)
        if after_comma:
            return (Edit(line_end, line_end, f"{self._newline}{indent}{code},"),)
        if "#" in self.text[end:line_end]:
            return (Edit(end, end, ","), Edit(line_end, line_end, f"{self._newline}{indent}{code}"))
        return (Edit(end, end, f",{self._newline}{indent}{code}"),)

    def _argument(self, call: LibraryCall, name: str) -> tree.Arg | None:
        """An argument written in a call of this module; a call of another one is not ours to edit."""
        return call.nodes.get(name) if call.place.module is self.module else None

    def _argument_span(self, arg: tree.Arg) -> Span:
        """An argument with its keyword and star, without its comma."""
        start = self.module.span(arg.keyword).start if arg.keyword is not None else self._value_start(arg)
        return Span(start, self._value_end(arg))

    def _value_start(self, arg: tree.Arg) -> int:
        return self.module.span(arg).start

    def _value_end(self, arg: tree.Arg) -> int:
        start, end = self.module.span(arg).start, self.module.span(arg).end
        text = self.text[start:end].rstrip()
        if self.module.has_comma(arg):
            text = text.removesuffix(",").rstrip()
        return start + len(text)

    # Statements

    def target_code(self, made: Object) -> str | None:
        """What the object is called: the one target of the assignment whose whole value it is, such as `self.tokenizer`."""
        line = made.where.statement
        if (
            made.place.module is not self.module
            or not isinstance(line, tree.SimpleStatementLine)
            or len(line.body) != 1
        ):
            return None
        statement = line.body[0]
        if isinstance(statement, tree.AnnAssign) and statement.value is made.place.node:
            return self.module.code(statement.target)
        if (
            not isinstance(statement, tree.Assign)
            or len(statement.targets) != 1
            or statement.value is not made.place.node
        ):
            return None
        target = statement.targets[0].target
        return self.module.code(target) if isinstance(target, tree.Name | tree.Attribute) else None

    def add_after(self, made: Object, *lines: str) -> Edits | None:
        """Add statements after the one in which the object stands."""
        return self._add(made, lines, after=True)

    def add_before(self, made: Object, *lines: str) -> Edits | None:
        """Add statements before the one in which the object stands."""
        return self._add(made, lines, after=False)

    def _add(self, made: Object, lines: tuple[str, ...], *, after: bool) -> Edits | None:
        statement = made.where.statement
        if made.place.module is not self.module or not isinstance(statement, tree.SimpleStatementLine):
            return None
        span = self.module.span(statement)
        line_start = self._line_start(span.start)
        indent = self.text[line_start : span.start]
        if indent.strip():
            return None
        if not after:
            return (Edit(line_start, line_start, "".join(f"{indent}{line}{self._newline}" for line in lines)),)
        line_end = self._line_end(span.end)
        tail = self.text[span.end : line_end].strip()
        if tail and not tail.startswith("#"):
            return None
        return (Edit(line_end, line_end, "".join(f"{self._newline}{indent}{line}" for line in lines)),)

    def remove_statement(self, made: Object) -> Edits | None:
        """Remove the statement of which the object is the whole, where the block keeps another one."""
        statement = made.where.statement
        own = made.place.module is self.module
        if not own or not isinstance(statement, tree.SimpleStatementLine) or len(statement.body) != 1:
            return None
        span = self.module.span(statement)
        start, end = self._line_start(span.start), self._next_line(self._line_end(span.end))
        return (Edit(start, end, ""),) if not self.text[start : span.start].strip() else None

    def replace(self, span: Span, code: str) -> Edits:
        """Put other code in a place."""
        return (Edit(span.start, span.end, code),)

    def code(self, made: Object) -> str:
        """The source text of an object's expression."""
        return self.module.code(made.place.node)

    def receiver_code(self, made: LibraryCall) -> str | None:
        """The source text of what a method is called on."""
        node = made.place.node
        return (
            self.module.code(node.func.value)
            if isinstance(node, tree.Call) and isinstance(node.func, tree.Attribute)
            else None
        )

    def callee_span(self, made: LibraryCall) -> Span:
        """The span of what is called, without its arguments."""
        node = made.place.node
        return self.module.span(node.func) if isinstance(node, tree.Call) else self.module.span(node)

    def method_span(self, made: LibraryCall) -> Span | None:
        """The span of a method's name."""
        node = made.place.node
        return (
            self.module.span(node.func.attr)
            if isinstance(node, tree.Call) and isinstance(node.func, tree.Attribute)
            else None
        )

    # Imports

    def module_alias(self, name: str) -> tuple[str, Edits]:
        """How a module is called at the top level of this file, and the edits that import it where it is not yet."""
        for statement in self._imports:
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    if alias.name == name and (alias.asname or "." not in name):
                        return alias.asname or name, ()
        return name, self._new_import(f"import {name}")

    def imported_name(self, module: str, name: str) -> tuple[str, Edits]:
        """How a name of a module is called at the top level of this file, and the edits that import it where it is not yet."""
        beside: ast.ImportFrom | None = None
        for statement in self._imports:
            if isinstance(statement, ast.ImportFrom) and statement.module == module and not statement.level:
                for alias in statement.names:
                    if alias.name == name:
                        return alias.asname or name, ()
                beside = beside or (statement if statement.names[0].name != "*" else None)
        if beside is not None:
            return name, self._beside(beside, name)
        for statement in self._imports:
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    if alias.name == module and (alias.asname or "." not in module):
                        return f"{alias.asname or module}.{name}", ()
        return name, self._new_import(f"from {module} import {name}")

    def _beside(self, statement: ast.ImportFrom, name: str) -> Edits:
        last = statement.names[-1]
        end = self._offset(last.end_lineno or 1, last.end_col_offset or 0)
        start = self._offset(last.lineno, last.col_offset)
        indent = self._own_line_indent(start)
        return (Edit(end, end, f", {name}" if indent is None else f",{self._newline}{indent}{name}"),)

    def _new_import(self, line: str) -> Edits:
        body = self._tree.body if self._tree else []
        last: ast.stmt | None = None
        for position, statement in enumerate(body):
            docstring = position == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not docstring and not isinstance(statement, ast.Import | ast.ImportFrom):
                break
            last = statement
        if last is not None:
            end = self._line_end(self._offset(last.end_lineno or 1, last.end_col_offset or 0))
            return (Edit(end, end, f"{self._newline}{line}"),)
        start = self._offset(body[0].lineno, 0) if body else 0
        return (Edit(start, start, f"{line}{self._newline}"),)

    @cached_property
    def _tree(self) -> ast.Module | None:
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError):
            return None

    @cached_property
    def _imports(self) -> list[ast.Import | ast.ImportFrom]:
        return [one for one in (self._tree.body if self._tree else []) if isinstance(one, ast.Import | ast.ImportFrom)]

    # Lines

    def _offset(self, line: int, column: int) -> int:
        """The character offset of a line and a column in UTF-8 bytes, as `ast` counts."""
        before = self.module.source.whole_line(line).encode()[:column]
        return self.module.source.offset(line, 1) + len(before.decode(errors="ignore"))

    def _line_start(self, offset: int) -> int:
        return max(self.text.rfind("\n", 0, offset), self.text.rfind("\r", 0, offset)) + 1

    def _line_end(self, offset: int) -> int:
        found = re.compile(r"[\r\n]").search(self.text, offset)
        return found.start() if found else len(self.text)

    def _next_line(self, line_end: int) -> int:
        return line_end + len("\r\n") if self.text.startswith("\r\n", line_end) else min(line_end + 1, len(self.text))

    def _own_line_indent(self, offset: int) -> str | None:
        """The white space before a place that is the first of its line; None where other code stands before it."""
        indent = self.text[self._line_start(offset) : offset]
        return indent if not indent.strip() else None
