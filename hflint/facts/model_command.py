"""What `hflint model ID` does: print what is known of a model, from where, and the memory that it takes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hflint.exits import OK, complain
from hflint.facts import estimate
from hflint.facts.cache import LocalCache
from hflint.facts.lock import LockFile
from hflint.facts.model_names import is_model_id
from hflint.facts.models import Catalogue, ModelFacts, Models, Names
from hflint.facts.providers import find_lock
from hflint.report import count
from hflint.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.facts.record import ModelRecord
    from hflint.facts.shape import Shape

UNKNOWN = 1  # the exit code where nobody knows the model
_HIDDEN = {"id", "origin", "source", "parameters_from", "shape"}
_METHODS = ("full", "lora", "qlora")
_PRECISIONS = {"float32": "float32", "bfloat16": "bfloat16", "int8": "8-bit", "nf4": "4-bit (nf4)"}


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The arguments and options of `hflint model`, named as they are; length in tokens."""

    model_id: str
    batch: int = 1
    length: int = 2048
    rank: int = 16
    output_format: str = "text"


@dataclass(frozen=True, slots=True)
class _Source:
    """Somebody who knows the model, and since when."""

    origin: str
    source: str
    since: date | None
    record: ModelRecord | None = None


def run_model(options: ModelOptions) -> int:
    """Print a model's facts; 0 if there are any, 1 if none, 2 if that could not be found out or printed."""
    if not is_model_id(options.model_id):
        return complain(f"{options.model_id!r} is no id of a model on the hub")
    try:
        return _print(options)
    except SettingsError as error:
        return complain(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        return complain(error.strerror or str(error))


def _print(options: ModelOptions) -> int:
    cache = LocalCache()
    path = find_lock(Path())
    lock = LockFile(path) if path else None
    facts = Models([*([lock] if lock else []), cache]).find(options.model_id)
    sources = list(_sources(options.model_id, lock, cache))
    for note in dict.fromkeys(cache.notes):
        click.echo(f"note: {note}", err=True)
    records = [one.record for one in sources if one.record]
    shape = facts.shape if facts else None
    if options.output_format == "json":
        click.echo(json.dumps(_json(options, facts, sources, records, shape), indent=2, ensure_ascii=False))
    elif facts is None:
        click.echo(
            f"Nothing is known of {options.model_id}: `hflint lock` asks the hub for the models that a project uses."
        )
    else:
        click.echo("\n".join(_text(options, facts, sources, records, shape)))
    return OK if facts else UNKNOWN


def _sources(model_id: str, lock: LockFile | None, cache: LocalCache) -> Iterator[_Source]:
    key = lock.key(model_id) if lock else None
    entry = lock.lock.models[key] if lock and key else None
    if lock and entry and entry.record:
        yield _Source("lock", str(lock.path), entry.asked, entry.record)
    snapshot = cache.snapshot(model_id)
    record = cache.record(snapshot, count_tokens=True) if snapshot else None
    if snapshot and record:
        reference = snapshot.folder.parents[1] / "refs" / "main"
        yield _Source(
            "cache", str(snapshot.folder), datetime.fromtimestamp(reference.stat().st_mtime, UTC).date(), record
        )
    known = Catalogue().find(model_id) or (None if entry or record else Names().find(model_id))
    if known:
        yield _Source(known.origin, known.source, None)


def _known(facts: ModelFacts, records: list[ModelRecord]) -> dict[str, Any]:
    """All that is known: the facts, and what only records have; the first that knows a thing is right."""
    found = {one.name: getattr(facts, one.name) for one in fields(ModelFacts) if one.name not in _HIDDEN}
    for record in records:
        for name in ("tensors", "tokenizer_class", "tokenizer_length"):
            if found.get(name) is None:
                found[name] = getattr(record, name)
    return {name: value for name, value in found.items() if value is not None and value not in ((), {})}


def _memory(options: ModelOptions, shape: Shape | None, facts: ModelFacts | None) -> dict[str, Any] | None:
    """Bytes; without a shape those of plain weights alone, and none where the parameters are not known."""
    if shape is None:
        number = facts.parameters if facts else None
        return {"weights": {"float32": 4 * number, "bfloat16": 2 * number}} if number else None
    steps = []
    for method in _METHODS:
        for checkpointing in (False, True):
            step = estimate.training(
                shape,
                method,
                batch=options.batch,
                length=options.length,
                rank=options.rank,
                checkpointing=checkpointing,
            )
            steps.append({**asdict(step), "total": step.total})
    return {
        "weights": estimate.weight_bytes(shape),
        "reached_share": round(estimate.reached_share(shape), 4),
        "kv_cache": estimate.cache_bytes(shape, options.batch, options.length),
        "training": steps,
        "batch": options.batch,
        "length": options.length,
        "rank": options.rank,
    }


def _json(
    options: ModelOptions,
    facts: ModelFacts | None,
    sources: list[_Source],
    records: list[ModelRecord],
    shape: Shape | None,
) -> dict[str, Any]:
    """A versioned contract."""
    return {
        "version": 1,
        "id": options.model_id,
        "sources": [
            {"origin": one.origin, "source": one.source, "since": one.since.isoformat() if one.since else None}
            for one in sources
        ],
        "facts": _known(facts, records) if facts else None,
        "parameters_from": facts.parameters_from if facts else None,
        "shape": asdict(shape) if shape else None,
        "memory": _memory(options, shape, facts),
    }


def _text(
    options: ModelOptions, facts: ModelFacts, sources: list[_Source], records: list[ModelRecord], shape: Shape | None
) -> Iterator[str]:
    yield facts.id
    for one in sources:
        yield f"  {one.origin:<20} {one.source}{_age(one.since)}"
    yield ""
    known = _known(facts, records)
    for name, value in known.items():
        shown = facts.size if name == "parameters" and facts.parameters_from == "name" else _shown(value)
        yield f"  {name.replace('_', ' '):<20} {shown}"
    memory = _memory(options, shape, facts)
    yield ""
    if memory is None:
        yield "Its parameters are not known, and so neither is the memory it takes."
        return
    yield "Weights"
    for name, size in memory["weights"].items():
        reach = f"   reaches {memory['reached_share']:.1%} of the parameters" if name in ("int8", "nf4") else ""
        yield f"  {_PRECISIONS[name]:<20} {_gib(size)}{reach}"
    if shape is None:
        yield "The sizes of its layers are not known here: what 4 bits reach, the cache and training cannot be told."
        return
    if shape.experts:
        before = estimate.weight_bytes(shape, experts_reached=True)["nf4"]
        yield f"  Its experts are single parameters since transformers 5; before, 4-bit loading reached them: {_gib(before).strip()}."
    yield f"\nKeys and values of {options.batch} x {options.length} tokens, bfloat16\n  {'':<20} {_gib(memory['kv_cache'])}"
    yield from _training_lines(options, memory["training"])


def _age(since: date | None) -> str:
    """How old what a source says is; a clock may be wrong."""
    return f", {count(max(0, (datetime.now(UTC).date() - since).days), 'day')} old" if since else ""


def _training_lines(options: ModelOptions, steps: list[dict[str, Any]]) -> Iterator[str]:
    yield f"\nTraining on {options.batch} x {options.length} tokens, bfloat16 and AdamW, LoRA of rank {options.rank}: about"
    if all(step["total"] is None for step in steps):
        yield "  not known: what this architecture keeps for the backward pass was not measured"
        return
    yield f"  {'':<20} {'as it is':>12} {'checkpointed':>14}"
    for method, plain, checkpointed in zip(_METHODS, steps[::2], steps[1::2], strict=True):
        totals = (_gib(step["total"]) if step["total"] else "not known" for step in (plain, checkpointed))
        yield "  {:<20} {:>12} {:>14}".format({"full": "full", "lora": "LoRA", "qlora": "QLoRA"}[method], *totals)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(number)}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _gib(size: int) -> str:
    unit, by = ("GiB", 1 << 30) if size >= 1 << 29 else ("MiB", 1 << 20)
    return f"{size / by:>8.1f} {unit}"
