"""Findings of earlier runs, in `.hflint_cache` at the root of a project.

One JSON file (never pickle: the folder may come with a repository) for each state of hflint, its settings and the
versions; in it, an entry for each file with the hash of the content that it was made from. A cache that cannot be read
or written is none.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hflint
from hflint.findings import Confidence, Edit, Finding, Fix, Related, Safety, Severity, Span
from hflint.semantics.importers import python_files, touched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.check import FileReport
    from hflint.project import Project
    from hflint.semantics.outlines import Packed

FOLDER = ".hflint_cache"
KEPT = 8  # files in the folder: one of the modules, and one for each of the last combinations of settings and versions


def digest(data: bytes) -> str:
    """The hash of a file's content."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@cache
def _digest_of(path: Path) -> str:
    """The hash of a module that others depend on, as this run first sees it; empty where it cannot be read."""
    try:
        return digest(path.read_bytes())
    except OSError:
        return ""


class Cache:
    """The findings known for one project's files."""

    def __init__(self, project: Project) -> None:
        self._root = project.folder
        self._project = project
        self._path = self._root / FOLDER / f"{_fingerprint(project)}.json"
        self._states, self._entries = _load(self._path)
        self._put: set[str] = set()  # keys of the entries that this run has made
        self._outlines: dict[str, Packed] = {}  # that this run has made

    def get(self, path: Path, content: str) -> tuple[Finding, ...] | None:
        """The findings of a file with that content hash; None where they are not known."""
        match self._entries.get(self._key(path)):
            case [known, dict(reads), list(importers_of), list(packed)] if known == content:
                read = all(self._is_same(self._root / other, state, packed) for other, state in reads.items())
                if read and (not importers_of or self._touched.isdisjoint(importers_of)):
                    with suppress(KeyError, TypeError, ValueError):
                        return tuple(_unpack(one) for one in packed)
        return None

    def _is_same(self, path: Path, state: object, findings: list[Any]) -> bool:
        """Whether a module still is what a program saw of it. Findings may point into it: for them, all of it counts."""
        match state:
            case [str(whole), list(names), str(part)]:
                now = _digest_of(path)
                return now == whole or (
                    bool(now and part) and not findings and self._project.modules.state(path, names) == part
                )
        return False

    def put(self, content: str, report: FileReport, states: Mapping[Path, str]) -> None:
        """Remember the findings of a file with that content hash, and on what else of the project they depend, with its state."""
        reads = {
            self._key(other): [_digest_of(other), names, states[other]] for other, names in sorted(report.reads.items())
        }
        packed = [asdict(finding) for finding in report.findings]
        key = self._key(report.path)
        self._entries[key] = [content, reads, sorted(report.importers_of), packed]
        self._put.add(key)

    def put_outlines(self, outlines: dict[str, Packed]) -> None:
        """Remember what modules offer."""
        self._outlines |= outlines

    def save(self) -> None:
        """Write what is new; entries of files that are gone, or that have new importers, are dropped."""
        if self._outlines:
            from hflint.semantics.outlines import read_outlines

            path = outlines_path(self._root)
            known = {key: one for key, one in (read_outlines(path) | self._outlines).items() if Path(key).exists()}
            self._write(path, known)
            self._outlines = {}
        if not self._put:
            return
        entries = {key: entry for key, entry in self._entries.items() if self._is_kept(key, entry)}
        states = {self._key(path): _state(path) for path in python_files(self._root)} if _depends(entries) else {}
        self._write(self._path, {"files": states, "entries": entries})
        self._put.clear()

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        with suppress(OSError):
            _prepare(path.parent)
            _write(path, json.dumps(content, separators=(",", ":")))
            _prune(path.parent)

    def _is_kept(self, key: str, entry: list[Any]) -> bool:
        is_current = key in self._put or not entry[2] or self._touched.isdisjoint(entry[2])
        return is_current and (self._root / key).exists()

    @cached_property
    def _touched(self) -> set[str]:
        """What files have a bearing on that are new, or have changed, since the entries were written."""
        changed = (path for path in python_files(self._root) if self._states.get(self._key(path)) != _state(path))
        return {name for path in changed for name in touched(path)}

    def _key(self, path: Path) -> str:
        absolute = path.absolute()
        return absolute.relative_to(self._root).as_posix() if absolute.is_relative_to(self._root) else str(absolute)


def outlines_path(root: Path) -> Path:
    """Where it is kept what the modules of a project offer, which neither settings nor versions change."""
    state = hashlib.blake2b("\n".join(_own_files()).encode(), digest_size=12).hexdigest()
    return root / FOLDER / f"modules-{state}.json"


def _load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The states of the project's files, and the entries."""
    try:
        match json.loads(path.read_bytes()):
            case {"files": dict(states), "entries": dict(entries)}:
                return states, {key: entry for key, entry in entries.items() if _is_entry(entry)}
    except (OSError, ValueError, RecursionError):
        pass
    return {}, {}


def _is_entry(entry: object) -> bool:
    match entry:
        case [str(), dict(), list(), list()]:
            return True
    return False


def _depends(entries: dict[str, Any]) -> bool:
    """Whether an entry depends on who imports a module."""
    return any(entry[2] for entry in entries.values())


def _state(path: Path) -> list[int]:
    """What changes with a file's content."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _prepare(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Made by hflint.\n*\n", encoding="utf-8")


def _write(path: Path, text: str) -> None:
    """Write through a temporary file, so that a run beside this one never reads half a cache."""
    import tempfile  # only where there is something new

    handle, name = tempfile.mkstemp(dir=path.parent, prefix="new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in files[KEPT:]:
        old.unlink(missing_ok=True)


def _fingerprint(project: Project) -> str:
    """What findings depend on, beside the file's own content."""
    parts = [
        *_own_files(),
        project.settings.fingerprint(),
        project.versions.fingerprint(),
        project.models.fingerprint(),
    ]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()


@cache
def _own_files() -> tuple[str, ...]:
    """The version, and hflint's files as they lie on the disk: a checkout changes without its version."""
    package = Path(hflint.__file__).parent
    files = sorted(Path(folder) / name for folder, _, names in os.walk(package) for name in names)
    states = [(file, file.stat()) for file in files if file.suffix != ".pyc"]
    return (hflint.__version__, *(f"{file} {state.st_size} {state.st_mtime_ns}" for file, state in states))


def _unpack(packed: dict[str, Any]) -> Finding:
    fix = packed["fix"]
    return Finding(
        **{key: packed[key] for key in ("code", "name", "message", "label", "no_fix_reason")},
        severity=Severity(packed["severity"]),
        confidence=Confidence(packed["confidence"]),
        span=Span(**packed["span"]),
        related=tuple(Related(Span(**related["span"]), related["label"]) for related in packed["related"]),
        fix=fix
        and Fix(
            title=fix["title"],
            edits=tuple(Edit(**edit) for edit in fix["edits"]),
            safety=Safety(fix["safety"]),
            reason=fix["reason"],
        ),
    )
