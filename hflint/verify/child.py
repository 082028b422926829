"""What surrounds a run in its forked child: imports before the fork, then isolation, capture and a result whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NoReturn

from hflint.verify.codec import to_json
from hflint.verify.libraries import MissingError, attribute, library, one_line

if TYPE_CHECKING:
    from pathlib import Path

TRL_TRAINERS = ("SFTTrainer", "DPOTrainer", "RewardTrainer", "ORPOTrainer", "KTOTrainer", "CPOTrainer", "GRPOTrainer")
_PR_SET_PDEATHSIG = 1


def import_libraries(setup: dict[str, Any]) -> None:
    """Import, in the worker and once, what a setup will need.

    Raises:
        MissingError: a library is not installed, in one line.
    """
    for module, names in _needed(setup):
        library(module)
        for name in names:
            with contextlib.suppress(ImportError, AttributeError):  # a name that is gone is the run's business
                attribute(module, name)
    _import_architecture(setup)


def _import_architecture(setup: dict[str, Any]) -> None:
    """Import the model code that the run will most likely build, so that each child need not."""
    from hflint.verify.twin import stand_in

    model = setup.get("model")
    if model is None:
        return
    facts = model.get("facts") or {}
    kind = (
        facts.get("model_type")
        or (facts.get("config") or {}).get("model_type")
        or stand_in(model.get("loader", "CausalLM"))
    )
    for module in (f"transformers.models.{kind}.modeling_{kind}", "transformers.generation.utils"):
        with contextlib.suppress(MissingError):
            library(module)


def _needed(setup: dict[str, Any]) -> list[tuple[str, list[str]]]:
    model, training = setup.get("model") or {}, setup.get("training")
    loads = any(setup.get(part) is not None for part in ("model", "tokenizer", "training", "pipeline", "chat_template"))
    needed: list[tuple[str, list[str]]] = []
    if loads:
        needed += [("torch", []), ("transformers", ["AutoConfig", "AutoTokenizer"])]
        needed += [("transformers", [model.get("loader", "AutoModelForCausalLM")])]
    if setup.get("pipeline") is not None:
        needed += [("transformers", ["pipeline"])]
    if setup.get("adapter") is not None:
        needed += [("peft", ["get_peft_model"])]
    quantization = setup.get("quantization")
    if quantization is not None and quantization.get("kind", "BitsAndBytesConfig") == "BitsAndBytesConfig":
        needed += [("bitsandbytes", []), ("accelerate", [])]
    if training is not None:
        trainer = training.get("trainer", "Trainer")
        needed += [("accelerate", []), ("transformers", ["Trainer", "TrainingArguments"])]
        if trainer in TRL_TRAINERS:
            needed += [("datasets", []), ("trl", [trainer, training.get("arguments_class", "")])]
    return needed


def main(message: dict[str, Any], folder: Path, shared: Path, pipe: int) -> NoReturn:
    """Run one setup and write its outcome to `pipe`; never returns into the worker.

    Args:
        message: the run, its setup and plan, as JSON.
        folder: this run's own, current while it runs, removed after it.
        shared: kept between runs: twins are built once.
        pipe: file descriptor for JSON lines.
    """
    code = 1
    try:
        _isolate(folder)
        from hflint.verify.run import run_message

        def emit(**event: Any) -> None:
            os.write(pipe, json.dumps(event).encode() + b"\n")

        outcome = run_message(message["setup"], message["plan"], folder, shared, emit)
        emit(outcome=to_json(outcome), complete=True)
        code = 0
    except BaseException as error:  # noqa: BLE001 - the last resort of a child: say what happened
        failed = {"status": "missing" if isinstance(error, MissingError) else "raised", "reason": one_line(error)}
        with contextlib.suppress(OSError):
            os.write(pipe, json.dumps({"outcome": failed, "complete": True}).encode() + b"\n")
    finally:
        with contextlib.suppress(OSError):
            os.close(pipe)
        os._exit(code)


def _isolate(folder: Path) -> None:
    """Own process group, no terminal input, own temporary folder, and no life after the worker's."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = None
    os.chdir(folder)
