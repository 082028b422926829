"""Follow statements in order: branches are joined, loops and handlers may not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.definitions import Definitions, symbol_of
from hflint.semantics.objects import ANY_CONTEXT, Guard
from hflint.semantics.scopes import Function, Imported, Instance, Package
from hflint.semantics.syntax import (
    assigned_in,
    breaks,
    chosen_case,
    dotted,
    filled_in,
    handled,
    is_exit_stack,
    is_main_guard,
    is_never,
    is_type_checking,
    is_yield,
    leaves,
)
from hflint.semantics.values import Items, Known, Symbol, Unknown, Value, join, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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


UNROLLED = 5  # items of a loop that is followed once for each


class Statements(Definitions):
    """Evaluation of statements."""

    def block(self, body: Sequence[tree.Statement | tree.Small]) -> bool:
        """Follow statements in order; whether control can come out at the end."""
        before = self.guards, self.path, self.later_guards
        self.later_guards = ()
        is_manager = self._is_manager()
        try:
            for position, statement in enumerate(body):
                goes_on = self._statement(statement)
                suspends = is_manager and goes_on and is_yield(statement)  # the rest runs when it is left
                if suspends or (not goes_on and isinstance(statement, tree.If | tree.Match)):
                    self._follow_dead(body[position + 1 :])
                if suspends or not goes_on:
                    return goes_on
            return True
        finally:
            self.guards, self.path, self.later_guards = before

    def _statement(self, statement: tree.Statement | tree.Small) -> bool:
        """Follow one statement of a block; whether control goes on after it."""
        if self.active:
            self.fuel += 1
        elif self.memo:
            self.memo = {}
        self.statement = statement
        handler = self.STATEMENTS.get(type(statement))
        goes_on = handler is None or bool(handler(self, statement))
        if self.later_guards:
            self.guards += self.later_guards
            self.later_guards = ()
        return goes_on

    def suite(self, suite: tree.Suite) -> bool:
        if isinstance(suite, tree.SimpleStatementSuite):
            self.statement = suite
            return self._line(suite)
        return self.block(suite.body)

    def _line(self, line: tree.SimpleStatementLine | tree.SimpleStatementSuite) -> bool:
        """Follow the simple statements of a line; whether control goes on after them."""
        for one in line.body:
            handler = self.SMALL.get(type(one))
            if handler is not None and handler(self, one) is False:
                return False
        return True

    def run_body(self, function: Function) -> Value:
        """Follow a function's body; what it returns."""
        if isinstance(function.node, tree.Lambda):
            return self.evaluate(function.node.body)
        ends = self.suite(function.node.body)
        if self.yields:
            value = join(*self.yields)
            return value if self._is_manager() else Items((value,), "generator", complete=False)
        if ends and self.returns:
            return join(*self.returns, Known(None))
        return join(*self.returns) if self.returns else Known(None)

    def _is_manager(self) -> bool:
        """Whether the function being followed is a context manager written as a generator."""
        decorators = self.active[-1].decorators if self.active else ()
        return any(isinstance(one, Symbol) and "contextmanager" in one.name for one in decorators)

    # Simple statements, but for those that bind names: each gives False where control does not go on after it

    def _expression(self, node: tree.Expr) -> bool:
        if isinstance(node.value, tree.SimpleString) and "hf_" not in str(node.value.value):
            return True  # a docstring
        self.evaluate(node.value)
        return not self._never_returns(node.value)

    def _returned(self, node: tree.Return) -> bool:
        self.returns.append(self.evaluate(node.value) if node.value is not None else Known(None))
        return False

    def _raised(self, node: tree.Raise) -> bool:
        self.evaluate(node.exc)
        return False

    def _left(self, node: tree.Break | tree.Continue) -> bool:
        if isinstance(node, tree.Break):
            self.broken.append(self.fork())
        return False

    def _declared(self, node: tree.Global | tree.Nonlocal) -> None:
        outer = self.scope.module_scope if isinstance(node, tree.Global) else (self.scope.parent or self.scope)
        self.scope.outer.update({item.name.value: outer for item in node.names})

    def _asserted(self, node: tree.Assert) -> None:
        self.later_guards += self.guards_of(self.evaluate(node.test), positive=True)

    def _never_returns(self, node: tree.Expression) -> bool:
        if not isinstance(node, tree.Call):
            return False
        if isinstance(node.func, tree.Attribute) and isinstance(node.func.value, tree.Name):
            return (node.func.value.value, node.func.attr.value) in (("sys", "exit"), ("os", "_exit"))
        return (
            isinstance(node.func, tree.Name)
            and node.func.value in ("exit", "quit")
            and self.scope.find(node.func.value) is None
        )

    # Compound statements

    def _if(self, node: tree.If) -> bool:
        goes_on = self._branches(node)
        filled = filled_in(node)
        if goes_on and filled is not None:  # `if x is None: x = ...`
            value = self.evaluate(filled)
            left = [one for one in value.alternatives if truth(one) is not False]
            if left and len(left) < len(value.alternatives):
                self.assign(filled, join(*left))
        return goes_on

    def _branches(self, node: tree.If) -> bool:
        test = self.evaluate(node.test)
        if is_main_guard(node.test) or is_type_checking(node.test):
            if is_type_checking(node.test):
                with self.guarded(Guard("type-checking")):
                    return self.suite(node.body)
            return self.suite(node.body)
        if is_never(node.test):
            return self._otherwise(node.orelse)
        if (decided := truth(test)) is not None:
            return self._decided(node, holds=decided)
        start, ends = self.fork(), []
        with self.guarded(*self.guards_of(test, positive=True), conditional=True):
            then = self.suite(node.body)
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

    def _decided(self, node: tree.If, *, holds: bool) -> bool:
        """A condition that is a constant: the other branch is followed for what is written in it, and binds nothing."""
        if not holds:
            self._follow_dead(node.body.body)
            return self._otherwise(node.orelse)
        goes_on = self.suite(node.body)
        if node.orelse is not None:
            self._follow_dead([node.orelse] if isinstance(node.orelse, tree.If) else node.orelse.body.body)
        return goes_on

    def _follow_dead(self, body: Sequence[tree.Statement | tree.Small]) -> None:
        """Follow statements that are not reached as things stand: somebody may change a constant."""
        start, returns, yields = self.fork(), list(self.returns), list(self.yields)
        with self.guarded(conditional=True):
            self.block(body)
        self.restore(start)
        self.returns, self.yields = returns, yields

    def _otherwise(self, node: tree.If | tree.Else | None) -> bool:
        if isinstance(node, tree.If):
            self.statement = node
            return self._if(node)
        return node is None or self.suite(node.body)

    def _loop(self, node: tree.For | tree.While) -> bool:
        before = self.fork()
        if isinstance(node, tree.For):
            source = self.evaluate(node.iter)
            if self._unrolled(node, self.elements(source)):
                return node.orelse is None or self.suite(node.orelse.body)
            value = self.element_of(source)
        for name in assigned_in(node.body):
            if name in self.scope.names:
                self.scope.names[name] = join(self.scope.names[name], Unknown("rebound in a loop"))
        outer, self.broken = self.broken, []
        with self.looping("for" if isinstance(node, tree.For) else "while"):
            if isinstance(node, tree.For):
                self.assign(node.target, value)
            else:
                self.evaluate(node.test)
            self.suite(node.body)
        if not (isinstance(node, tree.For) and isinstance(source, Items) and source.items and not breaks(node.body)):
            self.merge([before, self.fork(), *self.broken])  # it may not run at all
        self.broken = outer
        if node.orelse is not None:
            self.suite(node.orelse.body)
        endless = isinstance(node, tree.While) and isinstance(node.test, tree.Name) and node.test.value == "True"
        return not (endless and not breaks(node.body))

    def _unrolled(self, node: tree.For, elements: tuple[Value, ...] | None) -> bool:
        """Follow a short loop over a few known things once for each; whether it is one."""
        if not elements or len(elements) > UNROLLED or len(self.loops) > 1 or leaves(node.body):
            return False
        with self.looping("for", conditional=False):
            for element in elements:
                self.assign(node.target, element)
                self.suite(node.body)
        return True

    def _with(self, node: tree.With) -> bool:
        names: list[str] = []
        guards: tuple[Guard, ...] = ()
        for item in node.items:
            value = self.evaluate(item.item)
            callee = symbol_of(self, item.item.func) if isinstance(item.item, tree.Call) else ""
            if callee == "contextlib.suppress" and isinstance(item.item, tree.Call):
                caught = {dotted(arg.value).rpartition(".")[2] for arg in item.item.args}
                guards += (Guard("try"),) if caught & _CAUGHT else ()
            known = (
                callee
                if "." in callee and not is_exit_stack(item.item)
                else value.name
                if isinstance(value, Symbol)
                else ""
            )
            names.append(known or self._manager(item.item))
            enter = value.cls.find("__enter__") if isinstance(value, Instance) else None
            if isinstance(enter, Function):
                value = self.call_function(enter, [value], {}, None)
            if item.asname is not None:
                self.assign(item.asname.name, value)
        with self.inside(*names), self.guarded(*guards):
            return self.suite(node.body)

    def _manager(self, node: tree.Expression) -> str:
        """What a context manager of the program's own is: it may enter any other."""
        found = (
            self.scope.find(node.func.value)
            if isinstance(node, tree.Call) and isinstance(node.func, tree.Name)
            else None
        )
        kept = isinstance(node, tree.Name | tree.Attribute)
        return ANY_CONTEXT if isinstance(found, Function) or kept or is_exit_stack(node) else ""

    def _try(self, node: tree.Try) -> bool:
        caught = [name for handler in node.handlers for name in handled(handler)]
        guards = (Guard("try"),) if any(name in _CAUGHT for name in caught) else ()
        start, ends = self.fork(), []
        with self.guarded(*guards):
            falls = self.suite(node.body)
        after = self.fork()
        if falls and node.orelse is not None:
            falls = self.suite(node.orelse.body)
        if falls:
            ends.append(self.fork())
        for handler in node.handlers if not (falls and self._certainly_imports(node)) else ():
            self.merge([start, after])
            with self.guarded(*guards, conditional=True):
                if handler.name is not None:
                    self.assign(handler.name.name, Unknown("exception"))
                if self.suite(handler.body):
                    ends.append(self.fork())
        if ends:
            self.merge(ends)
        if node.finalbody is not None and self._is_manager() and any(map(is_yield, node.body.body)):
            self._follow_dead(node.finalbody.body.body)  # it runs when the context is left
            return bool(ends)
        final = self.suite(node.finalbody.body) if node.finalbody is not None else True
        return bool(ends) and final

    def _certainly_imports(self, node: tree.Try) -> bool:
        """Whether a block only imports modules that the project has, so that no handler is ever reached."""
        lines = node.body.body
        parts = [one for line in lines for one in (line.body if isinstance(line, tree.SimpleStatementLine) else [line])]
        if not all(isinstance(one, tree.ImportFrom) and not isinstance(one.names, tree.ImportStar) for one in parts):
            return False
        names = [
            alias
            for one in parts
            if isinstance(one, tree.ImportFrom) and not isinstance(one.names, tree.ImportStar)
            for alias in one.names
        ]
        bound = [
            alias.asname.name.value if alias.asname and isinstance(alias.asname.name, tree.Name) else alias.name.value
            for alias in names
        ]
        return bool(bound) and all(isinstance(self.scope.names.get(str(name)), Imported | Package) for name in bound)

    def _match(self, node: tree.Match) -> bool:
        chosen = chosen_case(node, self.evaluate(node.subject).constant)
        if chosen is not None:
            goes_on = self.suite(chosen.body)
            for case in node.cases:
                if case is not chosen:
                    self._follow_dead(case.body.body)
            return goes_on
        start, ends = self.fork(), [self.fork()]
        for case in node.cases:
            self.restore(start)
            with self.guarded(conditional=True):
                if self.suite(case.body):
                    ends.append(self.fork())
        self.merge(ends)
        return True

    STATEMENTS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        **Definitions.STATEMENTS,
        tree.SimpleStatementLine: _line,
        tree.If: _if,
        tree.For: _loop,
        tree.While: _loop,
        tree.With: _with,
        tree.Try: _try,
        tree.Match: _match,
    }
    SMALL: ClassVar[dict[type, Callable[[Any, Any], bool | None]]] = {
        **Definitions.SMALL,
        tree.Expr: _expression,
        tree.Return: _returned,
        tree.Raise: _raised,
        tree.Break: _left,
        tree.Continue: _left,
        tree.Global: _declared,
        tree.Nonlocal: _declared,
        tree.Assert: _asserted,
    }
