"""The libraries under test, asked for by name when a run needs them, so that a missing one is a reason and no traceback."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "optimum",
    "gptqmodel",
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
        with _gpu_asleep():
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
        with _gpu_asleep():
            return getattr(found, name)
    except AttributeError:
        raise ImportError(f"cannot import name '{name}' from '{module}'") from None


@contextlib.contextmanager
def _gpu_asleep() -> Iterator[None]:
    """Import without starting CUDA, for a process that has started it can fork no child that uses it.

    bitsandbytes, which peft and Trainer import, asks torch for the generation of the GPUs, which starts it; here the
    driver's own tool is asked.
    """
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not hasattr(cuda, "is_initialized") or cuda.is_initialized():
        yield
        return
    original = cuda.get_device_capability
    cuda.get_device_capability = lambda *_args, **_kwargs: _capability()
    try:
        yield
    finally:
        cuda.get_device_capability = original


@cache
def _capability() -> tuple[int, int]:
    """The compute capability of the oldest GPU, such as (9, 0); that of Ampere, which takes bfloat16, where nothing says."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603 - fixed words
        major, minor = min(said.stdout.split(), key=float).split(".")
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 8, 0


def is_absence(error: BaseException) -> bool:
    """Whether it says that a library is to be installed, in whichever words."""
    text = str(error).lower()  # of a name that is gone, it shows the file, whose path may be of anything
    return isinstance(error, ImportError) and "cannot import name" not in text and "install" in text


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
