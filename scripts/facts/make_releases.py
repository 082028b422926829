"""Write hflint/facts/tables/releases.json: every final release of each library, as the package index lists them.

    python scripts/facts/make_releases.py

Withdrawn releases are not listed; a project that pins one is still understood.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.version import Version

from hflint.facts.origins import LIBRARIES

TABLE = Path(__file__).parents[2] / "hflint" / "facts" / "tables" / "releases.json"
PYTHONS = [f"3.{minor}" for minor in range(8, 15)]


def listed(library: str) -> list[str]:
    """Final releases of a library, ascending."""
    command = [sys.executable, "-m", "pip", "index", "versions", library]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    versions = re.search(r"^Available versions: (.*)$", text, re.MULTILINE)
    if not versions:
        raise SystemExit(f"the index lists no release of {library}")
    return [str(version) for version in sorted(map(Version, versions[1].split(", ")))]


def main() -> None:
    """Ask the index for each library and write the table."""
    releases = {name: PYTHONS if name == "python" else listed(name) for name in LIBRARIES.values()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(versions)}" for name, versions in releases.items())
    TABLE.write_text(f'{{"source": "final releases on the package index", "releases": {{\n{lines}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main()
