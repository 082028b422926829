"""What the top-level statements of a module bind, use and change, and the methods of its classes: read off `ast`, which costs a tenth of libcst."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.facts.libraries import argument_changes, may_be_gone
from hflint.semantics.catalog import LIBRARIES, call_kind
from hflint.semantics.gate import TOKEN
from hflint.semantics.lines import first_line, split_lines
from hflint.semantics.names import (
    LOCAL_MAKER,
    carriers,
    changed_by,
    is_constant,
    names_in,
    parameters_of,
    root_of,
    targets_of,
)
from hflint.semantics.objects import LibraryCall, Trainer, TrainingArguments
from hflint.semantics.units import Kind, Survey, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Types that code subclasses, annotates with and tests for, and never calls to some effect.
_MUTE = re.compile(r"^(PreTrained(?!TokenizerFast$)|Pretrained|PeftConfig$)")
# Packages that are not the project's own.
ELSEWHERE = (
    LIBRARIES
    | sys.stdlib_module_names
    | {"torch", "numpy", "pandas", "tqdm", "sklearn", "scipy", "gradio", "streamlit", "fastapi", "pydantic"}
)
# Methods that may change what they are called on.
_CHANGING = re.compile(
    r"(?:add|append|clear|configure|disable|enable|extend|init|insert|load|merge|override|pop|push|put|read|register|"
    r"remove|set|setup|switch|update|use)(?:_|default$|item$|[A-Z]|$)"
)
_LOADING = frozenset({"from_pretrained", "from_config"})
_NO_NODES = frozenset(
    {"ctx", "op", "ops", "type_comment", "attr", "id", "arg", "name", "asname", "module", "level", "kind", "conversion"}
    | {"is_async", "simple", "rest", "names", "lineno", "tag", "type_ignores", "type_params"}
)


class TooDeepError(Exception):
    """Code nested so deeply that libcst would not survive it."""


def survey(text: str) -> Survey | None:
    """Read a module. None where `ast` does not know the syntax.

    Raises:
        TooDeepError: it is nested too deeply.
    """
    try:
        body = ast.parse(text).body
        lines = split_lines(text)
        roles: dict[str, set[str]] = {}
        units = [_Reader(roles).unit(statement, lines) for statement in body]
    except (RecursionError, MemoryError):
        raise TooDeepError from None
    except (SyntaxError, ValueError) as error:
        if "too many nested" in str(error):
            raise TooDeepError from None
        return None
    return Survey(
        units,
        [_star(one) for one in body if isinstance(one, ast.ImportFrom) and one.names[0].name == "*"],
        {name for name, found in roles.items() if "call" in found},
        {name for name, found in roles.items() if "base" in found},
        set(roles),
        lines,
    )


def _star(node: ast.ImportFrom) -> str:
    return "." * node.level + (node.module or "")


@dataclass(eq=False, slots=True)
class _Scope:
    """The names of one scope while it is read."""

    loads: set[str] = field(default_factory=set)
    stores: set[str] = field(default_factory=set)
    outer: _Scope | None = None  # what the functions in it see: for a class body, the scope around


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Reader:
    """Reads one top-level statement."""

    def __init__(self, roles: dict[str, set[str]]) -> None:
        self.roles = roles  # of the module's imported names, filled on the way
        self.found = Unit(Kind.OTHER)
        self.nested = False

    def unit(self, node: ast.stmt, lines: list[str]) -> Unit:
        """The unit of a top-level statement."""
        found = self.found
        found.node = node
        found.size = (node.end_lineno or node.lineno) - node.lineno
        if isinstance(node, ast.ClassDef):
            self._class(node, lines)
            return found
        scope = _Scope()
        if isinstance(node, _DEFINITIONS):
            found.kind, found.name, self.nested = Kind.FUNCTION, node.name, True
            found.parameters = {arg.arg for arg in parameters_of(node.args)}
            self._function(node, scope)
        else:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found.kind, found.is_star = Kind.IMPORT, node.names[0].name == "*"
            found.is_main = isinstance(node, ast.If) and "__name__" in names_in(node.test)
            found.is_constant = isinstance(node, ast.Assign | ast.AnnAssign) and is_constant(node.value)
            found.changed = changed_by(node)
            self._walk([node], scope)
        found.bound |= scope.stores
        found.used |= scope.loads
        return found

    def _class(self, node: ast.ClassDef, lines: list[str]) -> None:
        """A class: what is outside its methods' bodies, and each method by itself."""
        found, self.nested = self.found, True
        found.kind, found.name = Kind.CLASS, node.name
        around = _Scope()
        inner = _Scope(outer=around)
        found.bases.update(root_of(base) for base in node.bases)
        self._walk([*node.decorator_list, *node.bases, *node.keywords], around)
        found.bound.add(node.name)
        rest = []
        for one in node.body:
            if isinstance(one, _DEFINITIONS) and not lines[one.body[0].lineno - 1][: one.body[0].col_offset].strip():
                found.methods.append(self._method(one, found, inner))
            else:
                rest.append(one)
        self._walk(rest, inner)
        found.used |= around.loads | (inner.loads - inner.stores)

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef, cls: Unit, inner: _Scope) -> Unit:
        reader = _Reader(self.roles)
        reader.nested = True
        found = reader.found
        found.kind, found.name, found.node = Kind.METHOD, node.name, node
        first = [*node.args.posonlyargs, *node.args.args][:1]
        found.me = first[0].arg if first else ""
        found.parameters = {arg.arg for arg in parameters_of(node.args)}
        scope = _Scope()
        reader._function(node, scope)
        found.used |= scope.loads
        found.size = (node.end_lineno or node.lineno) - node.lineno
        found.body = first_line(node.body[0]), node.end_lineno or node.lineno
        inner.stores.add(node.name)
        cls.annotated |= found.annotated
        for one in node.decorator_list:
            cls.used |= names_in(one)
        return found

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope) -> None:
        arguments = node.args
        self._walk([*arguments.defaults, *arguments.kw_defaults, *getattr(node, "decorator_list", ())], scope)
        parameters = parameters_of(arguments)
        for arg in parameters:
            if arg.annotation is not None:
                self.found.annotated |= names_in(arg.annotation)
        inside = _Scope()
        inside.stores.update(arg.arg for arg in parameters)
        if isinstance(node, ast.Lambda):
            self._walk([node.body], inside)
        else:
            scope.stores.add(node.name)
            if node.returns is not None:
                self.found.annotated |= names_in(node.returns)
            self._walk(node.body, inside)
        (scope.outer or scope).loads.update(inside.loads - inside.stores)

    def _walk(self, nodes: Sequence[ast.AST | None], scope: _Scope) -> None:
        """Read the nodes of one scope; what has a scope of its own is read apart."""
        stack = list(nodes)
        loads, stores, attributes = scope.loads, scope.stores, self.found.attributes
        handlers = self._HANDLERS
        while stack:
            node = stack.pop()
            kind = node.__class__
            if kind is ast.Name:
                (loads if node.ctx.__class__ is ast.Load else stores).add(node.id)  # type: ignore[union-attr]
            elif kind is ast.Attribute:
                attributes.add(node.attr)  # type: ignore[union-attr]
                if node.ctx.__class__ is not ast.Load:  # type: ignore[union-attr]
                    self._store(node)  # type: ignore[arg-type]
                elif node.value.__class__ is ast.Name and node.value.id == self.found.me:  # type: ignore[union-attr]
                    loads.add(f".{node.attr}")  # type: ignore[union-attr]
                    continue
                stack.append(node.value)  # type: ignore[union-attr]
            elif kind is ast.Constant:
                value = node.value  # type: ignore[union-attr]
                if value.__class__ is str and "hf_" in value and TOKEN.search(value):
                    self.found.secret = True
            elif (handle := handlers.get(kind)) is not None:
                stack += handle(self, node, scope)
            elif node is not None:
                for name in _FIELDS.get(kind) or _fields(kind):
                    child = getattr(node, name)
                    if child.__class__ is list:
                        stack += child
                    elif child is not None:
                        stack.append(child)

    def _store(self, node: ast.Attribute | ast.Subscript) -> None:
        """An attribute or item that is set: of a name, or of an attribute of the instance."""
        found = self.found
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == found.me:
            found.bound.add(f".{node.attr}")
            return
        found.stored.add(root_of(node.value, found.me))

    def _call(self, node: ast.Call, _: _Scope) -> Iterable[ast.AST]:
        found, function = self.found, node.func
        found.called.add(root := root_of(function))
        if isinstance(function, ast.Name) and function.id == "isinstance" and len(node.args) == 2:
            found.annotated |= names_in(node.args[1])
            return (node.args[0],)
        if isinstance(function, ast.Attribute):
            receiver = root_of(function.value, found.me)
            (found.stored if _CHANGING.match(function.attr) else found.handled).add(receiver)
            if function.attr in _LOADING:
                found.loading.add(root)
        for one in (*node.args, *(keyword.value for keyword in node.keywords)):
            value = one.value if isinstance(one, ast.Starred) else one
            if isinstance(value, ast.Name | ast.Attribute):
                found.given.add(root_of(value, found.me))
            elif isinstance(value, ast.Tuple | ast.List | ast.Dict | ast.Set):
                found.given |= carriers(value, found.me)
        return (function, *node.args, *node.keywords)

    def _subscript(self, node: ast.Subscript, _: _Scope) -> Iterable[ast.AST]:
        if not isinstance(node.ctx, ast.Load):
            self._store(node)
        return node.value, node.slice

    def _assign(self, node: ast.Assign | ast.NamedExpr, _: _Scope) -> Iterable[ast.AST]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        self._flow(targets, node.value)
        return *targets, node.value

    def _loop(self, node: ast.For | ast.AsyncFor, _: _Scope) -> Iterable[ast.AST]:
        self._flow([node.target], node.iter)
        return node.target, node.iter, *node.body, *node.orelse

    def _with(self, node: ast.withitem, _: _Scope) -> Iterable[ast.AST]:
        if node.optional_vars is None:
            return (node.context_expr,)
        self._flow([node.optional_vars], node.context_expr)
        return node.context_expr, node.optional_vars

    def _flow(self, targets: Sequence[ast.AST], value: ast.AST) -> None:
        """The names whose objects may reach the targets of an assignment."""
        sources = carriers(value, self.found.me)
        if sources:
            self.found.flows.append(({name for one in targets for name in targets_of(one, self.found.me)}, sources))

    def _annotated(self, node: ast.AnnAssign, _: _Scope) -> Iterable[ast.AST]:
        self.found.annotated |= names_in(node.annotation)
        if node.value is None:
            return (node.target,)
        self._flow([node.target], node.value)
        return node.target, node.value

    def _augmented(self, node: ast.AugAssign, scope: _Scope) -> Iterable[ast.AST]:
        if isinstance(node.target, ast.Name):
            self.found.stored.add(node.target.id)
            scope.loads.add(node.target.id)
        return node.target, node.value

    def _inner_class(self, node: ast.ClassDef, scope: _Scope) -> Iterable[ast.AST]:
        scope.stores.add(node.name)
        self.found.bases.update(root_of(base) for base in node.bases)
        inner = _Scope(outer=scope)
        self._walk([*node.decorator_list, *node.bases, *node.keywords], scope)
        self._walk(node.body, inner)
        scope.loads |= inner.loads - inner.stores
        return ()

    def _inner_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope
    ) -> Iterable[ast.AST]:
        self._function(node, scope)
        return ()

    def _declared(self, node: ast.Global | ast.Nonlocal, _: _Scope) -> Iterable[ast.AST]:
        self.found.bound.update(node.names)
        self.found.used.update(node.names)
        return ()

    def _handler(self, node: ast.ExceptHandler, scope: _Scope) -> Iterable[ast.AST]:
        if node.name:
            scope.stores.add(node.name)
        return ([node.type] if node.type else []) + node.body

    def _capture(self, node: ast.MatchAs | ast.MatchStar, scope: _Scope) -> Iterable[ast.AST]:
        if node.name:
            scope.stores.add(node.name)
        pattern = getattr(node, "pattern", None)
        return (pattern,) if pattern is not None else ()

    def _import(self, node: ast.Import | ast.ImportFrom, scope: _Scope) -> Iterable[ast.AST]:
        module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            scope.stores.add(name)
            top = (module or alias.name).partition(".")[0]
            if relative or top not in ELSEWHERE:
                self.found.is_local = True
                if LOCAL_MAKER.search(alias.name):
                    self.roles.setdefault(name, set()).add("call")
            elif top in LIBRARIES:
                roles = _roles(module, alias.name)
                self.roles.setdefault(name, set()).update(roles)
                nested = self.nested and bool(roles)
                self.found.imports = self.found.imports or nested or may_be_gone(module, alias.name)
        return ()

    def _nothing(self, _node: ast.AST, _: _Scope) -> Iterable[ast.AST]:
        return ()

    _HANDLERS: ClassVar[dict[type, Callable[[_Reader, Any, _Scope], Iterable[ast.AST]]]] = {
        ast.Call: _call,
        ast.Subscript: _subscript,
        ast.Assign: _assign,
        ast.NamedExpr: _assign,
        ast.For: _loop,
        ast.AsyncFor: _loop,
        ast.withitem: _with,
        ast.AnnAssign: _annotated,
        ast.AugAssign: _augmented,
        ast.FunctionDef: _inner_function,
        ast.AsyncFunctionDef: _inner_function,
        ast.Lambda: _inner_function,
        ast.ClassDef: _inner_class,
        ast.Global: _declared,
        ast.Nonlocal: _declared,
        ast.ExceptHandler: _handler,
        ast.MatchAs: _capture,
        ast.MatchStar: _capture,
        ast.Import: _import,
        ast.ImportFrom: _import,
        ast.MatchSingleton: _nothing,
    }


_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(kind: type) -> tuple[str, ...]:
    """The fields of a kind of node that hold nodes."""
    fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _NO_NODES)  # type: ignore[attr-defined]
    return fields


def _roles(module: str, name: str) -> set[str]:
    """How an imported name makes something that rules are about: by a "call", or as the "base" of a class. A module may offer both."""
    kind = call_kind(f"{module}.{name}") if module else None
    if kind is None:
        return {"call", "base"}
    told = kind[0] is not LibraryCall or name in ("Accelerator", "HfApi") or bool(argument_changes(f"{module}.{name}"))
    called = told and not _MUTE.match(name)
    return ({"call"} if called else set()) | ({"base"} if issubclass(kind[0], Trainer | TrainingArguments) else set())
