"""A configuration shrunk to its tiny twin's: the same architecture, parameter names and layer types, built in milliseconds.

Works on the plain dict of a config and knows key names only, no architectures. Kept: the class of attention (multi-head,
grouped, multi-query), explicit head sizes, rope types, experts with groups and shared ones, low-rank attention, state
spaces, two layers of every layer type, ties, windows, biases, sub-configurations.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from hflint.verify.stages import shrink_stages, smallest_image

if TYPE_CHECKING:
    from collections.abc import Iterable

Config = dict[str, Any]

HIDDEN, HEADS, KV_HEADS, HEAD, FEED_FORWARD, EXPERT_FEED_FORWARD, EXPERTS, RANK, STATE = (
    64,
    4,
    2,
    16,
    128,
    32,
    4,
    32,
    16,
)
VOCAB, WINDOW, CHUNK, POSITIONS, MAX_LAYERS = 512, 8, 16, 256, 8


def _keys(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# The names that configurations give to one thing, most usual first.
LAYER_COUNTS = _keys(
    "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_encoder_layers num_decoder_layers "
    "num_blocks depth num_global_layers num_layers_per_stack"
)
HIDDEN_SIZES = _keys(
    "hidden_size d_model n_embd dim_model model_dim emb_dim embedding_dim n_embed dim hidden_dim width embed_dim"
)
HEAD_COUNTS = _keys(
    "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads "
    "num_encoder_attention_heads num_decoder_attention_heads attention_heads pred_num_attention_heads num_sliding_attention_heads"
)
KV_COUNTS = _keys("num_key_value_heads num_kv_heads n_head_kv n_kv_heads num_query_groups")
OTHER_KV_COUNTS = _keys("swa_num_key_value_heads global_num_key_value_heads num_global_key_value_heads")
HEAD_SIZES = _keys(
    "head_dim attention_head_dim global_head_dim swa_head_dim kv_channels d_head attention_head_size dim_head swa_v_head_dim"
)
FEED_FORWARDS = _keys(
    "intermediate_size ffn_dim n_inner encoder_ffn_dim decoder_ffn_dim dff d_inner dim_ff feed_forward_size "
    "ffn_hidden_size d_ff intermediate_size_mlp dense_intermediate_size inner_dim mlp_dim"
)
EXPERT_COUNTS = _keys("num_experts n_routed_experts num_local_experts moe_num_experts")
EXPERTS_PER_TOKEN = _keys(
    "num_experts_per_tok num_experts_per_token moe_topk moe_top_k moe_k top_k_experts num_selected_experts"
)
POSITION_COUNTS = _keys(
    "max_position_embeddings n_positions n_ctx max_seq_len context_length model_max_length max_source_positions "
    "max_target_positions seq_length"
)
WINDOWS = _keys(
    "sliding_window sliding_window_size attention_window_size window_size local_attention attention_chunk_size chunk_size "
    "mamba_chunk_size local_attention_window_len sliding_window_length"
)
LAYER_INDICES = _keys(  # lists of layer numbers
    "mlp_only_layers full_attn_idxs hybrid_layer_ids moe_layers ple_layer_ids attn_layer_indices no_rope_layers_idx "
    "cross_attention_layers"
)
LAYER_SOURCES = "kv_source_layers"  # for each layer, the number of the one whose keys and values it takes
OTHER_WIDTHS = _keys(
    "hidden_size_per_layer_input word_embed_proj_dim embedding_size lru_width backbone_hidden_size input_embedding_size "
    "output_embedding_size cross_attention_dim projection_dim vision_output_dim output_dim mm_hidden_size out_hidden_size "
    "text_hidden_size encoder_hidden_size audio_hidden_size router_hidden_size adapter_input_size upsample_groups"
)
# Of whatever else there is.
WIDTH = re.compile(r"(hidden_size|_dim|_channels?|_units|_width|latents|proj_size|bottleneck_size)$")
NOT_WIDTHS = {"patch_dim", "video_patch_dim"}  # these follow from others
# At most this, where the configuration has more.
LIMITS = {
    "n_group": 2, "num_expert_group": 2, "topk_group": 1, "n_shared_experts": 1, "num_shared_experts": 1,
    "moe_num_shared_experts": 1, "zero_expert_num": EXPERTS, "first_k_dense_replace": 1, "num_dense_layers": 1,
    "num_nextn_predict_layers": 1, "moe_layer_start_index": 1, "num_kv_shared_layers": 1, "max_window_layers": 1,
    "index_head_dim": HEAD, "index_n_heads": 4, "index_topk": 8, "index_kpool": 4, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "linear_key_head_dim": HEAD, "linear_value_head_dim": HEAD, "linear_num_heads": 4, "linear_head_dim": HEAD,
    "state_size": STATE, "d_state": STATE, "expert_ffn_hidden_size": EXPERT_FEED_FORWARD,
    "shared_experts_intermediate_size": EXPERT_FEED_FORWARD, "base_channels": 32, "num_embeddings": VOCAB,
    "num_hash_buckets": VOCAB, "num_bpe_labels": VOCAB, "num_wordpiece_labels": VOCAB,
}  # fmt: skip
LOW_RANK = {
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "qk_head_dim": 16, "v_head_dim": 16,
    "kv_lora_rank": RANK, "q_lora_rank": RANK,
}  # fmt: skip
PERIOD = re.compile(r"(period|interval|_pattern|every_n|every_n_layers|sparse_step|group_size)$")
VOCAB_SIZE = re.compile(r"(^|_)vocab_size|vocab_size_|_vocab$|^n_token$|^n_words$|unpadded_vocab")
TOKEN_ID = re.compile(r"(_token_id|_token_index|_token_ids|_tok_id)$|^(bos|eos|pad|unk|mask|boi_token)_index$")
NOT_SUBCONFIGS = {"id2label", "label2id", "quantization_config", "rope_parameters", "rope_scaling", "per_layer_config"}
STATE_SPACE_HEADS = (
    ("mamba_n_heads", "mamba_d_head"), ("mamba_num_heads", "mamba_head_dim"), ("n_mamba_heads", "mamba_headdim"),
    ("num_heads", "head_dim"),
)  # fmt: skip


def shrink(config: Config, vocab: int = VOCAB) -> Config:
    """The twin's configuration as a dict; `config` is left as it is."""
    new = copy.deepcopy(config)
    layers = _layers(config, new, vocab)
    _attention(config, new)
    _experts(config, new)
    _widths(config, new, layers)
    _vocabulary(config, new, vocab)
    _state_space(config, new)
    shrink_stages(config, new)
    if _is_int(config.get("image_size")):
        patch = new.get("patch_size", 16)
        new["image_size"] = min(config["image_size"], smallest_image(config, patch if isinstance(patch, int) else 16))
    if "use_mamba_kernels" in new:
        new["use_mamba_kernels"] = False  # they are made for GPUs, and transformers 4 raises without
    _token_ids(new, vocab)
    _positions(config, new)
    for key, value in config.items():
        named = "config" in key or "encoder" in key or "decoder" in key
        if isinstance(value, dict) and named and key not in NOT_SUBCONFIGS:
            new[key] = shrink(value, vocab)
    return new


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _first(config: Config, keys: Iterable[str]) -> str | None:
    return next((key for key in keys if _is_int(config.get(key))), None)


def _cap(config: Config, new: Config, keys: Iterable[str], most: int) -> None:
    for key in keys:
        if _is_int(config.get(key)):
            new[key] = min(config[key], most)


def _layers(old: Config, new: Config, vocab: int) -> list[int] | None:
    """Choose the first two layers of every type; the numbers chosen, or None without a layer count."""
    counted = _first(old, LAYER_COUNTS)
    count = old[counted] if counted else 0
    if not count:
        return None
    lists = {
        key: value
        for key, value in old.items()
        if isinstance(value, (list, tuple)) and len(value) == count > 2 and key not in (*LAYER_INDICES, LAYER_SOURCES)
    }
    typed = {key: list(value) for key, value in lists.items() if all(_is_scalar(item) for item in value)}
    for key in LAYER_INDICES:
        if isinstance(old.get(key), (list, tuple)) and old[key]:
            typed["@" + key] = [i in old[key] for i in range(count)]
    chosen = _of_every_type(typed, count) if typed else list(range(min(_pattern_length(old, count), count)))
    sources = old.get(LAYER_SOURCES)
    if isinstance(sources, (list, tuple)) and len(sources) == count:
        chosen = sorted({*chosen, *(sources[i] for i in chosen)})
        new[LAYER_SOURCES] = [chosen.index(sources[i]) for i in chosen]
    if _is_int(old.get("num_layers_per_stack")):
        chosen = list(range(2 * count // old["num_layers_per_stack"]))
    for key in LAYER_COUNTS:
        if _is_int(old.get(key)):
            new[key] = len(chosen) if old[key] == count or key == counted else min(old[key], 2)
    for key, value in lists.items():
        new[key] = [value[i] for i in chosen]
    if "attention_layers" in lists and "attention_types" in old:  # the same once more, as names and how often
        new["attention_types"] = [[new["attention_layers"], 1]]
    for key in LAYER_INDICES:
        if isinstance(old.get(key), (list, tuple)):
            new[key] = [chosen.index(i) for i in old[key] if i in chosen]
    if isinstance(old.get("per_layer_config"), dict):
        per_layer = {int(key): value for key, value in old["per_layer_config"].items()}
        new["per_layer_config"] = {str(n): shrink(per_layer[i], vocab) for n, i in enumerate(chosen) if i in per_layer}
    return chosen


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _of_every_type(typed: dict[str, list[Any]], count: int) -> list[int]:
    """The first two layers of each distinct value of each list: two, so that what layers share stays visible."""
    chosen: list[int] = []
    seen: dict[tuple[str, str], int] = {}
    few = {key: values for key, values in typed.items() if len(set(map(str, values))) <= 6}
    for i in range(count):
        signature = [(key, str(values[i])) for key, values in few.items()]
        if any(seen.get(part, 0) < 2 for part in signature):
            chosen.append(i)
            for part in signature:
                seen[part] = seen.get(part, 0) + 1
    chosen = chosen[:MAX_LAYERS]
    for i in range(count):
        if len(chosen) >= min(2, count):
            break
        if i not in chosen:
            chosen.append(i)
    return sorted(chosen)


def _pattern_length(old: Config, count: int) -> int:
    """Layers that a repeated pattern needs; 2 without one."""
    lengths = [len(old[key]) for key in ("block_types", "layers_pattern") if isinstance(old.get(key), (list, tuple))]
    return max([2, *(length for length in lengths if 1 < length < count)])


def _attention(old: Config, new: Config) -> None:
    counted, sized = _first(old, HEAD_COUNTS), _first(old, HIDDEN_SIZES)
    heads = old[counted] if counted else None
    hidden = old[sized] if sized else None
    _cap(old, new, HEAD_COUNTS, HEADS)
    for key in KV_COUNTS + OTHER_KV_COUNTS:
        if _is_int(old.get(key)):
            new[key] = min(old[key], HEADS) if old[key] == heads else (1 if old[key] == 1 else KV_HEADS)
        elif key in KV_COUNTS and key in old and old[key] is None and counted:  # a default the model code needs
            new[key] = new[counted]
    if _is_int(old.get("swa_num_attention_heads")):
        new["swa_num_attention_heads"] = HEADS
    _cap(old, new, HIDDEN_SIZES, HIDDEN)
    _cap(old, new, HEAD_SIZES, HEAD)
    if _is_int(old.get("qk_rope_head_dim")) or _is_int(old.get("qk_nope_head_dim")):
        new.update({key: min(old[key], size) for key, size in LOW_RANK.items() if _is_int(old.get(key))})
        if "qk_rope_head_dim" in old and old.get("head_dim") == old["qk_rope_head_dim"]:
            new["head_dim"] = 8
    elif _is_int(old.get("v_head_dim")):
        new["v_head_dim"] = HEAD
    new.update({key: RANK for key in ("o_lora_rank", "kv_lora_rank", "q_lora_rank") if _is_int(old.get(key))})
    if _is_int(old.get("rotary_dim")):
        partial = bool(heads and hidden and old["rotary_dim"] < hidden // heads)
        new["rotary_dim"] = min(old["rotary_dim"], HEAD // 2 if partial else HEAD)
    if _is_int(old.get("query_pre_attn_scalar")):
        new["query_pre_attn_scalar"] = HEAD
    if "head_dim" in old and old["head_dim"] is None and heads and hidden:
        new["head_dim"] = HEAD
    if _is_int(old.get("attention_hidden_size")) and hidden:
        factor = old["attention_hidden_size"] // hidden
        new["attention_hidden_size"] = factor * HIDDEN
        if factor == 2:
            new["attention_head_dim"] = factor * HIDDEN // HEADS
            new.pop("kv_channels", None)


def _experts(old: Config, new: Config) -> None:
    _cap(old, new, EXPERT_COUNTS, EXPERTS)
    _cap(old, new, EXPERTS_PER_TOKEN, 2)
    if old.get("enable_moe_block") is False:
        return
    if any(_is_int(old.get(key)) for key in EXPERT_COUNTS) or _is_int(old.get("moe_intermediate_size")):
        new.update({key: 2 for key in EXPERTS_PER_TOKEN if key in old and old[key] is None})
        new.update({key: EXPERTS for key in EXPERT_COUNTS if key in old and old[key] is None})


def _widths(old: Config, new: Config, layers: list[int] | None) -> None:
    for key, value in old.items():
        if isinstance(value, list) and (key in FEED_FORWARDS or "intermediate_size" in key):
            new[key] = [FEED_FORWARD if key in FEED_FORWARDS else EXPERT_FEED_FORWARD] * len(new[key])
        if not _is_int(value):
            continue
        if key in FEED_FORWARDS:
            new[key] = min(value, FEED_FORWARD)
        elif "intermediate_size" in key:
            new[key] = min(value, EXPERT_FEED_FORWARD)
        elif key in LIMITS:
            new[key] = min(value, LIMITS[key])
        elif key in POSITION_COUNTS:
            new[key] = min(value, POSITIONS)
        elif key in WINDOWS:
            new[key] = min(value, CHUNK if "chunk" in key else WINDOW)
        elif key == "moe_layer_end_index" and layers:
            new[key] = len(layers) - 1
        elif PERIOD.search(key):
            new[key] = min(value, 2)
        elif key.endswith("_offset"):
            new[key] = min(value, 1)
        elif WIDTH.search(key) and key not in NOT_WIDTHS and new.get(key) == value:
            new[key] = min(value, HIDDEN)
    _cap(old, new, OTHER_WIDTHS, HIDDEN)
    _cap(old, new, ["hidden_size_per_layer_input"], 8)
    sized = _first(old, HIDDEN_SIZES)
    if _is_int(old.get("embedding_size")) and sized and old["embedding_size"] != old[sized]:
        new["embedding_size"] = HIDDEN // 2


def _vocabulary(old: Config, new: Config, vocab: int) -> None:
    for key, value in old.items():
        if VOCAB_SIZE.search(key) and ((_is_int(value) and value > vocab) or (value is None and key == "vocab_size")):
            new[key] = vocab


def _state_space(old: Config, new: Config) -> None:
    expand = old.get("mamba_expand", old.get("expand"))
    if expand or _is_int(old.get("mamba_d_ssm")) or _is_int(old.get("mamba_num_heads")):
        inner = int((expand or 2) * HIDDEN)
        if _is_int(old.get("mamba_d_ssm")):
            new["mamba_d_ssm"] = inner
        for count, size in STATE_SPACE_HEADS:
            attention_too = "mamba_n_heads" in old or ("num_attention_heads" in old and "state_size" not in old)
            if _is_int(old.get(count)) and size in old and not (count == "num_heads" and attention_too):
                new[size], new[count] = HEAD, inner // HEAD
        _cap(old, new, ("mamba_d_state", "state_size", "ssm_state_size"), STATE)
        _cap(old, new, ("mamba_n_groups", "n_groups", "mamba_ngroups"), 2)
        for key in ("time_step_rank", "mamba_dt_rank", "mamba_time_step_rank"):
            if _is_int(old.get(key)):
                new[key] = max(1, HIDDEN // 16)
    if _is_int(old.get("intermediate_size")) and _is_int(old.get("state_size")) and _is_int(old.get("expand")):
        new["intermediate_size"] = old["expand"] * HIDDEN
    if isinstance(old.get("qk_dim_factor"), float):  # its keys' width is a multiple of 64, and its chunks hold a row
        for key in ("hidden_size", "embedding_dim"):
            if _is_int(old.get(key)):
                new[key] = min(old[key], int(HIDDEN / old["qk_dim_factor"]))
        if "chunk_size" in old:
            new["chunk_size"] = old["chunk_size"]


def _token_ids(new: Config, vocab: int) -> None:
    """Token ids beyond the vocabulary move to its end, each to a place of its own."""
    last = vocab - 1
    for key, value in new.items():
        if not TOKEN_ID.search(key):
            continue
        if _is_int(value) and value >= vocab:
            new[key] = last
            last -= 1
        elif isinstance(value, list):
            new[key] = [item if _is_int(item) and item < vocab else vocab - 1 for item in value]


def _positions(old: Config, new: Config) -> None:
    """Rope dictionaries: factor lists and sections must fit half a head."""
    if isinstance(old.get("axial_pos_embds_dim"), (list, tuple)):  # parts of the width, of a table of rows and columns
        new["axial_pos_embds_dim"], new["axial_pos_shape"] = [HEAD, HIDDEN - HEAD], [4, 4]
    counted = _first(old, HEAD_COUNTS)
    size = new.get("qk_rope_head_dim") or new.get("head_dim") or HIDDEN // (new[counted] if counted else HEADS)
    partial = old.get("partial_rotary_factor") or 1.0
    for key in ("rope_parameters", "rope_scaling"):
        if isinstance(new.get(key), dict):
            _rope(new[key], size if isinstance(size, int) else HEAD, partial)


def _rope(rope: Config, size: int, partial: float) -> None:
    half = int(size * rope.get("partial_rotary_factor", partial) or size) // 2
    for key in ("long_factor", "short_factor"):
        if isinstance(rope.get(key), list):
            rope[key] = (rope[key] * 2)[:half]
    if isinstance(rope.get("mrope_section"), list):
        total = sum(rope["mrope_section"])
        sections = [max(1, round(part * half / total)) for part in rope["mrope_section"]]
        sections[0] += half - sum(sections)
        rope["mrope_section"] = sections
    if _is_int(rope.get("original_max_position_embeddings")):
        rope["original_max_position_embeddings"] = min(rope["original_max_position_embeddings"], POSITIONS // 2)
    for value in rope.values():
        if isinstance(value, dict):
            _rope(value, size, partial)
