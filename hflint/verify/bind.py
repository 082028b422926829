"""Calls and names checked against the libraries that are installed: does the signature take it, is the name there?"""

from __future__ import annotations

import inspect
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflint.verify import decorated
from hflint.verify.libraries import MissingError, attribute, is_absence, library, one_line, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hflint.verify.setup import Binding, Setup

_READ = (".py", ".md", ".jinja", ".j2")  # code, and templates that are filled from keywords
LOADED = ("tokenizer", "model")  # targets that are objects of the run, looked at once they are loaded


def check(setup: Setup, device: str = "auto") -> Iterator[dict[str, Any]]:
    """One record a name and a call of a library: `{"what", "ok", "text", "names", "closed", "unread"}`.

    `ok` is None where the signature takes any keyword; `unread` then says so where nothing in the library reads it.
    `closed` is whether the signature names every keyword that it takes, so that it decides a call by itself.

    Raises:
        MissingError: the library that has the name is not installed.
    """
    for name in setup.imports:
        module, _, last = name.rpartition(".")
        what = f"from {module} import {last}" if module else f"import {name}"
        yield _record(what, partial(_import, name))
    for binding in setup.bindings:
        if binding.target not in LOADED:
            yield _checked(binding, partial(find, binding.target), device)


def name_of(binding: Binding) -> str:
    """What a call or attribute is called in its record."""
    return f"{binding.target}.{binding.method}" if binding.method else binding.target


def check_loaded(setup: Setup, loaded: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Records as `check` yields, for the calls of objects that the run has loaded."""
    for binding in setup.bindings:
        if loaded.get(binding.target) is not None:
            yield _checked(binding, partial(loaded.__getitem__, binding.target), "auto")


def _import(name: str) -> str:
    find(name)
    return ""


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


def _checked(binding: Binding, target: Callable[[], Any], device: str) -> dict[str, Any]:
    what = name_of(binding)
    dropped: list[str] = []
    record = _record(what, lambda: _bind(binding, target(), device, dropped))
    record |= {"names": list(binding.kwargs), "closed": record["ok"] is True and _is_closed(binding, target())}
    if dropped:
        record["unread"] = "; ".join(dropped)
    elif record["ok"] is None:
        record["unread"] = unread(target(), [name for name in binding.kwargs if name in record["text"]])
    return record


def _record(what: str, test: Callable[[], str]) -> dict[str, Any]:
    try:
        open_ended = test()
    except MissingError:
        raise
    except Exception as error:  # noqa: BLE001 - what it raises is the evidence
        if is_absence(error):
            raise MissingError(one_line(error)) from None
        return {"what": what, "ok": False, "text": f"{type(error).__name__}: {one_line(error)}"}
    return {"what": what, "ok": None if open_ended else True, "text": open_ended}


def _bind(binding: Binding, target: Any, device: str, dropped: list[str]) -> str:
    """Empty where the call is taken; a reason where the signature cannot tell. `dropped` gets what decorators say of keywords."""
    if binding.target == "transformers.pipeline" and "task" in binding.kwargs:
        library("transformers.pipelines").check_task(binding.kwargs["task"])
    function = target
    if binding.method and binding.method != "__call__":
        if _is_set_in_source(target, binding.method):
            return ""
        function = getattr(target, binding.method)  # AttributeError is the evidence
    if not callable(function) or not (binding.positional or binding.kwargs or binding.made):
        return ""  # only the name was in question
    signature = inspect.signature(function)
    unnamed = set(binding.kwargs) - set(signature.parameters)
    lost = decorated.lost(function, {name: binding.kwargs[name] for name in sorted(unnamed)})
    dropped += filter(None, lost.values())
    left = {name: value for name, value in binding.kwargs.items() if name not in lost}
    _take(signature, [None] * (binding.positional + _has_self(binding, target, function)), left)
    if unseen := [name for name, said in lost.items() if said is None]:
        return f"a decorator may take {', '.join(unseen)}"
    if open_ended := sorted(unnamed & set(left)):
        return f"its signature takes any keyword, so {', '.join(open_ended)}, which something reads"
    if binding.made is not None and set(binding.made) <= set(signature.parameters):
        return _made(function, binding, device)
    return ""


def _is_closed(binding: Binding, target: Any) -> bool:
    method = binding.method if binding.method != "__call__" else ""
    function = getattr(target, method, None) if method else target
    try:
        parameters = inspect.signature(function).parameters.values() if callable(function) else None
    except ValueError:  # one of C has none
        return False
    return parameters is not None and all(one.kind is not one.VAR_KEYWORD for one in parameters)


def _has_self(binding: Binding, target: Any, function: Any) -> int:
    return int(bool(binding.method) and inspect.isfunction(function) and inspect.isclass(target))


def _take(signature: inspect.Signature, positional: list[None], kwargs: Mapping[str, Any]) -> None:
    """Raise the TypeError that a call would, but for arguments that it does not give."""
    try:
        signature.bind(*positional, **kwargs)
    except TypeError as error:
        if "missing a required" not in str(error):
            raise
        signature.bind_partial(*positional, **kwargs)


def _made(function: Any, binding: Binding, device: str) -> str:
    """Empty where a configuration can be made as written, or is refused for a keyword in question, which is raised."""
    try:
        _make(function, binding.made or {}, device)
    except Exception as error:
        if any(re.search(rf"\b{re.escape(name)}\b", str(error)) for name in binding.kwargs):
            raise
        return f"what it makes says something else: {type(error).__name__}: {one_line(error)}"
    return ""


def _make(function: Any, kwargs: Mapping[str, Any], device: str) -> None:
    """Make a configuration as written; on a CPU, training arguments are told so, as bfloat16 is refused otherwise."""
    from hflint.verify.load import resolve

    made = resolve(dict(kwargs), {})
    gpu = device != "cpu" and library("torch").cuda.is_available()
    if not gpu and "use_cpu" in inspect.signature(function).parameters:
        made["use_cpu"] = True
    function(**made)


def _is_set_in_source(target: Any, name: str) -> bool:
    """Whether a class sets the attribute on its instances, which the class itself does not have."""
    if not inspect.isclass(target) or hasattr(target, name):
        return False
    pattern = re.compile(rf"\bself\.{re.escape(name)}\b\s*(:[^=\n]+)?=")
    for one in target.__mro__:
        try:
            source = inspect.getsource(one)
        except (OSError, TypeError):
            continue
        if pattern.search(source):
            return True
    return False


def unread(target: Any, names: list[str]) -> str:
    """Such as "nothing in transformers 5.23.0 reads `use_auth_token`"; empty where something does, or it is not known."""
    root = (getattr(target, "__module__", None) or type(target).__module__).partition(".")[0]
    if not names or root in ("builtins", "__main__"):
        return ""
    folder = Path(str(library(root).__file__)).parent
    wanted = re.compile(rb"\b(" + b"|".join(re.escape(name.encode()) for name in names) + rb")\b")
    if any(wanted.search(path.read_bytes()) for path in folder.rglob("*") if path.suffix in _READ):
        return ""
    listed = ", ".join(f"`{name}`" for name in names)
    return f"nothing in {root} {versions().get(root, '')} reads {listed}"
