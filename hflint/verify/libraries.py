"""The libraries under test, asked for by name when a run needs them, so that a missing one is a reason and no traceback."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

KNOWN = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "tokenizers",
    "huggingface_hub",
)


class MissingError(Exception):
    """A library that the run needs is not installed, or does not import; the message is one line."""


class UnavailableError(Exception):
    """A model, tokenizer or device that the run needs is not there; the message is one line."""


def library(name: str) -> Any:
    """The imported module.

    Raises:
        MissingError: with the one-line reason.
    """
    root = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == root:
            raise MissingError(f"{root} is not installed") from None
        raise MissingError(f"{root} does not import: {one_line(error)}") from None
    except Exception as error:  # noqa: BLE001 - a library may raise anything; it becomes a reason
        raise MissingError(f"{root} does not import: {one_line(error)}") from None


def attribute(module: str, name: str) -> Any:
    """`module.name`, where a library that imports its parts lazily may fail as `library` does.

    Raises:
        MissingError: the module is not there.
        ImportError: the module has no such name.
    """
    found = library(module)
    try:
        return getattr(found, name)
    except AttributeError:
        raise ImportError(f"cannot import name '{name}' from '{module}'") from None


def versions() -> dict[str, str]:
    """The installed version of each known library, without importing it."""
    found: dict[str, str] = {}
    for name in KNOWN:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def one_line(error: BaseException, limit: int = 300) -> str:
    """The message of an exception on one line, or its type where it has none."""
    text = " ".join(str(error).split())
    return text[:limit] or type(error).__name__
