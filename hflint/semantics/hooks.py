"""Code of the program that a library calls: the target of a thread, the function of `dataset.map`, the callbacks of a trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hflint.semantics.arguments import Arguments
from hflint.semantics.catalog import TRAINER_STEPS, call_kind
from hflint.semantics.commandline import Namespace, Options
from hflint.semantics.objects import ANY_CONTEXT, LibraryCall, Part, Trainer
from hflint.semantics.scopes import Bound, Class, Dependency, Function, Instance, Partial
from hflint.semantics.values import ABSENT, UNKNOWN, Items, Symbol, Table, Unknown, Value, objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics import tree
    from hflint.semantics.calls import Calls

_OURS = (Function, Bound, Partial)


def start(run: Calls, given: Arguments, node: tree.Call) -> Value:
    """`Thread(target=f, args=(...), kwargs={...})`: the target is called with these."""
    target = given.keywords.get("target", UNKNOWN)
    passed = _passed(given.keywords.get("args", Items(())), given.keywords.get("kwargs", Table({})))
    for one in target.alternatives:
        if isinstance(one, Part) and "target" in given.nodes:
            run.call_part(one, passed, given.nodes["target"].value)
        elif isinstance(one, _OURS):
            run.call_value(one, passed, node)
        else:
            run.escape(given.all(), "a thread", node)
    return Unknown("a thread")


def _passed(positional: Value, keywords: Value) -> Arguments:
    items = positional if isinstance(positional, Items) and positional.complete else None
    table = keywords if isinstance(keywords, Table) else None
    named = {key: value for key, value in table.entries.items() if isinstance(key, str)} if table else {}
    is_open = items is None or table is None or not table.complete
    return Arguments(list(items.items) if items else [], named, {}, list(table.brings) if table else [], is_open)


def map_rows(run: Calls, given: Arguments, node: tree.Call) -> None:
    """`dataset.map(f, fn_kwargs={...})`: the function gets rows, and those keywords."""
    function = given.first if given.positional else given.keywords.get("function", UNKNOWN)
    passed = _passed(Items((Unknown("row"),)), given.keywords.get("fn_kwargs", Table({})))
    passed.open = True
    for one in function.alternatives:
        if isinstance(one, _OURS):
            run.call_value(one, passed, node)


def callbacks_of(run: Calls, trainer: Trainer, node: tree.Call) -> None:
    """The methods of a trainer's callbacks get its model and its tokenizer."""
    listed = trainer.argument("callbacks")
    model, tokenizer = trainer.model, trainer.tokenizer
    handed = {"model": model, "processing_class": tokenizer, "tokenizer": tokenizer, "args": trainer.args}
    for callback in (
        (one for item in listed.items for one in objects(item, Instance)) if isinstance(listed, Items) else ()
    ):
        for name in dict.fromkeys(name for cls in callback.cls.lineage() for name in cls.scope.names):
            method = callback.cls.find(name)
            if name.startswith("on_") and isinstance(method, Function):
                keywords = {key: value for key, value in handed.items() if ABSENT not in value.alternatives}
                run.call_function(method, [callback], keywords, run.place(node), open=True)


def is_trainer(cls: Class) -> bool:
    """Whether a class of the program is derived from a library's trainer, and from nothing else that is not its own."""
    bases = cls.foreign_bases()
    kinds = [call_kind(base.name) for base in bases if isinstance(base, Symbol)]
    return 0 < len(kinds) == len(bases) and all(kind is not None and issubclass(kind[0], Trainer) for kind in kinds)


def overridden_by(run: Calls, cls: Class, trainer: Trainer, node: tree.Call) -> None:
    """The steps that a class of the program has in place of its library's get the trainer's model, inside whatever the trainer puts around them."""
    model = trainer.model if trainer.model.every(lambda one: isinstance(one, LibraryCall)) else UNKNOWN
    for name in TRAINER_STEPS:
        method = cls.find(name)
        if isinstance(method, Function) and not method.is_stub:
            with run.guarded(conditional=True), run.inside(ANY_CONTEXT):
                given = [cls.instance, model, Unknown("a batch")]
                run.call_function(method, given, {}, run.place(node), open=True)


# FastAPI


def _depends(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    found = given.first if given.positional else given.keywords.get("dependency", UNKNOWN)
    return Dependency(found) if isinstance(found, Function) else UNKNOWN


def _application(run: Calls, given: Arguments, node: tree.Call) -> Value:
    """`FastAPI`: what its lifespan function leaves in `app.state`."""
    made = run.own(Namespace(Options()))
    made.names = {"state": run.own(Namespace(Options()))}
    lifespan = given.keywords.get("lifespan")
    if isinstance(lifespan, Function):
        run.call_function(lifespan, [made], {}, run.place(node))
    return made


CALLS: dict[str, Callable[[Any, Any, tree.Call], Value]] = {
    "fastapi.Depends": _depends,
    "fastapi.FastAPI": _application,
}
