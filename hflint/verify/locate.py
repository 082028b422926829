"""Where a setup's model and tokenizer come from: the real ones where they are cached and fit, else tiny twins made here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflint.verify import repositories, sized, twin
from hflint.verify.libraries import UnavailableError, attribute, library, one_line
from hflint.verify.recipe import POSITIONS, VOCAB, Recipe
from hflint.verify.setup import Model, Setup, Tokenizer

if TYPE_CHECKING:
    from hflint.verify.outcome import Plan

REAL_ON_CPU = 2 * 2**30  # bytes of weights; a larger model is run as its twin where there is no accelerator
SMALLER_VOCAB, PADDED_VOCAB = 330, 448  # of twins: below its tokenizer's, above it


@dataclass(frozen=True)
class Sources:
    """Where model and tokenizer of a run are loaded from."""

    model: str  # a path, or the real id
    tokenizer: str
    real: bool
    description: str
    config: Mapping[str, Any] | None  # of the full-size model, where known
    model_type: str
    own_tokenizer: str = ""  # of the model, where the program gives it another's
    has_code: bool = False  # whether the repository brings code: a few lines of ours, unless its own was allowed
    coded: str = ""  # the part that brings it, "model" or "tokenizer", where it is not both
    marked: str = ""  # a second repository, of one pickle that holds code
    stored: str = ""  # how its config.json says that it is quantized, where nothing quantized it
    are_known: bool = False  # whether the tokenizer and the model's own are both the real ones


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
    if plan.sized and setup.model:
        return _make_sized(setup, model, device, shared)
    folder = cached_folder(model.id, model.kwargs.get("revision")) if model.id else None
    config, damage = _read_config(folder, model)
    barred = bool(config and "auto_map" in config and not plan.remote_code)
    made = plan.repository in ("code", "pickle")  # what the hub has of these is never run, whatever is allowed
    if made and plan.model == "real":
        raise UnavailableError("the repository itself is not run for this claim, only one that is made for it")
    if not made and (alone := _tokenizer_alone(setup, plan)):
        return alone
    if barred and config and not made and (plan.model == "real" or not config.get("model_type")):
        raise UnavailableError(f"{model.id} needs its own code, which is not run without --allow-remote-code")
    weights = _weight_bytes(folder) if folder else 0
    if plan.model == "real" and (damage or not weights):
        raise UnavailableError(damage or f"{model.id or 'the model'} is not in the local cache")
    fits = weights * 3 < plan.memory * 2**30 and (device != "cpu" or weights <= REAL_ON_CPU)
    if plan.model == "real" and not fits:
        raise UnavailableError(f"{model.id} is too large to run here: {weights / 2**30:.1f} GiB of weights")
    if plan.model != "twin" and weights and fits and not damage and not barred and not made:
        return _real(setup, model, config)
    return _make_twin(setup, model, config, damage, shared=shared, plan=plan)


def _make_sized(setup: Setup, model: Model, device: str, shared: Path) -> Sources:
    model_type = model.facts.model_type or twin.stand_in(model.loader)
    if model.facts.config:  # it says how large
        config = dict(twin.full_config(model_type, model.facts.config).to_dict())
    else:
        wanted = sized.size(model.facts.parameters, device, trained=setup.training is not None and not setup.adapter)
        config = sized.scaled(twin.full_config(model_type), model.loader, wanted)
    dtype = _stored_dtype(model, None)
    identity = {"sized": config, "loader": model.loader, "dtype": dtype}
    folder = twin.saved_once(shared, identity, lambda part: sized.write(part, model.loader, config, dtype, device))
    count = int((folder / "parameters.json").read_text(encoding="utf-8"))
    return Sources(
        str(folder),
        str(folder),
        real=False,
        description=f"random {model_type} of {count / 1e9:.1f}B parameters",
        config=config,
        model_type=model_type,
    )


def _real(setup: Setup, model: Model, config: dict[str, Any] | None) -> Sources:
    tokenizer = (setup.tokenizer.id if setup.tokenizer else None) or model.id
    return Sources(
        str(model.id),
        str(tokenizer),
        real=True,
        description=f"real {model.id}",
        config=config,
        model_type=str((config or {}).get("model_type", "")),
        own_tokenizer="" if tokenizer == model.id else str(model.id),
        has_code=bool(config and "auto_map" in config),
        are_known=True,
    )


def _is_tokenizer_alone(setup: Setup) -> bool:
    return not (setup.model or setup.pipeline or setup.training)


def _tokenizer_alone(setup: Setup, plan: Plan) -> Sources | None:
    """The real tokenizer, where a setup has nothing else; None where it is to be made.

    Raises:
        UnavailableError: the real one was demanded and is not there, or needs its own code.
    """
    tokenizer = setup.tokenizer
    if not _is_tokenizer_alone(setup) or tokenizer is None or not tokenizer.id or plan.model == "twin":
        return None
    folder = _real_tokenizer(tokenizer.id, tokenizer.kwargs.get("revision"))
    config = Path(folder or "", "tokenizer_config.json")
    has_code = folder is not None and config.is_file() and '"auto_map"' in config.read_text(encoding="utf-8")
    if folder is None or (has_code and not plan.remote_code):
        if plan.model == "real":
            lacks = (
                "needs its own code, which is not run without --allow-remote-code"
                if folder
                else "is not in the local cache"
            )
            raise UnavailableError(f"{tokenizer.id} {lacks}")
        return None
    return Sources(
        "", tokenizer.id, real=True, description=f"real {tokenizer.id}", config=None, model_type="", has_code=has_code
    )


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
    setup: Setup, model: Model, config: dict[str, Any] | None, damage: str, *, shared: Path, plan: Plan
) -> Sources:
    tokenizer = setup.tokenizer or Tokenizer()
    coded = repositories.carries_code(setup) if plan.repository == "code" else ""
    named = (
        (config or {}).get("model_type") or model.facts.model_type or (tokenizer.facts.model_type if coded else None)
    )
    if named and (own := twin.own_type(model.loader)) and not _loads(model.loader, named):
        named = own  # a class may be given what another one saved: it is its own architecture that is made
    model_type, note = named, f" ({damage})" if damage else ""
    if not model_type or (coded and not _is_native(model_type)):
        model_type = twin.stand_in(model.loader)
        note += " (its own code is stood in for)" if named else " (the architecture is not known: a stand-in)"
    full = twin.full_config(model_type, config if config and config.get("model_type") == model_type else None)
    other = tokenizer.id is not None and model.id is not None and tokenizer.id != model.id
    given = None if coded else _real_tokenizer(tokenizer.id or model.id, tokenizer.kwargs.get("revision"))
    theirs = _real_tokenizer(model.id, model.kwargs.get("revision")) if other and not coded else None
    vocab = model.facts.vocab_size or getattr(full, "vocab_size", None)
    sizes = _sizes(vocab, tokenizer.facts.vocab_size or _length(given, other), other=other, real=bool(given))
    recipe = Recipe(
        model.loader, model_type, full, tokenizer, given, theirs, sizes, _stored_dtype(model, config),
        learned=plan.pretrained, labels=_labels(model),
        positions=_positions(model, full) if plan.repository == "positions" else 0,
        quantized="" if plan.repository else _quantized(model, config),
        pickled=plan.repository == "pickle", unsafe=model.kwargs.get("use_safetensors") is False, coded=coded, named=named or model_type,
    )  # fmt: skip
    folder = twin.saved_once(shared, recipe.identity(), recipe.write)
    beside = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    layers = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("num_hidden_layers")
    about = f"twin of {named or model_type}" + (f" ({layers} layers)" if layers else "") + note
    return Sources(
        str(folder),
        given or str(beside),
        real=False,
        description="a tokenizer made for the run" if _is_tokenizer_alone(setup) else about,
        config=full.to_dict() if config or model.facts.model_type else None,
        model_type=model_type,
        own_tokenizer=(theirs or str(folder)) if other else "",
        has_code=bool(coded),
        coded=coded,
        marked=str(folder / "marked") if recipe.pickled else "",
        stored="" if repositories.is_made(recipe.quantized) else recipe.quantized,
        are_known=bool(given and theirs),
    )


def _loads(loader: str, model_type: str) -> bool:
    """Whether a class is one of a model type's, which several share at times."""
    mapping = library("transformers").models.auto.configuration_auto.CONFIG_MAPPING
    return model_type in mapping and issubclass(mapping[model_type], twin.config_class(loader))


def _is_native(model_type: str) -> bool:
    return model_type in library("transformers").models.auto.configuration_auto.CONFIG_MAPPING


def _length(folder: str | None, other: bool) -> int | None:
    """The size of a real tokenizer that is another's."""
    return len(attribute("transformers", "AutoTokenizer").from_pretrained(folder)) if folder and other else None


def _positions(model: Model, full: Any) -> int:
    """How many tokens the full-size model is for."""
    found = (getattr(full, key, None) for key in POSITIONS)
    return model.facts.positions or next((number for number in found if isinstance(number, int)), 0)


def _quantized(model: Model, config: Mapping[str, Any] | None) -> str:
    """How the checkpoint is stored, "gptq"; empty where it is not known to be quantized."""
    described = (config or {}).get("quantization_config")
    method = described.get("quant_method") if isinstance(described, Mapping) else model.facts.quantized
    if not method or method == "bitsandbytes":
        return str(method or "")
    known = library("transformers.quantizers.auto").AUTO_QUANTIZATION_CONFIG_MAPPING
    return str(method) if method in known else ""


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
    if real:
        return model, tokenizer
    return (SMALLER_VOCAB, VOCAB) if tokenizer > model else (VOCAB, SMALLER_VOCAB)


def _real_tokenizer(name: str | None, revision: str | None) -> str | None:
    """The folder of a tokenizer on this machine; None where it is not there."""
    folder = cached_folder(name, revision) if name else None
    files = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model")
    return str(folder) if folder and any((folder / file).is_file() for file in files) else None


def _stored_dtype(model: Model, config: Mapping[str, Any] | None) -> str:
    """What the checkpoint is stored in: float32 where nothing says."""
    stored = model.facts.dtype or (config or {}).get("dtype") or (config or {}).get("torch_dtype") or "float32"
    name = str(stored).removeprefix("torch.")
    return name if name in ("float32", "float16", "bfloat16") else "float32"
