"""Calls and names checked against the libraries that are installed: does the signature take it, is the name there?"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from hflint.verify.libraries import MissingError, attribute, library, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.verify.setup import Binding, Setup


def check(setup: Setup) -> Iterator[dict[str, Any]]:
    """One record a name and a call: `{"what", "ok", "text"}`; `ok` is None where the signature takes any keyword.

    Raises:
        MissingError: the library that has the name is not installed.
    """
    for name in setup.imports:
        yield _record(
            f"from {name.rpartition('.')[0]} import {name.rpartition('.')[2]}", lambda n=name: find(n) and None
        )
    for binding in setup.bindings:
        what = f"{binding.target}.{binding.method}" if binding.method else binding.target
        yield _record(what, lambda b=binding: _bind(b))


def find(name: str) -> Any:
    """The object of a dotted name: the longest importable module, then attributes."""
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:split])
        try:
            library(module)
        except MissingError:
            if split == 1:
                raise
            continue
        found = attribute(module, parts[split])
        for part in parts[split + 1 :]:
            found = getattr(found, part)
        return found
    return library(name)


def _record(what: str, test: Any) -> dict[str, Any]:
    try:
        open_ended = test()
    except MissingError:
        raise
    except Exception as error:  # noqa: BLE001 - what it raises is the evidence
        return {"what": what, "ok": False, "text": f"{type(error).__name__}: {one_line(error)}"}
    return {"what": what, "ok": None if open_ended else True, "text": open_ended or ""}


def _bind(binding: Binding) -> str | None:
    """None where the call is taken; a reason where the signature cannot tell."""
    target = find(binding.target)
    if binding.target == "transformers.pipeline" and "task" in binding.kwargs:
        library("transformers.pipelines").check_task(binding.kwargs["task"])
        return None
    function = target
    if binding.method:
        function = getattr(target, binding.method)  # AttributeError is the evidence
    signature = inspect.signature(function)
    if not (binding.positional or binding.kwargs):
        return None  # only the name was in question
    kinds = {p.kind for p in signature.parameters.values()}
    positional = [None] * binding.positional
    if binding.method and inspect.isfunction(function) and inspect.isclass(target):
        positional.insert(0, None)  # self
    named = set(signature.parameters)
    try:
        signature.bind(*positional, **binding.kwargs)
    except TypeError as error:
        if "missing a required argument" not in str(error):
            raise
        signature.bind_partial(*positional, **binding.kwargs)
    if inspect.Parameter.VAR_KEYWORD in kinds and not set(binding.kwargs) <= named:
        return "its signature takes any keyword"
    return None
