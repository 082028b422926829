"""Folders for the tests to look at."""

from pathlib import Path


def write(folder: Path, **files: str) -> None:
    """Files by name, with "__" for "/" and "_dot_" for "."."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
