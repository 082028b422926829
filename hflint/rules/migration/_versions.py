"""What the rules of this group share: which releases a place in the code runs under, and how a message speaks of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range
    from hflint.semantics.objects import Guard, Object

_UNSLOTH = re.compile(r"^[ \t]*(?:import|from)[ \t]+unsloth\b", re.MULTILINE)
UNSTATED = "newest known"  # the origin of a range that nothing in the project speaks of
# Which releases of transformers the newest ones of other libraries can be installed with (requirements of the wheels).
_BESIDE = {"huggingface_hub": ">=5", "trl": ">=4.56.2", "sentence-transformers": ">=5"}


def versions_at(use: Object, context: Context) -> Mapping[str, Range] | None:
    """The releases under which a place is run: all that the project allows, less what version checks around it exclude.

    None where that cannot be told, or where the code provides for the change itself: it catches the error, asks for a feature, is for type
    checkers only, or never runs under any allowed release.
    """
    versions = _compatible(context.versions)
    if versions["transformers"].origin == UNSTATED and imports_unsloth(context):
        return None  # it allows older releases than the newest
    for guard in use.where.guards:
        narrowed = _narrowed(guard, versions)
        if narrowed is None:
            return None
        versions = narrowed
    return versions


def _compatible(versions: Mapping[str, Range]) -> Mapping[str, Range]:
    """The ranges without those libraries that stand at their newest release for want of another, and cannot do so beside transformers."""
    transformers = versions["transformers"]
    if transformers.origin == UNSTATED:
        return versions
    out = {
        name for name, needed in _BESIDE.items() if versions[name].origin == UNSTATED and not transformers.any(needed)
    }
    return {name: versions[name] for name in versions if name not in out} if out else versions


def imports_unsloth(context: Context) -> bool:
    """Whether a program imports unsloth, which puts its own classes in the place of TRL's."""
    return _UNSLOTH.search(context.program.source.text) is not None


def _narrowed(guard: Guard, versions: Mapping[str, Range]) -> Mapping[str, Range] | None:
    if guard.kind != "version" or not guard.library:
        return None
    if guard.library not in versions:
        return versions
    try:
        left = versions[guard.library].narrowed(guard.specifier)
    except InvalidSpecifier:
        return None
    return None if left is None else {**versions, left.library: left}


def allowed(change: Change, versions: Mapping[str, Range]) -> str:
    """Which releases the project allows, for the end of a message about something that is gone in the newest of them."""
    found = versions[change.library]
    gone = found.narrowed(f">={change.removed}" + (f",<{change.restored}" if change.restored else "")) or found
    if found.origin == UNSTATED:
        return f"this project names no version, and the newest is {gone.highest}"
    return f"this project allows {'up to ' if len(found.releases) > 1 else ''}{gone.highest} ({found.origin})"


def everywhere(change: Change, versions: Mapping[str, Range]) -> str:
    """That every release that the project allows has the replacement, for the end of a message."""
    found = versions[change.library]
    if found.origin == UNSTATED:
        return f"this project names no version, and the newest, {found.highest}, has it"
    return f"every version that this project allows has it ({found.origin})"


def lacking(change: Change, versions: Mapping[str, Range]) -> str:
    """Why what takes its place cannot be written: an allowed release has not got it."""
    found = versions.get(change.replacement_library)
    oldest = f"this project allows {found.lowest}" if found else "this project names no version"
    since = f"{change.replacement_library} {change.replacement_since}"
    return f"`{(change.replacement or '').rpartition('.')[2]}` is there since {since} only, and {oldest}"
