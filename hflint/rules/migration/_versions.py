"""What the rules of this group share: which releases a place in the code runs under, and how a message speaks of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.facts.histories import dated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.version import Version

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range
    from hflint.semantics.objects import Object

# Modules that transformers' own files import from each other (wheels 4.40.0, 4.57.6 and 5.23.0).
_ITS_OWN = frozenset(
    [
        "activations",
        "cache_utils",
        "configuration_utils",
        "debug_utils",
        "dependency_versions_check",
        "feature_extraction_utils",
        "file_utils",
        "hyperparameter_search",
        "image_processing_utils",
        "modelcard",
        "modeling_attn_mask_utils",
        "modeling_outputs",
        "modeling_utils",
        "processing_utils",
        "pytorch_utils",
        "tokenization_utils_base",
        "trainer_callback",
        "trainer_pt_utils",
        "trainer_utils",
        "training_args",
    ]
)
_SEVERAL = 3
_RELATIVE = re.compile(r"^[ \t]*from[ \t]+(\.+)(\w+)", re.MULTILINE)
_UNSLOTH = re.compile(r"^[ \t]*(?:import|from)[ \t]+unsloth\b", re.MULTILINE)


def versions_at(use: Object, context: Context) -> Mapping[str, Range] | None:
    """The releases under which a place is run, as `Context.versions_at` has it.

    None under unsloth, which may want older ones than the newest, and in a copy of a file of transformers, which goes with the release it is from.
    """
    if not context.versions["transformers"].stated and imports_unsloth(context):
        return None
    if is_copied(context):
        return None
    return context.versions_at(use.where)


def imports_unsloth(context: Context) -> bool:
    """Whether a program imports unsloth, which puts its own classes in the place of TRL's."""
    return _UNSLOTH.search(context.program.source.text) is not None


def is_copied(context: Context) -> bool:
    """Whether a file is a copy of one of transformers', to be put in its place: it imports several neighbours that only the library has."""
    folder = context.program.source.path.absolute().parent
    imported = {(len(dots), name) for dots, name in _RELATIVE.findall(context.program.source.text) if name in _ITS_OWN}
    around = (folder, *folder.parents)
    absent = {
        name
        for dots, name in imported
        if dots <= len(around) and not any((around[dots - 1] / one).exists() for one in (name, f"{name}.py"))
    }
    return len(absent) >= _SEVERAL


def unstated(found: Range) -> str:
    """That nothing in the project speaks of a library, and what its newest release is."""
    beside = f" beside {found.beside}" if found.beside else ""
    return f"this project names no version, and the newest{beside} is"


def allowed(change: Change, versions: Mapping[str, Range]) -> str:
    """Which releases the project allows, for the end of a message about something that is gone in the newest of them."""
    found = versions[change.library]
    if without := only_older(change, versions):
        lack = "lack" if len(without) > 1 else "lacks"
        return f"of the releases that this project allows, {listed(without, found)} {lack} it ({found.origin})"
    if not found.stated:
        return f"{unstated(found)} {found.highest}"
    return f"this project allows {'up to ' if len(found.releases) > 1 else ''}{found.highest} ({found.origin})"


def only_older(change: Change, versions: Mapping[str, Range]) -> tuple[Version, ...]:
    """The allowed releases without it, where the newest has it: then they are for whoever still runs them to know; else none."""
    found = versions[change.library]
    without = {release for spec in change.gone if (part := found.narrowed(spec)) for release in part.releases}
    return () if found.highest in without else tuple(sorted(without))


def listed(releases: Iterable[Version], among: Range) -> str:
    """Some of the allowed releases, for messages: "4.44.0 to 4.44.2, 4.48.0"; those that follow each other among all that are allowed are a run."""
    runs: list[list[Version]] = []
    follows = dict(zip(among.releases, among.releases[1:], strict=False))
    for release in sorted(releases):
        if runs and follows.get(runs[-1][-1]) == release:
            runs[-1].append(release)
        else:
            runs.append([release])
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def gone_since(change: Change, versions: Mapping[str, Range]) -> str:
    """Since which release it is gone, of those that the project allows; and in which it came back."""
    since, until = change.gone_between(versions) or ("", "")
    return f"{since}, back in {until}" if until else since


def everywhere(change: Change, versions: Mapping[str, Range]) -> str:
    """That every release that the project allows has the replacement, for the end of a message."""
    found = versions[change.library]
    if not found.stated:
        return f"{unstated(found).removesuffix(' is')}, {found.highest}, has it"
    return f"every version that this project allows has it ({found.origin})"


def lacking(change: Change, versions: Mapping[str, Range]) -> str:
    """Why what takes its place cannot be written: an allowed release has not got it."""
    found = versions.get(change.replacement_library)
    library, since = change.replacement_library, change.replacement_since or ""
    if found and since and dated(library, since) != since:
        return f"this project allows {library} {found.lowest}, and what releases before {since} have was not read"
    oldest = f"this project allows {found.lowest}" if found else "this project names no version"
    return f"`{change.replacement}` takes its place since {library} {since} only, and {oldest}"
