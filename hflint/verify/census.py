"""How many architectures of the installed transformers a tiny twin can be made of: built, trained, generating, names kept.

Run as `python -m hflint.verify.census [causal|seq2seq|encoder|vision-text|audio] [MODEL_TYPE ...]` where the libraries are.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from hflint.verify.libraries import library, one_line
from hflint.verify.twin import build, full_config, parameter_names, twin_config

if TYPE_CHECKING:
    from collections.abc import Callable

# kind -> the Auto class and its mapping of model types
KINDS = {
    "causal": ("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
    "seq2seq": ("AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"),
    "encoder": ("AutoModelForMaskedLM", "MODEL_FOR_MASKED_LM_MAPPING_NAMES"),
    "vision-text": ("AutoModelForImageTextToText", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"),
    "audio": ("AutoModelForCTC", "MODEL_FOR_CTC_MAPPING_NAMES"),
}
LIMIT = 90  # seconds a twin may take


def census(kind: str, only: list[str]) -> list[dict[str, Any]]:
    """One record a model type: which steps went well, whether the names are those of the full model."""
    auto = library("transformers").models.auto.modeling_auto
    loader, mapping = KINDS[kind]
    getattr(library("transformers"), loader)
    types = sorted(only or getattr(auto, mapping))
    return [_forked(partial(_examine, model_type, loader, kind), model_type) for model_type in types]


def _forked(examine: Callable[[], dict[str, Any]], model_type: str) -> dict[str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(LIMIT)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        with contextlib.suppress(BaseException):
            os.write(writing, json.dumps(examine()).encode())
        os._exit(0)
    os.close(writing)
    data = b"".join(iter(lambda: os.read(reading, 1 << 16), b""))
    os.close(reading)
    os.waitpid(pid, 0)
    return json.loads(data) if data else {"type": model_type, "failed": "crash", "text": f"no answer in {LIMIT} s"}


def _examine(model_type: str, loader: str, kind: str) -> dict[str, Any]:
    torch = library("torch")
    torch.set_num_threads(1)
    record: dict[str, Any] = {"type": model_type}
    step = "default configuration"
    try:
        full = full_config(model_type)
        step, start = "shrink", time.perf_counter()
        config = twin_config(full, 512)
        text = config.get_text_config(decoder=kind == "causal") if hasattr(config, "get_text_config") else config
        if kind == "causal" and hasattr(text, "is_decoder"):
            text.is_decoder = True
        if kind == "seq2seq" and getattr(config, "decoder_start_token_id", None) is None:
            config.decoder_start_token_id = config.pad_token_id = 0
        if getattr(config, "languages", None):
            config.default_language = config.languages[0]
        step = "build"
        model = build(loader, config)
        record["parameters"] = sum(p.numel() for p in model.parameters())
        record["names"] = _names_kept(loader, full, model)
        step = "train"
        if kind == "audio":
            values = torch.randn(1, 16000)
            key = "input_features" if "features" in str(model.main_input_name) else "input_values"
            inputs = {key: torch.randn(1, 200, getattr(config, "num_mel_bins", None) or getattr(config, "feature_projection_input_dim", 80))
                      if key == "input_features" else values}  # fmt: skip
            labels = torch.randint(2, 5, (1, 3))
        else:
            inputs = {"input_ids": torch.randint(5, 200, (2, 16))}
            labels = inputs["input_ids"]
        model.train()
        loss = model(**inputs, labels=labels).loss
        if loss is None:
            raise ValueError("no loss")  # noqa: TRY301 - one road for every failure
        loss.backward()
        record["gradients"] = any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())
        if kind in ("causal", "seq2seq", "vision-text"):
            step = "generate"
            model.eval()
            ids = inputs["input_ids"][:1]
            extra = {"decoder_start_token_id": 1} if kind == "seq2seq" else {}
            model.generate(input_ids=ids, max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=1, **extra)
        record["seconds"] = round(time.perf_counter() - start, 3)
    except Exception as error:  # noqa: BLE001 - every failure is a record
        record |= {"failed": step, "text": one_line(error, 160), "buildable": _buildable(model_type, loader)}
    return record


def _buildable(model_type: str, loader: str) -> bool:
    """Whether the full model can be built from the defaults of its model type."""
    try:
        with library("torch").device("meta"):
            build(loader, full_config(model_type))
    except Exception:  # noqa: BLE001 - whatever it lacks, no twin is to blame
        return False
    return True


def _names_kept(loader: str, full: Any, twin: Any) -> bool | None:
    """Whether the twin has the parameter names of the full model; None where that cannot be built from its defaults."""
    try:
        with library("torch").device("meta"):
            names = parameter_names(build(loader, full))
    except Exception:  # noqa: BLE001 - a default configuration that its own model refuses
        return None
    return names == parameter_names(twin)


def main(arguments: list[str]) -> None:
    """Print the share of architectures that work, and why the others do not."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    kinds = [a for a in arguments if a in KINDS] or ["causal"]
    only = [a for a in arguments if a not in KINDS]
    for kind in kinds:
        records = census(kind, only)
        good = [r for r in records if "failed" not in r]
        possible = len(good) + sum(bool(r.get("buildable")) for r in records)
        known = [r for r in good if r["names"] is not None]
        kept = sum(r["names"] for r in known)
        does = "build, train" + ("" if kind in ("encoder", "audio") else ", generate")
        print(  # noqa: T201 - a command
            f"{len(good)} of {possible} {kind} architectures that can be built {does} ({len(records)} are known); "
            f"{kept} of {len(known)} keep every parameter name of the full model"
        )
        for record in records:
            if "failed" in record or record["names"] is False:
                print(f"  {record['type']}: {record.get('failed', 'names differ')}: {record.get('text', '')}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
