"""What a model takes, counted on the meta device: parameters, what backward keeps, gradients, optimizer, KV cache.

No weight is made. Saved activations come from one forward pass with a stand-in for fused attention that keeps what a
fused kernel keeps (query, key, value, output and log-sum-exp); on a CPU the count equals the bytes that autograd saves.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hflint.verify import load, measure, twin
from hflint.verify.codec import to_json
from hflint.verify.libraries import UnavailableError, attribute, library, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.verify.setup import Adapter, Quantization

_ATTENTION = "hflint_counted"
# A byte for two weights, and a float32 scale for every 64, themselves 8 bits with double quantization.
_BYTES_4BIT = 0.516
_OPTIMIZER_STATES = 2  # AdamW keeps two numbers a trainable parameter


@dataclass(frozen=True)
class Estimate:
    """Bytes that a model and its training take; `total` is of one training step."""

    parameters: int
    trainable: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    kv_cache: int  # of one sequence of `length`
    quantizable_share: float  # of the parameters, by bitsandbytes
    batch: int
    length: int
    dtype: str
    checkpointing: bool

    @property
    def total(self) -> int:
        """Weights, gradients, optimizer states, activations, and the float32 logits with their gradient."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits

    def to_json(self) -> dict[str, Any]:
        """The fields and the total."""
        return {**to_json(self), "total": self.total}


def estimate(
    config: Mapping[str, Any],
    *,
    loader: str = "AutoModelForCausalLM",
    dtype: str = "bfloat16",
    batch: int = 1,
    length: int = 2048,
    checkpointing: bool = False,
    adapter: Adapter | None = None,
    quantization: Quantization | None = None,
) -> Estimate:
    """What the full-size model of `config` (its config.json) takes.

    Raises:
        UnavailableError: the architecture cannot be built, or run, on the meta device.
    """
    torch = library("torch")
    model = meta_model(config, loader, dtype)
    total, share = quantizable(model)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    kv_cache = _kv_cache(model, length)
    if quantization and quantization.kind == "BitsAndBytesConfig":
        four = bool(quantization.kwargs.get("load_in_4bit"))
        reached = int(total * share)
        size = getattr(torch, dtype).itemsize
        weights = int(reached * (_BYTES_4BIT if four else 1)) + (total - reached) * size
    if adapter:
        peft = library("peft")
        try:
            model = peft.get_peft_model(model, attribute("peft", adapter.kind)(**load.resolve(adapter.kwargs, {})))
        except Exception as error:  # noqa: BLE001 - a library may raise anything; it becomes a reason
            raise UnavailableError(f"no adapter on the meta device: {one_line(error)}") from None
    trainable = [p for p in model.parameters() if p.requires_grad]
    gradients = sum(p.numel() * p.element_size() for p in trainable)
    vocab = getattr(model.config.get_text_config(), "vocab_size", 0)
    return Estimate(
        parameters=total,
        trainable=sum(p.numel() for p in trainable),
        weights=weights,
        gradients=gradients,
        optimizer=_OPTIMIZER_STATES * gradients,
        activations=_activations(model, batch, length, checkpointing=checkpointing),
        logits=2 * batch * length * vocab * 4,
        kv_cache=kv_cache,
        quantizable_share=round(share, 4),
        batch=batch,
        length=length,
        dtype=dtype,
        checkpointing=checkpointing,
    )


def meta_model(config: Mapping[str, Any], loader: str = "AutoModelForCausalLM", dtype: str = "bfloat16") -> Any:
    """The full-size model on the meta device: shapes and dtypes, no bytes.

    Raises:
        UnavailableError: its configuration or its code does not allow it.
    """
    torch = library("torch")
    full = twin.full_config(str(config.get("model_type", "")), config)
    try:
        with torch.device("meta"):
            return twin.build(loader, full).to(getattr(torch, dtype))
    except Exception as error:  # noqa: BLE001 - a library may raise anything; it becomes a reason
        raise UnavailableError(f"{full.model_type} cannot be built on the meta device: {one_line(error)}") from None


def quantizable(model: Any) -> tuple[int, float]:
    """Parameters, and the share that bitsandbytes reaches: plain linear layers and GPT-2's Conv1D, but no output head."""
    torch = library("torch")
    conv1d = attribute("transformers.pytorch_utils", "Conv1D")
    total = sum(p.numel() for p in model.parameters())
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    reached = sum(
        module.weight.numel()
        for module in model.modules()
        if type(module) in (torch.nn.Linear, conv1d) and module is not head
    )
    return total, (reached / total if total else 0.0)


def _activations(model: Any, batch: int, length: int, *, checkpointing: bool) -> int:
    """What a step keeps at most: with checkpointing the inputs of the layers, and one layer that is computed again."""
    kept = saved_activations(model, batch, length)
    if not checkpointing:
        return kept
    less = saved_activations(model, batch, length, checkpointing=True)
    return less + (kept - less) // (getattr(model.config.get_text_config(), "num_hidden_layers", None) or 1)


def saved_activations(model: Any, batch: int, length: int, *, checkpointing: bool = False) -> int:
    """Bytes that autograd keeps of one training forward pass; the model may be on meta or on the CPU.

    Raises:
        UnavailableError: the forward pass does not run on the meta device.
    """
    torch = library("torch")
    register_attention()
    device = next(model.parameters()).device
    if device.type == "meta":
        _set_attention(model, _ATTENTION)
    model.train()
    model.config.use_cache = False
    if checkpointing:
        new, old = "activation_checkpointing_enable", "gradient_checkpointing_enable"  # renamed in transformers 5.23
        how = {"use_reentrant": False}  # the reentrant kind fails on meta
        getattr(model, new if hasattr(model, new) else old)(how)
    ids = torch.zeros(batch, length, dtype=torch.long, device=device)
    labels = ids[:, 0] if "SequenceClassification" in type(model).__name__ else ids
    if model.config.is_encoder_decoder and getattr(model.config, "decoder_start_token_id", None) is None:
        model.config.decoder_start_token_id = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _without_autocast(device.type), measure.saved_for_backward(model) as saved:
                model(input_ids=ids, labels=labels)
    except Exception as error:  # noqa: BLE001 - a library may raise anything; it becomes a reason
        raise UnavailableError(
            f"{model.config.model_type} does not run on the meta device: {one_line(error)}"
        ) from None
    return saved.bytes


@contextlib.contextmanager
def _without_autocast(device: str) -> Iterator[None]:
    """No `torch.autocast` on meta, which has none: transformers 4 asks for it to switch it off."""
    torch = library("torch")
    original = torch.autocast
    if device == "meta":
        torch.autocast = lambda *_args, **_kwargs: contextlib.nullcontext()
    try:
        yield
    finally:
        torch.autocast = original


def _set_attention(model: Any, name: str) -> None:
    for module in model.modules():
        config = getattr(module, "config", None)
        if config is not None and hasattr(config, "_attn_implementation"):
            config._attn_implementation = name  # noqa: SLF001 - set after building: Auto classes check the name


def register_attention() -> None:
    """Make the counting stand-in known to transformers under its name; the name must not contain "flash"."""
    torch = library("torch")

    function: Any = torch.autograd.Function

    class Counted(function):  # type: ignore[misc] # a base that is only known where torch is
        """Keeps for backward what a fused attention kernel keeps."""

        @staticmethod
        def forward(ctx: Any, query: Any, key: Any, value: Any) -> Any:
            heads, length = query.shape[1], query.shape[2]
            out = query.new_empty(query.shape[0], length, heads, value.shape[-1]).transpose(1, 2)
            ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
            return out

        @staticmethod
        def backward(ctx: Any, _gradient: Any) -> Any:
            query, key, value, *_ = ctx.saved_tensors
            return torch.zeros_like(query), torch.zeros_like(key), torch.zeros_like(value)

    def attend(_module: Any, query: Any, key: Any, value: Any, _mask: Any = None, **_kwargs: Any) -> Any:
        return Counted.apply(query, key, value).transpose(1, 2).contiguous(), None

    attribute("transformers", "AttentionInterface").register(_ATTENTION, attend)


def _kv_cache(model: Any, length: int) -> int:
    """Bytes of keys and values of one sequence, from the shapes of the key and value projections' outputs."""
    config = model.config.get_text_config()
    layers = getattr(config, "num_hidden_layers", 0) or 0
    heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", 0) or 0
    size = getattr(config, "head_dim", None)
    if size is None:
        size = getattr(config, "hidden_size", 0) // max(1, getattr(config, "num_attention_heads", 1) or 1)
    return 2 * int(layers) * int(heads) * int(size) * length * int(model.dtype.itemsize)
