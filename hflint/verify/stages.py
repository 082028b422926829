"""Configurations of models in stages, hierarchical or convolutional: lists of depths and widths, layers that are read out."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

DEPTH, NARROWEST, HEAD, FILTERS = 2, 16, 8, 2
DEPTHS = ("depths", "num_block_repeats")
WIDTHS = ("hidden_sizes", "embed_dim", "embed_dims", "conv_dim", "downsample_channels")
FIRST_WIDTHS = ("embed_dim", "patch_embeds_hidden_size")  # of a model that doubles its width from stage to stage
RATIOS = ("downsampling_ratios", "upsampling_ratios")
READ_OUT = ("vision_feature_layer", "vision_feature_layers", "feature_layer")


def shrink_stages(old: Config, new: Config) -> None:
    """Shrink in `new` what `old` says of stages; does nothing where it says nothing of them."""
    for key in DEPTHS:
        if _is_ints(old.get(key)):
            new[key] = [min(depth, DEPTH) for depth in new[key]]
    for key in WIDTHS:
        if _is_ints(old.get(key)):
            groups = old.get("num_groups")  # that a quarter of a width must have
            by = _divisor(old[key], 4 * groups if isinstance(groups, int) else NARROWEST)
            new[key] = [width // by for width in new[key]]
    _doubling(old, new)
    _read_out(old, new)


def _divisor(widths: list[int], narrowest: int) -> int:
    """What to divide widths by, so that they keep their ratios, and four heads each."""
    most = max(1, min(widths) // narrowest)
    return next((by for by in range(most, 1, -1) if all(width % (4 * by) == 0 for width in widths)), 1)


def smallest_image(config: Config, patch: int) -> int:
    """Pixels of the side of an image that keeps two patches a side in the last stage."""
    stages = len(config["depths"]) if _is_ints(config.get("depths")) else 1
    return int(2**stages * patch)


def _doubling(old: Config, new: Config) -> None:
    """A width that doubles with each stage, with the heads of each: keep the heads."""
    heads = next((old[key] for key in ("num_heads", "num_attention_heads") if _is_ints(old.get(key))), None)
    first = next((key for key in FIRST_WIDTHS if isinstance(old.get(key), int)), None)
    if heads and first and old[first] % heads[0] == 0:
        for key in FIRST_WIDTHS:
            if key in old:
                new[key] = heads[0] * HEAD
        if old.get("hidden_size") == old[first] * 2 ** (len(heads) - 1):
            new["hidden_size"] = new[first] * 2 ** (len(heads) - 1)
    elif any(_is_ints(old.get(key)) for key in RATIOS) and isinstance(old.get("num_filters"), int):
        new["num_filters"] = min(old["num_filters"], FILTERS)


def _read_out(old: Config, new: Config) -> None:
    """Lists of layers whose output is used follow the layers that are left."""
    for key in READ_OUT:
        if _is_ints(old.get(key)):
            new[key] = [i if i < 0 else n % 2 for n, i in enumerate(old[key])]
    count, used = old.get("num_hidden_layers"), old.get("out_indices")
    stages = old.get("stage_names")
    if isinstance(count, int) and isinstance(stages, (list, tuple)) and len(stages) == count + 1 and used:
        new["num_hidden_layers"] = left = max(new["num_hidden_layers"], len(used))
        new["out_indices"] = list(range(left - len(used) + 1, left + 1))
        new["out_features"] = [f"stage{i}" for i in new["out_indices"]]
        new["stage_names"] = ["stem", *(f"stage{i}" for i in range(1, left + 1))]


def _is_ints(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(type(item) is int for item in value)
