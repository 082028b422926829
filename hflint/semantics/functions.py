"""Functions of the program, followed at each call with its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics import tree
from hflint.semantics.catalog import DECORATORS_TRANSPARENT, KNOWN_ROOTS
from hflint.semantics.commandline import Namespace
from hflint.semantics.expressions import Expressions
from hflint.semantics.objects import ANY_CONTEXT
from hflint.semantics.scopes import Function, Instance, Scope, Store
from hflint.semantics.values import Container, Items, Known, Place, Symbol, Table, Unknown, Value, default_or, join

if TYPE_CHECKING:
    from collections.abc import Hashable


DEPTH = 8  # nested calls of the program's functions that are followed
FUEL = 2000  # statements followed inside called functions, a module


class Functions(Expressions):
    """Calls of functions of the program."""

    def call_function(
        self,
        function: Function,
        positional: list[Value],
        keywords: dict[str, Value],
        place: Place | None,
        *,
        open: bool = False,  # noqa: A002
    ) -> Value:
        """Follow a function of the program with these arguments; what it returns, joined over its returns."""
        self.called.add(function.node)
        if function.is_stub:
            handed = positional[1:] if function.owner is not None else positional
            self.escape([*handed, *keywords.values()], function.name, place.node if place else function.node)
            return Unknown(f"result of {function.name}")
        if function in self.active or len(self.active) >= DEPTH or self.fuel > FUEL:
            for value in (*positional, *keywords.values()):
                self.escape([value], function.name, place.node if place else function.node)
            if function in self.active:
                self.recursive.add(function.node)
            return Unknown("recursion" if function in self.active else "too deep")
        if any(_context(decorator) == ANY_CONTEXT for decorator in function.decorators):
            first = positional[:1] if function.owner is not None else []  # self is handed on
            positional = first + [default_or(value, "a decorator") for value in positional[len(first) :]]
            keywords = {name: default_or(value, "a decorator") for name, value in keywords.items()}
        value = self._remembered(function, positional, keywords, open)
        return self._through_decorators(function, value)

    def _remembered(
        self, function: Function, positional: list[Value], keywords: dict[str, Value], is_open: bool
    ) -> Value:
        """What following a function gives. The same call is followed once, unless it has something in its hands that code changes in place."""
        values = [*positional, *keywords.values()]
        if any(isinstance(value, Container) for value in values):
            return self._follow(function, positional, keywords, is_open)
        owner = positional[0] if positional and isinstance(positional[0], Instance) else None
        arguments = (*map(_key, positional), *((name, _key(value)) for name, value in keywords.items()))
        surely = owner is None or self.happens(owner)
        key = (function, *arguments, is_open, self.contexts, self.guards, bool(self.path), surely)
        held = values, [dict(value.names) for value in values if isinstance(value, Store)]  # the key has their ids
        if key in self.memo:
            value, names, _ = self.memo[key]
            if owner is not None and names is not None:
                owner.names = dict(names)
            return value
        value = self._follow(function, positional, keywords, is_open)
        self.memo[key] = value, dict(owner.names) if owner is not None else None, held
        return value

    def _follow(self, function: Function, positional: list[Value], keywords: dict[str, Value], is_open: bool) -> Value:
        contexts = self.contexts + tuple(_context(decorator) for decorator in function.decorators)
        first = positional[0] if positional and function.owner is not None else None
        instance = first if isinstance(first, Instance) else None
        known, exits = (dict(instance.names) if instance is not None else {}), len(self.exits)
        self.counter += 1
        registers: dict[str, object] = {
            "scope": (scope := Scope(function.scope)),
            "function_name": function.name,
            "module": function.module,
            "loops": (),
            "contexts": tuple(name for name in contexts if name),
            "guards": self.guards + tuple(guard for guard in function.guards if guard not in self.guards),
            "activation": self.counter,
            "returns": [],
            "yields": [],
            "active": [*self.active, function],
            "later_guards": (),
            "is_possible": False,
        }
        if function.owner is not None:
            registers["instance"] = instance
        with self.entering(**registers):
            self._bind(function, positional, keywords, is_open)
            scope.shared = _declared(function, scope)
            value = self.run_body(function)
            early = len(self.exits) > exits and bool(self.returns) and self.activation in self.exits.values()
        if instance is not None and known and (early or self._may_change(instance)):
            _weaken(instance, known)
        self._leave(scope, early=early)
        return Unknown("recursion") if function.node in self.recursive else value

    def _leave(self, scope: Scope, *, early: bool) -> None:
        """Let what an activation set be what it was as well, where it may not have come to it; `early` where it may have been left before its end."""
        for store, name, before, value in scope.touched:
            elsewhere = isinstance(store, Scope) and store is not self.scope  # what is here, the branches here say
            if early or (elsewhere and self._is_conditional()):
                store.names[name] = join(before, value, store.names.get(name))
            if elsewhere and self.active:
                self.scope.touched.append((store, name, before, value))

    def stores(self) -> list[Store]:
        """What an assignment in the code being followed can change, other scopes included whose names it declares."""
        return [*super().stores(), *self.scope.shared]

    def restore(self, names: list[dict[str, Value]]) -> None:
        """Let all names be as they were; what was bound when it was first asked for stays."""
        lazy = [(scope, scope.names) for scope in self.scope.shared if scope.load] if self.scope.shared else ()
        super().restore(names)
        for scope, held in lazy:
            scope.names = {**held, **scope.names}

    def _is_conditional(self) -> bool:
        """Whether what is being followed does not certainly happen in the module; a function that nothing calls is taken to be called."""
        return any(step > 0 and self.exits.get(step) != 0 for step in self.path)

    def _may_change(self, instance: Instance) -> bool:
        """Whether it is not certain that what a method does here is done to an instance; in methods of its own, the branches there say so."""
        return instance is not self.instance and instance is not instance.cls.shared and not self.happens(instance)

    def _bind(self, function: Function, positional: list[Value], keywords: dict[str, Value], is_open: bool) -> None:
        parameters = function.node.params
        names = self.scope.names
        plain = [*parameters.posonly_params, *parameters.params]
        for parameter, value in zip(plain, positional, strict=False):
            names[parameter.name.value] = value
        rest = dict(keywords)
        for parameter in (*plain, *parameters.kwonly_params):
            name = parameter.name.value
            if name in rest:
                names[name] = rest.pop(name)
            elif name not in names:
                names[name] = self.unbound_parameter(function, parameter, is_open)
        if isinstance(parameters.star_arg, tree.Param):
            names[parameters.star_arg.name.value] = self.own(
                Items(tuple(positional[len(plain) :]), "tuple", not is_open)
            )
        if parameters.star_kwarg is not None:
            names[parameters.star_kwarg.name.value] = self.own(Table(rest, not is_open))

    @staticmethod
    def _through_decorators(function: Function, value: Value) -> Value:
        for decorator in function.decorators:
            name = decorator.name if isinstance(decorator, Symbol | Function) else ""
            if not DECORATORS_TRANSPARENT.match(name):
                return Unknown(f"{function.name} is decorated")
        return value


def _declared(function: Function, scope: Scope) -> tuple[Scope, ...]:
    """The scopes whose names a function declares as its own, outside of its branches."""
    if function.declares is None:
        body = function.node.body
        lines = body.body if isinstance(body, tree.IndentedBlock) else ()
        kinds = {type(small) for line in lines if isinstance(line, tree.SimpleStatementLine) for small in line.body}
        function.declares = kinds & {tree.Global, tree.Nonlocal}
    if not function.declares:
        return ()
    found = [scope.module_scope] if tree.Global in function.declares else []
    if tree.Nonlocal in function.declares and scope.parent is not None and scope.parent not in found:
        found.append(scope.parent)
    return tuple(found)


def _weaken(store: Store, before: dict[str, Value]) -> None:
    """Let names be what they were, or what they have become since."""
    for name, value in before.items():
        if name in store.names and store.names[name] is not value:
            store.names[name] = join(value, store.names[name])


def _context(decorator: Value) -> str:
    """What a decorator is as a context of the function's body: one that is not known may be any."""
    if isinstance(decorator, Symbol):
        inert = decorator.name.partition(".")[0] in KNOWN_ROOTS or DECORATORS_TRANSPARENT.match(decorator.name)
        return decorator.name if inert else ANY_CONTEXT
    return "" if isinstance(decorator, Table) else ANY_CONTEXT


def _key(value: Value) -> Hashable:
    """What two arguments share where following a function with one is following it with the other."""
    if isinstance(value, Unknown):
        return "unknown"
    if isinstance(value, Known | Symbol):
        return value
    if isinstance(value, Instance | Namespace):
        return id(value), frozenset((name, id(held)) for name, held in value.names.items())
    return id(value)
