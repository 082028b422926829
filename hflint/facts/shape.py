"""The sizes of a model's layers, worked out from its config.json by arithmetic; no library is asked.

For the architectures below the number of parameters equals what transformers builds, to the last one: the tests compare
it with recorded counts of models built on torch's meta device. Other architectures have no shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hflint.facts.repository import first_int, first_text

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Shape:
    """What a decoder-only model is made of; all counts are of the whole model.

    Attributes:
        parameters: all of them.
        embedding: those of the token embedding.
        linear: weights of plain linear layers without the output head: what bitsandbytes makes smaller, and
            "all-linear" adapts.
        experts: weights of experts: single parameters since transformers 5, which bitsandbytes does not reach; lists of
            linear layers before.
        adapted: sum of the inputs' and outputs' widths over the plain linear layers: LoRA adds rank times this.
        hidden: width of the stream between the layers.
        layers: their number.
        cached: numbers that are kept a token for generation, over all layers: keys and values.
        saved: bytes that a layer keeps a token for the backward pass, in bfloat16; None where that was not measured.
        saved_lora: the same where LoRA's adapters, in float32, are trained on all linear layers.
        saved_top: bytes that are kept a token around the layers, the loss's float32 logits among them.
        vocabulary: rows of the token embedding.
    """

    parameters: int
    embedding: int
    linear: int
    experts: int
    adapted: int
    hidden: int
    layers: int
    cached: int
    vocabulary: int
    saved: int | None = None
    saved_lora: int | None = None
    saved_top: int | None = None

    def __str__(self) -> str:
        return f"{self.layers} layers of width {self.hidden}"


@dataclass(frozen=True, slots=True)
class _Family:
    """How the layers of a model type are built.

    Attributes:
        norms: normalisations a layer.
        norm: numbers in one, as a multiple of its width: 2 with a bias, 1 without, 0 where nothing is learnt.
        gated: whether the feed-forward part has a gate beside its two matrices.
        qkv_bias: of queries, keys and values; a name stands for that entry of the config.
        out_bias: of the attention's output.
        mlp_bias: of the feed-forward part.
        query_norm: "head" or "all": queries and keys are normalised each head, or as a whole.
        tied: whether the output head is the embedding, unless the config says otherwise.
        positions: rows of learnt positions beyond the config's number; None where none are learnt.
        head_bias: of the output head.
        head: size of an attention head where the config says nothing; 0 for hidden / heads.
        plain: whether its layers are of a class that bitsandbytes knows.
        top_norms: normalisations outside the layers.
        saved: bytes that a layer keeps for the backward pass, a token and each unit of (hidden, queries, keys, inner):
            whole numbers found by least squares over models built on the meta device with transformers 5.23.0 and a
            fused attention; None where they do not fit.
        saved_lora: the same with peft 0.21.2 and LoRA on all linear layers.
        saved_logit: the same around the layers, a token and row of the vocabulary.
        saved_hidden: the same, a token and unit of the stream.
        refused: entries of the config that, when true, mean another structure than is counted here.
    """

    norms: int = 2
    norm: int = 1
    gated: bool = True
    qkv_bias: bool | str = False
    out_bias: bool | str = False
    mlp_bias: bool | str = False
    query_norm: str = ""
    tied: bool = False
    positions: int | None = None
    head_bias: bool = False
    head: int = 0
    plain: bool = True
    top_norms: int = 1
    saved: tuple[int, int, int, int] | None = None
    saved_lora: tuple[int, int, int, int] | None = None
    saved_logit: int = 4
    saved_hidden: int = 8
    refused: tuple[str, ...] = ()


_BIAS = "attention_bias"
_SAVED, _SAVED_LORA = (16, 4, 4, 8), (28, 8, 4, 10)
_USUAL = _Family(saved=_SAVED, saved_lora=_SAVED_LORA)
_ATTENTION = _Family(qkv_bias=_BIAS, out_bias=_BIAS)
_LLAMA = replace(_USUAL, qkv_bias=_BIAS, out_bias=_BIAS, mlp_bias="mlp_bias")
_BIASED = _Family(norm=2, gated=False, qkv_bias=True, out_bias=True, mlp_bias=True)
_GPT2 = replace(_BIASED, tied=True, positions=0, refused=("add_cross_attention",))
_GEMMA = replace(_ATTENTION, tied=True, head=256, saved_hidden=10)
_COHERE = replace(_ATTENTION, norms=1, tied=True, saved=(14, 4, 4, 8), saved_hidden=14, refused=("use_qk_norm",))
_FAMILIES: dict[str, _Family] = {
    "llama": _LLAMA,
    "granite": _LLAMA,
    "smollm3": replace(_LLAMA, tied=True),
    "mistral": _USUAL,
    "mixtral": _Family(),
    "phi3": _Family(saved=(16, 6, 6, 8), saved_lora=(16, 10, 6, 10)),
    "qwen2": replace(_USUAL, qkv_bias=True),
    "qwen2_moe": _Family(qkv_bias="qkv_bias"),
    "qwen3": replace(_ATTENTION, query_norm="head", head=128, saved=(16, 10, 10, 8), saved_lora=(28, 12, 8, 10)),
    "qwen3_moe": replace(_ATTENTION, query_norm="head"),
    "olmo": replace(_ATTENTION, norm=0, saved=(12, 4, 4, 8), saved_hidden=6),
    "olmo2": replace(_ATTENTION, query_norm="all", saved=(20, 12, 12, 8), saved_hidden=10),
    "olmoe": replace(_ATTENTION, query_norm="all"),
    "gemma": replace(_GEMMA, saved=(20, 4, 4, 8)),
    "gemma2": replace(_GEMMA, norms=4, saved=(36, 4, 4, 8), saved_lora=(36, 8, 4, 10), saved_logit=6),
    "gemma3_text": replace(_GEMMA, norms=4, query_norm="head", saved=(36, 12, 12, 8)),
    "cohere": _COHERE,
    "cohere2": _COHERE,
    "stablelm": _Family(
        norm=2,
        qkv_bias="use_qkv_bias",
        saved=(8, 4, 4, 8),
        saved_hidden=4,
        refused=("qk_layernorm", "use_parallel_residual"),
    ),
    "starcoder2": _Family(
        norm=2,
        gated=False,
        qkv_bias="use_bias",
        out_bias="use_bias",
        mlp_bias="use_bias",
        tied=True,
        saved=(8, 4, 4, 4),
        saved_lora=(20, 8, 4, 6),
        saved_hidden=4,
    ),
    "phi": replace(_BIASED, norms=1, head_bias=True, saved=(4, 4, 4, 10), saved_hidden=4, refused=("qk_layernorm",)),
    "gpt2": replace(_GPT2, saved=(12, 4, 4, 10), saved_lora=(20, 4, 4, 12), saved_hidden=6),
    "gpt_bigcode": replace(_GPT2, saved=(12, 4, 4, 4)),
    "gpt_neox": replace(_BIASED, qkv_bias=_BIAS, out_bias=_BIAS, saved=(10, 4, 4, 4), saved_hidden=4),
    "gptj": _Family(norms=1, norm=2, gated=False, mlp_bias=True, head_bias=True),
    "gpt_neo": replace(_BIASED, qkv_bias=False, tied=True, positions=0),
    "opt": replace(_BIASED, tied=True, positions=2, saved=(12, 4, 4, 2), saved_hidden=4),
    "bloom": replace(_BIASED, tied=True, top_norms=2),
    "mpt": _Family(gated=False, tied=True),
    "falcon": _Family(norm=2, gated=False, qkv_bias="bias", out_bias="bias", mlp_bias="bias", tied=True, plain=False),
}
_ON_BY_DEFAULT = {("qwen2_moe", "qkv_bias"), ("starcoder2", "use_bias"), ("gpt_neox", _BIAS)}
_EXPECTED = {  # entries of a config under which the counts hold; a config that says otherwise has no shape
    "opt": {"do_layer_norm_before": True, "enable_bias": True, "layer_norm_elementwise_affine": True},
    "gpt_bigcode": {"multi_query": True},
    "mpt": {"no_bias": True},
    "falcon": {"parallel_attn": True},
}


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The numbers of a config, under one name each."""

    hidden: int
    layers: int
    queries: int  # width of all heads together
    keys: int  # width of all key heads together
    head: int
    inner: int
    vocabulary: int


def shape_of(config: Mapping[str, Any]) -> Shape | None:
    """The shape that a config.json describes; None for unknown architectures, missing numbers and unusual variants."""
    kind = first_text(config, "model_type") or ""
    family = _FAMILIES.get(kind)
    names = config.get("architectures") or ["ForCausalLM"]
    name = str(names[0]) if isinstance(names, list) else ""
    headless = name.endswith("Model") and not name.endswith("HeadModel")
    if family is None or not (headless or name.endswith(("ForCausalLM", "LMHeadModel"))):
        return None
    sizes = _sizes(config, kind, family)
    unusual = any(config.get(name) for name in family.refused) or _is_projected(config)
    unusual = unusual or any(config.get(name, usual) != usual for name, usual in _EXPECTED.get(kind, {}).items())
    if sizes is None or unusual:
        return None
    return _counted(config, kind, family, sizes, headless=headless)


def _is_projected(config: Mapping[str, Any]) -> bool:
    """Whether the embedding has another width than the layers, as OPT's may."""
    return bool(config.get("word_embed_proj_dim", config.get("hidden_size")) != config.get("hidden_size"))


def _sizes(config: Mapping[str, Any], kind: str, family: _Family) -> _Sizes | None:
    hidden = first_int(config, "hidden_size", "n_embd", "d_model")
    layers = first_int(config, "num_hidden_layers", "n_layer", "num_layers", "n_layers")
    heads = first_int(config, "num_attention_heads", "n_head", "num_heads", "n_heads")
    vocabulary = first_int(config, "vocab_size")
    if hidden is None or layers is None or heads is None or vocabulary is None:
        return None
    head = first_int(config, "head_dim") or family.head or hidden // heads
    key_heads = first_int(config, "num_key_value_heads") or heads
    if kind == "gpt_bigcode":
        key_heads = 1
    elif kind == "falcon":
        key_heads = _falcon_key_heads(config, heads)
    inner = first_int(config, "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
    if not head or (inner is None and (family.gated or kind == "opt")):
        return None
    return _Sizes(hidden, layers, heads * head, key_heads * head, head, inner or _expanded(config, hidden), vocabulary)


def _expanded(config: Mapping[str, Any], hidden: int) -> int:
    return (first_int(config, "expansion_ratio") or 4) * hidden


def _falcon_key_heads(config: Mapping[str, Any], heads: int) -> int:
    if config.get("new_decoder_architecture"):
        return first_int(config, "num_kv_heads") or heads
    return 1 if config.get("multi_query", True) else heads


def _counted(config: Mapping[str, Any], kind: str, family: _Family, sizes: _Sizes, *, headless: bool) -> Shape | None:
    """The shape, from the matrices and vectors of one layer and those outside the layers."""

    def has(flag: bool | str) -> bool:
        return flag if isinstance(flag, bool) else bool(config.get(flag, (kind, flag) in _ON_BY_DEFAULT))

    hidden, queries, keys, inner = sizes.hidden, sizes.queries, sizes.keys, sizes.inner
    attention = [(hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden)]
    biases = has(family.qkv_bias) * (queries + 2 * keys) + has(family.out_bias) * hidden
    feed = _experts(config, kind, hidden)
    if feed is None:
        return None
    if feed.count:
        linear = [*attention, *feed.linear]
    else:
        linear = [*attention, *[(hidden, inner)] * (1 + family.gated), (inner, hidden)]
        biases += has(family.mlp_bias) * (inner * (1 + family.gated) + hidden)
    norms = family.norms
    if kind == "falcon" and config.get("new_decoder_architecture"):
        norms = first_int(config, "num_ln_in_parallel_attn") or 2
    elif kind == "falcon":
        norms = 1
    vectors = biases + norms * family.norm * hidden
    vectors += {"head": 2 * sizes.head, "all": queries + keys, "": 0}[family.query_norm]
    matrices = sum(rows * columns for rows, columns in linear)
    layer = matrices + vectors + feed.weights + feed.router
    embedding = sizes.vocabulary * hidden
    top = family.top_norms * family.norm * hidden
    if family.positions is not None:
        positions = first_int(config, "n_positions", "max_position_embeddings")
        if positions is None:
            return None
        top += (positions + family.positions) * hidden
    if not (headless or config.get("tie_word_embeddings", family.tied)):
        top += embedding + family.head_bias * sizes.vocabulary
    return Shape(
        parameters=embedding + sizes.layers * layer + top,
        embedding=embedding,
        linear=sizes.layers * matrices * family.plain,
        experts=sizes.layers * feed.weights,
        adapted=sizes.layers * family.plain * _widths(kind, family, sizes, linear),
        hidden=hidden,
        layers=sizes.layers,
        cached=2 * sizes.layers * keys,
        vocabulary=sizes.vocabulary,
        saved=_saved(family.saved, sizes),
        saved_lora=_saved(family.saved_lora, sizes),
        saved_top=family.saved_hidden * hidden + family.saved_logit * sizes.vocabulary if family.saved else None,
    )


def _saved(each: tuple[int, int, int, int] | None, sizes: _Sizes) -> int | None:
    """Bytes a layer and token; the attention keeps a float32 for each head, too."""
    if each is None:
        return None
    hidden, queries, keys, inner = each
    heads = 4 * sizes.queries // sizes.head
    return hidden * sizes.hidden + queries * sizes.queries + keys * sizes.keys + inner * sizes.inner + heads


def _widths(kind: str, family: _Family, sizes: _Sizes, linear: list[tuple[int, int]]) -> int:
    """Inputs and outputs of the linear layers, summed; some types compute several of them as one layer."""
    fused = 0  # inputs that several matrices of one layer share
    if kind in {"phi3", "gpt2", "gpt_bigcode", "gpt_neox", "bloom", "mpt"}:
        fused += 2 * sizes.hidden
    if kind == "phi3":
        fused += family.gated * sizes.hidden
    return sum(rows + columns for rows, columns in linear) - fused


@dataclass(frozen=True, slots=True)
class _Experts:
    """The feed-forward part of a mixture: the experts' weights, the router's, and the plain layers beside them."""

    count: int = 0
    weights: int = 0
    router: int = 0
    linear: tuple[tuple[int, int], ...] = ()


def _experts(config: Mapping[str, Any], kind: str, hidden: int) -> _Experts | None:
    """None where a mixture's numbers are missing, or only some of its layers are mixtures."""
    if kind not in {"mixtral", "qwen2_moe", "qwen3_moe", "olmoe"}:
        return _Experts()
    count = first_int(config, "num_local_experts", "num_experts")
    inner = first_int(config, "moe_intermediate_size", "intermediate_size")
    if count is None or inner is None or config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1:
        return None
    linear: tuple[tuple[int, int], ...] = ()
    if kind == "qwen2_moe":
        shared = first_int(config, "shared_expert_intermediate_size")
        if shared is None:
            return None
        linear = ((hidden, shared), (hidden, shared), (shared, hidden), (hidden, 1))
    return _Experts(count, count * 3 * hidden * inner, count * hidden, linear)
