"""Make the tables of hflint/facts/tables anew from the published wheels.

    python scripts/facts                      # downloads what is missing to ~/.cache/hflint-wheels
    python scripts/facts --wheels FOLDER      # a folder that has the wheels, or will

What the wheels say is read without importing or running any of them. make_releases.py and make_architectures.py are run by themselves:
the one asks the package index for its releases, the other builds models with torch.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import download
import make_defaults
import make_facts
import make_histories
import make_signatures
import make_tables
import sources

TABLES = Path(__file__).parents[2] / "hflint" / "facts" / "tables"
LARGEST = 3_000_000  # bytes of all tables together


def main() -> None:
    """Download, read, write; fail where a correction has no source or the tables are too large."""
    parser = argparse.ArgumentParser(prog="scripts/facts", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--wheels", type=Path, default=Path.home() / ".cache" / "hflint-wheels", metavar="FOLDER")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="wheels to read at a time")
    options = parser.parse_args()
    folder: Path = options.wheels
    download.main(folder)
    make_facts.main(folder, options.processes)
    for step in (make_signatures, make_defaults, make_histories, make_tables):
        step.main(folder)
    corrections = tomllib.loads(make_tables.CORRECTIONS.read_text("utf-8"))
    bad = list(sources.unfounded(corrections, folder))
    size = sum(path.stat().st_size for path in TABLES.glob("*.json"))
    print(f"{size:,} bytes of tables, {sum(1 for _ in sources.lines(corrections))} corrections")
    if bad or size > LARGEST:
        raise SystemExit("\n".join([*bad, *(["the tables are too large"] if size > LARGEST else [])]))


if __name__ == "__main__":
    main()
