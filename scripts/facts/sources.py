"""Whether every line of corrections.toml can be looked up: its source is "file @ release", and that file of that wheel speaks of it."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

from download import wheel
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = re.compile(
    r"(?:([a-z_-]+) )?([\w./-]+) @ ([\d.]+)"
)  # "trl trainer/sft_trainer.py @ 0.12.0": another library's


def unfounded(corrections: dict[str, Any], folder: Path) -> Iterator[str]:
    """The lines whose source is missing, or does not speak of what they are about."""
    texts: dict[tuple[str, str, str], str | None] = {}
    for where, library, name, fields in lines(corrections):
        places = SOURCE.findall(fields.get("source", ""))
        if not places:
            yield f"{where}: no source"
        words = [name, *re.findall(r"\w+", str(fields.get("replacement", "")))[-1:]]
        found = []
        for other, file, release in places:
            key = (other or library, file, release)
            if key not in texts:
                texts[key] = text(folder, *key)
            if texts[key] is None:
                yield f"{where}: no {file} in {key[0]} {release}"
            found.append(texts[key] or "")
        if places and not any(re.search(rf"\b{re.escape(word)}\b", one) for one in found for word in words):
            yield f"{where}: {fields['source']} does not speak of it"


def lines(corrections: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every line: where it stands, its library, what it is about, what it says."""
    for library, kinds in corrections.items():
        if library in {"rest", "patterns"}:
            continue
        for kind, owners in kinds.items():
            for owner, names in owners.items():
                for name, fields in names.items():
                    yield f"{library}.{kind}.{owner}.{name}", library, name, fields


def text(folder: Path, library: str, file: str, release: str) -> str | None:
    """The text of a file of a library's package in a wheel; None where there is none."""
    path = wheel(folder, library, Version(release))
    if path is None:
        return None
    with zipfile.ZipFile(path) as archive:
        name = f"{library.replace('-', '_')}/{file}"
        return archive.read(name).decode("utf-8") if name in archive.namelist() else None
