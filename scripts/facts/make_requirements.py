"""Write hflint/facts/tables/requirements.json: what the libraries require, and which of them other packages bring along.

    python -m pip install --dry-run --ignore-installed --quiet --only-binary=:all: --report REPORT -r scripts/facts/beside.txt
    python scripts/facts/make_requirements.py FOLDER REPORT

FOLDER holds the wheels that download.py fetched; REPORT is pip's own, of the packages of beside.txt and all that they require. The table is

    requires  library to runs of releases with the same requirements: [first release, last release, {package: specifier, null where it stands
              under a condition}]; requirements of extras are left out
    brings    package to those of `ASKED` that it requires, directly or not; for the libraries, in any release that was read
"""

from __future__ import annotations

import json
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from download import FIRST, wanted, wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hflint.facts.requirements import ASKED as NEEDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TABLE = Path(__file__).parents[2] / "hflint" / "facts" / "tables" / "requirements.json"
ASKED = {*NEEDED, *map(canonicalize_name, FIRST)}
Requirements = dict[str, str | None]


def requirements(lines: Iterable[str]) -> Requirements:
    """The requirements of one release that hold without an extra."""
    found: Requirements = {}
    for one in map(Requirement, lines):
        name, marker = canonicalize_name(one.name), str(one.marker or "")
        if marker and "extra" not in marker:
            found.setdefault(name, None)
        elif not marker:
            found[name] = ",".join(filter(None, [found.get(name), str(one.specifier)]))
    return found


def of_wheel(path: Path) -> Requirements:
    """The requirements of a wheel, and of Python."""
    with zipfile.ZipFile(path) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        fields = HeaderParser().parsestr(archive.read(name).decode())
    return {"python": fields.get("Requires-Python", ""), **requirements(fields.get_all("Requires-Dist", []))}


def of_libraries(folder: Path) -> dict[str, list[tuple[str, str, Requirements]]]:
    """Runs of releases with the same requirements."""
    table: dict[str, list[tuple[str, str, Requirements]]] = {}
    for library in FIRST:
        runs = table[canonicalize_name(library)] = []
        for release in wanted(library):
            path = wheel(folder, library, release)
            if path is None:
                raise SystemExit(f"{library} {release}: no wheel; run download.py")
            found = of_wheel(path)
            first = runs.pop()[0] if runs and runs[-1][2] == found else str(release)
            runs.append((first, str(release), found))
    return table


def of_report(path: Path) -> dict[str, set[str]]:
    """Each package of pip's report with what it requires; without what other systems need, which pip did not look at."""
    graph = {}
    installed = {
        canonicalize_name(one["metadata"]["name"]): one for one in json.loads(path.read_text("utf-8"))["install"]
    }
    for package, one in installed.items():
        found = requirements(one["metadata"].get("requires_dist", []))
        graph[package] = {name for name, specifier in found.items() if specifier is not None or name in installed}
    return graph


def needed(found: Requirements) -> set[str]:
    """The packages that a release of a library requires; under a condition, which is for old versions of Python, only those that are asked for."""
    return {name for name, specifier in found.items() if (specifier is not None or name in ASKED) and name != "python"}


def closure(package: str, graph: Mapping[str, set[str]]) -> set[str] | None:
    """All that a package requires, directly or not; None where a part of that is not known."""
    found: set[str] = set()
    todo = [package]
    while todo:
        name = todo.pop()
        if name not in graph and name not in ASKED:
            return None
        fresh = graph.get(name, set()) - found
        found |= fresh
        todo += fresh
    return found


def main(folder: Path, report: Path) -> None:
    """Read the wheels and the report, and write the table."""
    libraries = of_libraries(folder)
    graph = of_report(report)
    for library, runs in libraries.items():
        graph.setdefault(library, set()).update(*(needed(found) for _, _, found in runs))
    brings = {package: closure(package, graph) for package in sorted(graph)}
    unknown = sorted(set().union(*graph.values()) - graph.keys() - ASKED)
    print(f"{len(brings)} packages; the report lacks {', '.join(unknown) or 'nothing'}")
    table = {
        "requires": libraries,
        "brings": {name: sorted(found & ASKED) for name, found in brings.items() if found is not None},
    }
    lines = [f'"{kind}":{{\n' + ",\n".join(rows(one)) + "\n}" for kind, one in table.items()]
    TABLE.write_text("{" + ",\n".join(lines) + "}\n", "utf-8")


def rows(table: Mapping[str, object]) -> list[str]:
    """An entry a line."""
    return [f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}" for name, value in table.items()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
