"""Who is asked for models on behalf of a project: its lock, then the local cache, then what hflint ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts.models import Models

if TYPE_CHECKING:
    from pathlib import Path

    from hflint.facts.models import Provider

LOCK = "hflint.lock"


def project_models(folder: Path) -> Models:
    """What is known of models in a project's folder.

    Raises:
        SettingsError: its lock cannot be read.
    """
    from hflint.facts.cache import LocalCache

    providers: list[Provider] = [LocalCache()]
    if path := find_lock(folder):
        from hflint.facts.lock import LockFile

        providers.insert(0, LockFile(path))
    return Models(providers)


def find_lock(folder: Path) -> Path | None:
    """The nearest hflint.lock from a folder upwards, not beyond the repository's root."""
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / LOCK).is_file():
            return candidate / LOCK
        if (candidate / ".git").exists():
            return None
    return None
