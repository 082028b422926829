"""How many architectures of the installed transformers a tiny twin can be made of: built, trained, generating, names kept.

Run where the libraries are, as `python -m hflint.verify.census [causal|seq2seq|encoder|vision-text|audio|speech] [MODEL_TYPE ...]`;
`sizes` lists the twins of all architectures that are larger than they should be.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import select
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from hflint.verify.libraries import MissingError, library, one_line
from hflint.verify.twin import build, full_config, parameter_names, twin_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# kind -> the Auto class and its mapping of model types
KINDS = {
    "causal": ("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
    "seq2seq": ("AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"),
    "encoder": ("AutoModelForMaskedLM", "MODEL_FOR_MASKED_LM_MAPPING_NAMES"),
    "vision-text": ("AutoModelForImageTextToText", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"),
    "audio": ("AutoModelForCTC", "MODEL_FOR_CTC_MAPPING_NAMES"),
    "speech": ("AutoModelForSpeechSeq2Seq", "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES"),
}
ANY = ("AutoModel", "MODEL_MAPPING_NAMES")
GENERATING = ("causal", "seq2seq", "vision-text", "speech")
# Model code that most others are made of, imported once, before the forks.
SHARED = (
    "modeling_utils",
    "generation.utils",
    "models.llama.modeling_llama",
    "models.clip.modeling_clip",
    "models.auto.modeling_auto",
)
CHANNELS = (
    "num_mel_bins",
    "feature_projection_input_dim",
    "input_feat_per_channel",
    "input_dim",
    "feature_size",
    "hidden_size",
)
LIMIT = 60.0  # seconds that one architecture may take
LARGEST = 8 * 2**20  # bytes of a twin in float32
HYBRID = [5, 15, 25]  # layers with attention
VOCAB, ROWS, LENGTH = 512, 2, 16


def census(kind: str, only: Iterable[str] = (), limit: float = LIMIT) -> Iterator[dict[str, Any]]:
    """One record a model type: which steps went well, whether the names are those of the full model."""
    loader, mapping = KINDS[kind]
    auto = _imported(loader)
    for model_type in sorted(only or getattr(auto, mapping)):
        yield forked(partial(_examine, model_type, loader, kind), model_type, limit)


def sizes(only: Iterable[str] = (), limit: float = LIMIT) -> Iterator[dict[str, Any]]:
    """One record a model type that a class makes a model of: the bytes of its twin in float32."""
    auto = _imported(ANY[0])
    for model_type in sorted(only or auto.CONFIG_MAPPING_NAMES):
        loader = next((name for name, mapping in (*KINDS.values(), ANY) if model_type in getattr(auto, mapping)), None)
        if loader:
            yield forked(partial(_size, model_type, loader), model_type, limit)


def _imported(loader: str) -> Any:
    """The table of models of transformers, with everything imported that every child needs."""
    for name in SHARED:
        with contextlib.suppress(MissingError):
            library(f"transformers.{name}")
    getattr(library("transformers"), loader)
    return library("transformers.models.auto.modeling_auto")


def forked(examine: Callable[[], dict[str, Any]], model_type: str, limit: float) -> dict[str, Any]:
    """What `examine` returns in a child of its own, which is killed, with all that it started, after `limit` seconds."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        with contextlib.suppress(BaseException):
            os.write(writing, json.dumps(examine()).encode())
        os._exit(0)
    os.close(writing)
    data, end, closed = b"", time.monotonic() + limit, False
    try:
        while not closed and select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
            piece = os.read(reading, 1 << 16)
            data, closed = data + piece, not piece
    finally:
        os.close(reading)
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(OSError):
                kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if closed and data:
        return dict(json.loads(data))
    return {
        "type": model_type,
        "failed": "crash" if closed else "time",
        "text": "" if closed else f"no answer in {limit:g} s",
    }


def _examine(model_type: str, loader: str, kind: str) -> dict[str, Any]:
    library("torch").set_num_threads(1)
    record: dict[str, Any] = {"type": model_type}
    step = "default configuration"
    try:
        full = _full_config(model_type)
        step, start = "shrink", time.perf_counter()
        config = _twin_config(full, kind)
        step = "build"
        model = build(loader, config)
        record["parameters"] = sum(p.numel() for p in model.parameters())
        record["names"] = _names_kept(loader, full, model)
        step = "train"
        inputs = _train(model, config, kind)
        record["gradients"] = any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())
        if kind in GENERATING:
            step = "generate"
            model.eval()
            extra = {"decoder_start_token_id": 1} if kind == "seq2seq" else {}
            settings = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "pad_token_id": 1, **extra}
            model.generate(**inputs, generation_config=library("transformers").GenerationConfig(**settings))
        record["seconds"] = round(time.perf_counter() - start, 3)
    except Exception as error:  # noqa: BLE001 - every failure is a record
        record |= {"failed": step, "text": one_line(error, 160), "buildable": _buildable(model_type, loader)}
    return record


def _size(model_type: str, loader: str) -> dict[str, Any]:
    try:
        config = twin_config(full_config(model_type), VOCAB)
        with library("torch").device("meta"):
            count = sum(parameter.numel() for parameter in build(loader, config).parameters())
    except Exception as error:  # noqa: BLE001 - every failure is a record
        return {"type": model_type, "failed": "build", "text": one_line(error, 160)}
    return {"type": model_type, "bytes": 4 * count}


def _full_config(model_type: str) -> Any:
    """The configuration of the full model from its defaults; a hybrid gets the attention layers that these leave out.

    Checkpoints of such a type have some, and the library's caches ask for one.
    """
    full = full_config(model_type)
    if getattr(full, "attn_layer_indices", 0) is None:
        return full_config(model_type, {"attn_layer_indices": HYBRID})
    types = getattr(full, "layer_types", None)
    if types and set(types) == {"linear_attention"} and hasattr(full, "num_key_value_heads"):
        mixed = ["full_attention" if i in HYBRID else kind for i, kind in enumerate(types)]
        return full_config(model_type, {"layer_types": mixed})
    return full


def _twin_config(full: Any, kind: str) -> Any:
    """The twin's configuration, with what a checkpoint's has and the defaults lack."""
    config = twin_config(full, VOCAB)
    text = config.get_text_config(decoder=kind == "causal") if hasattr(config, "get_text_config") else config
    if kind == "causal" and hasattr(text, "is_decoder"):
        text.is_decoder = True
    if kind == "seq2seq" or (kind in ("vision-text", "speech") and getattr(config, "is_encoder_decoder", False)):
        for name in ("decoder_start_token_id", "pad_token_id"):
            if getattr(config, name, None) is None:
                setattr(config, name, 0)
    for name, token in (("image_token_index", VOCAB - 1), ("video_token_index", VOCAB - 1), ("pad_token_id", 1)):
        if getattr(config, name, 0) is None and (kind == "encoder" or name != "pad_token_id"):
            setattr(config, name, token)
    if getattr(config, "languages", None):
        config.default_language = config.languages[0]
    return config


def _train(model: Any, config: Any, kind: str) -> dict[str, Any]:
    """One forward and backward on the first inputs that the model takes; the inputs, for `generate`.

    Raises:
        Exception: what the model raised for the last of them.
    """
    model.train()
    *others, last = _inputs(model, config, kind)
    for inputs, labels in others:
        with contextlib.suppress(Exception):
            _step(model, inputs, labels)
            return inputs
    _step(model, *last)
    return last[0]


def _step(model: Any, inputs: dict[str, Any], labels: Any) -> None:
    loss = model(**inputs, labels=labels).loss
    if loss is None:
        raise ValueError("no loss")
    loss.backward()


def _inputs(model: Any, config: Any, kind: str) -> list[tuple[dict[str, Any], Any]]:
    """Inputs and labels to try: text; for vision-text then with an image, for audio waves or features."""
    torch = library("torch")
    ids = torch.randint(5, min(200, getattr(config, "vocab_size", None) or VOCAB), (ROWS, LENGTH))
    text: list[tuple[dict[str, Any], Any]] = [({"input_ids": ids}, ids)]
    if kind == "vision-text" or (kind == "causal" and hasattr(config, "vision_config")):
        return text + [(inputs, inputs.get("input_ids", ids)) for inputs in _with_image(model, config, ids)]
    if kind in ("audio", "speech"):
        labels = torch.randint(2, 5, (1, 3))
        heard = [(inputs, labels) for inputs in _sounds(config)]
        return heard + text if kind == "speech" else heard
    if kind == "encoder":  # one takes rows of full length only
        longest = ids.repeat(1, max(1, getattr(config, "max_position_embeddings", LENGTH) // LENGTH))
        text.append(({"input_ids": longest}, longest))
    return text


def _with_image(model: Any, config: Any, ids: Any) -> Iterator[dict[str, Any]]:
    """`ids` with a random image a row, for models that do nothing without: an image, a list of them, frames, patches."""
    torch = library("torch")
    vision = getattr(config, "vision_config", config)
    side = getattr(vision, "image_size", None)
    shape = (3, side, side) if isinstance(side, int) else (3, 32, 32)
    taken = inspect.signature(model.forward).parameters
    zeros = torch.zeros(ROWS, LENGTH, dtype=torch.long)
    beside = {"mm_token_type_ids": zeros, "bbox": zeros[..., None].expand(-1, -1, 4).float()}
    yield {"input_ids": ids} | {name: value for name, value in beside.items() if name in taken}
    for frames in ((), (1,), (4,)):
        marked, places = _with_places(config, ids, frames[0] if frames else 1)
        inputs = {"input_ids": marked, "pixel_values": torch.randn(ROWS, *frames, *shape)}
        extra = {
            "qformer_input_ids": ids,
            "image_attention_mask": torch.ones(ROWS, marked.shape[1], *(frames or (1,))),
            "image_embeds_position_mask": places,
        }
        yield inputs | {name: value for name, value in extra.items() if name in taken}
    if "flattened_patches" in taken:
        yield {"flattened_patches": torch.rand(ROWS, LENGTH, 2 + vision.patch_embed_hidden_size)}
    yield {"pixel_values": torch.randn(ROWS, *shape)}


def _with_places(config: Any, ids: Any, images: int) -> tuple[Any, Any]:
    """`ids` after the places of the images' features, where the configuration says how many; and a mask of these."""
    torch = library("torch")
    count = images * (getattr(config, "num_query_tokens", None) or getattr(config, "latent_query_num", None) or 0)
    names = ("image_token_id", "image_token_index", "video_token_index") if images == 1 else ("video_token_index",)
    token = next((found for name in names if (found := getattr(config, name, None)) is not None), 0)
    marked = torch.cat([torch.full((ROWS, count), token), ids], dim=1)
    return marked, torch.arange(marked.shape[1]).lt(count).expand(ROWS, -1)


def _sounds(config: Any) -> Iterator[dict[str, Any]]:
    """Waves; then features with the channels that the configuration names, before or after the time; then with a mask."""
    torch = library("torch")
    yield {"input_values": torch.randn(1, 16000)}
    encoder = getattr(config, "encoder_config", None) or getattr(config, "audio_config", None) or config
    sizes = [getattr(part, name, None) for part in (encoder, config) for name in CHANNELS]
    frames = 2 * getattr(encoder, "max_source_positions", LENGTH * 8)
    for size in dict.fromkeys([*(size for size in sizes if isinstance(size, int)), 80]):
        for shape in ((1, 200, size), (1, size, frames)):
            values = torch.randn(*shape)
            yield {"input_features": values}
            yield {"input_features": values, "attention_mask": torch.ones(1, shape[1], dtype=torch.long)}


def _buildable(model_type: str, loader: str) -> bool:
    """Whether the full model can be built from the defaults of its model type."""
    try:
        with library("torch").device("meta"):
            build(loader, _full_config(model_type))
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


def summary(kind: str, records: list[dict[str, Any]]) -> str:
    """Such as "170 of 177 causal architectures that can be built build, train, generate ..."."""
    good = [r for r in records if "failed" not in r]
    possible = len(good) + sum(bool(r.get("buildable")) for r in records)
    known = [r for r in good if r["names"] is not None]
    does = "build, train, generate" if kind in GENERATING else "build, train"
    return (
        f"{len(good)} of {possible} {kind} architectures that can be built {does} ({len(records)} are known); "
        f"{sum(r['names'] for r in known)} of {len(known)} keep every parameter name of the full model"
    )


def main(arguments: list[str]) -> None:
    """Print the share of architectures that work, and why the others do not."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    only = [a for a in arguments if a not in (*KINDS, "sizes")]
    if "sizes" in arguments:
        _print_sizes(list(sizes(only)))
        return
    for kind in [a for a in arguments if a in KINDS] or ["causal"]:
        records = list(census(kind, only))
        print(summary(kind, records), flush=True)  # noqa: T201 - a command
        for record in records:
            if "failed" in record or record["names"] is False:
                possible = (
                    "" if record.get("buildable", True) else " (nor can the full model be built from its defaults)"
                )
                said = f"{record.get('failed', 'names differ')}: {record.get('text', '')}"
                print(f"  {record['type']}: {said}{possible}")  # noqa: T201


def _print_sizes(records: list[dict[str, Any]]) -> None:
    built = [record for record in records if "bytes" in record]
    large = [record for record in built if record["bytes"] > LARGEST]
    print(f"{len(built) - len(large)} of {len(built)} twins take at most {LARGEST // 2**20} MiB in float32")  # noqa: T201
    for record in sorted(large, key=lambda one: -int(one["bytes"])):
        print(f"  {record['type']}: {record['bytes'] / 2**20:.1f} MiB")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
