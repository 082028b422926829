"""What the user of a program passes: options of `argparse`, dataclasses of `HfArgumentParser`, and the environment, each by default or as given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hflint.semantics.catalog import call_kind
from hflint.semantics.objects import TrainingArguments
from hflint.semantics.scopes import Class, Function, Instance, Store
from hflint.semantics.values import UNKNOWN, Items, Known, Symbol, Unknown, Value, default_or, join, objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics import tree
    from hflint.semantics.arguments import Arguments
    from hflint.semantics.calls import Calls
    from hflint.semantics.values import Steps


class Options(Value):
    """An `argparse.ArgumentParser` or `HfArgumentParser`: what its options are by default."""

    def __init__(self, parents: tuple[Options, ...] = ()) -> None:
        self.entries: dict[str, Value] = {key: value for one in parents for key, value in one.entries.items()}
        self.defaults: dict[str, Value] = {key: value for one in parents for key, value in one.defaults.items()}
        self.records: tuple[Value, ...] = ()  # HfArgumentParser's dataclasses
        self.above: Options | None = None  # the parser that this one is a command of

    def add(self, name: str, default: Value | None, value: Value) -> None:
        """An option: what it is where it is not given, None where it has to be, and what it may be in all."""
        self.entries[name] = value
        if default is not None:
            self.defaults[name] = default
        if self.above is not None:  # another command may have it as well
            known = self.above.entries.get(name)
            self.above.add(name, default, value if known is None else join(known, value))

    def preset(self, name: str, value: Value) -> None:
        """A default that is set apart; one that is no option is what it is."""
        self.defaults[name] = value
        self.entries[name] = default_or(value, "command line") if name in self.entries else value
        if self.above is not None:
            self.above.entries[name] = join(self.above.entries.get(name), value)

    def child(self) -> Options:
        """The parser of a command."""
        made = Options()
        made.above = self
        return made

    def describe(self) -> str:
        return "command line parser"


class Namespace(Store, Value):
    """What `parse_args` returns."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.path: Steps = ()
        self.activation = 0

    def loosen(self) -> None:
        """Let every option have another value from now on."""
        self.names = {
            name: default_or(self.get(name), "changed elsewhere") for name in {*self.names, *self.options.entries}
        }

    def weaken(self, name: str, value: Value) -> None:
        """Let an option mean this as well."""
        self.names[name] = join(self.get(name), value)

    def get(self, name: str) -> Value:
        """An option's value: its default, or what the user passes."""
        return self.names.get(name) or self.options.entries.get(name) or Unknown("command line")

    def describe(self) -> str:
        return "command line arguments"


def parser_method(run: Calls, options: Options, name: str, given: Arguments, node: tree.Call) -> Value:
    """The value of a method call on a parser."""
    if name == "add_argument":
        _add_option(run, options, given, node)
        return UNKNOWN
    if name in ("add_argument_group", "add_mutually_exclusive_group", "add_subparsers"):
        return options
    if name == "add_parser":
        return options.child()
    if name == "set_defaults":
        for key, value in given.keywords.items():
            options.preset(key, value)
        return UNKNOWN
    if name in ("parse_args", "parse_known_args"):
        parsed = run.own(Namespace(options))
        if isinstance(given.first, Items) and given.first.complete and not given.first.items:  # parse_args([])
            parsed.names = dict(options.defaults)
        return parsed if name == "parse_args" else Items((parsed, UNKNOWN), "tuple")
    if name.startswith("parse_") and options.records:
        rest = given.keywords.get("return_remaining_strings", UNKNOWN).constant is True
        records = tuple(_record_of(run, record, node) for record in options.records)
        return Items((*records, UNKNOWN) if rest else records, "tuple")
    return UNKNOWN


def _add_option(run: Calls, options: Options, given: Arguments, node: tree.Call) -> None:
    flags = [value.constant for value in given.positional if isinstance(value.constant, str)]
    long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    destination = given.keywords["dest"].constant if "dest" in given.keywords else long.lstrip("-").replace("-", "_")
    if not isinstance(destination, str) or not destination:
        return
    default, passed = _default_and_passed(run, given, node, is_flag=flags[0].startswith("-") if flags else True)
    options.add(destination, default, join(default, *passed))


def _default_and_passed(
    run: Calls, given: Arguments, node: tree.Call, *, is_flag: bool
) -> tuple[Value | None, tuple[Value, ...]]:
    """What an option is where the user does not give it (None where it has to be given), and what it may be else."""
    action = given.keywords.get("action", Known("store"))
    default = given.keywords.get("default")
    if action.constant in ("store_true", "store_false"):
        stored = action.constant == "store_true"
        return default or Known(not stored), (Known(stored),)
    if action.constant == "store_const":
        return default or Known(None), (given.keywords.get("const", Known(None)),)
    if isinstance(action, Symbol) and action.name == "argparse.BooleanOptionalAction":
        return default or Known(None), (Known(True), Known(False))
    plain = action.constant == "store" and "nargs" not in given.keywords
    choices = given.keywords.get("choices")
    few = isinstance(choices, Items) and choices.complete and plain and choices.items
    passed = choices.items if few and isinstance(choices, Items) else (Unknown("command line"),)
    if default is not None:
        return _converted(run, default, given.keywords.get("type"), node), passed
    is_optional = is_flag and plain and "required" not in given.keywords
    return (Known(None) if is_optional else None), passed


def _converted(run: Calls, default: Value, kind: Value | None, node: tree.Call) -> Value:
    """A default as argparse hands it over: a string goes through `type`."""
    if kind is None:
        return default
    return join(*(_through(run, one, each, node) for one in default.alternatives for each in kind.alternatives))


def _through(run: Calls, default: Value, kind: Value, node: tree.Call) -> Value:
    if not isinstance(default.constant, str) or kind.constant is None:
        return default
    if isinstance(kind, Function):
        return run.call_function(kind, [default], {}, run.place(node))
    convert = {"int": int, "float": float, "str": str, "pathlib.Path": str}
    try:
        return (
            Known(convert[kind.name](default.constant))
            if isinstance(kind, Symbol) and kind.name in convert
            else UNKNOWN
        )
    except ValueError:
        return UNKNOWN


def _record_of(run: Calls, record: Value, node: tree.Call) -> Value:
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


# Calls


def _parser(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    parents = given.keywords.get("parents")
    return Options(tuple(objects(join(*parents.items), Options)) if isinstance(parents, Items) else ())


def _record_parser(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    options = Options()
    value = given.positional[0] if given.positional else given.keywords.get("dataclass_types", UNKNOWN)
    options.records = value.items if isinstance(value, Items) else (value,)
    return options


def _option(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    default = given.positional[0] if given.positional else given.keywords.get("default", UNKNOWN)
    return default_or(default, "command line")


def _choice(run: Calls, given: Arguments, _node: tree.Call) -> Value:
    """`click.Choice`: one of these."""
    elements = run.elements(given.first)
    return Items(elements, "choice") if elements else UNKNOWN


def environment(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    """A variable of the environment: its default, or what the user sets."""
    default = given.positional[1] if len(given.positional) > 1 else given.keywords.get("default", Known(None))
    return default_or(default, "environment")


CALLS: dict[str, Callable[[Any, Any, tree.Call], Value]] = {
    "argparse.ArgumentParser": _parser,
    "HfArgumentParser": _record_parser,
    "TrlParser": _record_parser,
    "typer.Option": _option,
    "typer.Argument": _option,
    "click.Choice": _choice,
    "os.environ.get": environment,
    "os.getenv": environment,
}
