"""Methods of lists, dicts and strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics import tree
from hflint.semantics.commandline import Options, environment, parser_method
from hflint.semantics.documents import Document, FilePath, file_method
from hflint.semantics.installed import LibraryVersion, version_begins
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
)

if TYPE_CHECKING:
    from hflint.semantics.arguments import Arguments
    from hflint.semantics.calls import Calls


_PLAIN = frozenset(
    {
        "lower",
        "upper",
        "strip",
        "lstrip",
        "rstrip",
        "title",
        "capitalize",
        "casefold",
        "replace",
        "split",
        "rsplit",
        "partition",
    }
    | {"rpartition", "removeprefix", "removesuffix", "startswith", "endswith"}
)


def method_of_container(run: Calls, node: tree.Call, receiver: Value) -> Value | None:
    """The value of a method call on a list, dict, string or parser; None where it is none of these."""
    if not isinstance(node.func, tree.Attribute):
        return None
    name = node.func.attr.value
    if isinstance(receiver, FilePath | Document) or name in ("open", "read_text"):
        return file_method(receiver, name)
    if isinstance(receiver, Options):
        return parser_method(run, receiver, name, run.arguments(node), node)
    if isinstance(receiver, Table):
        return _table_method(run, receiver, name, run.arguments(node))
    if isinstance(receiver, Items):
        _grow(run, receiver, name, run.arguments(node))
        return UNKNOWN
    if any(isinstance(one.constant, str) for one in receiver.alternatives) and receiver.every(_is_text):
        given = run.arguments(node)
        known = [one for one in receiver.alternatives if isinstance(one, Known) and isinstance(one.value, str)]
        texts: list[Value] = [_string_method(run, one, name, given, node) for one in known]
        if not receiver.every(lambda one: isinstance(one, Known)):
            run.escape(given.all(), name, node)
            texts.append(Unknown("string method"))
        return join(*texts)
    if name == "startswith" and isinstance(receiver, LibraryVersion):
        return version_begins(receiver, run.arguments(node))
    if isinstance(receiver, Unknown) and name == "get" and len(node.args) == 2:
        given = run.arguments(node)
        run.escape(given.all(), "get", node)
        return default_or(given.positional[1], "what a mapping has") if len(given.positional) == 2 else UNKNOWN
    if isinstance(receiver, Symbol) and receiver.name == "os.environ" and name == "get":
        return environment(run, run.arguments(node), node)
    return None


def _table_method(run: Calls, table: Table, name: str, given: Arguments) -> Value:
    certain = run.happens(table)
    if name in ("get", "pop", "setdefault"):
        key = given.first.constant
        default = given.positional[1] if len(given.positional) > 1 else Known(None)
        if key is MISSING:
            if name != "get":
                table.loosen()
                return UNKNOWN
            return join(
                *(default if one is ABSENT else one for one in table.entries.values()),
                default if table.complete else UNKNOWN,
            )
        found = table.get(key)
        value = default if found is ABSENT else join(*(default if one is ABSENT else one for one in found.alternatives))
        if key not in table.entries and not table.complete and name == "get" and len(given.positional) > 1:
            value = default_or(default, "what a mapping has")
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
    if name == "keys" and table.complete and not table.brings:
        sure = not any(ABSENT in value.alternatives for value in table.entries.values())
        return Items(tuple(Known(key) for key in table.entries), "list", sure, uniform=not sure)
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
    other = given.first if given.positional else Table({})
    if not isinstance(other, Table) or not other.complete or given.open:
        table.loosen()
    for key, value in {**(other.entries if isinstance(other, Table) else {}), **given.keywords}.items():
        table.put(key, value, certain=certain and ABSENT not in value.alternatives)


def _grow(run: Calls, items: Items, name: str, given: Arguments) -> None:
    """Change a list in place: what is not certain to happen, or not known, leaves it with anything in it."""
    added = given.first
    if name not in ("append", "add", "extend", "insert", "remove", "pop", "clear", "update", "discard"):
        return  # sorting, counting and the like
    if not run.happens(items) or added is items:
        closed = (items.complete or items.uniform) and name in ("append", "add") and added is not items
        items.items = () if name in ("remove", "pop", "clear", "discard") else items.items
        items.items = (*items.items, added) if closed and added not in items.items else items.items
        items.complete, items.uniform = False, closed
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


def _string_method(run: Calls, text: Known, name: str, given: Arguments, node: tree.Call) -> Value:
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
    if name == "join" and isinstance(given.first, Items):
        parts = given.first.constants()
        known = parts is not None and all(isinstance(part, str) for part in parts)
        return (
            Known(text.value.join(parts), run.place(node)) if known and parts is not None else Unknown("string method")
        )
    constants = [value.constant for value in given.positional]
    if name not in _PLAIN or given.keywords or given.open or not all(isinstance(one, str | int) for one in constants):
        return Unknown("string method")
    try:
        made = getattr(text.value, name)(*constants)
    except (TypeError, ValueError):
        return Unknown("string method")
    if isinstance(made, list | tuple):
        return run.own(Items(tuple(Known(one) for one in made), type(made).__name__, place=run.place(node)))
    return Known(made, run.place(node))


def _is_text(value: Value) -> bool:
    """Whether a value is a string as far as it is known, or None, which has no methods."""
    return isinstance(value, Unknown) or isinstance(value.constant, str) or value.constant is None
