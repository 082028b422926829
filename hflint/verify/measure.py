"""What is read off a model: bytes by dtype, shares trained and quantized, what backward keeps, gradients of the first layer."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from hflint.verify.libraries import library
from hflint.verify.repositories import own_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.verify.outcome import Outcome

_QUANTIZED = {"Linear4bit", "LinearNF4", "LinearFP4", "Linear8bitLt"}
_FIRST = re.compile(r"\.0\.")
_MOST_GRADIENTS = 24


def weights(model: Any, outcome: Outcome) -> None:
    """Bytes by dtype, parameter count, shares trainable and quantized."""
    sizes: Counter[str] = Counter()
    for parameter in model.parameters():
        sizes[str(parameter.dtype)] += parameter.numel() * parameter.element_size()
    outcome.weights = dict(sizes)
    total, quantized = logical_parameters(model)
    outcome.parameters = total
    if quantized or getattr(model, "is_quantized", False):
        outcome.quantized_share = round(quantized / total, 6) if total else 0.0
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    outcome.trainable_share = round(trainable / total, 6) if total else 0.0
    outcome.model_device = next((p.device.type for p in model.parameters()), None)
    computed = next((m.compute_dtype for m in model.modules() if getattr(m, "compute_dtype", None) is not None), None)
    outcome.compute_dtype = None if computed is None else str(computed).removeprefix("torch.")
    outcome.pickles = getattr(model, "hflint_pickles", ())
    outcome.ran_pickle = getattr(model, "hflint_ran_pickle", None)
    outcome.own_code = tuple(filter(None, (own_class(model),)))
    outcome.positions = positions(model)
    norm = next((p for name, p in model.named_parameters() if "norm" in name or ".ln_" in name), None)
    outcome.norm_dtype = None if norm is None else str(norm.dtype)


def positions(model: Any) -> int | None:
    """How many tokens a model is for, as its configuration says."""
    names = ("max_position_embeddings", "n_positions", "max_target_positions")
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    return next((number for name in names if isinstance(number := getattr(config, name, None), int)), None)


def float_dtype(weights: Mapping[str, int]) -> str:
    """The floating-point dtype of most bytes, "bfloat16"; float32 without any."""
    floats = {name.removeprefix("torch."): size for name, size in weights.items() if "float" in name}
    return max(floats, key=lambda name: floats[name], default="float32")


def logical_parameters(model: Any) -> tuple[int, int]:
    """Parameters as the architecture counts them, not as 4-bit storage packs them; and how many of them are quantized."""
    quantized, packed = 0, set()
    for module in model.modules():
        if any(c.__name__ in _QUANTIZED for c in type(module).__mro__):
            quantized += module.in_features * module.out_features
            packed.add(id(module.weight))
        elif hasattr(module, "qweight") and hasattr(module, "in_features"):  # GPTQ and AWQ, of whichever library
            quantized += module.in_features * module.out_features
            packed |= {id(parameter) for parameter in module.parameters(recurse=False)}
    rest = sum(p.numel() for p in model.parameters() if id(p) not in packed)
    return rest + quantized, quantized


def embedding_rows(model: Any) -> int:
    """Rows of the input embedding; a very large number for a model without one."""
    try:
        return int(model.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError, TypeError):
        return 1 << 60


def first_layer_gradients(model: Any) -> dict[str, float]:
    """Norms of the gradients of the first layer's trainable parameters; 0 for one that got none."""
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    first = [(name, p) for name, p in trainable if _FIRST.search(name)] or trainable
    return {
        name: 0.0 if p.grad is None else round(float(p.grad.detach().float().norm()), 8)
        for name, p in first[:_MOST_GRADIENTS]
    }


def is_checkpointing(model: Any) -> bool:
    """Whether training recomputes activations, under the name that this version of transformers has for it."""
    new, old = "is_activation_checkpointing", "is_gradient_checkpointing"  # renamed in 5.23; the old one warns
    return bool(getattr(model, new) if hasattr(model, new) else getattr(model, old, False))


class Saved:
    """Bytes that autograd keeps for backward."""

    def __init__(self) -> None:
        self.bytes = 0


@contextlib.contextmanager
def saved_for_backward(model: Any) -> Iterator[Saved]:
    """Count the storages that autograd saves inside, each once and without the parameters; `bytes` is set at the end."""
    torch = library("torch")
    own = {p.untyped_storage()._cdata for p in model.parameters()}  # noqa: SLF001 - the identity of a storage, also on meta
    kept: dict[int, tuple[int, Any]] = {}
    saved = Saved()

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:  # noqa: SLF001
            kept[storage._cdata] = (storage.nbytes(), tensor)  # noqa: SLF001 - the tensor stays, so its identity is not reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield saved
        saved.bytes = sum(size for size, _ in kept.values())
    kept.clear()
