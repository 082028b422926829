"""Follow a program statement by statement: assignments in order, branches joined, functions and classes of the program itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import libcst as cst

from hflint.semantics.builtin_calls import set_attribute
from hflint.semantics.calls import Calls
from hflint.semantics.catalog import KNOWN_ROOTS, LIBRARIES, call_kind
from hflint.semantics.module import SyntaxProblem
from hflint.semantics.objects import ANY_CONTEXT, Guard, Import, LibraryCall, Load, Part
from hflint.semantics.scopes import Class, Function, Imported, Package, Scope
from hflint.semantics.values import (
    MISSING,
    UNKNOWN,
    WIDEST,
    Items,
    Known,
    Symbol,
    Table,
    Unknown,
    Value,
    default_or,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hflint.semantics.module import Module
    from hflint.semantics.project import Foreign, Modules


_CAUGHT = frozenset(
    {
        "ImportError",
        "ModuleNotFoundError",
        "AttributeError",
        "TypeError",
        "KeyError",
        "ValueError",
        "Exception",
        "BaseException",
    }
)
_RECORDS = ("dataclasses.dataclass", "pydantic.dataclasses.dataclass", "attr.s", "attrs.define", "attr.dataclass")
_RECORD_BASES = ("pydantic.BaseModel", "typing.NamedTuple", "pydantic_settings.BaseSettings")
UNCALLED = 300  # statements that a function which nothing calls brings along
FOREIGN = 80  # statements of other modules that one program is followed into
_OPTION = ("click.option", "click.argument")


class Interpreter(Calls):
    """Evaluation of statements, and the order in which a module's functions are followed."""

    def __init__(self, module: Module, modules: Modules | None = None) -> None:
        super().__init__(module)
        self.modules = modules
        self.scopes: dict[Foreign, Scope] = {}  # of the project's other modules
        self.loaded: set[tuple[Foreign, int]] = set()  # their statements that were followed
        self.starred: set[tuple[Foreign, str]] = set()  # names looked for behind their star imports

    def run(self) -> None:
        """Follow the module: its body, then every function that nothing in it called. Twice where methods or globals tie functions together."""
        self._pass()
        if self.global_writes or any(cls.shared is not None and cls.shared.is_stale for cls in self.classes.values()):
            self._pass()

    def _pass(self) -> None:
        self.scope = self.top
        self.scope.names = {}
        self.pending, self.called, self.fresh, self.order, self.fuel = [], set(), {}, 0, 0
        self.path, self.memo, self.patched, self.recursive = (), {}, set(), set()
        self.scopes, self.loaded, self.starred = {}, set(), set()
        self.block(self.module.tree.body)
        for name, value in self.global_writes.items():
            self.top.weaken(name, value)
        position = 0
        alone: dict[cst.CSTNode, int] = {}
        while position < len(self.pending):
            function = self.pending[position]
            position += 1
            if (
                function.node not in self.called or 0 < alone.get(function.node, 0) < WIDEST
            ):  # a closure over other values
                alone[function.node] = alone.get(function.node, 0) + 1
                self.fuel = max(0, self.fuel - UNCALLED)
                self._follow_uncalled(function)

    def _follow_uncalled(self, function: Function) -> None:
        with self.entering():
            self.condition(uncalled=True)
            self._follow_alone(function)

    def _follow_alone(self, function: Function) -> None:
        if function.owner is None:
            self.call_function(function, [], {}, None, open=True)
            return
        instance = function.owner.instance
        names = dict(instance.names)
        if not function.name.endswith(".__init__"):
            instance.settle()
        before = dict(instance.names)
        is_static = any(isinstance(d, Symbol) and d.name == "staticmethod" for d in function.decorators)
        self.call_function(function, [] if is_static else [instance], {}, None, open=True)
        instance.note(function.name, before)
        instance.names = {**instance.names, **names} if names else instance.names

    def unbound_parameter(self, function: Function, parameter: cst.Param, is_open: bool) -> Value:
        """A parameter that a call did not give: its default, a click option's, or an object of the class that its annotation names."""
        name = parameter.name.value
        for decorator in function.decorators:
            if isinstance(decorator, Table) and decorator.entries.get("name") == Known(name):
                return default_or(decorator.entries["default"], "command line")
        default = function.defaults.get(name)
        if default is not None and not (is_open and default.constant is None):
            return default_or(default, f"parameter {name}") if is_open else default
        return self._annotated(parameter, function) or Unknown(f"parameter {name}")

    def _annotated(self, parameter: cst.Param, function: Function) -> Value | None:
        if parameter.annotation is None:
            return None
        outer, self.scope = self.scope, function.scope
        try:
            named = self._annotation(parameter.annotation.annotation)
        finally:
            self.scope = outer
        if isinstance(named, Class):
            return named.instance
        found = call_kind(f"{named.name}.from_pretrained") if isinstance(named, Symbol) else None
        if found is None or not isinstance(named, Symbol):
            return None
        if found[0] is LibraryCall or not issubclass(found[0], Load):
            return None
        made = self.keep(found[0](self.place(parameter), self.where(), f"{named.name}.from_pretrained", open=True))
        self.change(made, "escape", "the caller", UNKNOWN, parameter)
        return made

    def _annotation(self, node: cst.BaseExpression) -> Value:
        if isinstance(node, cst.SimpleString):
            try:
                node = cst.parse_expression(str(node.evaluated_value))
            except (cst.ParserSyntaxError, ValueError):
                return UNKNOWN
        if isinstance(node, cst.Name):
            return self.scope.find(node.value) or UNKNOWN
        if isinstance(node, cst.Attribute):
            base = self._annotation(node.value)
            return Symbol(f"{base.name}.{node.attr.value}") if isinstance(base, Symbol) else UNKNOWN
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.BitOr):
            sides = [self._annotation(side) for side in (node.left, node.right)]
            known = [side for side in sides if isinstance(side, Symbol | Class)]
            return known[0] if len(known) == 1 else UNKNOWN
        if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name | cst.Attribute):
            base = self._annotation(node.value)
            if (
                isinstance(base, Symbol)
                and base.name in ("typing.Optional", "typing.Annotated")
                and isinstance(node.slice[0].slice, cst.Index)
            ):
                return self._annotation(node.slice[0].slice.value)
        return UNKNOWN

    # Blocks

    def block(self, body: Sequence[cst.BaseStatement | cst.BaseSmallStatement]) -> bool:
        """Follow statements in order; whether control can come out at the end."""
        before = self.guards, self.path, self.later_guards
        self.later_guards = ()
        try:
            return all(self._statement(statement) for statement in body)
        finally:
            self.guards, self.path, self.later_guards = before

    def _statement(self, statement: cst.BaseStatement | cst.BaseSmallStatement) -> bool:
        """Follow one statement of a block; whether control goes on after it."""
        if self.active:
            self.fuel += 1
        elif self.memo:
            self.memo = {}
        self.statement = statement
        if isinstance(statement, cst.SimpleStatementLine):
            goes_on = all(self._small(one) for one in statement.body)
        else:
            handler = self._STATEMENTS.get(type(statement))
            goes_on = handler is None or bool(handler(self, statement))
        if self.later_guards:
            self.guards += self.later_guards
            self.later_guards = ()
        return goes_on

    def _suite(self, suite: cst.BaseSuite) -> bool:
        if isinstance(suite, cst.SimpleStatementSuite):
            self.statement = suite
            return all(self._small(one) for one in suite.body)
        return self.block(suite.body)

    def run_body(self, function: Function) -> Value:
        """Follow a function's body; what it returns."""
        if isinstance(function.node, cst.Lambda):
            return self.evaluate(function.node.body)
        ends = self._suite(function.node.body)
        if self.yields:
            value = join(*self.yields)
            manager = any(isinstance(d, Symbol) and "contextmanager" in d.name for d in function.decorators)
            return value if manager else Items((value,), "generator", complete=False)
        if ends and self.returns:
            return join(*self.returns, Known(None))
        return join(*self.returns) if self.returns else Known(None)

    # Simple statements

    def _small(self, node: cst.BaseSmallStatement) -> bool:
        """Follow a simple statement; whether control goes on after it."""
        if isinstance(node, cst.Assign):
            value = self.evaluate(node.value)
            for target in node.targets:
                self.assign(target.target, value)
        elif isinstance(node, cst.Expr):
            if isinstance(node.value, cst.SimpleString) and "hf_" not in node.value.value:
                return True  # a docstring
            return not self._never_returns(self.evaluate(node.value), node.value)
        elif isinstance(node, cst.AnnAssign):
            self._annotated_assignment(node)
        elif isinstance(node, cst.AugAssign):
            self._augmented(node)
        elif isinstance(node, cst.Import | cst.ImportFrom):
            self._import(node)
        elif isinstance(node, cst.Return):
            self.returns.append(self.evaluate(node.value) if node.value is not None else Known(None))
            return False
        elif isinstance(node, cst.Raise):
            self.evaluate(node.exc)
            return False
        elif isinstance(node, cst.Global | cst.Nonlocal):
            outer = self.scope.module_scope if isinstance(node, cst.Global) else (self.scope.parent or self.scope)
            self.scope.outer.update({item.name.value: outer for item in node.names})
        elif isinstance(node, cst.Del):
            self._delete(node.target)
        elif isinstance(node, cst.Assert):
            self.later_guards += self.guards_of(self.evaluate(node.test), positive=True)
        return not isinstance(node, cst.Break | cst.Continue)

    def _never_returns(self, _value: Value, node: cst.BaseExpression) -> bool:
        if not isinstance(node, cst.Call):
            return False
        if isinstance(node.func, cst.Attribute) and isinstance(node.func.value, cst.Name):
            return (node.func.value.value, node.func.attr.value) in (("sys", "exit"), ("os", "_exit"))
        return (
            isinstance(node.func, cst.Name)
            and node.func.value in ("exit", "quit")
            and self.scope.find(node.func.value) is None
        )

    def _delete(self, target: cst.BaseExpression) -> None:
        if isinstance(target, cst.Name):
            self.scope.names.pop(target.value, None)
        elif isinstance(target, cst.Tuple):
            for element in target.elements:
                self._delete(element.value)
        elif isinstance(target, cst.Subscript):
            self._store_item(target, None)

    def _annotated_assignment(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))
        elif isinstance(node.target, cst.Name) and not self.scope.is_class:
            named = self._annotation(node.annotation.annotation)
            self.scope.names[node.target.value] = Unknown(f"declared as {named.describe()}")

    def _augmented(self, node: cst.AugAssign) -> None:
        right = self.evaluate(node.value)
        left = self.scope.find(node.target.value) if isinstance(node.target, cst.Name) else None
        value: Value = UNKNOWN
        if isinstance(node.operator, cst.AddAssign) and isinstance(left, Items) and isinstance(right, Items):
            certain = self.happens(left)
            left.items, left.complete = left.items + right.items, left.complete and right.complete and certain
            return
        if isinstance(node.operator, cst.BitOrAssign) and isinstance(left, Table) and isinstance(right, Table):
            if not right.complete:
                left.loosen()
            for key, one in right.entries.items():
                left.put(key, one, certain=self.happens(left))
            return
        if isinstance(left, Items | Table):
            left.loosen()
        elif isinstance(node.operator, cst.AddAssign) and left is not None and not self.loops:
            both = left.constant, right.constant
            value = Known(both[0] + both[1], self.place(node)) if all(isinstance(one, str) for one in both) else UNKNOWN
        self.assign(node.target, value)

    def _import(self, node: cst.Import | cst.ImportFrom) -> None:
        if isinstance(node, cst.Import):
            for alias in node.names:
                name = _dotted(alias.name)
                bound = alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else None
                self._bind_import(
                    alias, name, bound or name.partition(".")[0], name if bound else name.partition(".")[0]
                )
            return
        relative = len(node.relative) > 0
        module = _dotted(node.module) if node.module is not None else ""
        if isinstance(node.names, cst.ImportStar):
            self._import_star(f"{'.' * len(node.relative)}{module}")
            return
        for alias in node.names:
            name = (
                f"{'.' * len(node.relative)}{module}.{alias.name.value}" if relative else f"{module}.{alias.name.value}"
            )
            bound = (
                alias.asname.name.value
                if alias.asname and isinstance(alias.asname.name, cst.Name)
                else str(alias.name.value)
            )
            self._bind_import(alias, name, bound, name)

    def _import_star(self, name: str) -> None:
        """A star import from a module of the project binds its names when they are asked for; of other modules nothing is known."""
        found = self.modules.find(self.module.source.path, name) if self.modules is not None else None
        if found is None or found[0] is None or found[1]:
            if name.partition(".")[0] not in KNOWN_ROOTS:  # it may bind names anew; imported ones are seldom meant
                names = self.scope.names
                names.update(
                    {
                        key: default_or(held, "star import")
                        for key, held in names.items()
                        if not isinstance(held, Symbol)
                    }
                )
            return
        other, before, own = found[0], self.scope.load, self.scope

        def load(wanted: str) -> None:
            if before is not None:
                before(wanted)
            value = self.scope_of(other).own(wanted) if wanted not in own.names else None
            if value is not None:
                own.names[wanted] = value

        self.scope.load = load

    def _bind_import(self, alias: cst.ImportAlias, name: str, bound: str, stands_for: str) -> None:
        value = self.imported(stands_for, alias)
        if name.partition(".")[0] in LIBRARIES and isinstance(value, Symbol):
            self.record(Import(self.place(alias), self.where(), name, bound))
        self.scope.names[bound] = value

    # Modules of the project

    def imported(self, name: str, node: cst.CSTNode) -> Value:
        """What an import binds: a symbol of a library, or something of the project that is looked up when it is used."""
        importer = self.module.source.path
        found = self.modules.find(importer, name) if self.modules is not None else None
        if found is None:
            return (
                Unknown(f"{name} is another module of the project")
                if name.startswith(".")
                else Symbol(name, self.place(node))
            )
        module, rest = found
        return Package(module, name, importer) if module is None or not rest else Imported(module, rest)

    def look_up(self, wanted: Imported) -> Value:
        """The value of a name in a module of the project, which is followed as far as the name needs it."""
        name, _, rest = wanted.name.partition(".")
        value = self.scope_of(wanted.module).own(name) or Unknown(f"{name} of another module")
        if isinstance(value, Imported):
            value = self.look_up(value) if (value.module, value.name) != (wanted.module, wanted.name) else UNKNOWN
        return self.attribute_of(value, rest, self.module.tree) if rest else value

    def package_attribute(self, package: Package, name: str) -> Value:
        """An attribute of an imported module: one of its names, else a module below it."""
        value = self.scope_of(package.module).own(name) if package.module is not None else None
        if value is not None:
            return self.look_up(value) if isinstance(value, Imported) else value
        found = self.modules.find(package.importer, f"{package.name}.{name}") if self.modules is not None else None
        if found is None or found[1]:
            return Unknown(f"{name} of another module")
        return Package(found[0], f"{package.name}.{name}", package.importer)

    def scope_of(self, module: Foreign) -> Scope:
        """The names of a module of the project, each bound when it is asked for."""
        if module not in self.scopes:
            scope = self.scopes[module] = Scope()
            scope.load = lambda name: self._load(module, scope, name)
        return self.scopes[module]

    def _load(self, module: Foreign, scope: Scope, name: str) -> None:
        """Follow the statements of another module that bind a name; modules that import each other find nothing the second time."""
        for number, part in module.binding(name):
            if (module, number) not in self.loaded and len(self.loaded) < FOREIGN and _parses(part):
                self.loaded.add((module, number))
                self._follow_statements(part, scope)
        if name not in scope.names and (module, name) not in self.starred:
            self.starred.add((module, name))
            for star in module.stars:
                found = self.modules.find(module.source.path, star) if self.modules is not None else None
                value = (
                    self.scope_of(found[0]).own(name)
                    if found is not None and found[0] is not None and not found[1]
                    else None
                )
                if value is not None:
                    scope.names[name] = value

    def _follow_statements(self, part: Module, scope: Scope) -> None:
        pending = len(self.pending)
        registers: dict[str, object] = {
            "scope": scope,
            "module": part,
            "function_name": "",
            "loops": (),
            "contexts": (),
            "guards": (),
            "path": (),
            "activation": 0,
            "returns": [],
            "yields": [],
            "active": [],
            "instance": None,
            "later_guards": (),
        }
        outer_class, self._class = self._class, None
        try:
            with self.entering(**registers):
                self.block(part.tree.body)
        finally:
            self._class = outer_class
            del self.pending[pending:]  # what nothing here calls is for the other module's own check

    # Assignment

    def assign(self, target: cst.BaseExpression, value: Value) -> None:
        """Bind a target to a value."""
        if isinstance(target, cst.Name):
            if (outer := self.scope.outer.get(target.value)) is not None:
                outer.names[target.value], self.memo = value, {}
                if outer is self.top:
                    self.global_writes[target.value] = join(self.global_writes.get(target.value), value)
            else:
                self.scope.names[target.value] = value
        elif isinstance(target, cst.Attribute):
            set_attribute(self, self.evaluate(target.value), target.attr.value, value, target)
        elif isinstance(target, cst.Tuple | cst.List):
            self._unpack(target, value)
        elif isinstance(target, cst.Subscript):
            self._store_item(target, value)
        elif isinstance(target, cst.StarredElement):
            self.assign(target.value, UNKNOWN)

    def _unpack(self, target: cst.Tuple | cst.List, value: Value) -> None:
        names = [element.value for element in target.elements]
        starred = any(isinstance(element, cst.StarredElement) for element in target.elements)
        for position, name in enumerate(names):
            parts = [
                one.items[position]
                if isinstance(one, Items) and one.complete and len(one.items) == len(names) and not starred
                else self._loose_item(one, position)
                for one in value.alternatives
            ]
            self.assign(name, join(*parts))

    @staticmethod
    def _loose_item(value: Value, position: int) -> Value:
        if isinstance(value, LibraryCall):
            return Part(value, f"[{position}]")
        if isinstance(value, Part):
            return Part(value.of, f"{value.path}.[{position}]")
        return UNKNOWN

    def _store_item(self, target: cst.Subscript, value: Value | None) -> None:
        holder = self.evaluate(target.value)
        index = target.slice[0].slice
        key = self.evaluate(index.value).constant if isinstance(index, cst.Index) else MISSING
        for one in holder.alternatives:
            certain = len(holder.alternatives) == 1
            if isinstance(one, Table):
                self._store_key(one, key, value, certain=certain and self.happens(one))
            elif isinstance(one, Items):
                one.loosen()
            elif isinstance(one, LibraryCall | Part):
                name = key if isinstance(key, str) else "[]"
                whole, path = (one, name) if isinstance(one, LibraryCall) else (one.of, f"{one.path}.{name}")
                self.change(whole, "set", path, value or UNKNOWN, target)
            elif isinstance(one, Symbol) and one.name == "globals()":
                self.top.names = {
                    name: held if isinstance(held, Symbol | Function | Class) else Unknown("globals()")
                    for name, held in self.top.names.items()
                }
            elif value is not None:
                self.escape([value], "a container", target)

    @staticmethod
    def _store_key(table: Table, key: Any, value: Value | None, *, certain: bool) -> None:
        if key is MISSING or isinstance(key, float):
            table.loosen()
        elif value is None:
            table.drop(key, certain=certain)
        else:
            table.put(key, value, certain=certain)

    # Compound statements

    def _if(self, node: cst.If) -> bool:
        test = self.evaluate(node.test)
        if _is_main_guard(node.test) or _is_type_checking(node.test):
            if _is_type_checking(node.test):
                with self.guarded(Guard("type-checking")):
                    return self._suite(node.body)
            return self._suite(node.body)
        if _is_never(node.test):
            return self._otherwise(node.orelse)
        start, ends = self.fork(), []
        with self.guarded(*self.guards_of(test, positive=True), conditional=True):
            then = self._suite(node.body)
            if then:
                ends.append(self.fork())
        self.restore(start)
        with self.guarded(*self.guards_of(test, positive=False), conditional=True):
            otherwise = self._otherwise(node.orelse)
            if otherwise:
                ends.append(self.fork())
        if ends:
            self.merge(ends)
        if then != otherwise:  # what follows is reached through one branch only
            self.exit_condition()
            guards = self.guards_of(test, positive=then)  # that a feature is there says nothing of the code after it
            self.later_guards += tuple(guard for guard in guards if guard.kind == "version")
        return bool(ends)

    def _otherwise(self, node: cst.If | cst.Else | None) -> bool:
        if isinstance(node, cst.If):
            self.statement = node
            return self._if(node)
        return node is None or self._suite(node.body)

    def _loop(self, node: cst.For | cst.While) -> bool:
        before = self.fork()
        if isinstance(node, cst.For):
            source = self.evaluate(node.iter)
            value = self.element_of(source)
        for name in _assigned_in(node.body):
            if name in self.scope.names:
                self.scope.names[name] = join(self.scope.names[name], Unknown("rebound in a loop"))
        with self.looping("for" if isinstance(node, cst.For) else "while"):
            if isinstance(node, cst.For):
                self.assign(node.target, value)
            else:
                self.evaluate(node.test)
            self._suite(node.body)
        if not (isinstance(node, cst.For) and isinstance(source, Items) and source.items and not _breaks(node.body)):
            self.merge([before, self.fork()])  # it may not run at all
        if node.orelse is not None:
            self._suite(node.orelse.body)
        endless = isinstance(node, cst.While) and isinstance(node.test, cst.Name) and node.test.value == "True"
        return not (endless and not _breaks(node.body))

    def _with(self, node: cst.With) -> bool:
        names: list[str] = []
        guards: tuple[Guard, ...] = ()
        for item in node.items:
            value = self.evaluate(item.item)
            callee = _symbol_of(self, item.item.func) if isinstance(item.item, cst.Call) else ""
            if callee == "contextlib.suppress" and isinstance(item.item, cst.Call):
                caught = {_dotted(arg.value).rpartition(".")[2] for arg in item.item.args}
                guards += (Guard("try"),) if caught & _CAUGHT else ()
            known = (
                callee
                if "." in callee and not _is_exit_stack(item.item)
                else value.name
                if isinstance(value, Symbol)
                else ""
            )
            names.append(known or self._manager(item.item))
            if item.asname is not None:
                self.assign(item.asname.name, value)
        with self.inside(*names), self.guarded(*guards):
            return self._suite(node.body)

    def _manager(self, node: cst.BaseExpression) -> str:
        """What a context manager of the program's own is: it may enter any other."""
        found = (
            self.scope.find(node.func.value) if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) else None
        )
        kept = isinstance(node, cst.Name | cst.Attribute)
        return ANY_CONTEXT if isinstance(found, Function) or kept or _is_exit_stack(node) else ""

    def _try(self, node: cst.Try | cst.TryStar) -> bool:
        caught = [name for handler in node.handlers for name in _handled(handler)]
        guards = (Guard("try"),) if any(name in _CAUGHT for name in caught) else ()
        start, ends = self.fork(), []
        with self.guarded(*guards):
            falls = self._suite(node.body)
        after = self.fork()
        if falls and node.orelse is not None:
            falls = self._suite(node.orelse.body)
        if falls:
            ends.append(self.fork())
        for handler in node.handlers if not (falls and self._certainly_imports(node)) else ():
            self.merge([start, after])
            with self.guarded(*guards, conditional=True):
                if handler.name is not None:
                    self.assign(handler.name.name, Unknown("exception"))
                if self._suite(handler.body):
                    ends.append(self.fork())
        if ends:
            self.merge(ends)
        final = self._suite(node.finalbody.body) if node.finalbody is not None else True
        return bool(ends) and final

    def _certainly_imports(self, node: cst.Try | cst.TryStar) -> bool:
        """Whether a block only imports modules that the project has, so that no handler is ever reached."""
        lines = node.body.body
        parts = [one for line in lines for one in (line.body if isinstance(line, cst.SimpleStatementLine) else [line])]
        if not all(isinstance(one, cst.ImportFrom) and not isinstance(one.names, cst.ImportStar) for one in parts):
            return False
        names = [
            alias
            for one in parts
            if isinstance(one, cst.ImportFrom) and not isinstance(one.names, cst.ImportStar)
            for alias in one.names
        ]
        bound = [
            alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else alias.name.value
            for alias in names
        ]
        return bool(bound) and all(isinstance(self.scope.names.get(str(name)), Imported | Package) for name in bound)

    def _match(self, node: cst.Match) -> bool:
        self.evaluate(node.subject)
        start, ends = self.fork(), [self.fork()]
        for case in node.cases:
            self.restore(start)
            with self.guarded(conditional=True):
                if self._suite(case.body):
                    ends.append(self.fork())
        self.merge(ends)
        return True

    # Definitions

    def _function(self, node: cst.FunctionDef) -> bool:
        decorators = tuple(self._decorator(one.decorator) for one in node.decorators)
        owner = self._class if self.scope.is_class else None
        name = f"{owner.name if owner else self.function_name}.{node.name.value}".lstrip(".")
        function = Function(
            node, self.scope, self.module, name, decorators, owner, self.defaults(node.params), self.guards
        )
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

    _class: Class | None = None

    def _decorator(self, node: cst.BaseExpression) -> Value:
        value = self.evaluate(node)
        if isinstance(node, cst.Call):
            callee = _symbol_of(self, node.func)
            if callee in _OPTION:
                return self._option(node)
            return Symbol(callee) if callee else value
        return value

    def _option(self, node: cst.Call) -> Value:
        given = self.arguments(node)
        flags = [value.constant for value in given.positional if isinstance(value.constant, str)]
        plain = next((flag for flag in flags if not flag.startswith("-")), None) or next(
            (flag for flag in flags if flag.startswith("--")), ""
        )
        name = plain.partition("/")[0].lstrip("-").replace("-", "_").lower()
        default = given.keywords.get("default", UNKNOWN)
        return Table({"name": Known(name), "default": default})

    def _class_definition(self, node: cst.ClassDef) -> bool:
        bases = tuple(self.evaluate(base.value) for base in node.bases)
        decorators = [self._decorator(one.decorator) for one in node.decorators]
        known = self.classes.get(node)
        cls = Class(node, self.module, node.name.value, bases, Scope(self.scope, is_class=True))
        if known is not None and known.shared is not None:
            cls.shared = known.shared
            cls.shared.cls, cls.shared.names = cls, {}
        self.classes[node] = cls
        names = [value.name for value in (*decorators, *cls.foreign_bases()) if isinstance(value, Symbol)]
        cls.is_record = any(name in (*_RECORDS, *_RECORD_BASES) for name in names)
        outer, outer_class = self.scope, self._class
        self.scope, self._class = cls.scope, cls
        try:
            for statement in node.body.body:
                self._class_field(statement, cls)
            self._suite(node.body)
            for name, value in cls.fields.items():
                cls.fields[name] = cls.scope.names.get(name) if value is not None else None
        finally:
            self.scope, self._class = outer, outer_class
        self.scope.names[node.name.value] = cls
        self._make_instance(cls)
        return True

    @staticmethod
    def _class_field(statement: cst.CSTNode, cls: Class) -> None:
        for one in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(one, cst.AnnAssign) and isinstance(one.target, cst.Name):
                cls.fields[one.target.value] = UNKNOWN if one.value is not None else None

    def _make_instance(self, cls: Class) -> None:
        """Methods are followed after the module; `__init__` first, so that the others see what it sets."""
        methods = [f for f in self.pending if f.owner is cls]
        init = next((f for f in methods if f.name.endswith(".__init__")), None)
        if init is not None:
            self.pending.remove(init)
            self.pending.insert(
                self.pending.index(methods[0]) if methods[0] in self.pending else len(self.pending), init
            )

    _STATEMENTS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        cst.If: _if,
        cst.For: _loop,
        cst.While: _loop,
        cst.With: _with,
        cst.Try: _try,
        cst.TryStar: _try,
        cst.Match: _match,
        cst.FunctionDef: _function,
        cst.ClassDef: _class_definition,
    }


def _parses(module: Module) -> bool:
    try:
        return module.tree is not None
    except SyntaxProblem:
        return False


def _symbol_of(run: Interpreter, node: cst.BaseExpression) -> str:
    """The full name that a dotted expression stands for, without evaluating it as a use."""
    if isinstance(node, cst.Name):
        found = run.scope.find(node.value)
        return found.name if isinstance(found, Symbol) else "" if found is not None else node.value
    if isinstance(node, cst.Attribute):
        base = _symbol_of(run, node.value)
        return f"{base}.{node.attr.value}" if base else ""
    return ""


def _dotted(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _is_never(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name | cst.Integer) and node.value in ("False", "0")


def _is_exit_stack(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and _dotted(node.func).endswith("ExitStack")


def _is_main_guard(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Comparison) and isinstance(node.left, cst.Name) and node.left.value == "__name__"


def _is_type_checking(node: cst.BaseExpression) -> bool:
    return (isinstance(node, cst.Name) and node.value == "TYPE_CHECKING") or (
        isinstance(node, cst.Attribute) and node.attr.value == "TYPE_CHECKING"
    )


def _handled(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> list[str]:
    if handler.type is None:
        return ["Exception"]
    types = [e.value for e in handler.type.elements] if isinstance(handler.type, cst.Tuple) else [handler.type]
    return [_dotted(one).rpartition(".")[2] for one in types]


def _assigned_in(suite: cst.BaseSuite) -> set[str]:
    """The names that a block binds, nested blocks included, functions and classes not."""
    names: set[str] = set()
    stack: list[cst.CSTNode] = list(suite.body)
    while stack:
        one = stack.pop()
        if isinstance(one, cst.SimpleStatementLine):
            stack.extend(one.body)
        elif isinstance(one, cst.Assign):
            names.update(name for target in one.targets for name in _names_in(target.target))
        elif isinstance(one, cst.AnnAssign | cst.AugAssign | cst.For):
            names.update(_names_in(one.target))
        if not isinstance(one, cst.FunctionDef | cst.ClassDef):
            stack.extend(_blocks_of(one))
    return names


def _names_in(target: cst.BaseExpression) -> list[str]:
    if isinstance(target, cst.Tuple | cst.List):
        return [name for element in target.elements for name in _names_in(element.value)]
    return [target.value] if isinstance(target, cst.Name) else []


def _blocks_of(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The statements in the blocks of a compound statement."""
    parts = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    parts += [*getattr(node, "handlers", ()), *getattr(node, "cases", ())]
    found: list[cst.CSTNode] = []
    for part in parts:
        if isinstance(part, cst.If):
            found.append(part)
        elif part is not None:
            suite = part if isinstance(part, cst.BaseSuite) else getattr(part, "body", None)
            found.extend(suite.body if isinstance(suite, cst.BaseSuite) else ())
    return found


def _breaks(suite: cst.BaseSuite) -> bool:
    """Whether a loop's block can leave the loop."""
    stack: list[cst.CSTNode] = list(suite.body)
    while stack:
        one = stack.pop()
        if isinstance(one, cst.SimpleStatementLine):
            if any(isinstance(small, cst.Break | cst.Return) for small in one.body):
                return True
        elif isinstance(one, cst.Break | cst.Return):
            return True
        elif not isinstance(one, cst.For | cst.While | cst.FunctionDef | cst.ClassDef):
            stack.extend(_blocks_of(one))
    return False
