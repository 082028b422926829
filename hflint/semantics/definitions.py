"""Functions and classes of the program: their decorators, annotations, options and fields."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.catalog import call_kind
from hflint.semantics.documents import Settings
from hflint.semantics.importing import Imports
from hflint.semantics.objects import LibraryCall, Load
from hflint.semantics.scopes import Class, Dependency, Function, Scope
from hflint.semantics.tree.reading import read_expression
from hflint.semantics.values import UNKNOWN, Items, Known, Symbol, Table, Unknown, Value, default_or, join

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics.state import State

_RECORDS = ("dataclasses.dataclass", "pydantic.dataclasses.dataclass", "attr.s", "attrs.define", "attr.dataclass")
_RECORD_BASES = ("pydantic.BaseModel", "typing.NamedTuple", "pydantic_settings.BaseSettings")
_OPTION = ("click.option", "click.argument")


class Definitions(Imports):
    """Evaluation of definitions."""

    def _function(self, node: tree.FunctionDef) -> bool:
        decorators = tuple(self._decorator(one.decorator) for one in node.decorators)
        owner = self.defining if self.scope.is_class else None
        name = f"{owner.name if owner else self.function_name}.{node.name.value}".lstrip(".")
        function = Function(
            node, self.scope, self.module, name, decorators, owner, self.defaults(node.params), self.guards
        )
        self.holders.append(self.scope)
        if not function.is_stub:
            self.pending.append(function)
        self.scope.names[node.name.value] = self._decorated(function)
        return True

    def _decorated(self, function: Function) -> Value:
        """What a function is after the decorators that the program defines itself."""
        value: Value = function
        while isinstance(value, Function) and value.decorators and isinstance(own := value.decorators[-1], Function):
            value.decorators = value.decorators[:-1]
            outer, made = value.decorators, self.call_function(own, [value], {}, None)
            value = (
                replace(made, decorators=(*outer, *made.decorators))
                if isinstance(made, Function) and made is not value
                else made
            )
        return value

    def _decorator(self, node: tree.Expression) -> Value:
        value = self.evaluate(node)
        if isinstance(node, tree.Call) and not isinstance(value, Settings):
            callee = symbol_of(self, node.func)
            if callee in _OPTION:
                return self._option(node)
            return Symbol(callee) if callee else value
        return value

    def _option(self, node: tree.Call) -> Value:
        given = self.arguments(node)
        flags = [value.constant for value in given.positional if isinstance(value.constant, str)]
        plain = next((flag for flag in flags if not flag.startswith("-")), None) or next(
            (flag for flag in flags if flag.startswith("--")), ""
        )
        name = plain.partition("/")[0].lstrip("-").replace("-", "_").lower()
        default = given.keywords.get("default")
        passed: tuple[Value, ...] = (Unknown("command line"),)
        if given.keywords.get("is_flag", UNKNOWN).constant is True:
            default, passed = default or Known(False), (Known(True), Known(False))
        elif isinstance(kind := given.keywords.get("type"), Items) and kind.kind == "choice":
            passed = kind.items
        optional = any(flag.startswith("-") for flag in flags) and not given.keywords.keys() & {
            "required",
            "multiple",
            "prompt",
        }
        value = join(default or (Known(None) if optional else None), *passed)
        return Table({"name": Known(name), "value": value})

    def _class_definition(self, node: tree.ClassDef) -> bool:
        bases = tuple(self.evaluate(base.value) for base in node.bases)
        decorators = [self._decorator(one.decorator) for one in node.decorators]
        known = self.classes.get(node)
        cls = Class(node, self.module, node.name.value, bases, Scope(self.scope, is_class=True))
        if known is not None and known.shared is not None:
            cls.shared = known.shared
            cls.shared.cls, cls.shared.names = cls, {}
        self.classes[node] = cls
        self.holders.append(cls)
        names = [value.name for value in (*decorators, *cls.foreign_bases()) if isinstance(value, Symbol)]
        cls.is_record = any(name in (*_RECORDS, *_RECORD_BASES) for name in names)
        outer, outer_class = self.scope, self.defining
        self.scope, self.defining = cls.scope, cls
        try:
            for statement in node.body.body:
                self._class_field(statement, cls)
            self.suite(node.body)
            for name, value in cls.fields.items():
                cls.fields[name] = cls.scope.names.get(name) if value is not None else None
        finally:
            self.scope, self.defining = outer, outer_class
        self.scope.names[node.name.value] = cls
        return True

    @staticmethod
    def _class_field(statement: tree.Node, cls: Class) -> None:
        for one in statement.body if isinstance(statement, tree.SimpleStatementLine) else ():
            if isinstance(one, tree.AnnAssign) and isinstance(one.target, tree.Name):
                cls.fields[one.target.value] = UNKNOWN if one.value is not None else None

    def _annotated_assignment(self, node: tree.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))
        elif isinstance(node.target, tree.Name) and not self.scope.is_class:
            named = self._annotation(node.annotation.annotation)
            self.scope.names[node.target.value] = Unknown(f"declared as {named.describe()}")

    STATEMENTS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        tree.FunctionDef: _function,
        tree.ClassDef: _class_definition,
    }
    SMALL: ClassVar[dict[type, Callable[[Any, Any], bool | None]]] = {
        **Imports.SMALL,
        tree.AnnAssign: _annotated_assignment,
    }

    # Parameters

    def unbound_parameter(self, function: Function, parameter: tree.Param, is_open: bool) -> Value:
        """A parameter that a call did not give: its default, a click option's, or an object of the class that its annotation names."""
        name = parameter.name.value
        for decorator in function.decorators:
            if isinstance(decorator, Settings) and parameter is function.node.params.params[0]:
                return decorator
            if isinstance(decorator, Table) and decorator.entries.get("name") == Known(name):
                return decorator.entries["value"]
        default = function.defaults.get(name)
        if isinstance(default, Dependency):
            return self._injected(default)
        if default is not None and not (is_open and default.constant is None):
            return default_or(default, f"parameter {name}") if is_open else default
        return self._annotated(parameter, function) or Unknown(f"parameter {name}")

    def _annotated(self, parameter: tree.Param, function: Function) -> Value | None:
        if parameter.annotation is None:
            return None
        outer, self.scope = self.scope, function.scope
        try:
            named = self._annotation(parameter.annotation.annotation)
        finally:
            self.scope = outer
        if isinstance(named, Class):
            return named.instance
        if isinstance(named, Dependency):
            return self._injected(named)
        found = call_kind(f"{named.name}.from_pretrained") if isinstance(named, Symbol) else None
        if found is None or not isinstance(named, Symbol):
            return None
        if found[0] is LibraryCall or not issubclass(found[0], Load):
            return None
        made = self.keep(found[0](self.place(parameter), self.where(), f"{named.name}.from_pretrained", open=True))
        self.change(made, "escape", "the caller", UNKNOWN, parameter)
        return made

    def _injected(self, wanted: Dependency) -> Value:
        """What FastAPI hands over for `Depends(function)`: of a generator, what it yields."""
        found = self.call_function(wanted.function, [], {}, None) if isinstance(wanted.function, Function) else UNKNOWN
        return self.element_of(found) if isinstance(found, Items) and found.kind == "generator" else found

    def _annotation(self, node: tree.Expression) -> Value:
        if isinstance(node, tree.SimpleString):
            parsed = _parse_annotation(str(node.value))
            if parsed is None:
                return UNKNOWN
            node = parsed
        if isinstance(node, tree.Name):
            return self.scope.find(node.value) or UNKNOWN
        if isinstance(node, tree.Attribute):
            base = self._annotation(node.value)
            return Symbol(f"{base.name}.{node.attr.value}") if isinstance(base, Symbol) else UNKNOWN
        if isinstance(node, tree.BinaryOperation) and isinstance(node.operator, tree.BitOr):
            sides = [self._annotation(side) for side in (node.left, node.right)]
            known = [side for side in sides if isinstance(side, Symbol | Class)]
            return known[0] if len(known) == 1 else UNKNOWN
        if isinstance(node, tree.Subscript) and isinstance(node.value, tree.Name | tree.Attribute):
            base = self._annotation(node.value)
            if (
                isinstance(base, Symbol)
                and base.name in ("typing.Optional", "typing.Annotated")
                and isinstance(node.slice[0].slice, tree.Index)
            ):
                if base.name == "typing.Annotated":
                    more = [
                        self.evaluate(one.slice.value) for one in node.slice[1:] if isinstance(one.slice, tree.Index)
                    ]
                    if injected := next((one for one in more if isinstance(one, Dependency)), None):
                        return injected
                return self._annotation(node.slice[0].slice.value)
        return UNKNOWN


def symbol_of(run: State, node: tree.Expression) -> str:
    """The full name that a dotted expression stands for, without evaluating it as a use."""
    if isinstance(node, tree.Name):
        found = run.scope.find(node.value)
        return found.name if isinstance(found, Symbol) else "" if found is not None else node.value
    if isinstance(node, tree.Attribute):
        base = symbol_of(run, node.value)
        return f"{base}.{node.attr.value}" if base else ""
    return ""


@lru_cache(maxsize=1000)
def _parse_annotation(text: str) -> tree.Expression | None:
    """The expression that a quoted annotation stands for."""
    try:
        return tree.Name(text) if text.isidentifier() else read_expression(text)
    except (SyntaxError, ValueError):
        return None
