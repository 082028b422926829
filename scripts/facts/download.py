"""Download the wheels that the tables are made from: the first and the newest release of every minor of each library.

    python scripts/facts/download.py FOLDER

A wheel that is in the folder already is kept. Nothing is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from packaging.version import Version
from rich.progress import track

RELEASES = Path(__file__).parents[2] / "hflint" / "facts" / "tables" / "releases.json"
FIRST = {  # the oldest minor that is read
    "transformers": "4.40",
    "trl": "0.9",
    "peft": "0.10",
    "datasets": "2.19",
    "huggingface_hub": "0.23",
    "accelerate": "0.30",
    "sentence-transformers": "3.0",
    "diffusers": "0.29",
    "bitsandbytes": "0.43",
}
NEWEST_ONLY = {"bitsandbytes", "diffusers"}  # large wheels whose signatures seldom change within a minor


def wanted(library: str) -> list[Version]:
    """The releases of a library to read, ascending."""
    listed = map(Version, json.loads(RELEASES.read_text("utf-8"))["releases"][library])
    minors: dict[tuple[int, ...], list[Version]] = {}
    for release in sorted(listed):
        if release >= Version(FIRST[library]):
            minors.setdefault(release.release[:2], []).append(release)
    ends = [{of[-1]} if library in NEWEST_ONLY else {of[0], of[-1]} for of in minors.values()]
    return sorted(set().union(*ends))


def wheel(folder: Path, library: str, release: Version) -> Path | None:
    """The wheel of a release, where the folder has it."""
    return next(folder.glob(f"{library.replace('-', '_')}-{release}-*.whl"), None)


def download(folder: Path, library: str, release: Version) -> str:
    """Fetch one wheel; the reason where that fails, else nothing."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--ignore-requires-python", "--dest", str(folder), f"{library}=={release}"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    return run.stderr.strip().rpartition("\n")[2] if run.returncode else ""


def main(folder: Path) -> None:
    """Fetch what is missing; say what could not be had."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [(name, one) for name in FIRST for one in wanted(name) if wheel(folder, name, one) is None]
    failed = [
        f"{name} {one}: {reason}"
        for name, one in track(missing, "Downloading wheels")
        if (reason := download(folder, name, one))
    ]
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
