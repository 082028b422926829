"""Code of the program that a library calls: the target of a thread, the function of `dataset.map`, the callbacks of a trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.arguments import Arguments
from hflint.semantics.objects import Part, Trainer
from hflint.semantics.scopes import Bound, Function, Instance, Partial
from hflint.semantics.values import ABSENT, UNKNOWN, Items, Table, Unknown, Value, objects

if TYPE_CHECKING:
    import libcst as cst

    from hflint.semantics.calls import Calls

_OURS = (Function, Bound, Partial)


def start(run: Calls, given: Arguments, node: cst.Call) -> Value:
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


def map_rows(run: Calls, given: Arguments, node: cst.Call) -> None:
    """`dataset.map(f, fn_kwargs={...})`: the function gets rows, and those keywords."""
    function = given.first if given.positional else given.keywords.get("function", UNKNOWN)
    passed = _passed(Items((Unknown("row"),)), given.keywords.get("fn_kwargs", Table({})))
    passed.open = True
    for one in function.alternatives:
        if isinstance(one, _OURS):
            run.call_value(one, passed, node)


def callbacks_of(run: Calls, trainer: Trainer, node: cst.Call) -> None:
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
