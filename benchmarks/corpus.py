"""Run hflint over real packages and repositories, and lay every finding out for reading.

    python benchmarks/corpus.py                        # the main list
    python benchmarks/corpus.py --list main --list extra --also ~/repositories
    python benchmarks/corpus.py --fix-copy             # fix a copy, and check what --fix promises
    python benchmarks/corpus.py -- --pedantic --select HF101

Exits 1 when hflint crashed, failed on a file that Python can parse, or broke a promise of --fix.
Findings never fail it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import track
from wheels import DEFAULT_FOLDER, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HFLINT = [sys.executable, "-P", "-m", "hflint"]
JsonFinding = dict[str, Any]  # one entry of "findings" in hflint's JSON


@dataclass
class Result:
    """What one run of hflint over one project gave."""

    project: Path
    findings: list[JsonFinding] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)  # Python itself refuses the file
    failures: list[str] = field(default_factory=list)  # a crash, or an error that is hflint's own


def run_hflint(project: Path, arguments: Sequence[str] = ()) -> Result:
    """Run `hflint check` in a project's folder, so that the project's own settings and versions hold."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        command = [*HFLINT, "check", "--output-format", "json", "--output-file", str(output), *arguments, "."]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        text = output.read_text(encoding="utf-8") if output.exists() else ""
    if done.returncode not in {0, 1, 2} or "Traceback" in done.stderr or not text:
        return Result(project, failures=[f"exit {done.returncode}: {done.stderr.strip() or 'no report written'}"])
    report = json.loads(text)
    result = Result(project, report["findings"])
    for error in report["errors"]:
        told = f"{error['path']}: {error['message']}"
        (result.failures if parses(project / error["path"]) else result.unreadable).append(told)
    return result


def parses(path: Path) -> bool:
    """Whether Python itself accepts the file."""
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return False
    return True


def fix_copy(project: Path, copy: Path, arguments: Sequence[str]) -> list[str]:
    """Fix a copy of a project; returns each promise of --fix that did not hold there, in words."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".hflint_cache"))
    before, original = run_hflint(copy, arguments), digests(copy)
    first = run_hflint(copy, ["--fix", "--unsafe-fixes", *arguments])
    once = digests(copy)
    second = run_hflint(copy, ["--fix", "--unsafe-fixes", *arguments])
    broken = [*first.failures, *second.failures]
    changed = [path for path in once if once[path] != original[path]]
    broken += [f"{path}: no longer parses" for path in changed if path.suffix == ".py" and not parses(copy / path)]
    broken += [f"{path}: a second --fix changed it" for path in digests(copy).items() - once.items()]
    broken += [f"{place(finding)}: its fix left it" for finding in second.findings if finding["fix"]]
    grown = Counter(map(kind, second.findings)) - Counter(map(kind, before.findings))
    broken += [f"{path}: --fix brought {count} {name}" for (path, name), count in grown.items()]
    print(f"{project.name}: {len(before.findings)} findings, {len(second.findings)} left, {len(changed)} files changed")
    return broken


def digests(folder: Path) -> dict[Path, str]:
    """SHA-256 of every file that --fix may write."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".py", ".pyi", ".ipynb", ".md"} and path.is_file()
    }


def kind(finding: JsonFinding) -> tuple[str, str]:
    """What a finding keeps when lines move: its file and its rule."""
    return finding["path"], finding["name"]


def place(finding: JsonFinding) -> str:
    """`path:line:column CODE name`, with the cell of a notebook."""
    start, cell = finding["range"]["start"], finding["cell"]
    path = finding["path"] if cell is None else f"{finding['path']}:cell {cell}"
    return f"{path}:{start['line']}:{start['column']} {finding['code']} {finding['name']}"


def review(results: Iterable[Result], context: int) -> Iterator[str]:
    """Every finding with `context` lines of code on either side, ordered by rule, as text to read."""
    rows = [(finding, result.project) for result in results for finding in result.findings]
    rows.sort(key=lambda row: (row[0]["code"], str(row[1]), row[0]["path"], row[0]["range"]["start"]["line"]))
    for number, (finding, project) in enumerate(rows, start=1):
        yield f"=== {number}/{len(rows)}  {project.name}/{place(finding)}"
        yield f"    {finding['severity']}, {finding['confidence']}"
        yield f"    {finding['message']}"
        if fix := finding["fix"]:
            yield f"    {fix['safety']} fix: {fix['title']}" + (f" ({fix['reason']})" if fix["reason"] else "")
        elif reason := finding["no_fix_reason"]:
            yield f"    no fix: {reason}"
        lines = code_lines(project / finding["path"], finding["cell"])
        marked = range(finding["range"]["start"]["line"], finding["range"]["end"]["line"] + 1)
        yield from excerpt(lines, marked, context)
        for related in finding["related"]:
            start = related["range"]["start"]["line"]
            yield f"    related, line {start}: {related.get('label', '')}"
            yield from excerpt(lines, range(start, start + 1), 1)
        yield ""


def excerpt(lines: Sequence[str], marked: range, context: int) -> Iterator[str]:
    """The marked lines, numbered from 1, between `context` others on either side."""
    for number in range(max(1, marked.start - context), min(len(lines), marked.stop - 1 + context) + 1):
        yield f"  {'>' if number in marked else ' '} {number:5} | {lines[number - 1]}"


def code_lines(path: Path, cell: int | None) -> list[str]:
    """The lines of a file, or of one cell (from 1) of a notebook."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if cell is not None:
        source = json.loads(text)["cells"][cell - 1]["source"]
        text = source if isinstance(source, str) else "".join(source)
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def print_summary(results: Sequence[Result]) -> None:
    """Findings of each rule, files that Python refuses, and every failure in full."""
    findings = [finding for result in results for finding in result.findings]
    rules = Counter((finding["code"], finding["name"], finding["severity"]) for finding in findings)
    fixes = Counter((finding["code"], finding["fix"]["safety"]) for finding in findings if finding["fix"])
    print(f"{'code':8}{'rule':36}{'severity':10}{'findings':>9}{'safe fix':>10}{'unsafe fix':>12}")
    for (code, name, severity), count in sorted(rules.items()):
        print(f"{code:8}{name:36}{severity:10}{count:9}{fixes[code, 'safe']:10}{fixes[code, 'unsafe']:12}")
    unreadable = [f"{result.project.name}/{told}" for result in results for told in result.unreadable]
    failures = [f"{result.project.name}/{told}" for result in results for told in result.failures]
    print(f"{len(findings)} findings in {len(results)} projects")
    print(f"{len(unreadable)} files that Python cannot parse either", *unreadable, sep="\n  ")
    print(f"{len(failures)} crashes and internal errors", *failures, sep="\n  ")


def write_report(results: Sequence[Result], folder: Path, context: int) -> None:
    """Write findings.json, for programs, and review.txt, for a reader."""
    folder.mkdir(parents=True, exist_ok=True)
    findings = [{"project": str(result.project), **finding} for result in results for finding in result.findings]
    (folder / "findings.json").write_text(json.dumps(findings, indent=1), encoding="utf-8")
    (folder / "review.txt").write_text("\n".join(review(results, context)), encoding="utf-8")
    print(f"to read: {folder / 'review.txt'}")


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="append", dest="lists", choices=["main", "extra"], help="default: main")
    parser.add_argument("--also", action="append", type=Path, default=[], help="a folder with one project a subfolder")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="where wheels are kept (%(default)s)")
    parser.add_argument("--report", type=Path, help="where findings.json and review.txt go (default: FOLDER/report)")
    parser.add_argument("--context", type=int, default=5, help="lines of code around a finding (%(default)s)")
    parser.add_argument("--fix-copy", action="store_true", help="fix a copy in FOLDER/fixed and check it")
    parser.add_argument("hflint", nargs="*", metavar="-- OPTIONS", help="options for `hflint check`")
    return parser.parse_args()


def main() -> int:
    """Run what the command line asks for."""
    options = read_arguments()
    projects = [project for name in options.lists or ["main"] for project in unpack(name, options.folder)]
    projects += [path for also in options.also for path in sorted(also.iterdir()) if path.is_dir()]
    if options.fix_copy:
        fixed = options.folder / "fixed"
        broken = [
            f"{path.name}/{told}" for path in projects for told in fix_copy(path, fixed / path.name, options.hflint)
        ]
        print(f"{len(broken)} broken promises of --fix", *broken, sep="\n  ")
        return int(bool(broken))
    arguments = ["--no-cache", *options.hflint]
    results = [run_hflint(project, arguments) for project in track(projects, "hflint check", transient=True)]
    print_summary(results)
    write_report(results, options.report or options.folder / "report", options.context)
    return int(any(result.failures for result in results))


if __name__ == "__main__":
    sys.exit(main())
