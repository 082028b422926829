"""Time and memory of hflint beside its peers, in one run on one machine, against the project's goals.

    python benchmarks/peers.py --rounds 5

Every tool is installed from PyPI into an environment of its own (hflint from this checkout), runs over the main list
of corpus.toml without a cache, and discards its output. The tools take turns, so that a machine that slows down slows
all of them. Seconds are medians of wall time; memory is the peak resident size of the largest process of a run.
torch-preflight takes minutes over the whole list and is compared on a random sample of files.

Exits 1 when a goal is not met. For Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from wheels import DEFAULT_FOLDER, read_list, unpack

PROJECT = Path(__file__).parents[1]
MAX_MIB = 200
# A small process between this one and the command: the kernel counts what a process was forked from as its own peak.
# wait4 gives the largest of the command's process and those that it waited for.
TIMER = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss)
"""
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Measure:
    """What several runs of one command took."""

    seconds: float  # median wall time
    spread: float  # slowest minus fastest, in seconds
    mib: float  # peak resident size of the largest process, the largest of all runs


def install(folder: Path) -> dict[str, Path]:
    """Install hflint, afresh, and every peer, once; returns the `bin` folder of each."""
    requirements = {Requirement(pin).name: pin for pin in read_list("peers")} | {"hflint": str(PROJECT)}
    bins = {}
    for name, requirement in requirements.items():
        environment = folder / "environments" / (name if name == "hflint" else requirement)
        bins[name] = environment / "bin"
        done = environment / "installed"
        if name == "hflint" or not done.exists():
            print(f"installing {name}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
            subprocess.run([bins[name] / "python", "-m", "pip", "install", "--quiet", requirement], check=True)
            done.touch()
    return bins


def run_once(command: Command, cwd: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one run; findings (exit 1) are no failure.

    Raises:
        RuntimeError: the command could not do its job.
    """
    timer = [sys.executable, "-I", "-S", "-c", TIMER, *command]
    done = subprocess.run(timer, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    code, seconds, size = done.stdout.split()
    if int(code) not in {0, 1}:
        raise RuntimeError(f"{command[0]}: exit {code}\n{done.stderr}")
    return float(seconds), int(size) / (1024 * 1024 if sys.platform == "darwin" else 1024)


def measure(commands: Mapping[str, Command], rounds: int, cwd: Path) -> dict[str, Measure]:
    """Run the commands in turns, `rounds` times, and print a line for each."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run_once(command, cwd))
    measures = {}
    for name, measured in runs.items():
        seconds = [second for second, _ in measured]
        mib = max(size for _, size in measured)
        measures[name] = Measure(statistics.median(seconds), max(seconds) - min(seconds), mib)
        print(f"  {name:24}{measures[name].seconds:9.2f} s  (spread {measures[name].spread:5.2f} s){mib:9.0f} MiB")
    return measures


def whole_list(bins: Mapping[str, Path], main: Path, rounds: int) -> dict[str, Measure]:
    """hflint, ruff and bandit over the whole main list."""
    commands: dict[str, Command] = {
        "hflint": [bins["hflint"] / "hflint", "check", "--no-cache", "--isolated", "."],
        "ruff": [bins["ruff"] / "ruff", "check", "--select", "ALL", "--no-cache", "--isolated", "--quiet", "."],
        "bandit": [bins["bandit"] / "bandit", "-r", "--quiet", "."],
    }
    print(f"{len(list(main.rglob('*.py')))} files, the main list")
    return measure(commands, rounds, main)


def sample(bins: Mapping[str, Path], main: Path, options: argparse.Namespace) -> dict[str, Measure]:
    """hflint and torch-preflight over a copy of some files, drawn by the seed."""
    files = random.Random(options.seed).sample(sorted(main.rglob("*.py")), options.sample)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, path in enumerate(files):
            shutil.copy(path, folder / f"{number:03}_{path.name}")
        commands: dict[str, Command] = {
            "hflint": [bins["hflint"] / "hflint", "check", "--no-cache", "--isolated", "."],
            "torch-preflight": [bins["torch-preflight"] / "torch-preflight", "check", "--quiet", "."],
        }
        print(f"{len(files)} files, sampled with seed {options.seed}")
        return measure(commands, options.rounds, folder)


def one_file(bins: Mapping[str, Path], main: Path, rounds: int) -> dict[str, Measure]:
    """hflint on one file of about 200 lines that uses transformers, beside a bare import of what hflint is built on."""
    path = file_of_lines(200, main)
    commands: dict[str, Command] = {
        "hflint": [bins["hflint"] / "hflint", "check", "--no-cache", "--isolated", path.name],
        "import libcst, click": [bins["hflint"] / "python", "-c", "import libcst, click"],
    }
    print(f"one file: {path.relative_to(main)}")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        return measure(commands, 3 * rounds, Path(folder))


def file_of_lines(wanted: int, main: Path) -> Path:
    """The first file by name, of those nearest to `wanted` lines, that loads a model with transformers."""
    texts = {path: path.read_bytes() for path in sorted(main.rglob("*.py"))}
    users = [
        path for path, text in texts.items() if b"from transformers import" in text and b".from_pretrained(" in text
    ]
    return min(users, key=lambda path: abs(texts[path].count(b"\n") - wanted))


def judge(title: str, value: float, goal: str, *, met: bool) -> bool:
    """Print one goal with its figure; returns whether it was met."""
    print(f"  {'met' if met else 'NOT MET':8} {title}: {value:.2f} (goal: {goal})")
    return met


def goals(full: Mapping[str, Measure], part: Mapping[str, Measure], single: Mapping[str, Measure]) -> list[bool]:
    """Compare with the goals; the figures are ratios of wall time, and MiB."""
    hflint = full["hflint"].seconds
    ruff, bandit = hflint / full["ruff"].seconds, full["bandit"].seconds / hflint
    preflight = part["torch-preflight"].seconds / part["hflint"].seconds
    start = single["hflint"].seconds / single["import libcst, click"].seconds
    mib = max(full["hflint"].mib, part["hflint"].mib, single["hflint"].mib)
    return [
        judge("hflint / ruff", ruff, "at most 3", met=ruff <= 3),
        judge("bandit / hflint", bandit, "at least 3", met=bandit >= 3),
        judge("torch-preflight / hflint", preflight, "at least 50", met=preflight >= 50),
        judge("one file: hflint / bare import", start, "at most 1.5", met=start <= 1.5),
        judge("peak MiB of a hflint process", mib, f"under {MAX_MIB}", met=mib < MAX_MIB),
    ]


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measured runs of each command (%(default)s)")
    parser.add_argument("--sample", type=int, default=300, help="files for torch-preflight (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws the sample (%(default)s)")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="wheels and environments (%(default)s)")
    options = parser.parse_args()
    folder = options.folder.resolve()
    unpack("main", folder)
    bins = install(folder)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {', '.join(read_list('peers'))}")
    single = one_file(bins, folder / "main", options.rounds)
    part = sample(bins, folder / "main", options)
    full = whole_list(bins, folder / "main", options.rounds)
    return int(not all(goals(full, part, single)))


if __name__ == "__main__":
    sys.exit(main())
