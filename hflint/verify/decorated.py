"""What decorators make of a call's keywords: some drop one, or give it another name, before the function sees it."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import TYPE_CHECKING, Any

from hflint.verify.libraries import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


def lost(function: Any, keywords: Mapping[str, Any]) -> dict[str, str | None]:
    """The keywords that decorators keep from a function.

    Each with what they say when they drop it; empty for one that goes on under another name, and None where what becomes
    of it is not seen.
    """
    found: dict[str, str | None] = {}
    outer = function.__init__ if inspect.isclass(function) else function
    for name, value in keywords.items() if hasattr(outer, "__wrapped__") else ():
        arrived, said = _through(function, name, object() if value is None else value)
        if arrived is None or name not in arrived:
            found[name] = "" if arrived else said if said and name in said else None
    return found


def _through(function: Any, name: str, value: Any) -> tuple[dict[str, Any] | None, str]:
    """The keywords that reach a decorated function, and the first warning on the way; None where that cannot be seen."""
    outer = function.__init__ if inspect.isclass(function) else function
    wrapper = inner = outer
    while hasattr(inner, "__wrapped__"):
        wrapper, inner = inner, inner.__wrapped__
    cell = next((cell for cell in getattr(wrapper, "__closure__", None) or () if _holds(cell, inner)), None)
    if cell is None:
        return None, ""
    arrived: list[dict[str, Any]] = []
    cell.cell_contents = functools.wraps(inner)(lambda *_args, **kwargs: arrived.append(kwargs))
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            outer(*[object.__new__(function)] if inspect.isclass(function) else (), **{name: value})
    except Exception:  # noqa: BLE001 - a decorator may want more of a call than this
        return None, ""
    finally:
        cell.cell_contents = inner
    for warning in said:
        warnings.warn(warning.message, stacklevel=2)
    return (arrived[0] if arrived else None), (one_line(Warning(said[0].message)) if said else "")


def _holds(cell: Any, thing: Any) -> bool:
    try:
        return cell.cell_contents is thing
    except ValueError:  # an empty cell
        return False
