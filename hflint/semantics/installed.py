"""Questions about what is installed: versions of libraries, and features that only some of them have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from hflint.semantics.catalog import LIBRARIES
from hflint.semantics.objects import Guard
from hflint.semantics.values import UNKNOWN, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics import tree
    from hflint.semantics.arguments import Arguments
    from hflint.semantics.calls import Calls


_REQUIREMENT = re.compile(r"\s*([\w-]+)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LibraryVersion(Value):
    """The version of a library, as `transformers.__version__` or `importlib.metadata.version("transformers")`."""

    library: str
    whole: bool = True  # not only a part of it, such as the major number


@dataclass(frozen=True, slots=True)
class VersionTest(Value):
    """A comparison of a library's version with a literal: `specifier` is what holds where it is true, `otherwise` where it is not."""

    library: str
    specifier: str
    otherwise: str


@dataclass(frozen=True, slots=True)
class Feature(Value):
    """A test of what the installed libraries can do, such as `hasattr` or `is_flash_attn_2_available()`."""

    what: str


def requirement(callee: str, given: Arguments) -> tuple[Guard, ...]:
    """What holds after a call that leaves the program where a version does not fit, such as `require_version("trl>=0.8")`; nothing of other calls."""
    library, name = callee.partition(".")[0], callee.rpartition(".")[2]
    if library not in LIBRARIES:
        return (Guard("version"),) if name.endswith(("require_version", "min_version")) else ()
    if name == "check_min_version":
        minimum = (given.first if given.positional else given.keywords.get("min_version", UNKNOWN)).constant
        return (_guard(library, f">={minimum}"),) if isinstance(minimum, str) else (Guard("version"),)
    if name in ("require_version", "require_version_core"):
        wanted = (given.first if given.positional else given.keywords.get("requirement", UNKNOWN)).constant
        found = _REQUIREMENT.fullmatch(wanted) if isinstance(wanted, str) else None
        if found is None:
            return (Guard("version"),)
        return (_guard(found[1].replace("-", "_"), found[2]),) if found[2] else ()  # else that it is installed
    return ()


def _guard(library: str, specifier: str) -> Guard:
    try:
        return Guard("version", library, str(SpecifierSet(specifier)))
    except InvalidSpecifier:
        return Guard("version")


def _version_of(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    name = given.first.constant
    return LibraryVersion(name.replace("-", "_")) if isinstance(name, str) else UNKNOWN


def _parse_version(_run: Calls, given: Arguments, _node: tree.Call) -> Value:
    value = given.first
    return value if isinstance(value, LibraryVersion) or isinstance(value.constant, str) else UNKNOWN


def version_begins(version: LibraryVersion, given: Arguments) -> Value:
    """`__version__.startswith("4.")`; "4.5" may mean 4.5 and 4.50."""
    start = given.first.constant
    if not version.whole or not isinstance(start, str) or not re.fullmatch(r"(\d+\.)+", start):
        return Feature("version")
    return VersionTest(version.library, f"=={start}*", f"!={start}*")


def _feature(_run: Calls, _given: Arguments, _node: tree.Call) -> Value:
    return Feature("feature")


CALLS: dict[str, Callable[[Any, Any, tree.Call], Value]] = {
    "importlib.metadata.version": _version_of,
    "packaging.version.parse": _parse_version,
    "packaging.version.Version": _parse_version,
    "pkg_resources.parse_version": _parse_version,
    "distutils.version.LooseVersion": _parse_version,
    "inspect.signature": _feature,
    "importlib.util.find_spec": _feature,
}
