"""The headers of safetensors files: which tensors there are, of which dtype. No weight is read."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 100_000_000  # bytes of a header; the format allows no more
# What old checkpoints store beside their parameters: causal masks, position ids, rotary frequencies.
_BUFFER = re.compile(r"(?:^|\.)(?:attn\.(?:bias|masked_bias)|attention\.(?:bias|masked_bias)|position_ids|inv_freq)$")


class DamagedError(Exception):
    """A file that is not what its name says; one line."""


def count_by_dtype(path: Path) -> Counter[str]:
    """How many numbers a safetensors file stores, by dtype as the format spells it ("BF16"); buffers are left out.

    Raises:
        DamagedError: it is no safetensors file, or not all of it is there.
        OSError: it cannot be read.
    """
    counts: Counter[str] = Counter()
    for name, tensor in _header(path).items():
        if name != "__metadata__" and not _BUFFER.search(name):
            counts[tensor["dtype"]] += math.prod(tensor["shape"])
    return counts


def _header(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(_LONGEST, size - 8):
            raise DamagedError("its header has no valid length")
        data = stream.read(length)
    try:
        header = json.loads(data)
        end = max((tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"), default=0)
        for name, tensor in header.items():
            if name != "__metadata__" and not (isinstance(tensor["dtype"], str) and _is_shape(tensor["shape"], size)):
                raise DamagedError(f"the header's entry of {name} is not valid")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise DamagedError("its header is not valid") from None
    if size < 8 + length + end:
        raise DamagedError(f"it ends after {size} of {8 + length + end} bytes")
    return header  # type: ignore[no-any-return] # just checked


def _is_shape(value: object, size: int) -> bool:
    """Whether it is one, of no more numbers than the file has bits."""
    sides = value if isinstance(value, list) else [None]
    return all(type(side) is int and side >= 0 for side in sides) and math.prod(sides) <= 8 * size
