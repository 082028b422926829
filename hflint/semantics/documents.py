"""JSON and YAML files of the project that a program reads its settings from.

What they say is what it is by default: whoever runs the program may have written something else there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from hflint.semantics.values import UNKNOWN, Items, Known, Place, Table, Unknown, Value, bare, default_or, likely

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics import tree
    from hflint.semantics.arguments import Arguments
    from hflint.semantics.calls import Calls

_MOST = 3000  # values of a document that is read
_YAML = ("yaml.safe_load", "yaml.load", "yaml.full_load", "yaml.unsafe_load")


@dataclass(frozen=True, slots=True)
class FilePath(Value):
    """The path of a file, absolute or from where the program runs; no text, for it may look like a model's id."""

    path: PurePosixPath
    place: Place | None = None

    def describe(self) -> str:
        return f"path {self.path.name}"


@dataclass(frozen=True, slots=True)
class Document(Value):
    """An open file, or its text."""

    path: PurePosixPath
    place: Place | None = None

    def describe(self) -> str:
        return f"file {self.path.name}"


class Settings(Table):
    """A mapping of OmegaConf: its keys are attributes as well."""


def path_of(value: Value) -> PurePosixPath | None:
    """The path that a value is, as text or as `pathlib.Path`; None where it is none."""
    if isinstance(value, FilePath):
        return value.path
    return PurePosixPath(value.constant) if isinstance(value.constant, str) else None


def joined(left: Value, right: Value) -> Value | None:
    """`left / right`; None where that is no path."""
    one, other = path_of(left), path_of(right)
    return FilePath(one / other) if one is not None and other is not None else None


def path_attribute(path: FilePath, name: str) -> Value:
    """`parent` and `parents`."""
    if name == "parent":
        return FilePath(path.path.parent)
    return Items(tuple(map(FilePath, path.path.parents)), "tuple") if name == "parents" else UNKNOWN


def file_method(receiver: Value, name: str) -> Value | None:
    """A method of a path or of an open file; None where it is none of these, or says nothing."""
    if isinstance(receiver, Document):
        return receiver if name == "read" else UNKNOWN
    path = path_of(receiver)
    if path is not None and name in ("open", "read_text"):
        return Document(path)
    if isinstance(receiver, FilePath):
        return receiver if name in ("resolve", "absolute", "expanduser") else UNKNOWN
    return None


def _join(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    found = [path_of(one) for one in given.positional]
    known = [one for one in found if one is not None]
    return FilePath(PurePosixPath(*known)) if len(known) == len(found) and not given.open else UNKNOWN


def _dirname(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    return path_attribute(given.first, "parent") if isinstance(given.first, FilePath) else UNKNOWN


def _open(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    mode = given.positional[1] if len(given.positional) > 1 else given.keywords.get("mode", Known("r"))
    path = path_of(likely(bare(given.first)))
    reads = isinstance(mode.constant, str) and mode.constant.startswith("r")
    return Document(path) if path is not None and reads else Unknown("an open file")


def _json(run: Calls, given: Arguments, node: tree.Call) -> Value:
    return _read(run, given.first, json.loads, node)


def _loads(run: Calls, given: Arguments, node: tree.Call) -> Value:
    """`json.loads` of a text that the program has in it, or of a file's."""
    text = given.first.constant
    if not isinstance(text, str):
        return _json(run, given, node)
    try:
        return run.constant(json.loads(text), node) if len(text) < _MOST else UNKNOWN
    except (ValueError, RecursionError):
        return UNKNOWN


def _yaml(run: Calls, given: Arguments, node: tree.Call) -> Value:
    return _read(run, given.first, _parse_yaml, node)


def _omega(run: Calls, given: Arguments, node: tree.Call) -> Value:
    path = path_of(likely(bare(given.first)))
    return _read(run, Document(path), _parse_yaml, node, Settings) if path is not None else UNKNOWN


def _hydra(run: Calls, given: Arguments, node: tree.Call) -> Value:
    """`@hydra.main(config_path=..., config_name=...)`: what the function is given, put together as the `defaults` of the file say."""
    folder, name = (given.keywords.get(key, UNKNOWN).constant for key in ("config_path", "config_name"))
    if not isinstance(folder, str) or not isinstance(name, str):
        return UNKNOWN
    beside = PurePosixPath(run.module.source.path.absolute()).parent / folder
    try:
        return _Maker(run, node, Settings, f"{name.removesuffix('.yaml')}.yaml").made(_composed(run, beside, name))
    except (ValueError, RecursionError):
        return UNKNOWN


def _composed(run: Calls, folder: PurePosixPath, name: str, depth: int = 5) -> dict[str, Any]:
    """A file of Hydra's with what its `defaults` bring; raises ValueError where something of that is not found or not understood."""
    path = folder / f"{name.removesuffix('.yaml')}.yaml"
    text = run.modules.text(path, run.home) if run.modules is not None and depth else None
    own = _parse_yaml(text) if text is not None else None
    if not isinstance(own, dict) or (text or "").lstrip().startswith("# @package"):
        raise ValueError(path)
    listed = own.pop("defaults", [])
    found: dict[str, Any] = {}
    for one in [*listed, *(["_self_"] if "_self_" not in listed else [])]:
        if one == "_self_":
            found = _merged(found, own)
        elif isinstance(one, str):
            found = _merged(found, _composed(run, folder, one, depth - 1))
        else:
            ((group, choice),) = one.items()
            if " " in group or "@" in group or not isinstance(choice, str):  # `override`, `optional`, another package
                raise ValueError(group)
            found = _merged(found, {group: _composed(run, folder / group, choice, depth - 1)})
    return found


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _merged(found[key], value) if both else value
    return found


def _parse_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - it is the safe one, in C where there is one
    except yaml.YAMLError as error:
        raise ValueError from error


def _read(run: Calls, file: Value, parse: Callable[[str], Any], node: tree.Node, kind: type[Table] = Table) -> Value:
    """What a document says, where there is one of that path that the program would find; unknown otherwise."""
    if not isinstance(file, Document) or run.modules is None:
        return UNKNOWN
    text = run.modules.text(file.path, run.home)
    try:
        return _Maker(run, node, kind, file.path.name).made(parse(text)) if text is not None else UNKNOWN
    except (ValueError, RecursionError):
        return UNKNOWN


class _Maker:
    """Makes values of plain data, each of them a default."""

    def __init__(self, run: Calls, node: tree.Node, kind: type[Table], file: str) -> None:
        self._run, self._node, self._kind = run, node, kind
        self._why = f"{file} may be changed"
        self._count = 0

    def made(self, data: Any) -> Value:
        """The value of something in a document; raises ValueError where there is too much of it."""
        self._count += 1 + (len(data) if isinstance(data, list) else 0)
        if self._count > _MOST:
            raise ValueError
        if isinstance(data, dict):
            entries = {key: self.made(one) for key, one in data.items()}
            return self._run.own(self._kind(entries, complete=False, place=self._run.place(self._node)))
        plain = self._plain(data)
        return plain if plain is UNKNOWN else default_or(plain, self._why)

    def _plain(self, data: Any) -> Value:
        if isinstance(data, list):
            items = tuple(Known(one) for one in data if isinstance(one, str | int | float | bool))
            return Items(items, place=self._run.place(self._node)) if len(items) == len(data) else UNKNOWN
        plain = data is None or (isinstance(data, str | int | float | bool) and "${" not in str(data))
        return Known(data, self._run.place(self._node)) if plain else UNKNOWN


CALLS: dict[str, Callable[[Any, Any, tree.Call], Value]] = {
    "os.path.join": _join,
    "os.path.dirname": _dirname,
    "open": _open,
    "io.open": _open,
    "json.load": _json,
    "json.loads": _loads,
    **dict.fromkeys(_YAML, _yaml),
    "omegaconf.OmegaConf.load": _omega,
    "hydra.main": _hydra,
}
