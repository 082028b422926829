"""Frozen dataclasses to JSON and back, by their annotations: absent where equal to the default, refused where unknown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class CodecError(ValueError):
    """JSON that does not describe the dataclass; the message is one line and names the place."""


def to_json(value: Any) -> Any:
    """`value` as dicts, lists and scalars; a field that equals its default is left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        }
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], data: Any, place: str = "") -> T:
    """An instance of the dataclass `kind` from what `to_json` made.

    Raises:
        CodecError: a key is unknown or missing, or a value has another type than the field.
    """
    place = place or kind.__name__
    if not isinstance(data, Mapping):
        raise CodecError(f"{place}: expected an object, got {type(data).__name__}")
    hints = _hints(cast("Any", kind))
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise CodecError(f"{place}: unknown key {unknown[0]!r}")
    values = {name: _decode(hints[name], item, f"{place}.{name}") for name, item in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise CodecError(f"{place}: {error}") from None


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _decode(hint: Any, value: Any, place: str) -> Any:
    if hint is Any:
        return value
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and type(None) in arguments:
            return None
        return _decode(next(a for a in arguments if a is not type(None)), value, place)
    if origin is tuple:
        _require(value, list, place)
        return tuple(_decode(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    if origin is not None:  # Mapping[str, X]
        _require(value, Mapping, place)
        return {key: _decode(arguments[1], item, f"{place}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_json(cast("type[Any]", hint), value, place)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _require(value, hint, place)
    return value


def _require(value: Any, kind: Any, place: str) -> None:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CodecError(f"{place}: expected {kind.__name__}, got {type(value).__name__}")
