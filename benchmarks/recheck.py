"""How long a project takes to be checked again after one of its files changed, beside checking it from nothing.

    python benchmarks/recheck.py FOLDER [--files 12] [--seed 0]

FOLDER is a project, for example a package that corpus.py unpacked; a copy of it is worked on. In each of some files that mention a library, chosen at
random, a statement is added to a function, also chosen at random: what people do between two runs. Figures are CPU seconds of
hflint and its processes, which say the same on a busy machine.
"""

from __future__ import annotations

import argparse
import ast
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.progress import track

from hflint.semantics.gate import mentions_library


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=12, help="how many files are changed, one after the other")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "project")
        shutil.copytree(options.folder, project)
        measure(project, options.files, random.Random(options.seed))


def measure(project: Path, count: int, chance: random.Random) -> None:
    """Check a project from nothing, unchanged, and after each change."""
    files = [path for path in sorted(project.rglob("*.py")) if mentions_library(path.read_bytes())]
    cold, unchanged = check(project), check(project)
    shares = []
    for path in track(chance.sample(files, min(count, len(files))), "Changing files"):
        before = path.read_bytes()
        if add_statement(path, chance):
            seconds = check(project)
            shares.append(seconds / cold)
            print(f"{seconds:6.2f} s  {seconds / cold:4.0%}  {path.relative_to(project)}")
            path.write_bytes(before)
            check(project)
    print(f"{sum(1 for _ in project.rglob('*.py'))} files, of which {len(files)} mention a library")
    print(f"from nothing {cold:.2f} s, unchanged {unchanged:.2f} s ({unchanged / cold:.0%})")
    print(
        f"after a change in one of {len(shares)} files: median {statistics.median(shares):.0%}, mean {statistics.mean(shares):.0%}, "
        f"worst {max(shares):.0%} of the time from nothing (goal: under 10%)"
    )


def check(project: Path) -> float:
    """Run hflint on a project; the CPU seconds that it and its processes took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "hflint", "check", ".", "--isolated", "--jobs", "2", "--exit-zero", "--quiet"]
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def add_statement(path: Path, chance: random.Random) -> bool:
    """Add a statement in front of the first one of a function of a file; whether there is a function."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    functions = [
        one.body[0]
        for one in ast.walk(ast.parse("".join(lines)))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        and not lines[one.body[0].lineno - 1][: one.body[0].col_offset].strip()
    ]
    if not functions:
        return False
    first = chance.choice(functions)
    lines.insert(first.lineno - 1, f"{lines[first.lineno - 1][: first.col_offset]}changed = 1\n")
    path.write_text("".join(lines), "utf-8")
    return True


if __name__ == "__main__":
    main()
