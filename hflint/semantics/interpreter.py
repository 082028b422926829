"""Follow a program: its module in order, then the functions that nothing in it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.functions import FUEL
from hflint.semantics.importing import FOREIGN, parses
from hflint.semantics.objects import LibraryCall
from hflint.semantics.statements import Statements
from hflint.semantics.values import WIDEST, Symbol

if TYPE_CHECKING:
    from hflint.semantics import tree
    from hflint.semantics.module import Module
    from hflint.semantics.objects import Object
    from hflint.semantics.project import Foreign
    from hflint.semantics.scopes import Function

ELSEWHERE = 200  # statements that are followed in functions for a module that imports this one
_FIRST = (".__init__", ".__post_init__", ".__new__", ".__enter__")  # methods that are called before the others
UNCALLED = 300  # statements that a function which nothing calls brings along


class Interpreter(Statements):
    """The order in which a module and its functions are followed."""

    def run(self) -> None:
        """Follow the module: its body, then every function that nothing in it called. Twice where methods or globals tie functions together."""
        self._pass()
        if self.global_writes or any(cls.shared is not None and cls.shared.is_stale for cls in self.classes.values()):
            self._pass()

    def follow_elsewhere(self, other: Foreign, part: Module) -> list[Object]:
        """Follow statements of a module that imports this one: the objects that it makes, in this module as well.

        Those that the module itself makes stay as they are.
        """
        known = self.registry, self.fresh
        changes = [(one, len(one.changes)) for one in self.fresh.values() if isinstance(one, LibraryCall)]
        self.registry, self.fresh, self.memo = {}, {}, {}
        self.fuel, self.farthest = FUEL - ELSEWHERE, len(self.loaded) + FOREIGN // 4
        try:
            for function in self.follow_statements(part, self.scope_of(other)) if parses(part) else ():
                if function.node not in self.called:
                    self._follow_uncalled(function)
            return list(self.fresh.values())
        finally:
            self.registry, self.fresh = known
            for one, count in changes:
                del one.changes[count:]

    def close(self) -> None:
        """Let go of what holds itself, a name in the scope of its function, so that Python need not look for it: that took a fifth of a run."""
        for holder in (*self.holders, *self.instances.values()):
            holder.clear()
        for one in self.registry.values():
            if isinstance(one, LibraryCall):
                one.changes, one.arguments = [], {}
        self.__dict__.clear()

    def _pass(self) -> None:
        self.scope = self.top
        self.scope.names = {}
        self.pending, self.called, self.fresh, self.order, self.fuel = [], set(), {}, 0, 0
        self.path, self.memo, self.patched, self.recursive = (), {}, set(), set()
        self.scopes, self.loaded, self.starred = {}, set(), set()
        self.block(self.module.tree.body)
        for name, value in self.global_writes.items():
            self.top.weaken(name, value)
        self.pending.sort(key=lambda function: not function.name.endswith(_FIRST))  # others find what they set
        position = 0
        alone: dict[tree.Node, int] = {}
        while position < len(self.pending):
            function = self.pending[position]
            position += 1
            times = alone.get(function.node, 0)
            if function.node not in self.called or 0 < times < WIDEST:  # a closure over other values
                alone[function.node] = times + 1
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
