"""Tiny twins: a model of any architecture at 1/1000 of its size, and a tokenizer made on the spot of the kind a setup implies."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import shutil
from typing import TYPE_CHECKING, Any

from hflint.verify.libraries import UnavailableError, library, one_line
from hflint.verify.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hflint.verify.setup import TokenizerFacts

# What twins read and learn. The first five are learned by heart where a probe needs a model that knows something.
SENTENCES = (
    "the old lighthouse keeper counts every ship that passes in the night",
    "bread is baked before sunrise and sold before noon",
    "a small model learns short sentences by heart",
    "rivers carry sand, stones and stories down to the sea",
    "good morning, would you like some tea with your breakfast?",
    "def area(width, height): return width * height",
    "the train leaves at seven and arrives a little after nine",
    "numbers such as 12, 345 and 6789 are cut into pieces",
    "who wrote this letter, and when was it sent?",
    "mountains look blue from far away and grey from near",
)
LEARNED = SENTENCES[:5]
CHAT_TEMPLATE = (
    "{{ bos_token or '' }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}"
    "{{ eos_token or '' }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# The architecture that stands in where nothing is known of a model but the class that loads it.
STAND_INS = (
    ("SpeechSeq2Seq", "whisper"), ("CTC", "wav2vec2"), ("Audio", "wav2vec2"), ("ImageClassification", "vit"),
    ("ImageTextToText", "llava"), ("Vision2Seq", "llava"), ("Seq2Seq", "t5"), ("CausalLM", "llama"), ("MaskedLM", "bert"),
    ("Classification", "bert"), ("QuestionAnswering", "bert"),
)  # fmt: skip
_DROPPED = (
    "transformers_version",
    "architectures",
    "_name_or_path",
    "quantization_config",
    "dtype",
    "torch_dtype",
    "auto_map",
)
_PRETRAIN_STEPS = 150


def stand_in(loader: str) -> str:
    """A model type for a class of which nothing else is known: its own, else one of its kind."""
    kind = next((kind for part, kind in STAND_INS if part in loader), "llama" if "LM" in loader else "bert")
    return own_type(loader) or kind


def own_type(loader: str) -> str:
    """The model type that a class is of; empty for those of any, such as the Auto classes."""
    return str(getattr(config_class(loader), "model_type", ""))


def config_class(loader: str) -> Any:
    """The configuration class of a model class; None for those of any, and for what is not there."""
    try:
        return getattr(getattr(library("transformers"), loader or "AutoModel", None), "config_class", None)
    except ImportError:  # one that needs another library
        return None


def full_config(model_type: str, config: Mapping[str, Any] | None = None) -> Any:
    """The configuration object of a full-size model: from its config.json, else the defaults of its model type.

    Raises:
        UnavailableError: this version of transformers has no such model type, or refuses the configuration.
    """
    mapping = library("transformers").models.auto.configuration_auto.CONFIG_MAPPING
    if model_type not in mapping:
        raise UnavailableError(f"transformers {library('transformers').__version__} has no model type {model_type!r}")
    try:
        return mapping[model_type].from_dict(dict(config)) if config else mapping[model_type]()
    except Exception as error:  # noqa: BLE001 - a library may raise anything; it becomes a reason
        raise UnavailableError(f"no configuration of {model_type}: {one_line(error)}") from None


def twin_config(full: Any, vocab: int, **overrides: Any) -> Any:
    """The configuration object of the twin of `full`."""
    config = full.to_dict()
    text = full
    with contextlib.suppress(AttributeError, ValueError):  # there may be none, or several
        text = full.get_text_config()
    if _takes_sections(type(text)):
        _name_sections(config if text is full else config["text_config"])
    small = shrink(config, vocab)
    for key in _DROPPED:
        small.pop(key, None)
    small.update(overrides)
    return type(full).from_dict(small)


def _takes_sections(kind: type) -> bool:
    """Whether rotary positions come in sections; before transformers 5, only the text of the class says so."""
    ignored = getattr(kind, "ignore_keys_at_rope_validation", None)
    if ignored is not None:
        return "mrope_section" in ignored
    try:
        return '"mrope_section"' in inspect.getsource(kind)
    except (OSError, TypeError):
        return False


def _name_sections(config: dict[str, Any]) -> None:
    """Write into rope parameters the sections that model code takes where a configuration names none; they must shrink."""
    if config.get("rope_scaling", "") is None:  # its name before transformers 5
        config["rope_scaling"] = {"rope_type": "default", "mrope_section": [3, 3, 2]}
    rope = config.get("rope_parameters")
    if isinstance(rope, dict) and "rope_type" in rope:
        rope.setdefault("mrope_section", [3, 3, 2])


def parameter_names(model: Any) -> set[str]:
    """Parameter names with layer numbers taken out, so that a twin's compare with its model's."""
    return {"".join(c for c in name if not c.isdigit()) for name, _ in model.named_parameters()}


def class_of(loader: str) -> Any:
    """What makes a model of a configuration: an Auto class's `from_config`, or the class itself."""
    transformers = library("transformers")
    name = "AutoModelForCausalLM" if loader.startswith("AutoPeft") else loader
    try:
        found = getattr(transformers, name)
    except AttributeError:
        raise ImportError(f"cannot import name '{name}' from 'transformers'") from None
    return getattr(found, "from_config", found) if name.startswith("Auto") else found


def build(loader: str, config: Any, seed: int = 0) -> Any:
    """A model with random weights, the same ones for the same seed."""
    library("torch").manual_seed(seed)
    return class_of(loader)(config)


def make_tokenizer(facts: TokenizerFacts, *, pad: bool, size: int = 400, max_length: int = 128) -> Any:
    """A byte-level tokenizer with the special tokens that are known of the real one.

    Args:
        facts: special tokens, chat template, whether BOS is added. A token that is known to be missing is missing.
        pad: whether it has a pad token where the facts do not say.
        size: of its vocabulary, at most; the sentences it learns from give some 400.
        max_length: `model_max_length`.
    """
    tokenizers, transformers = library("tokenizers"), library("transformers")
    special = {"eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>", **({"pad_token": "<pad>"} if pad else {})}
    special.update({key: value for key, value in facts.special.items() if key.endswith("_token")})
    special = {key: value for key, value in special.items() if isinstance(value, str)}
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(dict.fromkeys(special.values())),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES * 4, trainer)
    if facts.adds_bos and "bos_token" in special:
        bos = special["bos_token"]
        core.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, core.token_to_id(bos))]
        )
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=max_length, **special)
    if facts.chat_template is not False:
        made.chat_template = CHAT_TEMPLATE
    return made


def special_ids(tokenizer: Any) -> dict[str, int]:
    """`bos_token_id` and the like, as a configuration names them, of the tokens that exist."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names if getattr(tokenizer, name) is not None}


def learn(model: Any, tokenizer: Any, steps: int = _PRETRAIN_STEPS) -> float:
    """Teach a causal or sequence-to-sequence twin five sentences by heart; its last loss."""
    torch = library("torch")
    rows = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id or 0] for text in LEARNED]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    labels = ids.masked_fill(mask == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    loss = float("inf")
    for _ in range(steps):
        out = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        out.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss = float(out.detach())
        if loss < 0.01:
            break
    model.eval()
    return loss


def saved_once(shared: Path, identity: Mapping[str, Any], make: Any) -> Path:
    """A folder under `shared` that `make(folder)` filled for this identity, now or in an earlier run."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]
    final = shared / f"twin-{digest}"
    if not final.exists():
        part = shared / f"twin-{digest}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        make(part)
        part.rename(final)
    return final
