"""Say where the tables of changes and the wheels differ; the wheels are right, or there is a reason.

    python scripts/facts/compare.py FOLDER

FOLDER is the one that make_facts.py worked in; run make_tables.py and make_signatures.py before. Known reasons: names that a lazy module
still finds under an alias, keywords that are taken to be ignored, names that a module merely imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from download import FIRST, wanted
from make_facts import load
from packaging.version import Version

from hflint.facts.libraries import removed_name
from hflint.facts.signatures import signature
from hflint.facts.versions import project_versions

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = Path(__file__).parents[2] / "hflint" / "facts" / "tables"


def names(folder: Path, library: str) -> Iterator[str]:
    """Public names that went, by the wheels or by the table."""
    releases = wanted(library)
    public = [set(load(folder, library, one)["names"]) for one in releases]
    for name in sorted(set().union(*public)):
        last = max(index for index, one in enumerate(public) if name in one)
        gone = releases[last + 1] if last + 1 < len(releases) else None
        change = removed_name(f"{library.replace('-', '_')}.{name}")
        said = Version(change.removed) if change and change.removed else None
        if gone != said and not (gone and said and gone.release[:2] == said.release[:2]):
            yield f"{library}.{name}: gone in {gone} by the wheels, in {said} by the table"


def arguments(table: dict[str, Any]) -> Iterator[str]:
    """Arguments that a release takes or not, otherwise than the table says."""
    for owner, changes in table["changes"].items():
        found = signature(owner)
        for argument, change in changes.items() if found else ():
            for release in found.read if found else ():
                refused = (
                    found.refusal(argument, project_versions(Path("/"), {table["library"]: f"=={release}"}))
                    if found
                    else None
                )
                gone = "removed" in change and release >= Version(change["removed"])
                early = "since" in change and release < Version(change["since"])
                if refused and not (gone or early):
                    yield f"{owner}({argument}) {release}: {min(refused.fates)} by the wheel, taken by the table"
                    break


def main(folder: Path) -> None:
    """Print every difference."""
    for library in FIRST:
        path = TABLES / f"{library}.name.json"
        for line in names(folder, library) if path.is_file() else ():
            print(line)
        path = TABLES / f"{library}.argument.json"
        for line in arguments(json.loads(path.read_text("utf-8"))) if path.is_file() else ():
            print(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
