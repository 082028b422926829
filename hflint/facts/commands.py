"""What `hflint lock` does: from its options to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from hflint.exits import FAILED, FOUND, INTERRUPTED, OK, complain
from hflint.facts.cache import LocalCache
from hflint.facts.hub import Hub, HubError
from hflint.facts.lock import Entry, Lock, lock_key, read_lock, unlocked_key, write_lock
from hflint.facts.providers import LOCK, find_lock
from hflint.facts.record import DatasetRecord, ModelRecord
from hflint.facts.used import Used, used_ids
from hflint.files import display_name, find_files
from hflint.project import Projects
from hflint.report import count
from hflint.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ALL = "*"  # the value of --upgrade without an id
_AT_ONCE = 4  # requests
_TRUE = {"1", "ON", "YES", "TRUE"}  # of environment variables, as huggingface_hub reads them


@dataclass(frozen=True, slots=True)
class LockOptions:
    """The options of `hflint lock`, named as they are."""

    paths: tuple[Path, ...] = ()
    check: bool = False
    upgrade: tuple[str, ...] = ()
    offline: bool = False
    quiet: bool = False


Key = tuple[str, str]  # "model" or "dataset", and the id, with its revision as the lock has it
Answer = tuple[Entry[Any], list[str]]  # and what is wrong with its files
Ask = Callable[[Key, date], Answer]


@dataclass(slots=True)
class _Answers:
    """What came of asking."""

    entries: dict[Key, Entry[Any]] = field(default_factory=dict)
    failures: dict[Key, str] = field(default_factory=dict)
    notes: dict[Key, list[str]] = field(default_factory=dict)


def run_lock(options: LockOptions) -> int:
    """Lock what the project uses; 0 done, 1 with --check and a stale lock, 2 if something could not be asked or looked at."""
    try:
        return _lock(options)
    except (SettingsError, HubError) as error:
        return complain(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        return complain(error.strerror or str(error))
    except KeyboardInterrupt:
        complain("interrupted; the lock is as it was")
        return INTERRUPTED


def _lock(options: LockOptions) -> int:
    projects, paths = Projects(), options.paths or (Path(),)
    root = projects.of_folder(paths[0] if paths[0].is_dir() else paths[0].parent).folder
    path = find_lock(root) or root / LOCK
    old = read_lock(path) if path.exists() else Lock()
    files, failures = find_files(paths, projects.of_folder(root).settings)
    with _progress("Reading", len(files), quiet=options.quiet) as advance:
        used = used_ids(_advancing(files, advance), projects)
    for failure in failures:
        complain(str(failure))
    for error in used.errors:
        click.echo(f"warning: {error}", err=True)
    locked, wanted = _keys(old.models, old.datasets), _wanted(used, old, options)
    # What other folders use is not known unless all of the lock's folder was read.
    whole = any(path.parent.is_relative_to(os.path.realpath(one)) for one in paths)
    unused = [] if not whole or failures or used.errors else [key for key in locked if key not in wanted]
    if options.check:
        outcome = _check(path, used, [key for key in wanted if key not in locked], unused)
    else:
        outcome = _update(options, path, old, wanted, unused)
    return FAILED if failures else outcome


def _update(options: LockOptions, path: Path, old: Lock, wanted: list[Key], unused: list[Key]) -> int:
    """Ask for what is missing or to be upgraded, and write the lock."""
    locked = _keys(old.models, old.datasets)
    asked = _to_ask(options, locked, wanted, unused)
    answers = _answers(options, asked)
    kept = {key: entry for key, entry in _entries(old).items() if key not in unused}
    entries = _merged(kept, answers)
    try:
        changed = bool(entries or path.exists()) and write_lock(path, _as_lock(entries))
    except OSError as error:
        raise SettingsError(f"{display_name(path)} cannot be written: {error.strerror or error}") from None
    return _report(options, path, answers, entries, unused, changed=changed)


def _wanted(used: Used, old: Lock, options: LockOptions) -> list[Key]:
    """What the programs use; a commit that is locked already, as that of a branch, needs no entry of its own."""
    wanted = _keys(used.models, used.datasets)
    if options.upgrade:
        return wanted
    same: dict[Key, Key] = {}
    for (kind, name), entry in _entries(old).items():
        if entry.record is not None and entry.record.commit:
            same.setdefault((kind, lock_key(unlocked_key(name)[0], entry.record.commit)), (kind, name))
    locked = _entries(old)
    return list(dict.fromkeys(key if key in locked else same.get(key, key) for key in wanted))


def _merged(kept: Mapping[Key, Entry[Any]], answers: _Answers) -> dict[Key, Entry[Any]]:
    """The entries to write: what was had once is not given up for a failure."""
    known = {key for key, entry in kept.items() if entry.record is not None}
    return {**kept, **answers.entries, **{key: kept[key] for key in answers.failures if key in known}}


def _advancing(files: Iterable[Path], advance: Callable[[], None]) -> Iterator[Path]:
    for file in files:
        yield file
        advance()


def _keys(models: Mapping[str, object], datasets: Mapping[str, object]) -> list[Key]:
    return [*(("model", name) for name in models), *(("dataset", name) for name in datasets)]


def _entries(lock: Lock) -> dict[Key, Entry[Any]]:
    return dict(zip(_keys(lock.models, lock.datasets), (*lock.models.values(), *lock.datasets.values()), strict=True))


def _as_lock(entries: Mapping[Key, Entry[Any]]) -> Lock:
    of = {kind: {name: entry for (one, name), entry in entries.items() if one == kind} for kind in ("model", "dataset")}
    return Lock(of["model"], of["dataset"])


def _to_ask(options: LockOptions, locked: list[Key], wanted: list[Key], unused: list[Key]) -> list[Key]:
    """What is not locked, and what is to be upgraded.

    Raises:
        SettingsError: an id to upgrade is neither used nor locked.
    """
    missing = [key for key in wanted if key not in locked]
    there = [key for key in dict.fromkeys([*locked, *wanted]) if key not in unused]
    if ALL in options.upgrade:
        return there
    names = {one for _, name in there for one in (name, unlocked_key(name)[0])}
    for name in options.upgrade:
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = "; paths go before it" if Path(name).exists() else f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"--upgrade {name}: no model or dataset of this project{hint}")
    named = set(options.upgrade)
    return [key for key in there if key in missing or named & {key[1], unlocked_key(key[1])[0]}]


def _check(path: Path, used: Used, missing: list[Key], unused: list[Key]) -> int:
    """Say what is stale; nobody is asked."""
    for kind, name in missing:
        file = (used.models if kind == "model" else used.datasets)[name][0]
        click.echo(f"{display_name(path)}: the {kind} {name} is missing (used in {file})")
    for kind, name in unused:
        click.echo(f"{display_name(path)}: the {kind} {name} is not used any more")
    if missing or unused:
        click.echo(f"{display_name(path)} is stale: run `hflint lock`", err=True)
        return FOUND
    return OK


def _answers(options: LockOptions, asked: list[Key]) -> _Answers:
    """Ask for each of the keys: the hub, or the local cache."""
    if not asked:
        return _Answers()
    offline = options.offline or any(
        os.environ.get(name, "").upper() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
    ask = _ask_cache(LocalCache()) if offline else _ask_hub(Hub())
    answers, today = _Answers(), datetime.now(UTC).date()
    with _progress("Asking", len(asked), quiet=options.quiet) as advance:
        for key, answer in _asked(ask, asked, today):
            _take(answers, key, answer, today)
            advance()
    return answers


def _asked(ask: Ask, keys: list[Key], today: date) -> Iterator[tuple[Key, Answer | BaseException]]:
    """What came of each key, as it comes. The threads are daemons: an interrupt does not wait for a slow hub."""
    todo, done = SimpleQueue[Key](), SimpleQueue[tuple[Key, Answer | BaseException]]()
    for key in keys:
        todo.put(key)

    def work() -> None:
        with suppress(Empty):
            while True:
                key = todo.get_nowait()
                try:
                    done.put((key, ask(key, today)))
                except BaseException as error:  # noqa: BLE001 - it is raised where it is taken
                    done.put((key, error))

    for _ in range(min(_AT_ONCE, len(keys))):
        Thread(target=work, daemon=True).start()
    for _ in keys:
        yield done.get()


def _take(answers: _Answers, key: Key, answer: Answer | BaseException, today: date) -> None:
    if isinstance(answer, HubError):
        answers.failures[key] = str(answer)
        if answer.lasting and not answer.down:
            answers.entries[key] = Entry(None, today, unavailable=str(answer))
    elif isinstance(answer, BaseException):
        raise answer
    else:
        answers.entries[key], notes = answer
        if notes:
            answers.notes[key] = notes


def _ask_hub(hub: Hub) -> Ask:
    def ask(key: Key, today: date) -> Answer:
        kind, name = key
        record: ModelRecord | DatasetRecord
        record, notes = (hub.model if kind == "model" else hub.dataset)(*unlocked_key(name))
        return Entry(record, today), notes

    return ask


def _ask_cache(cache: LocalCache) -> Ask:
    def ask(key: Key, today: date) -> Answer:
        kind, name = key
        snapshot = cache.snapshot(*unlocked_key(name), kind=f"{kind}s")
        if snapshot is None:
            raise HubError("not in the local cache")
        record = DatasetRecord(snapshot.commit) if kind == "dataset" else cache.record(snapshot, count_tokens=True)
        if record is None:
            raise HubError(f"in the local cache, {snapshot.notes[0] if snapshot.notes else 'config.json is missing'}")
        return Entry(record, today, "cache"), snapshot.notes

    return ask


@contextmanager
def _progress(doing: str, total: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """A bar on stderr where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def _report(
    options: LockOptions,
    path: Path,
    answers: _Answers,
    entries: Mapping[Key, Entry[Any]],
    unused: list[Key],
    *,
    changed: bool,
) -> int:
    """Say what failed, and what was done; 2 where an id may be had by asking again."""
    failed = False
    for key, why in sorted(answers.failures.items()):
        lasting, entry = key in answers.entries, entries.get(key)
        failed |= not lasting
        outcome = "not locked" if entry is None else "its entry is kept" if entry.record else "locked as unavailable"
        click.echo(f"{'warning' if lasting else 'error'}: {key[1]}: {why}; {outcome}", err=True)
    if options.quiet:
        return FAILED if failed else OK
    for key, notes in sorted(answers.notes.items()):
        for note in notes:
            click.echo(f"note: {key[1]}: {note}", err=True)
    asked = len(answers.entries.keys() - answers.failures.keys())
    done = [f"{asked} locked"] * bool(asked) + [f"{len(unused)} removed"] * bool(unused)
    state = ", ".join(done) if changed else "nothing changed" if answers.failures else "up to date"
    click.echo(f"{display_name(path)}: {state or 'written'}, {count(len(entries), 'id')} in all.", err=True)
    return FAILED if failed else OK
