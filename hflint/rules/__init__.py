"""The registry of rules: a rule is one file in a group's folder, and one Markdown page of its name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any

from hflint.findings import Finding, Severity

Check = Callable[[Any, Any], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `check` is called with every object of the program that is a `subject`, and a `Context`."""

    code: str
    name: str
    severity: Severity
    group: str
    subject: type | UnionType
    check: Check
    default: bool = True  # selected unless the user says otherwise


_registered: dict[str, Rule] = {}


def rule(code: str, name: str, severity: Severity, *, default: bool = True) -> Callable[[Check], Check]:
    """Register a check; the annotation of its first parameter says which objects it judges.

    Raises:
        ValueError: the code or the name is taken, or the module is not named as the rule is.
    """

    def register(check: Check) -> Check:
        group, module = check.__module__.split(".")[-2:]
        if module.replace("_", "-") != name:
            raise ValueError(f"rule {name} stands in module {module}")
        if code in _registered or any(other.name == name for other in _registered.values()):
            raise ValueError(f"rule {code} {name} is registered twice")
        first = next(iter(inspect.signature(check).parameters.values()))
        subject = eval(first.annotation, check.__globals__)  # noqa: S307 - our own annotation, a string for the sake of __future__
        _registered[code] = Rule(code, name, severity, group, subject, check, default)
        return check

    return register


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its code, in the order of codes."""
    for group in pkgutil.iter_modules(__path__):
        if group.ispkg:
            package = importlib.import_module(f"{__name__}.{group.name}")
            for module in pkgutil.iter_modules(package.__path__):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_registered.items()))
