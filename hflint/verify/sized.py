"""A model of a known architecture at a real size, with random weights that are made on the device: for figures of memory and speed.

What it computes means nothing, what it takes does. It is saved as a checkpoint, so that a program loads it as it is
written: with its dtype, its quantization, its device map.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING, Any

from hflint.verify import memory, twin
from hflint.verify.libraries import UnavailableError, library
from hflint.verify.setup import TokenizerFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SMALLEST = 1_000_000_000  # parameters; below, a GPU's figures are those of its start
LARGEST, LARGEST_TRAINED = 8_000_000_000, 1_600_000_000
# Of free memory that a parameter may need: float32, and AdamW's states with activations.
BYTES_EACH, BYTES_EACH_TRAINED = 6, 24
LENGTH = 512  # tokens of a row
NEW_TOKENS = 32
NARROWEST = 256  # width
TOP = 0.5  # of the parameters: at most so many in embeddings and one layer
_WIDTHS = (
    "hidden_size",
    "n_embd",
    "intermediate_size",
    "n_inner",
    "num_attention_heads",
    "n_head",
    "num_key_value_heads",
)
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")


def size(known: int | None, device: str, *, trained: bool) -> int:
    """How many parameters a model should have: as many as the real one, but from 1 to 8 billion, and not more than fit."""
    most = LARGEST_TRAINED if trained else LARGEST
    if device == "cuda":
        free, _ = library("torch").cuda.mem_get_info()
        most = min(most, free // (BYTES_EACH_TRAINED if trained else BYTES_EACH))
    return min(max(known or most, SMALLEST), most)


def scaled(full: Any, loader: str, parameters: int) -> dict[str, Any]:
    """The configuration, as a dict, at some number of parameters: as many layers as make it, narrowed where few would do.

    Raises:
        UnavailableError: it names no number of layers, or cannot be built on the meta device.
    """
    config = dict(full.to_dict())
    key = next((name for name in _LAYERS if isinstance(config.get(name), int)), None)
    if key is None:
        raise UnavailableError(f"{full.model_type} has no number of layers to choose")
    one, two = _counts(config, key, loader)
    while one > TOP * parameters and int(config.get("hidden_size") or config.get("n_embd") or 0) > NARROWEST:
        config |= {name: config[name] // 2 for name in _WIDTHS if isinstance(config.get(name), int)}
        one, two = _counts(config, key, loader)
    wanted = 1 + round((parameters - one) / max(1, two - one))
    return _with_layers(config, key, max(1, wanted))


def _with_layers(config: Mapping[str, Any], key: str, number: int) -> dict[str, Any]:
    """The configuration with another number of layers; lists that name something of each are made as long."""
    old = config[key]
    lists = {k: (v * number)[:number] for k, v in config.items() if isinstance(v, list) and len(v) == old}
    return {**config, **lists, key: number}


def _counts(config: Mapping[str, Any], key: str, loader: str) -> tuple[int, int]:
    """Parameters with one layer and with two."""
    one, two = (_count(_with_layers(config, key, number), loader) for number in (1, 2))
    return one, two


def _count(config: Mapping[str, Any], loader: str) -> int:
    return sum(parameter.numel() for parameter in memory.meta_model(config, loader).parameters())


def write(folder: Path, loader: str, config: Mapping[str, Any], dtype: str, device: str) -> None:
    """Make the model and a tokenizer, and save them to `folder`; nothing of them stays on the device.

    Raises:
        UnavailableError: the disk is too small for the checkpoint.
    """
    torch = library("torch")
    kind = getattr(torch, dtype)
    needed = _count(config, loader) * kind.itemsize
    if shutil.disk_usage(folder).free < 1.1 * needed:
        raise UnavailableError(f"the checkpoint of {needed / 2**30:.0f} GiB does not fit on the disk")
    with _made_as(kind, device):
        model = twin.build(loader, twin.full_config(str(config["model_type"]), config))
    model.save_pretrained(folder, max_shard_size="2GB")
    del model
    if device == "cuda":
        torch.cuda.empty_cache()
    twin.make_tokenizer(TokenizerFacts(), pad=True, max_length=2 * LENGTH).save_pretrained(folder)
    (folder / "parameters.json").write_text(json.dumps(needed // kind.itemsize), encoding="utf-8")


@contextlib.contextmanager
def _made_as(dtype: Any, device: str) -> Iterator[None]:
    """New tensors are of one dtype and on one device inside, so that no second copy is ever made of them."""
    torch = library("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
