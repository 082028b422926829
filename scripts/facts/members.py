"""Methods and attributes of the objects that rules know by kind: a tokenizer, a model, a trainer, a dataset."""

from __future__ import annotations

import re
import zipfile
from collections import UserDict, defaultdict
from typing import TYPE_CHECKING, Any

from download import wheel
from extract import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from changes import Releases
    from packaging.version import Version

Facts = dict[str, Any]
# Where the classes of a kind are that may define again what their base lost.
OWN = {
    "tokenizer": ("transformers", r"transformers/models/[^/]+/tokenization_\w+\.py"),
    "model": ("transformers", r"transformers/models/[^/]+/modeling_\w+\.py"),
    "trainer": ("trl", r"trl/.*trainer\.py"),
}
LINE = re.compile(r"^(?:class (\w+)|    (?:async )?def (\w+)|    (\w+) = property)", re.MULTILINE)


# What classes outside the libraries give them: BatchEncoding is a UserDict.
GIVEN = {"batch-encoding": {*dir(UserDict)}}


def changed_methods(package: str, kind: str, known: Releases, facts: list[Facts]) -> Iterator[tuple[str, Facts]]:
    """The methods that objects of a kind no longer have, or that their source calls deprecated, with when that was.

    Of attributes and properties nothing is said: a `__getattr__`, a configuration or a subclass may have them all the same.
    """
    found: dict[str, list[int]] = defaultdict(list)
    told: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(facts):
        for name in one["members"][kind]:
            found[name].append(index)
        classes = KINDS[package][kind]
        for name in one["members"][kind]:
            if any(one["callables"].get(f"{owner}.{name}", {}).get("deprecated") for owner in classes):
                told[name].append(index)
    for name, at in found.items():
        is_value = facts[at[-1]]["members"][kind][name]
        entry = known.change(at)
        if name in told:
            entry["deprecated"] = known.label(told[name][0])
        if is_value or name.startswith("_") or name in GIVEN.get(kind, ()) or "restored" in entry:
            continue
        if "removed" in entry or ("deprecated" in entry and told[name][-1] == len(facts) - 1):
            yield name, entry


def defining(folder: Path, library: str, release: Version, pattern: str, names: set[str]) -> dict[str, set[str]]:
    """The classes in files of a wheel that define some of these methods themselves, by method."""
    path = wheel(folder, library, release)
    found: dict[str, set[str]] = defaultdict(set)
    with zipfile.ZipFile(path) as archive:  # type: ignore[arg-type]
        for file in archive.namelist():
            owner = ""
            for match in LINE.finditer(archive.read(file).decode("utf-8")) if re.fullmatch(pattern, file) else ():
                owner = match[1] or owner
                name = match[2] or match[3]
                if name in names:
                    found[name].add(owner)
    return found
