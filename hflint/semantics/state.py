"""Where the interpreter stands: the scope, the surroundings, and what it has found so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hflint.semantics.installed import Feature, VersionTest
from hflint.semantics.objects import Guard, LibraryCall, Object, Where
from hflint.semantics.scopes import Class, Function, Imported, Instance, Package, Scope, Store
from hflint.semantics.values import Container, Items, Place, Steps, Table, Value, join

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from hflint.semantics import tree
    from hflint.semantics.commandline import Namespace
    from hflint.semantics.module import Module
    from hflint.semantics.project import Modules

# What a followed call gave, the attributes that it left its instance with, and what keeps the ids in its key alive.
Followed = tuple[Value, "dict[str, Value] | None", object]
Owned = TypeVar("Owned", "Items", "Table", "Instance", "Namespace")
Made = TypeVar("Made", bound=LibraryCall)


_REGISTERS = (
    "scope",
    "module",
    "function_name",
    "statement",
    "loops",
    "contexts",
    "guards",
    "path",
    "activation",
    "returns",
    "yields",
    "active",
    "instance",
    "later_guards",
    "is_possible",
)


class _Kept:
    """Registers that a block may change: they are as they were after it. Python's own generators of contexts take three times as long."""

    __slots__ = ("_names", "_run", "_values")

    def __init__(self, run: State, names: tuple[str, ...]) -> None:
        self._run = run
        self._names = names
        self._values = [getattr(run, name) for name in names]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for name, value in zip(self._names, self._values, strict=True):
            setattr(self._run, name, value)


class State(ABC):
    """The registers of the interpreter, shared by its parts."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.home = module.source.path.parent  # the folder of the file that is checked
        self.modules: Modules | None = None
        self.scope = self.top = Scope()
        self.statement: tree.Node | None = None
        self.function_name = ""
        self.loops: tuple[str, ...] = ()
        self.contexts: tuple[str, ...] = ()
        self.guards: tuple[Guard, ...] = ()
        self.path: Steps = ()  # the conditions that the code being followed stands under
        self.activation = 0  # of the function being followed; 0 is the module
        self.exits: dict[int, int] = {}  # conditions that only say that an activation went on: which one
        self.counter = 0
        self.later_guards: tuple[Guard, ...] = ()  # what an early exit says of the rest of its block
        self.returns: list[Value] = []
        self.yields: list[Value] = []
        self.broken: list[list[dict[str, Value]]] = []  # all names where the loop being followed is left
        self.active: list[Function] = []  # the functions being followed, outermost first
        self.instance: Instance | None = None  # what `self` is in the method being followed
        self.pending: list[Function] = []  # functions found, in order
        self.called: set[tree.Node] = set()  # the nodes of those that were followed
        self.classes: dict[tree.Node, Class] = {}
        self.holders: list[Scope | Class] = [self.top]  # what may hold itself, of all passes
        self.defining: Class | None = None  # whose body is being followed
        self.is_possible = False  # what is called is one of several things
        self.patched: set[str] = set()  # names of other modules that the program assigns
        self.recursive: set[tree.Node] = set()
        self.instances: dict[tree.Node, Instance] = {}  # by the call that makes them
        self.global_writes: dict[str, Value] = {}
        self.fuel = 0
        self.memo: dict[Hashable, Followed] = {}  # calls followed since the module's scope last changed
        self.order = 0
        self.registry: dict[tuple[tree.Node, type, str], Object] = {}
        self.fresh: dict[tuple[tree.Node, type, str], Object] = {}  # what this pass has met, in order

    # What the parts of the interpreter ask of each other

    @abstractmethod
    def evaluate(self, node: tree.Expression | None) -> Value:
        """The value of an expression."""

    @abstractmethod
    def call_function(
        self, function: Function, positional: list[Value], keywords: dict[str, Value], place: Place | None
    ) -> Value:
        """Follow a function of the program."""

    @abstractmethod
    def assign(self, target: tree.Expression, value: Value) -> None:
        """Bind a target to a value."""

    @abstractmethod
    def look_up(self, wanted: Imported) -> Value:
        """The value of a name of another module of the project."""

    @abstractmethod
    def package_attribute(self, package: Package, name: str) -> Value:
        """An attribute of another module of the project."""

    @abstractmethod
    def block(self, body: Sequence[tree.Statement | tree.Small]) -> bool:
        """Follow statements in order; whether control can come out at the end."""

    @abstractmethod
    def suite(self, suite: tree.Suite) -> bool:
        """Follow the block of a compound statement; whether control can come out at its end."""

    @abstractmethod
    def run_body(self, function: Function) -> Value:
        """Follow a function's body, whose scope is set up; what it returns."""

    @abstractmethod
    def unbound_parameter(self, function: Function, parameter: tree.Param, is_open: bool) -> Value:
        """A parameter that a call did not give; `is_open` where the call may have given it nevertheless, or there was none to be seen."""

    # Places and objects

    def place(self, node: tree.Node) -> Place:
        """A node of the module being followed."""
        return Place(self.module, node)

    def where(self) -> Where:
        """The surroundings of what is being evaluated."""
        self.order += 1
        return Where(
            self.order,
            self.statement,
            self.function_name,
            self.loops,
            self.contexts,
            self.guards,
            any(step > 0 for step in self.path),
            self.path,
            self.activation,
        )

    def record(self, found: Object) -> None:
        """Keep an object that is no call; the same node is kept once, and nothing that only one of several things would be."""
        if not self.is_possible:
            self.fresh.setdefault((found.place.node, type(found), ""), found)

    def keep(self, made: Made) -> Made:
        """Keep the object of a call. A call that is followed again, in another context or pass, is the same object with its arguments joined."""
        made.is_possible = self.is_possible
        key = (made.place.node, type(made), made.callee)
        known = self.registry.get(key)
        if known is None or not isinstance(known, type(made)):
            self.registry[key] = self.fresh[key] = made
            return made
        if key not in self.fresh:
            for name in made.__dataclass_fields__:
                setattr(known, name, getattr(made, name))
            self.fresh[key] = known
            return known
        _merge(known, made)
        return known

    # Surroundings

    def entering(self, **registers: object) -> _Kept:
        """Follow another piece of code: all registers are as they were afterwards."""
        kept = _Kept(self, _REGISTERS)
        for name, value in registers.items():
            setattr(self, name, value)
        return kept

    def among(self, count: int) -> _Kept:
        """What is done with each of so many things, one of which it is: where there are several, it is no subject of a rule."""
        kept = _Kept(self, ("is_possible",))
        self.is_possible = self.is_possible or count > 1
        return kept

    def guarded(self, *guards: Guard, conditional: bool = False) -> _Kept:
        """Surroundings with these conditions as well."""
        kept = _Kept(self, ("guards", "path"))
        self.guards += guards
        if conditional:
            self.condition()
        return kept

    def condition(self, *, uncalled: bool = False) -> None:
        """Let what follows stand under one more condition; a function that nothing calls is one of another kind."""
        self.counter += 1
        self.path = (*self.path, -self.counter if uncalled else self.counter)

    def exit_condition(self) -> None:
        """Let what follows stand under the condition that this activation was not left before."""
        self.condition()
        self.exits[self.path[-1]] = self.activation

    def happens(self, made: Container | Instance | Namespace | Where) -> bool:
        """Whether what is being followed certainly happens to something that was made earlier."""
        steps = tuple(step for step in self.path if self.exits.get(step) != made.activation)
        return steps == tuple(step for step in made.path if self.exits.get(step) != made.activation)[: len(steps)]

    def has_happened(self, where: Where) -> bool:
        """Whether something done earlier was certainly done when what is being followed is reached."""
        steps = tuple(step for step in where.path if self.exits.get(step) != self.activation)
        return steps == tuple(step for step in self.path if self.exits.get(step) != self.activation)[: len(steps)]

    def own(self, made: Owned) -> Owned:
        """Note where something that can be changed was made."""
        made.path, made.activation = self.path, self.activation
        return made

    def looping(self, kind: str, *, conditional: bool = True) -> _Kept:
        """Surroundings with a loop, which may not run at all if it is conditional."""
        kept = _Kept(self, ("loops", "path"))
        self.loops = (*self.loops, kind)
        if conditional:
            self.condition()
        return kept

    def inside(self, *contexts: str) -> _Kept:
        """Surroundings with these context managers or decorators."""
        kept = _Kept(self, ("contexts",))
        self.contexts = self.contexts + tuple(name for name in contexts if name)
        return kept

    @staticmethod
    def guards_of(test: Value, *, positive: bool) -> tuple[Guard, ...]:
        """What a condition says about the installed libraries where it is true, or where it is not."""
        if isinstance(test, VersionTest):
            return (Guard("version", test.library, test.specifier if positive else test.otherwise),)
        tested = next((one for one in test.alternatives if isinstance(one, Feature)), None)
        return (Guard("version" if tested.what == "version" else "feature"),) if tested is not None else ()

    # Branches

    def stores(self) -> list[Store]:
        """What an assignment in the code being followed can change."""
        return [self.scope] if self.instance is None else [self.scope, self.instance]

    def fork(self) -> list[dict[str, Value]]:
        """A copy of all names as they are now."""
        return [dict(store.names) for store in self.stores()]

    def restore(self, names: list[dict[str, Value]]) -> None:
        """Let all names be as they were."""
        for store, known in zip(self.stores(), names, strict=True):
            store.names = dict(known)

    def merge(self, ends: list[list[dict[str, Value]]]) -> None:
        """Let every name be what it may be at the end of any of several branches."""
        if len(ends) == 1:
            self.restore(ends[0])
            return
        for position, store in enumerate(self.stores()):
            branches = [end[position] for end in ends]
            store.names = names = dict(branches[0])
            differing = dict.fromkeys(
                n for branch in branches[1:] for n, value in branch.items() if names.get(n) is not value
            )
            for name in differing:
                names[name] = _join_once([branch[name] for branch in branches if name in branch])


def _join_once(values: list[Value]) -> Value:
    first = values[0]
    return first if all(value is first for value in values) else join(*values)


def _merge(known: LibraryCall, again: LibraryCall) -> None:
    """A second evaluation of the same call."""
    for name in {*known.arguments, *again.arguments}:
        pair = known.argument(name), again.argument(name)
        known.arguments[name] = _join_once(list(pair))
    known.extra = [_join_once([one, other]) for one, other in zip(known.extra, again.extra, strict=False)]
    known.open = known.open or again.open
    known.classes = tuple(dict.fromkeys(known.classes + again.classes))
    known.is_possible = known.is_possible and again.is_possible
    for name in ("receiver", "spread"):
        if name in known.__dataclass_fields__:
            mine, other = getattr(known, name), getattr(again, name)
            joined = mine + [v for v in other if v not in mine] if isinstance(mine, list) else _join_once([mine, other])
            setattr(known, name, joined)
    contexts = known.where.contexts + tuple(c for c in again.where.contexts if c not in known.where.contexts)
    guards = tuple(guard for guard in known.where.guards if guard in again.where.guards)
    if contexts != known.where.contexts or guards != known.where.guards:
        known.where = replace(known.where, contexts=contexts, guards=guards)
