"""Read every wheel of a folder, once, and keep what it says beside it.

    python scripts/facts/make_facts.py FOLDER

FOLDER holds the wheels that download.py fetched. For each, FOLDER/facts/<wheel>.json is written; it is made anew when these scripts change.
"""

from __future__ import annotations

import hashlib
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from download import FIRST, wanted, wheel
from extract import extract
from release import Key, Release
from rich.progress import Progress

if TYPE_CHECKING:
    from packaging.version import Version
    from source import ModuleFacts

BATCH = 36  # releases that one process reads in a row: it keeps the files that stay the same


def stamp() -> str:
    """Changes with the scripts that read."""
    texts = [
        Path(__file__).with_name(name).read_bytes() for name in ("declared.py", "source.py", "release.py", "extract.py")
    ]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


def kept(folder: Path, library: str, release: Version) -> Path:
    """Where the facts of a release are kept."""
    return folder / "facts" / f"{library}-{release}.json"


def load(folder: Path, library: str, release: Version) -> dict[str, Any]:
    """The facts of a release that was read."""
    facts: dict[str, Any] = json.loads(kept(folder, library, release).read_text("utf-8"))
    return facts


def read_batch(folder: Path, library: str, releases: list[Version], mark: str) -> int:
    """Read releases of a library and keep their facts; how many."""
    memory: dict[Key, ModuleFacts] = {}
    for release in releases:
        path = wheel(folder, library, release)
        if path is None:
            raise SystemExit(f"{library} {release}: no wheel; run download.py")
        facts = extract(Release(path, library.replace("-", "_"), memory))
        kept(folder, library, release).write_text(json.dumps({"stamp": mark, **facts}), "utf-8")
    return len(releases)


def is_fresh(path: Path, mark: str) -> bool:
    """Whether the facts were read by these very scripts."""
    return path.is_file() and f'"stamp": "{mark}"' in path.open(encoding="utf-8").read(60)


def main(folder: Path, processes: int = 1) -> None:
    """Read what is missing."""
    (folder / "facts").mkdir(exist_ok=True)
    mark = stamp()
    todo = {name: [one for one in wanted(name) if not is_fresh(kept(folder, name, one), mark)] for name in FIRST}
    batches = [(name, of[at : at + BATCH]) for name, of in todo.items() for at in range(0, len(of), BATCH)]
    with Progress() as progress, ProcessPoolExecutor(processes) as pool:
        task = progress.add_task("Reading wheels", total=sum(len(of) for _, of in batches))
        for done in [pool.submit(read_batch, folder, name, of, mark) for name, of in batches]:
            progress.advance(task, done.result())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
