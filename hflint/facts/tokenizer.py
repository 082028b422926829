"""What a tokenizer's files say of it, as far as that does not depend on the release of transformers.

AutoTokenizer adds to what the files say: a class may bring a pad token or a side of its own. So their absence is believed
only of pairs of class and model type that were loaded with transformers 4.57.6 and 5.23.0, with the same outcome.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from hflint.facts.repository import (
    CHAT_TEMPLATE,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    first_int,
    first_text,
    read_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.facts.repository import Files

# No pad token unless a file names one: loaded without one in both releases with each of these model types.
_NO_PAD_CLASSES = {
    "PreTrainedTokenizerFast",
    "LlamaTokenizer",
    "LlamaTokenizerFast",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "CodeGenTokenizer",
    "CodeGenTokenizerFast",
}
_NO_PAD_TYPES = frozenset(
    """
    arcee biogpt bitnet bloom codegen cohere cohere2 deepseek_v2 deepseek_v3 ernie4_5 exaone4 falcon gemma gemma2
    gemma3_text glm glm4 gpt2 gpt_bigcode gpt_neo gpt_neox gpt_oss gptj granite granitemoe hunyuan_v1_dense jamba llama
    llama4_text mamba mamba2 ministral mistral mistral3 mixtral mpt nemotron olmo olmo2 olmoe opt persimmon phi phi3
    phimoe qwen2_moe qwen3 qwen3_moe recurrent_gemma rwkv smollm3 stablelm starcoder2 xglm
    """.split()  # noqa: SIM905 - a list of sixty words is a page of quotes
)
# Pads on the right unless its config says otherwise, in both releases and with all these types.
_RIGHT_CLASSES = _NO_PAD_CLASSES - {"LlamaTokenizer", "LlamaTokenizerFast"}
_NO_LIMIT = 1_000_000  # a model_max_length beyond this stands for "not known"
_HEAD = 1 << 20  # bytes of tokenizer.json that are read for what comes before the vocabulary
_PRINTS_BOS = re.compile(r"\{\{[^{}]*\bbos_token\b")


def tokenizer_facts(files: Files, model_type: str | None, *, count_tokens: bool = False) -> dict[str, Any]:
    """The fields of a record that the tokenizer's files decide.

    Args:
        files: the small files of a repository.
        model_type: of its config.json.
        count_tokens: also read the whole tokenizer.json for the number of tokens.
    """
    config = read_json(files, TOKENIZER_CONFIG)
    if config is None:
        return {}
    kind = first_text(config, "tokenizer_class")
    special = read_json(files, SPECIAL_TOKENS) or {}
    head = tokenizer_head(files) or {}
    bos, template = _token(config, special, "bos_token"), _template(files, config)
    has_pad, pad = _pad_token(files, config, special, head, model_type)
    limit = first_int(config, "model_max_length")
    side = first_text(config, "padding_side")
    measured = kind in _RIGHT_CLASSES and model_type in _NO_PAD_TYPES and head and not head.get("padding")
    return {
        "tokenizer_class": kind,
        "tokenizer_length": tokens_in(files) if count_tokens else None,
        "has_pad_token": has_pad,
        "pad_token": pad,
        "eos_token": _token(config, special, "eos_token"),
        "bos_token": bos,
        "adds_bos": _adds_bos(config, head, bos),
        "padding_side": side if side in ("left", "right") else "right" if measured else None,
        "model_max_length": limit if limit is not None and limit < _NO_LIMIT else None,
        "chat_template": _has_template(files, config),
        "template_writes_bos": _writes_bos(template, bos),
    }


def tokenizer_head(files: Files) -> dict[str, Any] | None:
    """What stands in tokenizer.json before its vocabulary; None where there is no such file, or it has another order."""
    data = files.read(TOKENIZER, _HEAD)
    if data is None:
        return None
    text, decoder = data.decode("utf-8", "ignore"), json.JSONDecoder()
    found: dict[str, Any] = {}
    try:
        at = text.index("{") + 1
        while True:
            key, at = decoder.raw_decode(text, text.index('"', at))
            if key == "model":
                return found
            value_at = text.index(":", at) + 1
            while text[value_at].isspace():
                value_at += 1
            found[key], at = decoder.raw_decode(text, value_at)
    except (ValueError, IndexError, RecursionError):
        return None


def tokens_in(files: Files) -> int | None:
    """How many tokens a tokenizer.json has, added ones included; None where it is not at hand or not understood."""
    whole = read_json(files, TOKENIZER) or {}
    model = whole.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    added = whole.get("added_tokens") or []
    if isinstance(words, list):  # of pieces with their scores, as unigram models have them
        words = {entry[0] for entry in words if isinstance(entry, list) and entry}
    if not isinstance(words, dict | set) or not isinstance(added, list):
        return None
    return len(words) + sum(isinstance(one, dict) and one.get("content") not in words for one in added)


def _text(value: object) -> str | None:
    """A special token, which is a string or an object with its content."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) and value else None


def _token(config: Mapping[str, Any], special: Mapping[str, Any], name: str) -> str | None:
    return _text(config[name] if name in config else special.get(name))


def _pad_token(
    files: Files,
    config: Mapping[str, Any],
    special: Mapping[str, Any],
    head: Mapping[str, Any],
    model_type: str | None,
) -> tuple[bool | None, str | None]:
    """Whether there is one as the tokenizer is loaded, and which."""
    if pad := _text(config.get("pad_token")):
        return True, pad
    if _text(special.get("pad_token")) or not (special or files.lacks(SPECIAL_TOKENS)):
        return None, None  # which of the two files counts depends on the release
    if head.get("padding", "may stand elsewhere") is not None:
        return None, None
    told = "pad_token" in config  # and null: no release adds one then
    known = config.get("tokenizer_class") in _NO_PAD_CLASSES and model_type in _NO_PAD_TYPES
    return (False, None) if known or (told and model_type in _NO_PAD_TYPES) else (None, None)


def _adds_bos(config: Mapping[str, Any], head: Mapping[str, Any], bos: str | None) -> bool | None:
    """What the post-processor does; unknown where `add_bos_token` says something else, for that counts in some classes."""
    if "post_processor" not in head or bos is None:  # it may stand elsewhere
        return None
    steps = head["post_processor"]
    if isinstance(steps, dict) and steps.get("type") == "Sequence":
        steps = steps.get("processors")
    begins = any(_begins_with(step, bos) for step in (steps if isinstance(steps, list) else [steps]))
    told = config.get("add_bos_token")
    return begins if told in (None, begins) else None


def _begins_with(step: object, token: str) -> bool:
    try:
        return bool(step["single"][0]["SpecialToken"]["id"] == token)  # type: ignore[index] # anything else is no such step
    except (TypeError, LookupError):
        return False


def _template(files: Files, config: Mapping[str, Any]) -> str | None:
    """The chat template, or the default one of several."""
    data = files.read(CHAT_TEMPLATE)
    if data is not None:
        return data.decode("utf-8", "replace")
    template = config.get("chat_template")
    if isinstance(template, list):
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _has_template(files: Files, config: Mapping[str, Any]) -> bool | None:
    if config.get("chat_template") or files.read(CHAT_TEMPLATE) is not None:
        return True
    others = (CHAT_TEMPLATE, "chat_template.json")
    return False if all(files.lacks(name) for name in others) else None


def _writes_bos(template: str | None, bos: str | None) -> bool | None:
    if template is None:
        return None
    if _PRINTS_BOS.search(template) or (bos and bos in template):
        return True
    return None if "bos_token" in template else False
