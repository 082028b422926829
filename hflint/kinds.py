"""Kinds of values in the settings: how each is read, what is wrong with it, and its JSON schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hflint import selectors
from hflint.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

V = TypeVar("V")
OFF = "off"
GPU_GIB = {  # the memory on the board as the vendor names the card
    "T4": 16,
    "V100-16GB": 16,
    "V100-32GB": 32,
    "A10": 24,
    "A10G": 24,
    "A30": 24,
    "A40": 48,
    "A100-40GB": 40,
    "A100-80GB": 80,
    "L4": 24,
    "L40S": 48,
    "H100": 80,
    "H200": 141,
    "RTX 3060": 12,
    "RTX 3090": 24,
    "RTX 4080": 16,
    "RTX 4090": 24,
    "RTX 5090": 32,
    "RTX A6000": 48,
}


class SettingsError(Exception):
    """Settings that hflint cannot follow; one line that says where and what."""


class Table(dict[str, V], Generic[V]):
    """A table of the settings: a dict that can be hashed, for nobody writes to it."""

    def __hash__(self) -> int:  # type: ignore[override]  # dict says None
        return hash(frozenset(self.items()))


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is read, to something hashable or a SettingsError, and its JSON schema."""

    parse: Callable[[object], Any]
    schema: Callable[[], dict[str, Any]]


def shape(value: object) -> str:
    """What a value of TOML is called."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a table"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"expected true or false, got {shape(value)}")
    return value


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise SettingsError(f"expected a list of strings, got {shape(value)}")
    for item in value:
        if not isinstance(item, str):
            raise SettingsError(f"expected a list of strings, got {shape(item)} in it")
    return tuple(value)


def _selector(value: str) -> str:
    if not selectors.codes(value):
        raise SettingsError(f'unknown rule "{value}"{selectors.nearest(value, selectors.names())}')
    return selectors.canonical(value)


def _selectors(value: object) -> tuple[str, ...]:
    return tuple(_selector(item) for item in _strings(value))


def _table(value: object, key: Callable[[str], str], parse: Callable[[object], Any]) -> Table[Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"expected a table, got {shape(value)}")
    pairs = Table[Any]()
    for name, item in value.items():
        known = key(name)
        try:
            pairs[known] = parse(item)
        except SettingsError as error:
            raise SettingsError(f'"{name}": {error}') from None
    return pairs


def _choice(choices: Iterable[str]) -> Callable[[object], str]:
    """A parser for one of a few words; what it gives is the choice itself, so a member of an enum stays one."""
    by_value = {str(choice): choice for choice in choices}

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in by_value:
            got = f'"{value}"' if isinstance(value, str) else shape(value)
            hint = selectors.nearest(value, by_value) if isinstance(value, str) else ""
            raise SettingsError(f"expected one of {', '.join(by_value)}, got {got}{hint}")
        return by_value[value]

    return parse


def specifier(value: object) -> str:
    """A version specifier: a bare version stands for all releases that begin so."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # slow to load, and few projects set a target
    from packaging.version import InvalidVersion, Version

    if not isinstance(value, str):
        raise SettingsError(f'expected a version in quotes, such as "5.23" or ">=4.50,<6", got {shape(value)}')
    text = value.strip()
    try:
        release = Version(text)
    except InvalidVersion:
        pass
    else:
        exact = release.is_prerelease or release.is_postrelease or release.local
        return f"=={release}" if exact else f"=={release}.*"
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        text = ""
    if not text:
        raise SettingsError(f'"{value}" is not a version, such as "5.23", nor a range, such as ">=4.50,<6"')
    return text


def library(name: str) -> str:
    """A distribution's name as the packaging rules normalise it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _gpu(value: object) -> str:
    if not isinstance(value, str):
        raise SettingsError(f'expected a string, such as "24GiB" or "A100-80GB", got {shape(value)}')
    if gpu_gib(value) is None:
        hint = selectors.nearest(value, GPU_GIB)
        raise SettingsError(f'unknown GPU "{value}"{hint or ""}; give its memory instead, such as "24GiB"')
    return value.strip()


def gpu_gib(text: str) -> float | None:
    """The GiB of `24GiB`, `24 GB` (a vendor's GB is taken as GiB), `512MiB` or a card of `GPU_GIB`; None if unknown."""
    amount = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(G|M)i?B?\s*", text, re.IGNORECASE)
    if amount:
        size = float(amount[1]) / (1024 if amount[2] in "Mm" else 1)
        return size or None
    return next((float(gib) for name, gib in GPU_GIB.items() if _card(name) == _card(text)), None)


def _card(name: str) -> str:
    return re.sub(r"nvidia|geforce|rtx|[\s_-]+", "", name.lower())


def _selector_schema() -> dict[str, Any]:
    return {"anyOf": [{"enum": selectors.names()}, {"type": "string", "pattern": "^[Hh][Ff][0-9]{0,3}$"}]}


def _list_of(schema: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    return lambda: {"type": "array", "items": schema()}


def _table_of(schema: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    return lambda: {"type": "object", "additionalProperties": schema()}


def _string_schema() -> dict[str, Any]:
    return {"type": "string"}


_LEVELS = tuple(Severity)
FLAG = Kind(_flag, lambda: {"type": "boolean"})
STRINGS = Kind(_strings, _list_of(_string_schema))
SELECTORS = Kind(_selectors, _list_of(_selector_schema))
LEVEL = Kind(_choice(_LEVELS), lambda: {"enum": [str(level) for level in _LEVELS]})
GPU = Kind(_gpu, lambda: {"type": "string", "examples": ["24GiB", *GPU_GIB]})
IGNORES = Kind(lambda value: _table(value, str, _selectors), _table_of(_list_of(_selector_schema)))
SEVERITIES = Kind(
    lambda value: _table(value, _selector, _choice((*_LEVELS, OFF))),
    lambda: {
        "type": "object",
        "propertyNames": _selector_schema(),
        "additionalProperties": {"enum": [*map(str, _LEVELS), OFF]},
    },
)
TARGETS = Kind(
    lambda value: _table(value, library, specifier), _table_of(lambda: {"type": "string", "pattern": "[0-9]"})
)
