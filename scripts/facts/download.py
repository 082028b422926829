"""Download the wheels that the tables are made from: the first and the newest release of every minor of each library.

    python scripts/facts/download.py FOLDER

A wheel that is in the folder already is kept. Nothing is installed. Of large wheels only the Python files are kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
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
    "diffusers": "0.26",
    "bitsandbytes": "0.42",
}
LARGE = 20_000_000  # bytes of a wheel
# Patches between the first and the last of a minor that something changed in.
BETWEEN = {
    "trl": ["0.9.3", "0.9.4", "0.12.1", "0.15.1", "0.22.1"],
    "peft": ["0.13.1"],
    "datasets": ["3.0.1", "4.4.1"],
    "huggingface_hub": [
        "0.31.1",
        "0.31.2",
        "1.2.1",
        "1.2.2",
        "1.2.3",
        "1.3.1",
        "1.3.2",
        "1.3.3",
        "1.3.4",
        "1.3.5",
        "1.10.1",
    ],
    "sentence-transformers": ["5.1.1"],
    "diffusers": ["0.28.1", "0.29.1", "0.30.1", "0.30.2"],
}


def releases(library: str) -> list[Version]:
    """The releases of a library that the index lists, ascending."""
    return sorted(map(Version, json.loads(RELEASES.read_text("utf-8"))["releases"][library]))


def wanted(library: str) -> list[Version]:
    """The releases of a library to read, ascending."""
    minors: dict[tuple[int, ...], list[Version]] = {}
    for release in releases(library):
        if release >= Version(FIRST[library]):
            minors.setdefault(release.release[:2], []).append(release)
    ends = [{of[0], of[-1]} for of in minors.values()]
    return sorted(set(map(Version, BETWEEN.get(library, ()))).union(*ends))


def wheel(folder: Path, library: str, release: Version) -> Path | None:
    """The wheel of a release, where the folder has it."""
    return next(folder.glob(f"{library.replace('-', '_')}-{release}-*.whl"), None)


def download(folder: Path, library: str, release: Version) -> str:
    """Fetch one wheel; the reason where that fails, else nothing."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--ignore-requires-python", "--dest", str(folder), f"{library}=={release}"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    path = wheel(folder, library, release)
    if path and path.stat().st_size > LARGE:
        strip(path)
    return run.stderr.strip().rpartition("\n")[2] if run.returncode else ""


def strip(path: Path) -> None:
    """Leave only what is read of a wheel: its Python files and its metadata, not compiled libraries of a hundred megabytes."""
    small = path.with_suffix(".small")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as kept:
        for name in archive.namelist():
            if name.endswith((".py", "/METADATA")):
                kept.writestr(name, archive.read(name))
    small.replace(path)


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
