"""Bring the corpus: wheels by exact pin, downloaded once and unpacked side by side."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

LISTS = Path(__file__).with_name("corpus.toml")
DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "hflint-corpus"


def read_list(name: str) -> list[str]:
    """The pins of one list of corpus.toml, such as `main`."""
    pins: list[str] = tomllib.loads(LISTS.read_text(encoding="utf-8"))[name]
    return pins


def unpack(name: str, folder: Path) -> list[Path]:
    """Download what `folder` lacks of a list and unpack it to `folder/name`, one folder a package.

    Raises:
        subprocess.CalledProcessError: pip could not download a wheel.
    """
    pins, wheels = read_list(name), folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    if missing := [pin for pin in pins if find_wheel(pin, wheels) is None]:
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(wheels)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, *missing], check=True)
    return [unpack_wheel(wheel, folder / name) for pin in pins if (wheel := find_wheel(pin, wheels))]


def find_wheel(pin: str, wheels: Path) -> Path | None:
    """The downloaded wheel of a pin, if it is there."""
    wanted = Requirement(pin)
    for wheel in sorted(wheels.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        if name == canonicalize_name(wanted.name) and wanted.specifier.contains(version, prereleases=True):
            return wheel
    return None


def unpack_wheel(wheel: Path, folder: Path) -> Path:
    """Unpack one wheel to `folder/<its name>`; kept where it is already there."""
    target = folder / wheel.stem
    if not target.exists():
        part = target.with_suffix(".part")  # a run that is cut off leaves no half package behind
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(part)
        part.rename(target)
    return target
