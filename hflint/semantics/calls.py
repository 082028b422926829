"""What a call is worth: an object of a library, a function of the program followed, or something unknown that may change its arguments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import libcst as cst

from hflint.semantics import builtin_calls
from hflint.semantics.catalog import CONTEXTS, DECORATORS_TRANSPARENT, HARMLESS, KNOWN_ROOTS, TRANSPARENT, call_kind
from hflint.semantics.expressions import Expressions
from hflint.semantics.methods import method_object
from hflint.semantics.objects import (
    ANY_CONTEXT,
    Change,
    ChatTemplateCall,
    Guard,
    LibraryCall,
    Load,
    MethodCall,
    ModelBuild,
    Part,
    TokenizerCall,
    TrainingArguments,
    spread_table,
)
from hflint.semantics.scopes import (
    Bound,
    Class,
    Feature,
    Function,
    Instance,
    LibraryVersion,
    Namespace,
    Partial,
    Scope,
    Store,
)
from hflint.semantics.values import (
    UNKNOWN,
    Container,
    Items,
    Known,
    OneOf,
    Place,
    Symbol,
    Table,
    Unknown,
    Value,
    bare,
    default_or,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

DEPTH = 8  # nested calls of the program's functions that are followed
FUEL = 2000  # statements followed inside called functions, a module


@dataclass(slots=True)
class Arguments:
    """The arguments of a call, evaluated. `open` where a splat may bring more than is listed."""

    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    nodes: dict[str | int, cst.Arg] = field(default_factory=dict)
    spread: list[Value] = field(default_factory=list)
    open: bool = False

    def all(self) -> Iterator[Value]:
        """Every value handed over."""
        yield from self.positional
        yield from self.keywords.values()
        yield from self.spread


class Calls(Expressions):
    """Evaluation of calls."""

    def call(self, node: cst.Call) -> Value:
        """The value of a call."""
        if isinstance(node.func, cst.Attribute):
            receiver = self.evaluate(node.func.value)
            special = builtin_calls.method_of_container(self, node, receiver)
            if special is not None:
                return special
            callee = self.attribute_of_callee(receiver, node.func.attr.value, node.func)
        else:
            callee = self.evaluate(node.func)
        return self.call_value(callee, self.arguments(node), node)

    def attribute_of_callee(self, receiver: Value, name: str, node: cst.Attribute) -> Value:
        """What a method call calls; for an object of a library, a `Part` that names the method, over all alternatives at once."""
        known = [one for one in bare(receiver).alternatives if isinstance(one, LibraryCall)]
        if known and all(one.custom_class is None or one.custom_class.find(name) is None for one in known):
            return _Method(receiver, name)
        return self.attribute_of(receiver, name, node)

    def arguments(self, node: cst.Call) -> Arguments:
        """Evaluate the arguments of a call."""
        found = Arguments()
        for arg in node.args:
            value = self.evaluate(arg.value)
            if arg.star == "*":
                if isinstance(value, Items) and value.complete:
                    found.positional += value.items
                else:
                    found.open = True
                    found.spread.append(value)
            elif arg.star == "**":
                table = spread_table(value)
                if table is not None:
                    found.keywords.update(table)
                elif isinstance(value, TokenizerCall | ChatTemplateCall):
                    found.spread.append(value)  # brings ids and masks, never an option
                else:
                    found.keywords.update(
                        {k: v for k, v in value.entries.items() if isinstance(k, str)}
                        if isinstance(value, Table)
                        else {}
                    )
                    found.open = True
                    found.spread.append(value)
            elif arg.keyword is not None:
                found.keywords[arg.keyword.value] = value
                found.nodes[arg.keyword.value] = arg
            else:
                if not found.open:
                    found.nodes[len(found.positional)] = arg
                found.positional.append(value)
        return found

    def call_value(self, callee: Value, given: Arguments, node: cst.Call) -> Value:
        """Call a value."""
        if isinstance(callee, OneOf):
            choices = bare(callee).alternatives
            with self.guarded(conditional=True), self.entering(is_possible=self.is_possible or len(choices) > 1):
                return join(*(self.call_value(one, given, node) for one in choices))
        if isinstance(callee, LibraryVersion | Feature):
            return Feature("version")
        if isinstance(callee, _Method):
            return method_object(self, callee.receiver, callee.name, given, node)
        if isinstance(callee, LibraryCall):
            return method_object(self, callee, "__call__", given, node)
        if isinstance(callee, Part):
            return method_object(self, callee.of, callee.path, given, node, through=callee)
        if isinstance(callee, Symbol):
            if callee.name in CONTEXTS and len(given.positional) == 1 and isinstance(given.positional[0], Function):
                return replace(given.positional[0], decorators=(*given.positional[0].decorators, callee))
            return self._call_symbol(callee, given, node)
        if isinstance(callee, Bound):
            return self.call_function(
                callee.function, [callee.instance, *given.positional], given.keywords, self.place(node), open=given.open
            )
        if isinstance(callee, Function):
            return self.call_function(callee, given.positional, given.keywords, self.place(node), open=given.open)
        if isinstance(callee, Class):
            return self._instantiate(callee, given, node)
        if isinstance(callee, Partial):
            merged = Arguments(
                [*callee.positional, *given.positional],
                {**callee.keywords, **given.keywords},
                given.nodes,
                given.spread,
                given.open,
            )
            return self.call_value(callee.function, merged, node)
        if isinstance(callee, Instance) and isinstance(
            method := callee.cls.find("__call__") or callee.cls.find("forward"), Function
        ):
            return self.call_function(
                method, [callee, *given.positional], given.keywords, self.place(node), open=given.open
            )
        self.escape(given.all(), _text(node.func), node)
        return Feature("version") if "version" in _text(node.func) else Unknown(f"result of {_text(node.func)}")

    # Names of other modules

    def _call_symbol(self, callee: Symbol, given: Arguments, node: cst.Call) -> Value:
        known = builtin_calls.call_symbol(self, callee.name, given, node)
        if known is not None:
            return known
        if callee.name in TRANSPARENT and given.positional:
            return given.positional[0]
        if callee.name in CONTEXTS:
            return callee
        if any(callee.name == name or callee.name.startswith(f"{name}.") for name in self.patched):
            self.escape(given.all(), callee.name, node)
            return Unknown(f"{callee.name} is replaced by the program")
        if callee.name.endswith(("require_version", "require_version_core", "min_version")):
            self.later_guards += (Guard("version"),)
        if callee.name.endswith(("_available", "_version", "version_check")) and not callee.name.startswith("torch."):
            return Feature(callee.name)
        found = call_kind(callee.name)
        if found is not None:
            return self._library_object(callee.name, *found, given, node)
        library = callee.name.partition(".")[0]
        if ("." in callee.name and library not in KNOWN_ROOTS) or ("." not in callee.name and library not in HARMLESS):
            self.escape(given.all(), callee.name, node)
        return Unknown(f"result of {callee.name}")

    def _library_object(
        self,
        callee: str,
        kind: type[LibraryCall],
        parameters: tuple[str, ...],
        given: Arguments,
        node: cst.Call,
        *,
        custom: Class | None = None,
    ) -> LibraryCall:
        made = self.make(kind, callee, parameters, given, node)
        made.custom_class = custom
        kept = self.keep(made)
        if callee.endswith(("prepare_model_for_kbit_training", "prepare_model_for_int8_training")):
            for one in kept.argument("model").alternatives:
                if isinstance(one, LibraryCall):
                    self.change(one, "call", "prepare_model_for_kbit_training", kept, node)
                    return one
        return kept

    def make(
        self, kind: type[LibraryCall], callee: str, parameters: tuple[str, ...], given: Arguments, node: cst.Call
    ) -> LibraryCall:
        """An object of a kind with its arguments by name."""
        named = dict(zip(parameters, given.positional, strict=False))
        nodes = {
            parameters[k] if isinstance(k, int) else k: arg
            for k, arg in given.nodes.items()
            if not isinstance(k, int) or k < len(parameters)
        }
        return kind(
            self.place(node),
            self.where(),
            callee,
            {**named, **given.keywords},
            nodes,
            given.positional[len(parameters) :],
            given.open,
        )

    # Classes of the program

    def _instantiate(self, cls: Class, given: Arguments, node: cst.Call) -> Value:
        foreign = self._foreign_object(cls, given, node)
        if foreign is not None:
            return foreign
        if cls.is_record and cls.find("__init__") is None:
            return self._record_instance(cls, given, node)
        instance = self.instances.get(node)
        if instance is None or instance.cls is not cls:
            instance = self.instances[node] = self.own(Instance(cls, self.place(node)))
        init = cls.find("__init__")
        if isinstance(init, Function):
            self.call_function(init, [instance, *given.positional], given.keywords, self.place(node), open=given.open)
            for name, value in instance.names.items():
                cls.instance.left_by.setdefault(name, {})[f"{init.name} {id(node)}"] = value
        elif cls.foreign_bases():
            self.escape(given.all(), cls.name, node)
        instance.is_open = instance.is_open or bool(cls.foreign_bases() and init is None)
        return instance

    def _foreign_object(self, cls: Class, given: Arguments, node: cst.Call) -> LibraryCall | None:
        """An instance of a subclass of a library's class is that library's object, with unknown arguments if the subclass takes its own."""
        for base in cls.foreign_bases():
            if not isinstance(base, Symbol):
                continue
            found = call_kind(base.name)
            if found is None or found[0] in (LibraryCall, ModelBuild):
                continue
            own = isinstance(cls.find("__init__"), Function) or (
                issubclass(found[0], TrainingArguments) and bool(cls.all_fields())
            )
            if isinstance(init := cls.find("__init__"), Function):
                self.call_function(
                    init, [cls.instance, *given.positional], given.keywords, self.place(node), open=given.open
                )
            made = self._library_object(base.name, found[0], found[1], given, node, custom=cls)
            made.open = made.open or own
            return made
        return None

    def _record_instance(self, cls: Class, given: Arguments, node: cst.Call) -> Instance:
        instance = self.own(Instance(cls, self.place(node)))
        fields = cls.all_fields()
        instance.names.update({name: value for name, value in fields.items() if value is not None})
        from_outside = any(
            isinstance(base, Symbol) and base.name.endswith("BaseSettings") for base in cls.foreign_bases()
        )
        if given.open or from_outside:
            instance.names = {
                name: default_or(value, "environment" if from_outside else "**")
                for name, value in instance.names.items()
            }
        instance.names.update(zip(fields, given.positional, strict=False))
        instance.names.update(given.keywords)
        return instance

    # Functions of the program

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
        key = (function, *arguments, is_open, self.contexts, self.guards, bool(self.path))
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
        first = positional[0] if positional else None
        self.counter += 1
        registers: dict[str, object] = {
            "scope": Scope(function.scope),
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
            registers["instance"] = first if isinstance(first, Instance) else None
        with self.entering(**registers):
            self._bind(function, positional, keywords, is_open)
            value = self.run_body(function)
        return Unknown("recursion") if function.node in self.recursive else value

    def run_body(self, function: Function) -> Value:
        """Follow the body of a function whose scope is set up."""
        raise NotImplementedError

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
        if isinstance(parameters.star_arg, cst.Param):
            names[parameters.star_arg.name.value] = self.own(
                Items(tuple(positional[len(plain) :]), "tuple", not is_open)
            )
        if parameters.star_kwarg is not None:
            names[parameters.star_kwarg.name.value] = self.own(Table(rest, not is_open))

    def unbound_parameter(self, function: Function, parameter: cst.Param, is_open: bool) -> Value:
        """A parameter that a call did not give; `is_open` where the call may have given it nevertheless, or there was none to be seen."""
        raise NotImplementedError

    @staticmethod
    def _through_decorators(function: Function, value: Value) -> Value:
        for decorator in function.decorators:
            name = (
                decorator.name
                if isinstance(decorator, Symbol)
                else decorator.name
                if isinstance(decorator, Function)
                else ""
            )
            if not DECORATORS_TRANSPARENT.match(name):
                return Unknown(f"{function.name} is decorated")
        return value

    # Effects

    def change(self, target: LibraryCall, kind: str, name: str, value: Value, node: cst.CSTNode) -> None:
        """Note something done to an object, once for a place."""
        if not any(c.place.node is node and c.kind == kind and c.name == name for c in target.changes):
            target.changes.append(Change(kind, name, value, self.place(node), self.where(), self.happens(target.where)))

    def escape(self, values: Iterable[Value], name: str, node: cst.CSTNode) -> None:
        """Note that unknown code got hold of the objects in some values."""
        for value in values:
            for reached in _contained(value):
                self.change(reached, "escape", name, UNKNOWN, node)
            for one in value.alternatives:
                if isinstance(one, Table | Items | Namespace) or (
                    isinstance(one, Instance) and one is not self.instance
                ):
                    one.loosen()


@dataclass(frozen=True, slots=True)
class _Method(Value):
    """A method about to be called on an object of a library."""

    receiver: Value
    name: str


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


def _contained(value: Value, depth: int = 3) -> Iterator[LibraryCall]:
    """The objects that can be reached through a value handed over."""
    for one in value.alternatives:
        if isinstance(one, LibraryCall):
            yield one
            if depth and isinstance(one, MethodCall | Load) is False:
                continue
        elif isinstance(one, Part) and not one.path.endswith("()") and "token" not in one.path.rpartition(".")[2]:
            yield one.of
        elif depth and isinstance(one, Items):
            for item in one.items:
                yield from _contained(item, depth - 1)
        elif depth and isinstance(one, Table):
            for item in one.entries.values():
                yield from _contained(item, depth - 1)
        elif depth and isinstance(one, Instance | Namespace):
            for item in list(one.names.values()):
                yield from _contained(item, depth - 1)
        elif depth and isinstance(one, Bound):
            yield from _contained(one.instance, depth - 1)


def _text(node: cst.BaseExpression) -> str:
    """A short dotted text of what is called."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return f"{_text(node.value)}.{node.attr.value}"
    return "a call"
