"""The memory that a model takes, by arithmetic on the sizes of its layers; no library is asked.

hflint.verify.memory counts the same on torch's meta device, where torch is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hflint.facts.shape import Shape

NF4 = 0.516  # bytes a weight: four bits, and a scale for every 64 that takes eight bits itself
_STATES = 2  # numbers that AdamW keeps for each trained one
_LOGITS = 4  # bytes of a logit: the loss is computed in float32


@dataclass(frozen=True, slots=True)
class Training:
    """Bytes that one step of training takes; `activations` is None, and with it the total, where it is not known.

    Attributes:
        method: "full", "lora" or "qlora".
        checkpointing: whether activations are computed again in the backward pass.
        weights: of the model, in bfloat16, its linear layers in 4 bits for "qlora".
        gradients: of what is trained: the model in bfloat16, or adapters in float32.
        optimizer: AdamW's states, as wide as the gradients.
        activations: kept for the backward pass, with the logits and their gradient in float32.
    """

    method: str
    checkpointing: bool
    weights: int
    gradients: int
    optimizer: int
    activations: int | None

    @property
    def total(self) -> int | None:
        """All of it."""
        if self.activations is None:
            return None
        return self.weights + self.gradients + self.optimizer + self.activations


def weight_bytes(shape: Shape, *, experts_reached: bool = False) -> dict[str, int]:
    """Bytes of the weights by precision; "int8" and "nf4" as bitsandbytes loads them, the rest staying in bfloat16.

    Args:
        shape: of the model.
        experts_reached: whether experts are linear layers of their own, as before transformers 5.
    """
    reached = shape.linear + (shape.experts if experts_reached else 0)
    rest = 2 * (shape.parameters - reached)
    return {
        "float32": 4 * shape.parameters,
        "bfloat16": 2 * shape.parameters,
        "int8": reached + rest,
        "nf4": int(NF4 * reached) + rest,
    }


def reached_share(shape: Shape, *, experts_reached: bool = False) -> float:
    """The share of the parameters that 4-bit or 8-bit loading makes smaller; `experts_reached` as for `weight_bytes`."""
    return (shape.linear + (shape.experts if experts_reached else 0)) / shape.parameters


def cache_bytes(shape: Shape, batch: int, length: int) -> int:
    """Bytes of keys and values in bfloat16, for `batch` sequences of `length` tokens; a sliding window may save some."""
    return 2 * shape.cached * batch * length


def training(
    shape: Shape, method: str, *, batch: int = 1, length: int = 2048, rank: int = 16, checkpointing: bool = False
) -> Training:
    """What a step of training takes: "full" in bfloat16, "lora" or "qlora" with adapters on all linear layers."""
    weights = weight_bytes(shape)["nf4" if method == "qlora" else "bfloat16"]
    gradients = 2 * shape.parameters if method == "full" else 4 * rank * shape.adapted
    layer = shape.saved if method == "full" else shape.saved_lora
    kept = activation_bytes(shape, layer, batch * length, checkpointing=checkpointing)
    if kept is not None:
        kept += 2 * batch * length * shape.vocabulary * _LOGITS
    return Training(method, checkpointing, weights, gradients, _STATES * gradients, kept)


def activation_bytes(shape: Shape, layer: int | None, tokens: int, *, checkpointing: bool = False) -> int | None:
    """Bytes kept for the backward pass, where a layer keeps `layer` a token.

    With checkpointing it keeps its input only, and one layer is computed again at a time.
    """
    if layer is None or shape.saved_top is None:
        return None
    each = shape.layers * 2 * shape.hidden + layer if checkpointing else shape.layers * layer
    return tokens * (each + shape.saved_top)
