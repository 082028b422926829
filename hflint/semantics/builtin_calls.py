"""Calls of Python itself and of the command line libraries, as far as a model, a dtype or an option can come through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from hflint.semantics.catalog import call_kind
from hflint.semantics.objects import LibraryCall, Part, TrainingArguments
from hflint.semantics.scopes import (
    Class,
    Feature,
    Function,
    Instance,
    LibraryVersion,
    Namespace,
    Options,
    Parent,
    Partial,
)
from hflint.semantics.values import (
    ABSENT,
    MISSING,
    UNKNOWN,
    Items,
    Known,
    Symbol,
    Table,
    Unknown,
    Value,
    default_or,
    join,
    objects,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics.calls import Arguments, Calls

_PARSERS = ("argparse.ArgumentParser", "ArgumentParser")


def call_symbol(run: Calls, name: str, given: Arguments, node: cst.Call) -> Value | None:
    """The value of a call of a name that means the same in every program; None for all others."""
    handler = _SYMBOLS.get(name) or _SYMBOLS.get(
        name.rpartition(".")[2] if name.startswith(("transformers.", "trl.")) else ""
    )
    return handler(run, given, node) if handler else None


def _first(given: Arguments) -> Value:
    return given.positional[0] if given.positional else UNKNOWN


def _getattr(run: Calls, given: Arguments, node: cst.Call) -> Value:
    name = given.positional[1].constant if len(given.positional) > 1 else MISSING
    found = run.attribute_of(_first(given), name, node) if isinstance(name, str) else UNKNOWN
    return join(found, given.positional[2]) if len(given.positional) > 2 else found


def _setattr(run: Calls, given: Arguments, node: cst.Call) -> Value:
    name = given.positional[1].constant if len(given.positional) == 3 else MISSING
    if isinstance(name, str):
        set_attribute(run, _first(given), name, given.positional[2], node)
        return Known(None)
    run.escape(given.positional, "setattr", node)
    for one in objects(_first(given), Instance):
        one.forget()
    return Known(None)


def set_attribute(run: Calls, target: Value, name: str, value: Value, node: cst.CSTNode) -> None:
    """Assign an attribute of a value."""
    with run.guarded(conditional=len(target.alternatives) > 1):
        for one in target.alternatives:
            _set_attribute(run, one, name, value, node)


def _set_attribute(run: Calls, target: Value, name: str, value: Value, node: cst.CSTNode) -> None:
    if isinstance(target, LibraryCall):
        run.change(target, "set", name, value, node)
        run.escape([value], f"{type(target).__name__}.{name}", node) if isinstance(value, LibraryCall) else None
    elif isinstance(target, Part):
        run.change(target.of, "set", f"{target.path}.{name}", value, node)
    elif (
        isinstance(target, Instance)
        and target.cls.find(name) is not None
        and isinstance(target.cls.find(name), Function)
    ):
        run.escape([value], f"the setter of {name}", node)
        target.forget()
    elif isinstance(target, Instance | Namespace):
        if target is run.instance or run.happens(target):
            target.names[name] = value
        else:
            target.weaken(name, value)
    elif isinstance(target, Class):
        target.scope.weaken(name, value)
    elif isinstance(target, Symbol):
        run.patched.add(f"{target.name}.{name}")
        run.escape([value], f"{target.name}.{name}", node)
    elif not isinstance(target, Known):
        run.escape([value], f"an attribute {name}", node)


def _dict(run: Calls, given: Arguments, node: cst.Call) -> Value:
    start = _first(given) if given.positional else Table({})
    if isinstance(start, Table):
        return run.own(Table({**start.entries, **given.keywords}, start.complete and not given.open, run.place(node)))
    if isinstance(start, LibraryCall | Part) and not given.keywords:
        return start
    return run.own(Table(dict(given.keywords), complete=False, place=run.place(node)))


def _sequence(kind: str) -> Callable[[Calls, Arguments, cst.Call], Value]:
    def convert(run: Calls, given: Arguments, node: cst.Call) -> Value:
        if not given.positional:
            return run.own(Items((), kind, complete=True, place=run.place(node)))
        value = _first(given)
        return (
            run.own(Items(value.items, kind, value.complete, run.place(node))) if isinstance(value, Items) else UNKNOWN
        )

    return convert


def _environment(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    default = given.positional[1] if len(given.positional) > 1 else given.keywords.get("default", Known(None))
    return default_or(default, "environment")


def _partial(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    if not given.positional or given.open:
        return UNKNOWN
    return Partial(given.positional[0], tuple(given.positional[1:]), dict(given.keywords))


def _convert(make: Callable[[Any], Any]) -> Callable[[Calls, Arguments, cst.Call], Value]:
    def convert(run: Calls, given: Arguments, node: cst.Call) -> Value:
        constant = _first(given).constant
        if isinstance(_first(given), LibraryVersion | Feature):
            return _first(given)
        if constant is MISSING or len(given.positional) != 1:
            return UNKNOWN
        try:
            return Known(make(constant), run.place(node))
        except (ValueError, TypeError, OverflowError):
            return UNKNOWN

    return convert


def _version_of(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    name = _first(given).constant
    return LibraryVersion(name.replace("-", "_")) if isinstance(name, str) else UNKNOWN


def _parse_version(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    value = _first(given)
    return value if isinstance(value, LibraryVersion) or isinstance(value.constant, str) else UNKNOWN


def _feature(_run: Calls, _given: Arguments, _node: cst.Call) -> Value:
    return Feature("feature")


def _parser(_run: Calls, _given: Arguments, _node: cst.Call) -> Value:
    return Options()


def _record_parser(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    options = Options()
    value = given.positional[0] if given.positional else given.keywords.get("dataclass_types", UNKNOWN)
    options.records = value.items if isinstance(value, Items) else (value,)
    return options


def _exec(run: Calls, given: Arguments, node: cst.Call) -> Value:
    """Code that nobody can read may bind any name."""
    run.escape(given.all(), "exec", node)
    for scope in (run.scope, run.scope.module_scope):
        for name, value in scope.names.items():
            if not isinstance(value, Symbol | Function | Class):
                scope.names[name] = Unknown("exec")
    return UNKNOWN


def _super(run: Calls, given: Arguments, _node: cst.Call) -> Value:
    function = run.active[-1] if run.active else None
    if function is None or function.owner is None or given.positional:
        return UNKNOWN
    parameters = [*function.node.params.posonly_params, *function.node.params.params]
    return Parent(run.scope.names.get(parameters[0].name.value, UNKNOWN), function.owner) if parameters else UNKNOWN


def _enumerate(run: Calls, given: Arguments, _node: cst.Call) -> Value:
    return Items((Items((UNKNOWN, run.element_of(_first(given))), "tuple"),), "iterator")


def _zip(run: Calls, given: Arguments, _node: cst.Call) -> Value:
    return (
        Items((Items(tuple(run.element_of(value) for value in given.positional), "tuple"),), "iterator")
        if not given.open
        else UNKNOWN
    )


def _globals(run: Calls, _given: Arguments, node: cst.Call) -> Value:
    return Symbol("globals()", run.place(node))


def _vars(run: Calls, given: Arguments, _node: cst.Call) -> Value:
    value = _first(given)
    if isinstance(value, Namespace):
        return run.own(Table({**value.options.entries, **value.names}, complete=False))
    return run.own(Table(dict(value.names), complete=False)) if isinstance(value, Instance) else UNKNOWN


def _same(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    return _first(given)


def _cast(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    return given.positional[1] if len(given.positional) > 1 else UNKNOWN


def _option(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    default = given.positional[0] if given.positional else given.keywords.get("default", UNKNOWN)
    return default_or(default, "command line")


def _field(_run: Calls, given: Arguments, _node: cst.Call) -> Value:
    if "default" in given.keywords:
        return given.keywords["default"]
    return given.positional[0] if given.positional else Unknown("field")


_SYMBOLS: dict[str, Callable[[Any, Any, cst.Call], Value]] = {
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
    "os.fspath": _same,
    "runpy.run_path": _exec,
    "iter": _same,
    "hasattr": _feature,
    "inspect.signature": _feature,
    "importlib.util.find_spec": _feature,
    "os.environ.get": _environment,
    "os.getenv": _environment,
    "functools.partial": _partial,
    "copy.copy": _same,
    "copy.deepcopy": _same,
    "typing.cast": _cast,
    "torch.device": _same,
    "pathlib.Path": _same,
    "importlib.metadata.version": _version_of,
    "packaging.version.parse": _parse_version,
    "packaging.version.Version": _parse_version,
    "pkg_resources.parse_version": _parse_version,
    "distutils.version.LooseVersion": _parse_version,
    "argparse.ArgumentParser": _parser,
    "HfArgumentParser": _record_parser,
    "TrlParser": _record_parser,
    "typer.Option": _option,
    "typer.Argument": _option,
    "dataclasses.field": _field,
    "pydantic.Field": _field,
}


# Methods of containers and command line parsers


def method_of_container(run: Calls, node: cst.Call, receiver: Value) -> Value | None:
    """The value of a method call on a list, dict, string or parser; None where it is none of these."""
    if not isinstance(node.func, cst.Attribute):
        return None
    name = node.func.attr.value
    if isinstance(receiver, Options):
        return _parser_method(run, receiver, name, run.arguments(node), node)
    if isinstance(receiver, Table):
        return _table_method(run, receiver, name, run.arguments(node))
    if isinstance(receiver, Items):
        _grow(run, receiver, name, run.arguments(node))
        return UNKNOWN
    if isinstance(receiver, Known) and isinstance(receiver.value, str):
        return _string_method(run, receiver, name, run.arguments(node), node)
    if isinstance(receiver, Symbol) and receiver.name == "os.environ" and name == "get":
        return _environment(run, run.arguments(node), node)
    return None


def _table_method(run: Calls, table: Table, name: str, given: Arguments) -> Value:
    certain = run.happens(table)
    if name in ("get", "pop", "setdefault"):
        key = _first(given).constant
        default = given.positional[1] if len(given.positional) > 1 else Known(None)
        if key is MISSING:
            if name != "get":
                table.loosen()
            return UNKNOWN
        found = table.get(key)
        value = default if found is ABSENT else join(*(default if one is ABSENT else one for one in found.alternatives))
        if name == "pop":
            table.drop(key, certain=certain)
        elif name == "setdefault":
            table.put(key, value, certain=certain)
        return value
    if name == "update":
        _update(table, given, certain=certain)
        return Known(None)
    if name == "copy":
        return run.own(Table(dict(table.entries), table.complete, table.place))
    if name == "items" and table.complete:
        return Items(tuple(Items((Known(key), value), "tuple") for key, value in table.entries.items()))
    if name == "values" and table.complete:
        return Items(tuple(table.entries.values()))
    if name == "clear":
        for key in list(table.entries):
            table.drop(key, certain=certain)
        table.complete = table.complete or certain
    elif name not in ("keys", "items", "values"):
        table.loosen()
    return UNKNOWN


def _update(table: Table, given: Arguments, *, certain: bool) -> None:
    other = _first(given) if given.positional else Table({})
    if not isinstance(other, Table) or not other.complete or given.open:
        table.loosen()
    for key, value in {**(other.entries if isinstance(other, Table) else {}), **given.keywords}.items():
        table.put(key, value, certain=certain and ABSENT not in value.alternatives)


def _grow(run: Calls, items: Items, name: str, given: Arguments) -> None:
    """Change a list in place: what is not certain to happen, or not known, leaves it with anything in it."""
    added = _first(given)
    if name not in ("append", "add", "extend", "insert", "remove", "pop", "clear", "update", "discard"):
        return  # sorting, counting and the like
    if not run.happens(items) or added is items:
        items.complete = False
        items.items = () if name in ("remove", "pop", "clear", "discard") else items.items
    elif name in ("append", "add"):
        items.items = (*items.items, added)
    elif name == "extend" and isinstance(added, Items):
        items.items, items.complete = items.items + added.items, items.complete and added.complete
    elif name == "clear":
        items.items, items.complete = (), True
    elif name in ("remove", "discard") and added.constant is not MISSING and items.complete:
        items.items = tuple(one for one in items.items if one != Known(added.constant))
    else:
        items.loosen()


def _string_method(run: Calls, text: Known, name: str, given: Arguments, node: cst.Call) -> Value:
    if name == "format" and given.open is False:
        values = [value.constant for value in (*given.positional, *given.keywords.values())]
        if MISSING not in values:
            try:
                return Known(
                    text.value.format(
                        *values[: len(given.positional)],
                        **dict(zip(given.keywords, values[len(given.positional) :], strict=True)),
                    ),
                    run.place(node),
                )
            except (IndexError, KeyError, ValueError, AttributeError, TypeError):
                return UNKNOWN
    if name in ("lower", "upper", "strip", "title") and not given.positional:
        return Known(getattr(text.value, name)(), run.place(node))
    return Unknown("string method")


def _parser_method(run: Calls, options: Options, name: str, given: Arguments, node: cst.Call) -> Value:
    if name == "add_argument":
        _add_option(options, given)
        return UNKNOWN
    if name in ("add_argument_group", "add_mutually_exclusive_group", "add_parser", "add_subparsers"):
        return options
    if name == "set_defaults":
        options.entries.update({key: default_or(value, "command line") for key, value in given.keywords.items()})
        return UNKNOWN
    if name == "parse_args":
        return run.own(Namespace(options))
    if name == "parse_known_args":
        return Items((run.own(Namespace(options)), UNKNOWN), "tuple")
    if name.startswith("parse_") and options.records:
        parsed = tuple(_record_of(run, record, node) for record in options.records)
        return Items(parsed, "tuple")
    return UNKNOWN


def _add_option(options: Options, given: Arguments) -> None:
    flags = [value.constant for value in given.positional if isinstance(value.constant, str)]
    long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    destination = given.keywords["dest"].constant if "dest" in given.keywords else long.lstrip("-").replace("-", "_")
    if not isinstance(destination, str) or not destination:
        return
    action = given.keywords["action"].constant if "action" in given.keywords else None
    default = given.keywords.get("default")
    if action in ("store_true", "store_false"):
        passed = Known(action == "store_true")
        value = join(default or Known(action != "store_true"), passed)
    elif default is not None:
        value = default_or(_converted(default, given.keywords.get("type")), "command line")
    else:
        value = Unknown("command line")
    options.entries[destination] = value


def _converted(default: Value, kind: Value | None) -> Value:
    """A default as argparse hands it over: a string goes through `type`."""
    if kind is None or not isinstance(default.constant, str):
        return default
    convert = (
        {"int": int, "float": float, "str": str, "pathlib.Path": str}.get(kind.name)
        if isinstance(kind, Symbol)
        else None
    )
    try:
        return Known(convert(default.constant)) if convert else UNKNOWN
    except ValueError:
        return UNKNOWN


def _record_of(run: Calls, record: Value, node: cst.Call) -> Value:
    """What a parser makes of a dataclass: its defaults, or what the user passes."""
    if isinstance(record, Symbol):
        found = call_kind(record.name)
        if found and issubclass(found[0], TrainingArguments):
            return run.keep(TrainingArguments(run.place(node), run.where(), record.name, open=True))
        return Unknown("command line")
    if not isinstance(record, Class):
        return UNKNOWN
    for base in record.foreign_bases():
        if isinstance(base, Symbol) and (name := _training_arguments(base)):
            fields = {
                name: default_or(value, "command line")
                for name, value in record.all_fields().items()
                if value is not None
            }
            made = TrainingArguments(run.place(node), run.where(), name, fields, open=True)
            made.custom_class = record
            return run.keep(made)
    instance = run.own(Instance(record, run.place(node)))
    instance.names.update(
        {name: default_or(value or UNKNOWN, "command line") for name, value in record.all_fields().items()}
    )
    return instance


def _training_arguments(base: Symbol) -> str | None:
    found = call_kind(base.name)
    return base.name if found and issubclass(found[0], TrainingArguments) else None
