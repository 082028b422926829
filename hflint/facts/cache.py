"""Models in the local cache of huggingface_hub, read from the files as they lie there.

huggingface_hub itself is not imported: a look-up of an id that is not cached costs one failed open.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hflint.facts.model_names import is_model_id
from hflint.facts.repository import (
    CHAT_TEMPLATE,
    COMMIT,
    CONFIG,
    GENERATION_CONFIG,
    MAIN,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
    WEIGHTS_INDEX,
    read_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hflint.facts.models import ModelFacts
    from hflint.facts.record import ModelRecord

_READ = (
    CONFIG,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    TOKENIZER,
    CHAT_TEMPLATE,
    GENERATION_CONFIG,
    WEIGHTS,
    WEIGHTS_INDEX,
)
_SHARD = re.compile(r"[^/\\]+\.safetensors")
_LARGEST = 256 << 20  # bytes of a small file that is still read


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where huggingface_hub keeps its cache: HF_HUB_CACHE, below HF_HOME, below XDG_CACHE_HOME, or in ~/.cache."""
    told = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    home = environment.get("HF_HOME")
    if not (told or home):
        caches = environment.get("XDG_CACHE_HOME") or "~/.cache"
        home = f"{caches}/huggingface"
    return Path(os.path.expandvars(told or f"{home}/hub")).expanduser()


@dataclass(slots=True)
class Snapshot:
    """One commit of a repository in the cache; some of its files may never have been fetched."""

    folder: Path
    commit: str
    notes: list[str] = field(default_factory=list)

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """As `Files.read`."""
        path = self.folder / name
        try:
            with path.open("rb") as stream:
                if limit is None and os.fstat(stream.fileno()).st_size > _LARGEST:
                    self.note(f"{name} is too large to be read")
                    return None
                return stream.read(-1 if limit is None else limit)
        except FileNotFoundError:
            if path.is_symlink():
                self.note(f"{name} is a link to nowhere")
        except OSError as error:
            self.note(f"{name} cannot be read: {error.strerror or error}")
        return None

    def lacks(self, name: str) -> bool:
        """Whether a look at the hub found no such file; the cache remembers that."""
        return (self.folder.parents[1] / ".no_exist" / self.commit / name).exists()

    def note(self, text: str) -> None:
        """As `Files.note`; a file is read several times and complained of once."""
        if text not in self.notes:
            self.notes.append(text)

    def tensors(self) -> Counter[str] | None:
        """The numbers that its weights store, by dtype; None where not all of them are here."""
        from hflint.facts import safetensors

        counts: Counter[str] = Counter()
        for name in self._weight_files():
            try:
                counts += safetensors.count_by_dtype(self.folder / name)
            except FileNotFoundError:
                return None
            except safetensors.DamagedError as error:
                self.note(f"{name} is damaged: {error}")
                return None
            except OSError as error:
                self.note(f"{name} cannot be read: {error.strerror or error}")
                return None
        return counts or None

    def weights(self) -> dict[str, int]:
        """The bytes of the safetensors files that are here; what else the repository has is not known."""
        sizes = (_size(self.folder / name) for name in self._weight_files())
        total = sum(size for size in sizes if size)
        return {"safetensors": total} if total else {}

    def _weight_files(self) -> list[str]:
        if (self.folder / WEIGHTS).exists():
            return [WEIGHTS]
        shards = (read_json(self, WEIGHTS_INDEX) or {}).get("weight_map")
        names = shards.values() if isinstance(shards, dict) else ()
        return sorted({name for name in names if isinstance(name, str) and _SHARD.fullmatch(name)})


class LocalCache:
    """Knows the models whose files lie in the local cache."""

    def __init__(self, folder: Path | None = None) -> None:
        """With another folder than the environment says."""
        self.folder = folder or cache_folder()
        self.notes: list[str] = []  # what is wrong with the files that were looked at

    def find(self, model_id: str, revision: str | None = None) -> ModelFacts | None:
        """What a model's cached files say; None where that revision is not cached, or nothing is readable."""
        snapshot = self.snapshot(model_id, revision)
        if snapshot is None:
            return None
        record = self.record(snapshot)
        self.notes += [f"{model_id}: {note}" for note in snapshot.notes]
        source = f"local cache, commit {snapshot.commit[:8]}"
        return record.facts(model_id, "cache", source, None if revision == MAIN else revision) if record else None

    def record(self, snapshot: Snapshot, *, count_tokens: bool = False) -> ModelRecord | None:
        """The record of a snapshot; None where it has no readable config.json."""
        from hflint.facts.record import read_record  # only where there is something to read

        if read_json(snapshot, CONFIG) is None:
            return None
        return read_record(
            snapshot,
            tensors=snapshot.tensors(),
            count_tokens=count_tokens,
            commit=snapshot.commit,
            weights=snapshot.weights(),
        )

    def snapshot(self, model_id: str, revision: str | None = None, *, kind: str = "models") -> Snapshot | None:
        """The cached commit of a repository at a branch, tag or commit; of its main branch without one."""
        if not is_model_id(model_id):
            return None
        repository = self.folder / f"{kind}--{model_id.replace('/', '--')}"
        if revision and COMMIT.fullmatch(revision):
            folder = repository / "snapshots" / revision
            return Snapshot(folder, revision) if folder.is_dir() else None
        reference = repository / "refs" / (revision or MAIN)
        if ".." in reference.parts:
            return None
        try:
            commit = reference.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        if not commit or not commit.isalnum():
            return None
        return Snapshot(repository / "snapshots" / commit, commit)

    def fingerprint(self) -> str:
        """Of the references, and of the names, sizes and times of the files that are read."""
        digest = hashlib.blake2b(digest_size=8)
        for repository in _sorted(self.folder.glob("models--*")):
            files = _sorted((repository / "refs").rglob("*"))
            files += [snapshot / name for snapshot in _sorted(repository.glob("snapshots/*")) for name in _READ]
            digest.update("".join(f"{path} {_state(path)}\n" for path in files).encode())
        return f"cache {digest.hexdigest()}"


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """In order; nothing where the folder cannot be read."""
    try:
        return sorted(paths)
    except OSError:
        return []


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _state(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return ""
    return f"{state.st_size} {state.st_mtime_ns}"
