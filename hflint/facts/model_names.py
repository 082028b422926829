"""What a model's id says by itself: whether it is one at all, its size, how its checkpoint is quantized."""

from __future__ import annotations

import re

_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FILE = re.compile(r"\.(?:bin|ckpt|gguf|json|model|onnx|pkl|pth?|py|safetensors|tar|txt|ya?ml|zip)$", re.IGNORECASE)
_FOLDER = re.compile(
    r"adapters?|cache|checkpoints?|ckpts?|content|data|downloads|exp|experiments|export|finetuned|home|llms?|local|logs|lora|mnt|"
    r"(?:my_|pretrained_|saved_|trained_)?models?|opt|outputs?|out|pretrained|results?|root|runs|saved?|temp|tmp|train(?:ed|ing)|"
    r"usr|var|weights|workspace",
    re.IGNORECASE,
)
# A size stands by itself between separators: not the 3B of "A3B" (active parameters), not "4bit", not "v0.1b",
# not the 8B of "1_8B", which may be 1.8 or a version and 8.
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(?<!\d_)(\d+(?:\.\d+)?)([bm])(?![A-Za-z0-9])(?![-_ ]?tok)", re.IGNORECASE)
_SPLIT_SIZE = re.compile(r"(?<![A-Za-z0-9.])(?<!\d_)(\d+)b(\d)(?![A-Za-z0-9])", re.IGNORECASE)  # bloom-7b1
_EXPERTS = re.compile(r"(?<![A-Za-z0-9])\d+x\d", re.IGNORECASE)
_PART = re.compile(r"(?:^|[-_.])(?:q?lora|adapters?|peft|tokenizer|draft|eagle\d?|medusa)(?:$|[-_.])", re.IGNORECASE)
_QUANTIZED = (
    ("gptq", re.compile(r"gptq", re.IGNORECASE)),
    ("awq", re.compile(r"(?<![a-z])awq", re.IGNORECASE)),
    ("gguf", re.compile(r"(?<![a-z])g(?:guf|gml)(?![a-z])", re.IGNORECASE)),
    ("exl2", re.compile(r"(?<![a-z])exl[23](?![a-z0-9])", re.IGNORECASE)),
    ("bitsandbytes", re.compile(r"(?<![a-z])(?:bnb|nf4)(?![a-z0-9])", re.IGNORECASE)),
    ("mlx", re.compile(r"(?:^mlx-community/|[-_]mlx(?=[-_]|$))", re.IGNORECASE)),
    ("aqlm", re.compile(r"(?<![a-z])aqlm(?![a-z])", re.IGNORECASE)),
    ("hqq", re.compile(r"(?<![a-z])hqq(?![a-z])", re.IGNORECASE)),
    ("compressed-tensors", re.compile(r"(?<![a-z0-9])w\d{1,2}a\d{1,2}(?![a-z0-9])", re.IGNORECASE)),
    ("fp8", re.compile(r"(?<![a-z0-9])fp8(?![a-z0-9])", re.IGNORECASE)),
    ("unknown", re.compile(r"(?<![a-z0-9.])(?:[2348][-_]?bits?|int[48])(?![a-z0-9])", re.IGNORECASE)),
)


def is_model_id(text: str) -> bool:
    """Whether a text can be the id of a model on the hub ("gpt2", "org/name") and is not plainly a path of this machine."""
    if (
        not _ID.fullmatch(text)
        or ".." in text
        or "--" in text
        or text.endswith((".", "-", ".git"))
        or _FILE.search(text)
    ):
        return False
    organization, slash, _ = text.partition("/")
    return not slash or not _FOLDER.fullmatch(organization)


def size_in_name(model_id: str) -> int | None:
    """The number of parameters that a name such as "org/name-8B-it" claims; None if it claims none, or several.

    Mixtures of experts written "8x7B" claim none: their total is not the product.
    """
    name = model_id.rpartition("/")[2]
    if _PART.search(name) or _EXPERTS.search(name):
        return None
    billions = {float(number) for number, unit in _SIZE.findall(name) if unit in "bB"}
    billions |= {float(f"{whole}.{tenth}") for whole, tenth in _SPLIT_SIZE.findall(name)}
    # "1M" beside "7B" is a context length; a lone "10M" or more is a size.
    millions = {float(number) for number, unit in _SIZE.findall(name) if unit in "mM" and float(number) >= 10}
    sizes = {round(size * 1e9) for size in billions} | {round(size * 1e6) for size in millions}
    return sizes.pop() if len(sizes) == 1 else None


def quantization_in_name(model_id: str) -> str | None:
    """How a checkpoint is quantized, if its name says so: "gptq", "awq", "bitsandbytes"...; "unknown" for a bare "4bit"."""
    return next((method for method, pattern in _QUANTIZED if pattern.search(model_id)), None)
