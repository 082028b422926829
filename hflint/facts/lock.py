"""hflint.lock: what `hflint lock` was told of the models and datasets that a project uses; TOML, made to be committed.

With it, the same code gets the same findings on every machine, and a commit hash is at hand for every id.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hflint.facts.providers import LOCK
from hflint.facts.record import DatasetRecord, ModelRecord
from hflint.facts.repository import COMMIT, MAIN
from hflint.facts.shape import Shape
from hflint.kinds import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.facts.models import ModelFacts

VERSION = 1
_HEADER = """\
# What the models and datasets that this project uses are; hflint reads it in place of asking the hub.
# Written by `hflint lock`. Commit it; do not edit it by hand.
"""
_TOO_LARGE = 10**64  # more than the parameters of any configuration that is read
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TYPES: dict[str, type] = {  # annotations of a record's fields, and what stands for them in TOML
    "str | None": str,
    "int | None": int,
    "bool | None": bool,
    "tuple[str, ...]": list,
    "tuple[int, ...]": list,
    "Mapping[str, int]": dict,
    "Shape | None": dict,
}

Record = TypeVar("Record", ModelRecord, DatasetRecord)


class LockError(SettingsError):
    """A hflint.lock that cannot be read; one line."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[Record]):
    """What is locked of one id.

    Attributes:
        record: what its repository said; None where it could not be had.
        asked: the day on which that was asked.
        source: who said it, "hub" or "cache".
        unavailable: why it could not be had, and will not be by asking again: not on the hub, private, gated.
    """

    record: Record | None
    asked: date
    source: str = "hub"
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """The content of a hflint.lock, by id; by "id@revision" where a program names a branch, a tag or a commit."""

    models: Mapping[str, Entry[ModelRecord]] = field(default_factory=dict)
    datasets: Mapping[str, Entry[DatasetRecord]] = field(default_factory=dict)


class LockFile:
    """Knows the models that a hflint.lock lists."""

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        """Reads the file, or takes what it is said to hold.

        Raises:
            LockError: it cannot be read.
        """
        self.path = path
        data = _bytes(path) if data is None else data
        self._fingerprint = hashlib.blake2b(data, digest_size=8).hexdigest()
        self.lock = parse(data, path)

    def find(self, model_id: str, revision: str | None = None) -> ModelFacts | None:
        """What is locked of a model."""
        key = self.key(model_id, revision)
        entry = self.lock.models[key] if key else None
        if key is None or entry is None or entry.record is None:
            return None
        commit = f", commit {entry.record.commit[:8]}" if entry.record.commit else ""
        return entry.record.facts(model_id, "lock", f"{LOCK} of {entry.asked}{commit}", unlocked_key(key)[1])

    def key(self, model_id: str, revision: str | None = None) -> str | None:
        """The entry for a model: a commit may be that of another entry, and one revision alone stands for the id as well."""
        models = self.lock.models
        if (key := lock_key(model_id, revision)) in models:
            return key
        own = [name for name in models if unlocked_key(name)[0] == model_id]
        if key == model_id:
            return own[0] if len(own) == 1 else None
        pinned = COMMIT.fullmatch(revision or "")
        records = ((name, models[name].record) for name in own if pinned)
        return next((name for name, record in records if record and record.commit == revision), None)

    def fingerprint(self) -> str:
        """Of the file's bytes."""
        return f"lock {self._fingerprint}"


def lock_key(name: str, revision: str | None) -> str:
    """What an id is locked under."""
    return name if revision in (None, "", MAIN) else f"{name}@{revision}"


def unlocked_key(key: str) -> tuple[str, str | None]:
    """The id and the revision that are locked under a key; no id has an "@"."""
    name, _, revision = key.partition("@")
    return name, revision or None


def read_lock(path: Path) -> Lock:
    """The content of a lock file.

    Raises:
        LockError: it cannot be read.
    """
    return parse(_bytes(path), path)


def parse(data: bytes, path: Path) -> Lock:
    """The content of a lock file, from its bytes; `path` is for messages.

    Raises:
        LockError: it is no such file.
    """
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of the decoding, too
        conflict = "it holds a merge conflict: take either side and run `hflint lock`"
        raise LockError(f"{path}: {conflict if b'<<<<<<<' in data else f'not valid TOML: {error}'}") from None
    version = table.get("version")
    if type(version) is not int or version != VERSION:
        newer = type(version) is int and version > VERSION
        why = f"written by a newer hflint (version {version})" if newer else f"has no `version = {VERSION}`"
        raise LockError(f"{path}: {why}")
    return Lock(
        {name: _entry(one, ModelRecord, f"{path}: model.{name}") for name, one in _tables(table, "model", path)},
        {name: _entry(one, DatasetRecord, f"{path}: dataset.{name}") for name, one in _tables(table, "dataset", path)},
    )


def render(lock: Lock) -> str:
    """The text of a lock file: ids in alphabetic order, fields in the order of the records."""
    parts = [f"{_HEADER}version = {VERSION}\n"]
    for kind, entries in (("model", lock.models), ("dataset", lock.datasets)):
        names = sorted(entries, key=lambda one: (one.lower(), one))
        parts += [f"\n[{kind}.{_key(name)}]\n" + "".join(_lines(entries[name])) for name in names]
    return "".join(parts)


def write_lock(path: Path, lock: Lock) -> bool:
    """Write a lock file, whole or not at all; whether that changed it.

    Raises:
        OSError: it cannot be written; then the old one is as it was.
    """
    path, data = Path(os.path.realpath(path)), render(lock).encode()  # `resolve` raises where links go in a circle
    if path.exists() and path.read_bytes() == data:
        return False
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(data)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return True


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LockError(f"{path}: cannot be read: {error.strerror or error}") from None


def _tables(table: Mapping[str, Any], kind: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    entries = table.get(kind, {})
    if not isinstance(entries, dict) or not all(isinstance(one, dict) for one in entries.values()):
        raise LockError(f"{path}: `{kind}` is no table of tables")
    return list(entries.items())


def _entry(table: Mapping[str, Any], kind: type[Record], place: str) -> Entry[Record]:
    asked, source, unavailable = table.get("asked"), table.get("source", "hub"), table.get("unavailable", "")
    if type(asked) is not date or not isinstance(source, str) or not isinstance(unavailable, str):
        raise LockError(f"{place} does not say when it was asked")
    return Entry(None if unavailable else _record(table, kind, place), asked, source, unavailable)


def _record(table: Mapping[str, Any], kind: type[Record], place: str) -> Record:
    values: dict[str, Any] = {}
    for one in fields(kind):
        value = table.get(one.name)
        if value is not None:
            values[one.name] = _value(value, str(one.type), f"{place}.{one.name}")
    return kind(**values)


def _value(value: Any, annotation: str, place: str) -> Any:
    parts = list(value) if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    inner = str if annotation == "tuple[str, ...]" else int  # the others hold whole numbers
    right = type(value) is _TYPES[annotation] and all(type(part) is inner for part in parts)
    if not right or not all(0 <= one < _TOO_LARGE for one in (value, *parts) if type(one) is int):
        raise LockError(f"{place} has a value of the wrong kind")
    if isinstance(value, list):
        return tuple(value)
    if annotation == "Shape | None":
        known = {one.name for one in fields(Shape)}
        try:
            shape = Shape(**{name: number for name, number in value.items() if name in known})
        except TypeError:
            raise LockError(f"{place} is not complete") from None
        if not (shape.parameters and shape.hidden and shape.layers):
            raise LockError(f"{place} is that of no model")
        return shape
    return value


def _lines(entry: Entry[Any]) -> list[str]:
    told = [("asked", entry.asked), ("source", entry.source), ("unavailable", entry.unavailable or None)]
    if entry.record is not None:
        told += [(one.name, getattr(entry.record, one.name)) for one in fields(entry.record)]
    return [f"{name} = {_toml(value)}\n" for name, value in told if value is not None and value not in ((), {})]


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | date():
            return str(value)
        case tuple():
            return f"[{', '.join(_toml(one) for one in value)}]"
        case dict():
            return f"{{ {', '.join(f'{_key(name)} = {_toml(one)}' for name, one in sorted(value.items()))} }}"
        case Shape():
            pairs = ((one.name, getattr(value, one.name)) for one in fields(value))
            return f"{{ {', '.join(f'{name} = {number}' for name, number in pairs if number is not None)} }}"
    return _text(str(value))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """A basic string; what TOML forbids in one is escaped, what UTF-8 cannot hold is replaced."""
    clean = value.encode("utf-8", "replace").decode("utf-8")
    return '"' + "".join(_ESCAPES.get(one) or (one if _is_plain(one) else f"\\u{ord(one):04x}") for one in clean) + '"'


def _is_plain(character: str) -> bool:
    return character >= " " and character != "\x7f"
