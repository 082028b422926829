"""Calls of Python itself, as far as a model, a dtype or an option can come through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hflint.semantics import commandline, documents, hooks, installed
from hflint.semantics.objects import ChatTemplateCall, LibraryCall, Part, TokenizerCall
from hflint.semantics.scopes import Bound, Class, Function, Instance, Parent, Partial, TupleType
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
    join,
    mapped,
    objects,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics import tree
    from hflint.semantics.arguments import Arguments
    from hflint.semantics.calls import Calls


_DTYPES = ("bfloat16", "float16", "float32", "float64", "half", "float")


def call_symbol(run: Calls, name: str, given: Arguments, node: tree.Call) -> Value | None:
    """The value of a call of a name that means the same in every program; None for all others."""
    handler = _SYMBOLS.get(name) or _SYMBOLS.get(
        name.rpartition(".")[2] if name.startswith(("transformers.", "trl.")) else ""
    )
    return handler(run, given, node) if handler else None


def _getattr(run: Calls, given: Arguments, node: tree.Call) -> Value:
    names = given.positional[1].alternatives if len(given.positional) > 1 else ()
    if len(names) > 1 and isinstance(given.first, Symbol):  # a default may be a word of the program's own
        names = tuple(one if one.constant in _DTYPES else UNKNOWN for one in names)
    found = [
        run.attribute_of(given.first, one.constant, node) if isinstance(one.constant, str) else UNKNOWN for one in names
    ]
    if len(given.positional) == 3 and len(names) == 1 and _lacks(given.first, names[0].constant):
        return given.positional[2]
    if len(given.positional) == 3 and not (len(names) == 1 and _has(given.first, names[0].constant)):
        found.append(given.positional[2])
    return join(*found)


def _has(value: Value, name: object) -> bool:
    """Whether a value certainly has an attribute."""
    if isinstance(value, commandline.Namespace):
        return name in value.names or name in value.options.entries
    if isinstance(value, Class | Instance):
        cls = value if isinstance(value, Class) else value.cls
        return isinstance(name, str) and (cls.find(name) is not None or name in getattr(value, "names", ()))
    return False


def _lacks(value: Value, name: object) -> bool:
    """Whether a class of the program certainly has no such attribute; nothing is certain of what is made of it."""
    return (
        isinstance(value, Class)
        and isinstance(name, str)
        and not name.startswith("__")
        and value.find(name) is None
        and not value.foreign_bases()
        and not value.node.keywords  # a metaclass
        and not value.node.decorators
    )


def _hasattr(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    """Known of the program's own classes; of a library's it depends on the version."""
    name = given.positional[1].constant if len(given.positional) == 2 else MISSING
    return Known(True) if isinstance(name, str) and _has(given.first, name) else installed.Feature("feature")


def _setattr(run: Calls, given: Arguments, node: tree.Call) -> Value:
    name = given.positional[1].constant if len(given.positional) == 3 else MISSING
    if isinstance(name, str):
        run.set_attribute(given.first, name, given.positional[2], node)
        return Known(None)
    run.escape(given.positional, "setattr", node)
    for one in objects(given.first, Instance):
        one.loosen()
    return Known(None)


def _dict(run: Calls, given: Arguments, node: tree.Call) -> Value:
    start = given.first if given.positional else Table({})
    if isinstance(start, Table):
        merged = {**start.entries, **given.keywords}
        return run.own(Table(merged, start.complete and not given.open, run.place(node), brings=start.brings))
    if isinstance(start, LibraryCall | Part) and not given.keywords:
        return start
    if isinstance(start, TokenizerCall | ChatTemplateCall):
        return run.own(Table(dict(given.keywords), not given.open, run.place(node), brings=(start,)))
    return run.own(Table(dict(given.keywords), complete=False, place=run.place(node)))


def _sequence(kind: str) -> Callable[[Calls, Arguments, tree.Call], Value]:
    def convert(run: Calls, given: Arguments, node: tree.Call) -> Value:
        if not given.positional:
            return run.own(Items((), kind, complete=True, place=run.place(node)))
        value = given.first
        if isinstance(value, Items):
            return run.own(Items(value.items, kind, value.complete, run.place(node), uniform=value.uniform))
        elements = run.elements(value)
        return UNKNOWN if elements is None else run.own(Items(elements, kind, place=run.place(node)))

    return convert


def _partial(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    if not given.positional or given.open:
        return UNKNOWN
    return Partial(given.positional[0], tuple(given.positional[1:]), dict(given.keywords))


def _convert(make: Callable[[Any], Any]) -> Callable[[Calls, Arguments, tree.Call], Value]:
    def convert(run: Calls, given: Arguments, node: tree.Call) -> Value:
        if isinstance(given.first, installed.LibraryVersion | installed.Feature):
            return given.first
        if len(given.positional) != 1:
            return UNKNOWN

        def one(value: Value) -> Value:
            try:
                return Known(make(value.constant), run.place(node))
            except (ValueError, TypeError, OverflowError):
                return UNKNOWN

        return mapped(given.first, one)

    return convert


def _exec(run: Calls, given: Arguments, node: tree.Call) -> Value:
    """Code that nobody can read may bind any name."""
    run.escape(given.all(), "exec", node)
    for scope in (run.scope, run.scope.module_scope):
        for name, value in scope.names.items():
            if not isinstance(value, Symbol | Function | Class):
                scope.names[name] = Unknown("exec")
    return UNKNOWN


def _super(run: Calls, given: Arguments, _node: tree.Call) -> Value:
    function = run.active[-1] if run.active else None
    if len(given.positional) == 2 and isinstance(cls := given.first, Class):  # `super(Mine, self)`
        return Parent(given.positional[1], cls)
    if function is None or function.owner is None or given.positional:
        return UNKNOWN
    parameters = [*function.node.params.posonly_params, *function.node.params.params]
    return Parent(run.scope.names.get(parameters[0].name.value, UNKNOWN), function.owner) if parameters else UNKNOWN


def _enumerate(run: Calls, given: Arguments, _node: tree.Call) -> Value:
    return Items((Items((UNKNOWN, run.element_of(given.first)), "tuple"),), "iterator")


def _zip(run: Calls, given: Arguments, _node: tree.Call) -> Value:
    return (
        Items((Items(tuple(run.element_of(value) for value in given.positional), "tuple"),), "iterator")
        if not given.open
        else UNKNOWN
    )


def _globals(run: Calls, _given: Arguments, node: tree.Call) -> Value:
    return Symbol("globals()", run.place(node))


def _vars(run: Calls, given: Arguments, _node: tree.Call) -> Value:
    value = given.first
    if isinstance(value, commandline.Namespace):
        return run.own(Table({**value.options.entries, **value.names}, complete=False))
    return run.own(Table(dict(value.names), complete=False)) if isinstance(value, Instance) else UNKNOWN


def _same(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    return given.first


def _cast(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    return given.positional[1] if len(given.positional) > 1 else UNKNOWN


def _field(run: Calls, given: Arguments, node: tree.Call) -> Value:
    if "default" in given.keywords:
        return given.keywords["default"]
    if "default_factory" in given.keywords:
        return run.call_plain(given.keywords["default_factory"], [], node)
    return given.positional[0] if given.positional else Unknown("field")


def _namespace(run: Calls, given: Arguments, _node: tree.Call) -> Value:
    made = run.own(commandline.Namespace(commandline.Options()))
    made.names = dict(given.keywords)
    return made


def _named_tuple(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    fields = given.positional[1] if len(given.positional) > 1 else UNKNOWN
    if isinstance(fields.constant, str):
        return TupleType(tuple(fields.constant.replace(",", " ").split()))
    names = fields.constants() if isinstance(fields, Items) else None
    return UNKNOWN if names is None else TupleType(tuple(map(str, names)))


def _replace(run: Calls, given: Arguments, node: tree.Call) -> Value:
    """`dataclasses.replace`."""
    if not isinstance(given.first, Instance) or given.open:
        return UNKNOWN
    made = run.own(Instance(given.first.cls, run.place(node)))
    made.names = {**given.first.names, **given.keywords}
    return made


def _next(run: Calls, given: Arguments, _node: tree.Call) -> Value:
    found = run.element_of(given.first)
    return join(found, given.positional[1]) if len(given.positional) > 1 else found


def _any_of(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    """`random.choice`."""
    return given.first.any_item if isinstance(given.first, Items) else UNKNOWN


def _map(run: Calls, given: Arguments, node: tree.Call) -> Value:
    elements = run.elements(given.positional[1]) if len(given.positional) == 2 else None
    if elements is None or len(elements) > WIDEST or not isinstance(given.first, Function | Partial | Bound):
        return UNKNOWN
    return run.own(Items(tuple(run.call_plain(given.first, [one], node) for one in elements), "iterator"))


_SYMBOLS: dict[str, Callable[[Any, Any, tree.Call], Value]] = {
    **commandline.CALLS,
    **hooks.CALLS,
    **installed.CALLS,
    **documents.CALLS,
    "getattr": _getattr,
    "setattr": _setattr,
    "dict": _dict,
    "list": _sequence("list"),
    "tuple": _sequence("tuple"),
    "str": _convert(str),
    "int": _convert(int),
    "float": _convert(float),
    "bool": _convert(bool),
    "vars": _vars,
    "super": _super,
    "enumerate": _enumerate,
    "zip": _zip,
    "exec": _exec,
    "globals": _globals,
    "globals().update": _exec,
    "os.path.expanduser": _same,
    "os.path.abspath": _same,
    "os.path.realpath": _same,
    "os.fspath": _same,
    "runpy.run_path": _exec,
    "iter": _same,
    "hasattr": _hasattr,
    "next": _next,
    "map": _map,
    "random.choice": _any_of,
    "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace,
    "collections.namedtuple": _named_tuple,
    "dataclasses.replace": _replace,
    "functools.partial": _partial,
    "copy.copy": _same,
    "copy.deepcopy": _same,
    "typing.cast": _cast,
    "torch.device": _same,
    "pathlib.Path": _same,
    "dataclasses.field": _field,
    "pydantic.Field": _field,
}
