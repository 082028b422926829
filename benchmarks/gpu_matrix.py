"""Measure memory and speed of loading, generating and training on a GPU, beside what hflint estimates of them.

    python benchmarks/gpu_matrix.py                   # all rows of the 1B model; again, until none is left
    python benchmarks/gpu_matrix.py --model 8b        # generation and LoRA of a model of 8 billion parameters
    python benchmarks/gpu_matrix.py lora nf4          # the rows that have these words in their name
    python benchmarks/gpu_matrix.py --model toy --device cpu --out /tmp/toy

A llama with random weights is made on the device and saved; each row loads it as a program would, in a process of its own, and
generates, or trains some steps. What is done after --minutes stays in gpu.json, and the next run goes on from there.
gpu.json and gpu.md are written beside this file where it ran on a GPU, and elsewhere with --out.
Exits 0 when every row is done, 1 when some are left, 2 when it cannot start.

No GPU has run it yet: the figures, and with them the calibration of the estimates, are owed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from hflint.facts import estimate
from hflint.facts.shape import shape_of
from hflint.verify import setup as parts
from hflint.verify.outcome import Plan
from hflint.verify.process import SessionError
from hflint.verify.session import Session
from hflint.verify.setup import Setup
from hflint.verify.signs import size
from hflint.verify.sized import LENGTH, NEW_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hflint.verify.outcome import Outcome

VERSION, STEPS, RANK = 1, 5, 16
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2 * LENGTH}
MODELS: dict[str, dict[str, Any]] = {
    "toy": LLAMA | {"vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                    "num_attention_heads": 4, "num_key_value_heads": 2},
    "1b": LLAMA | {"vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
                   "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": True},
    "8b": LLAMA | {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                   "num_attention_heads": 32, "num_key_value_heads": 8},
}  # fmt: skip
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8", "nf4": "nf4"}  # with hflint's name of each
QUANTIZED = {
    "int8": {"load_in_8bit": True},
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "torch.bfloat16"},
}  # fmt: skip
AGAIN = {"use_reentrant": False}
PLACES: dict[str, dict[str, Any]] = {
    "on-gpu": {"device_map": {"": 0}},
    "device-map-auto": {"device_map": "auto"},
    "no-device-map": {},
}
ESTIMATED = {("full", "bf16"): "full", ("lora", "bf16"): "lora", ("lora", "nf4"): "qlora"}
DONE = ("ok", "raised", "memory")  # what another run would show again
HEAD = ("run", "loaded", "estimated", "peak", "estimated", "counted", "seconds a step", "tokens a second")


@dataclass(frozen=True)
class Row:
    """One cell of the matrix."""

    model: str
    method: str  # "generate", "full" or "lora"
    precision: str
    batch: int
    checkpointed: bool = False
    place: str = "on-gpu"

    @property
    def name(self) -> str:
        """Its words, such as "1b lora nf4 batch-4 checkpointed"."""
        place = "" if self.place == "on-gpu" else self.place
        checkpointed = "checkpointed" if self.checkpointed else ""
        words = (self.model, self.method, self.precision, f"batch-{self.batch}", checkpointed, place)
        return " ".join(filter(None, words))

    def setup(self) -> Setup:
        """The program of this row."""
        quantization = QUANTIZED.get(self.precision)
        dtype = "torch.float32" if self.precision == "fp32" else "torch.bfloat16"
        model = parts.Model(
            kwargs={"dtype": dtype, **PLACES[self.place]},
            facts=parts.ModelFacts("llama", MODELS[self.model], dtype="bfloat16"),
        )
        loaded = Setup(model=model, quantization=parts.Quantization(kwargs=quantization) if quantization else None)
        if self.method == "generate":
            settings = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}
            return replace(loaded, generation=parts.Generation(settings, batch=self.batch > 1))
        arguments = {"output_dir": "out", "per_device_train_batch_size": self.batch}
        if self.checkpointed:
            arguments |= {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": AGAIN}
        collator = parts.Collator("DataCollatorForLanguageModeling", {"mlm": False})
        training = parts.Training(arguments=arguments, collator=collator)
        return replace(loaded, training=training, adapter=self._adapter() if self.method == "lora" else None)

    def _adapter(self) -> parts.Adapter:
        kwargs = {"r": RANK, "lora_dropout": 0.0, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
        if self.precision not in QUANTIZED:
            return parts.Adapter(kwargs=kwargs)
        prepared = {"use_gradient_checkpointing": self.checkpointed, "gradient_checkpointing_kwargs": AGAIN}
        return parts.Adapter(kwargs=kwargs, preparation="before", preparation_kwargs=prepared)

    def estimate(self) -> dict[str, int | None]:
        """The bytes that hflint works out: of the weights, and of a training step where it knows the method."""
        shape = shape_of(MODELS[self.model])
        if shape is None:
            return {"load": None, "peak": None}
        known, total = ESTIMATED.get((self.method, self.precision)), None
        if known:
            sizes = {"batch": self.batch, "length": LENGTH, "rank": RANK}
            total = estimate.training(shape, known, checkpointing=self.checkpointed, **sizes).total
        return {"load": estimate.weight_bytes(shape)[PRECISIONS[self.precision]], "peak": total}


def rows(model: str, words: Sequence[str] = ()) -> list[Row]:
    """The matrix of a model, or those of its rows that have all `words` in their name."""
    found = [Row(model, "generate", precision, batch) for precision in PRECISIONS for batch in (1, 4)]
    found += [Row(model, "generate", "bf16", 1, place=place) for place in ("device-map-auto", "no-device-map")]
    trained = [("lora", precision) for precision in PRECISIONS]
    if model != "8b":  # AdamW alone would take 32 GB in bfloat16
        trained += [("full", "fp32"), ("full", "bf16")]
    found += [
        Row(model, *one, batch, checkpointed) for one in trained for checkpointed in (False, True) for batch in (1, 4)
    ]
    return [row for row in found if set(words) <= set(row.name.split())]


def measured(row: Row, outcome: Outcome) -> dict[str, Any]:
    """What a run of a row showed, in bytes, seconds and tokens a second."""
    speed, step = outcome.tokens_per_second, outcome.step_seconds
    counted = outcome.estimate
    return {
        "name": row.name,
        "status": outcome.status,
        "reason": outcome.reason,
        "device": outcome.device,
        "parameters": outcome.parameters,
        "weights": sum(outcome.weights.values()),
        "load": outcome.loaded_bytes,
        "peak": outcome.peak_bytes,
        "step_seconds": step,
        "tokens_per_second": round(row.batch * LENGTH / step, 1) if step else speed,
        "estimated": row.estimate(),
        "counted": {"load": counted.get("weights"), "peak": counted.get("total")},
        "notes": list(outcome.notes),
    }


# --- the table --------------------------------------------------------------------------------------------------------


def errors(found: Sequence[Mapping[str, Any]], by: str, what: str) -> list[float]:
    """How far estimates are from what was measured, as shares of it."""
    pairs = [(one[by][what], one[what]) for one in found if one["status"] == "ok"]
    return [expected / real - 1 for expected, real in pairs if expected and real]


def _beside(one: Mapping[str, Any], by: str, what: str) -> str:
    (error,) = errors([one], by, what) or (None,)
    return (
        f"{size(one[by][what])} ({error:+.0%})" if error is not None else size(one[by][what]) if one[by][what] else ""
    )


def table(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A Markdown table of the rows."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    for one in found:
        if one["status"] == "ok":
            speed, step = one["tokens_per_second"], one["step_seconds"]
            cells = [size(one["load"]) if one["load"] else "", _beside(one, "estimated", "load")]
            cells += [
                size(one["peak"]) if one["peak"] else "",
                _beside(one, "estimated", "peak"),
                _beside(one, "counted", "peak"),
            ]
            cells += [f"{step:.3f}" if step else "", f"{speed:.0f}" if speed else ""]
        else:
            cells = [
                "out of memory" if one["status"] == "memory" else f"{one['status']}: {one['reason'][:90]}",
                *[""] * 6,
            ]
        yield f"| {one['name']} | {' | '.join(cells)} |"


def page(record: Mapping[str, Any]) -> str:
    """gpu.md: where it was measured, the table, and how far the estimates are off."""
    found = list(record["rows"].values())
    libraries = ", ".join(f"{name} {version}" for name, version in record["libraries"].items())
    device = next((one["device"] for one in found if one["device"]), "no device")
    lines = [
        "# Memory and speed on a GPU, and what hflint estimates", "",
        f"Measured by `python benchmarks/gpu_matrix.py` on {record['date']}, on {device}, with {libraries}. Models are llamas of random weights;",
        f"training takes rows of {LENGTH} tokens, LoRA of rank {RANK} on all linear layers; generation makes {NEW_TOKENS} tokens.",
        "*Estimated* is `hflint model`'s arithmetic, *counted* what `hflint verify` counts on the meta device; in brackets the error.", "",
        *table(found), "",
    ]  # fmt: skip
    for by, what in (("estimated", "load"), ("estimated", "peak"), ("counted", "peak")):
        if off := [abs(error) for error in errors(found, by, what)]:
            lines.append(
                f"- {by} {what}: off by {mean(off):.1%} on average over {len(off)} rows, by {max(off):.1%} at most"
            )
    return "\n".join(lines) + "\n"


# --- runs -------------------------------------------------------------------------------------------------------------


def read(folder: Path | None, libraries: Mapping[str, str]) -> dict[str, Any]:
    """The record in a folder, or a new one.

    Raises:
        SessionError: it is not readable, or was made with other libraries.
    """
    path = folder / "gpu.json" if folder else None
    if path is None or not path.exists():
        return {"version": VERSION, "libraries": dict(libraries), "date": "", "rows": {}}
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SessionError(f"{path}: cannot be read: {error}") from None
    if record.get("version") != VERSION or record.get("libraries") != libraries:
        raise SessionError(f"{path} was made with other libraries: move it away, or name another folder with --out")
    return record


def write(folder: Path | None, record: dict[str, Any]) -> None:
    """gpu.json and gpu.md."""
    record["date"] = datetime.now(UTC).date().isoformat()
    if folder and record["rows"]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gpu.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (folder / "gpu.md").write_text(page(record), encoding="utf-8")


def measure(wanted: Sequence[Row], options: argparse.Namespace, session: Session) -> int:
    """Run the rows that are left while there is time; how many are still left then.

    Raises:
        SessionError: what all rows need is not there.
        OSError: the record cannot be written.
    """
    folder = options.out or (Path(__file__).parent if options.device == "cuda" else None)
    record = read(folder, session.environment["libraries"])
    end = time.monotonic() + 60 * options.minutes
    for row in wanted:
        known, left = record["rows"].get(row.name, {}), end - time.monotonic()
        if known.get("status") in DONE or left <= 0:
            continue
        phases = ("load", "generate") if row.method == "generate" else ("load", "train", "estimate")
        limit = min(options.timeout, max(30.0, left))
        plan = Plan(phases, device=options.device, steps=STEPS, sized=True, timeout=limit, memory=options.memory)
        found = measured(row, session.workers[0].run(row.setup(), plan, lambda _: None))
        if found["status"] in ("missing", "unavailable") and not found["device"]:
            raise SessionError(found["reason"])
        print(f"{row.name}: {found['reason'] or 'measured'}", file=sys.stderr)
        record["rows"][row.name] = found
        write(folder, record)
    done = [record["rows"][row.name] for row in wanted if row.name in record["rows"]]
    print("\n".join(table(done)))
    return sum(record["rows"].get(row.name, {}).get("status") not in DONE for row in wanted)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only rows that have all of these in their name")
    parser.add_argument("--model", choices=MODELS, default="1b", help="(%(default)s)")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="(%(default)s)")
    parser.add_argument("--python", help="the interpreter that has torch and transformers")
    parser.add_argument("--out", type=Path, help="the folder of gpu.json and gpu.md")
    parser.add_argument("--minutes", type=float, default=9.0, help="no row begins after these (%(default)s)")
    parser.add_argument("--timeout", type=float, default=240.0, help="seconds of one row (%(default)s)")
    parser.add_argument(
        "--memory", type=float, default=96.0, help="GiB of the host's memory that a row may take (%(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    options = read_arguments(arguments)
    wanted = rows(options.model, options.words)
    if not wanted:
        print(f"error: no row of the {options.model} model has the words {' '.join(options.words)}", file=sys.stderr)
        return 2
    try:
        with Session(options.python) as session:
            left = measure(wanted, options, session)
    except (SessionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(f"{left} rows are left" if left else "every row is done", file=sys.stderr)
    return int(bool(left))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    sys.exit(main())
