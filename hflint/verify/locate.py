"""Where a setup's model and tokenizer come from: the real ones where they are cached and fit, else tiny twins made here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflint.verify import twin
from hflint.verify.libraries import UnavailableError, attribute, library, one_line
from hflint.verify.setup import Model, Setup, Tokenizer

if TYPE_CHECKING:
    from hflint.verify.outcome import Plan

REAL_ON_CPU = 2 * 2**30  # bytes of weights; a larger model is run as its twin where there is no accelerator
VOCAB, SMALLER_VOCAB, PADDED_VOCAB = 400, 330, 448  # of twins: usual, below its tokenizer's, above it
_HAVE_PAD = {
    "qwen2",
    "qwen3",
    "bert",
    "t5",
    "roberta",
    "bart",
    "mt5",
    "distilbert",
    "electra",
    "gemma",
    "gemma2",
    "bloom",
}


@dataclass(frozen=True)
class Sources:
    """Where model and tokenizer of a run are loaded from."""

    model: str  # a path, or the real id
    tokenizer: str
    real: bool
    description: str
    config: Mapping[str, Any] | None  # of the full-size model, where known
    model_type: str


def cached_folder(name: str, revision: str | None = None) -> Path | None:
    """The folder of a model that is on this machine: a path, or its snapshot in the hub cache."""
    if Path(name, "config.json").is_file() or Path(name, "tokenizer_config.json").is_file():
        return Path(name).resolve()
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        return None
    hub = library("huggingface_hub")
    for file in ("config.json", "tokenizer_config.json"):
        found = hub.try_to_load_from_cache(name, file, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def locate(setup: Setup, plan: Plan, device: str, shared: Path) -> Sources:
    """Decide between the real model and its twin, and make the twin.

    Args:
        setup: what the program loads.
        plan: real or twin, memory, whether remote code may run, whether a twin shall know some sentences by heart.
        device: "cpu" or "cuda".
        shared: folder that keeps twins between runs.

    Raises:
        UnavailableError: the real model was demanded and is not there, or nothing can be made of what is known.
    """
    model = setup.model or Model(loader="")
    if not model.loader:
        model = replace(model, loader=pipeline_loader(setup))
    folder = cached_folder(model.id, model.kwargs.get("revision")) if model.id else None
    config, damage = _read_config(folder, model)
    barred = bool(config and "auto_map" in config and not plan.remote_code)
    if barred and config and (plan.model == "real" or not config.get("model_type")):
        raise UnavailableError(f"{model.id} needs its own code, which is not run without --allow-remote-code")
    weights = _weight_bytes(folder) if folder else 0
    if plan.model == "real" and (damage or not weights):
        raise UnavailableError(damage or f"{model.id or 'the model'} is not in the local cache")
    fits = weights * 3 < plan.memory * 2**30 and (device != "cpu" or weights <= REAL_ON_CPU)
    if plan.model == "real" and not fits:
        raise UnavailableError(f"{model.id} is too large to run here: {weights / 2**30:.1f} GiB of weights")
    if plan.model != "twin" and weights and fits and not damage and not barred:
        tokenizer = (setup.tokenizer.id if setup.tokenizer else None) or model.id
        kind = str(config.get("model_type", "")) if config else ""
        return Sources(
            str(model.id), str(tokenizer), real=True, description=f"real {model.id}", config=config, model_type=kind
        )
    return _make_twin(setup, model, config, damage, shared, learned=plan.pretrained)


def pipeline_loader(setup: Setup) -> str:
    """The class that a pipeline loads its model with, by its task."""
    task = (setup.pipeline.task if setup.pipeline else None) or "text-generation"
    tasks = {
        "text-classification": "AutoModelForSequenceClassification", "sentiment-analysis": "AutoModelForSequenceClassification",
        "token-classification": "AutoModelForTokenClassification", "ner": "AutoModelForTokenClassification",
        "fill-mask": "AutoModelForMaskedLM", "feature-extraction": "AutoModel", "summarization": "AutoModelForSeq2SeqLM",
        "text2text-generation": "AutoModelForSeq2SeqLM", "question-answering": "AutoModelForQuestionAnswering",
        "zero-shot-classification": "AutoModelForSequenceClassification",
    }  # fmt: skip
    return tasks.get(task, "AutoModelForSeq2SeqLM" if task.startswith("translation") else "AutoModelForCausalLM")


def _read_config(folder: Path | None, model: Model) -> tuple[dict[str, Any] | None, str]:
    """The full config as far as it is known, and what is wrong with the cached one."""
    damage = ""
    if folder and (folder / "config.json").is_file():
        try:
            read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if isinstance(read, dict):
                return read, ""
            damage = "config.json in the cache is not an object"
        except (OSError, ValueError) as error:
            damage = f"config.json in the cache is damaged: {one_line(error, 120)}"
    return (dict(model.facts.config) if model.facts.config else None), damage


def _weight_bytes(folder: Path) -> int:
    files = [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]
    return sum(file.stat().st_size for file in files if file.exists())


def _make_twin(
    setup: Setup, model: Model, config: dict[str, Any] | None, damage: str, shared: Path, *, learned: bool
) -> Sources:
    model_type = (config or {}).get("model_type") or model.facts.model_type
    note = f" ({damage})" if damage else ""
    if not model_type:
        model_type = twin.stand_in(model.loader)
        note += " (the architecture is not known: a stand-in)"
    full = twin.full_config(model_type, config if config and config.get("model_type") else None)
    tokenizer = setup.tokenizer or Tokenizer()
    own = _real_tokenizer(tokenizer.id or model.id)
    other = tokenizer.id is not None and model.id is not None and tokenizer.id != model.id
    vocab = model.facts.vocab_size or getattr(full, "vocab_size", None)
    sizes = _sizes(vocab, tokenizer.facts.vocab_size, other=other, real=bool(own))
    recipe = _Recipe(
        model.loader, model_type, full, tokenizer, own, sizes, _stored_dtype(model, config), learned, _labels(model)
    )
    folder = twin.saved_once(shared, recipe.identity(), recipe.write)
    beside = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    layers = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("num_hidden_layers")
    description = f"twin of {model_type}" + (f" ({layers} layers)" if layers else "") + note
    known = full.to_dict() if config or model.facts.model_type else None
    return Sources(
        str(folder), own or str(beside), real=False, description=description, config=known, model_type=model_type
    )


@dataclass(frozen=True)
class _Recipe:
    """What a twin and its tokenizer are made from."""

    loader: str
    model_type: str
    full: Any  # the configuration object of the full-size model
    tokenizer: Tokenizer
    own: str | None  # the folder of the real tokenizer
    sizes: tuple[int, int]  # of the model's vocabulary, and of a larger tokenizer's (0 where it is the model's own)
    dtype: str
    learned: bool
    labels: int = 0  # that the program gives its head; 0 where it says nothing

    def identity(self) -> dict[str, Any]:
        """What tells one twin from another; its attributes set later are no part of it."""
        facts = self.tokenizer.facts
        return {
            "loader": self.loader,
            "config": self.full.to_dict(),
            "tokenizer": [dict(facts.special), facts.adds_bos, facts.chat_template, self.own, self.tokenizer.loader],
            "sizes": self.sizes,
            "dtype": self.dtype,
            "learned": self.learned,
            "labels": self.labels,
        }

    def write(self, folder: Path) -> None:
        """Make both and save them to `folder`."""
        size, other_size = self.sizes
        facts, pad = self.tokenizer.facts, self.model_type in _HAVE_PAD
        if self.own:
            made = attribute("transformers", self.tokenizer.loader).from_pretrained(self.own)
            vocab = size if other_size else len(made)
        else:
            made = twin.make_tokenizer(facts, pad=pad, size=min(VOCAB, size))
            vocab = len(made) + max(0, size - VOCAB)
        names = {number: f"LABEL_{number}" for number in range(self.labels)}
        head = {"id2label": names, "label2id": {name: number for number, name in names.items()}} if names else {}
        config = twin.twin_config(self.full, vocab, vocab_size=vocab, **head, **twin.special_ids(made))
        if not self.own and (getattr(config, "type_vocab_size", 0) or 0) < 2:
            # 4.x makes token types for every tokenizer, and saves what it was made with.
            made.model_input_names = made.init_kwargs["model_input_names"] = ["input_ids", "attention_mask"]
        if getattr(config, "is_encoder_decoder", False) and getattr(config, "decoder_start_token_id", None) is None:
            config.decoder_start_token_id = made.pad_token_id or 0
        model = twin.build(self.loader, config)
        if self.learned and "LM" in self.loader:
            twin.learn(model, made)
        model.to(getattr(library("torch"), self.dtype)).save_pretrained(folder)
        if not self.own:
            made.save_pretrained(folder)
            if other_size > vocab:
                twin.make_tokenizer(facts, pad=pad, size=other_size).save_pretrained(folder / "tokenizer")


def _labels(model: Model) -> int:
    """How many labels the load asks for; 0 where it does not say."""
    number, names = model.kwargs.get("num_labels"), model.kwargs.get("id2label")
    return number if isinstance(number, int) else len(names) if isinstance(names, Mapping) else 0


def _sizes(model: int | None, tokenizer: int | None, *, other: bool, real: bool) -> tuple[int, int]:
    """Vocabulary sizes of a twin and of its tokenizer that stand to each other as the real ones do.

    Raises:
        UnavailableError: two different names whose vocabularies are not known to differ in size.
    """
    if not other:
        padded = bool(model and tokenizer and model > tokenizer)
        return (PADDED_VOCAB if padded else VOCAB), 0
    if not model or not tokenizer:
        raise UnavailableError("whether the vocabularies differ is not known: neither tokenizer is in the local cache")
    if tokenizer > model:
        return (model, tokenizer) if real else (SMALLER_VOCAB, VOCAB)
    raise UnavailableError("the tokenizer's vocabulary is not larger than the model's: only the real ones can tell")


def _real_tokenizer(name: str | None) -> str | None:
    """The folder of a tokenizer on this machine; None where it is not there."""
    folder = cached_folder(name) if name else None
    files = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model")
    return str(folder) if folder and any((folder / file).is_file() for file in files) else None


def _stored_dtype(model: Model, config: Mapping[str, Any] | None) -> str:
    """What the checkpoint is stored in: float32 where nothing says."""
    stored = model.facts.dtype or (config or {}).get("dtype") or (config or {}).get("torch_dtype") or "float32"
    name = str(stored).removeprefix("torch.")
    return name if name in ("float32", "float16", "bfloat16") else "float32"
