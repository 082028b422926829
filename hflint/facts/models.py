"""What is known of a model by its id: from the project's lock, the local cache, the shipped catalogue, or the id's own words.

Every field may be None: not known. A rule that needs a field is silent without it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hflint.facts.model_names import is_model_id, quantization_in_name, size_in_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hflint.facts.shape import Shape

Origin = Literal["lock", "cache", "catalogue", "name"]
Head = Literal["causal", "seq2seq", "encoder", "embedding", "vision", "audio", "vision-text"]
Dtype = Literal["float32", "float16", "bfloat16"]

_TABLE = Path(__file__).parent / "tables" / "models.json"
_TOGETHER = (  # fields that say something only together, so they come from one provider
    ("has_pad_token", "pad_token", "pad_token_since"),
    ("parameters", "parameters_from"),
    ("quantized", "quantization_bits"),
    ("chat_template", "template_writes_bos"),
)
# What only the first provider may say: another one looked at another commit, or at some of the files.
_FIRST_ONLY = {"commit", "revision", "weights"}
# What somebody else's copy of the weights need not share: its tokenizer files, its licence, its gate.
_OWN = {
    "has_pad_token",
    "pad_token",
    "pad_token_since",
    "padding_side",
    "model_max_length",
    "vocab_size",
    "tokenizer_length",
    "bos_token",
    "eos_token",
    "chat_template",
    "template_writes_bos",
    "adds_bos",
    "custom_code",
    "tokenizer_code",
    "gated",
    "license",
}


class Releases(Protocol):
    """The releases of a library that a project allows, as hflint.facts.versions.Range."""

    def any(self, spec: str) -> bool:
        """Whether some allowed release satisfies a specifier."""
        ...


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model.

    Attributes:
        id: as it was asked for.
        origin: the first provider that knew it.
        source: where its facts come from, for people.
        family: for example "llama-3.1"; models of a family share architecture and tokenizer.
        model_type: transformers' name of the architecture, for example "llama".
        head: what it is for.
        parameters: all of them, not only the active ones of a mixture; rounded if parameters_from is "name".
        parameters_from: who counted them.
        dtype: of the stored weights.
        tokenizer: identity of the vocabulary; two models with the same value can share a tokenizer.
        vocab_size: rows of the token embedding; can be more than the tokenizer has tokens.
        has_pad_token: whether the tokenizer has one as it is loaded, in every release of transformers.
        pad_token: which one, where that is known.
        pad_token_since: there is no pad token before this release of transformers; from it on there may be one.
        padding_side: the side a tokenizer pads by default ("left" or "right").
        context_length: positions the model was made for (max_position_embeddings), in tokens.
        model_max_length: where truncation=True cuts without max_length, in tokens.
        instruct: tuned to follow instructions or to chat.
        chat_template: whether the repository has one.
        adds_bos: whether the tokenizer puts a BOS token before a text by itself.
        remote_code: whether it cannot be loaded without trust_remote_code.
        gated: whether its files can be had only after a form is accepted.
        license: as the hub spells it.
        quantized: how the checkpoint is quantized already, for example "gptq"; None says nothing.
        quantization_bits: of the stored weights.
        task_prefix: texts it expects before its input, for example "query: ".
        commit: hash of the commit that was read.
        revision: the branch, tag or commit that was asked for; None for the main branch.
        architectures: class names as its config.json lists them.
        tokenizer_length: tokens, added ones included; not counted from the local cache, for that is slow.
        bos_token: which one, where there is one.
        eos_token: the same at the end.
        template_writes_bos: whether the chat template puts the BOS token into the text by itself.
        custom_code: whether the repository brings code; transformers may have its own for the type.
        tokenizer_code: whether some of it is the tokenizer's.
        code_repository: the other repository in which that code stands.
        weights: bytes of weight files by format, "safetensors", "pickle", "gguf", ...
        shape: sizes of its layers, where the architecture is known.
        generation_pad_id: the pad token's id in generation_config.json.
        generation_eos_ids: ids that end a generated text, by the same file.
        generation_max_length: tokens that `generate` makes at most by the same file, the prompt included.
    """

    id: str
    origin: Origin
    source: str = ""
    family: str | None = None
    model_type: str | None = None
    head: Head | None = None
    parameters: int | None = None
    parameters_from: Origin | None = None
    dtype: Dtype | None = None
    tokenizer: str | None = None
    vocab_size: int | None = None
    has_pad_token: bool | None = None
    pad_token: str | None = None
    pad_token_since: str | None = None
    padding_side: Literal["left", "right"] | None = None
    context_length: int | None = None
    model_max_length: int | None = None
    instruct: bool | None = None
    chat_template: bool | None = None
    adds_bos: bool | None = None
    remote_code: bool | None = None
    gated: bool | None = None
    license: str | None = None
    quantized: str | None = None
    quantization_bits: int | None = None
    task_prefix: tuple[str, ...] | None = None
    commit: str | None = None
    revision: str | None = None
    architectures: tuple[str, ...] | None = None
    tokenizer_length: int | None = None
    bos_token: str | None = None
    eos_token: str | None = None
    template_writes_bos: bool | None = None
    custom_code: bool | None = None
    tokenizer_code: bool | None = None
    code_repository: str | None = None
    weights: Mapping[str, int] | None = None
    shape: Shape | None = None
    generation_pad_id: int | None = None
    generation_eos_ids: tuple[int, ...] | None = None
    generation_max_length: int | None = None

    @property
    def size(self) -> str:
        """The number of parameters for a message, admitting where it was only read off the name; "" if unknown."""
        if self.parameters is None:
            return ""
        unit, by = ("B", 1e9) if self.parameters >= 1e9 else ("M", 1e6)
        number = f"{self.parameters / by:.1f}".removesuffix(".0") + unit
        return (
            f"about {number} parameters, going by its name"
            if self.parameters_from == "name"
            else f"{number} parameters"
        )

    def lacks_pad_token(self, transformers: Releases | None = None) -> bool:
        """Whether its tokenizer certainly has no pad token in any of the releases of transformers that are allowed."""
        if self.has_pad_token is not None:
            return not self.has_pad_token
        since = self.pad_token_since
        return since is not None and transformers is not None and not transformers.any(f">={since}")


class Provider(Protocol):
    """Somebody who knows models by their id."""

    def find(self, model_id: str, revision: str | None = None, /) -> ModelFacts | None:
        """What it knows of a model, at a branch, tag or commit; at its main branch without one."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever an answer may change."""
        ...


class Catalogue:
    """The models that hflint ships facts of; scripts/make_catalogue.py makes its table."""

    def __init__(self, table: Path = _TABLE) -> None:
        self._path = table

    def find(self, model_id: str, _revision: str | None = None) -> ModelFacts | None:
        """The facts of an id, of another id of the same repository, or of the original of a copy."""
        table = _load(self._path)
        known = model_id if model_id in table["ids"] else table["spellings"].get(model_id.lower())
        if known is None:
            return None
        original, relation = table["ids"][known]
        family, own = table["models"][original]
        found: dict[str, Any] = {**table["families"][family], **own}
        if config := found.pop("config", None):
            from hflint.facts.shape import shape_of  # a class takes time to make, and few programs name such a model

            found["shape"] = shape_of({**found, **config})
        if relation != "same":
            found = {name: value for name, value in found.items() if name not in _OWN}
        if relation == "bnb_4bit":
            found.pop("dtype", None)
            found.update(quantized="bitsandbytes", quantization_bits=4)
        if "parameters" in found:
            found["parameters_from"] = "catalogue"
        if "task_prefix" in found:
            found["task_prefix"] = tuple(found["task_prefix"])
        keys = found.pop("family_from") + found.pop("from")
        source = ", ".join(dict.fromkeys(table["sources"][key].partition(":")[0] for key in keys))
        return ModelFacts(id=model_id, origin="catalogue", source=source, family=family, **found)

    def __iter__(self) -> Iterator[str]:
        """The ids it knows."""
        return iter(_load(self._path)["ids"])

    def fingerprint(self) -> str:
        """Of the table's bytes."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()[:16]


class Names:
    """What ids say by themselves; the last resort."""

    def find(self, model_id: str, _revision: str | None = None) -> ModelFacts | None:
        """The size and the quantization that an "org/name" claims; a name without "/" may just as well be a folder."""
        if "/" not in model_id:
            return None
        parameters, quantized = size_in_name(model_id), quantization_in_name(model_id)
        if parameters is None and quantized is None:
            return None
        counted: Origin | None = "name" if parameters else None
        return ModelFacts(
            model_id, "name", "its name", parameters=parameters, parameters_from=counted, quantized=quantized
        )

    def fingerprint(self) -> str:
        """Fixed: it knows nothing but its own rules, which change with hflint's version."""
        return "names"


class Models:
    """All that is known of models, from several providers, the earlier ones being right where they differ."""

    def __init__(self, providers: Iterable[Provider] = ()) -> None:
        """With providers to ask before the catalogue and the names: the project's lock, the local cache."""
        self._providers: tuple[Provider, ...] = (*providers, Catalogue(), Names())
        self._found: dict[tuple[str, str | None], ModelFacts | None] = {}

    def find(self, model_id: str, revision: str | None = None) -> ModelFacts | None:
        """What is known of a model id, at a branch, tag or commit; None for unknown ids and for what is plainly a path."""
        asked = model_id, revision
        if asked not in self._found:
            self._found[asked] = self._ask(*asked) if is_model_id(model_id) else None
        return self._found[asked]

    def fingerprint(self) -> str:
        """Changes whenever an answer may change; for the cache of findings."""
        return "+".join(provider.fingerprint() for provider in self._providers)

    def _ask(self, model_id: str, revision: str | None) -> ModelFacts | None:
        known: ModelFacts | None = None
        for provider in self._providers:
            found = provider.find(model_id, revision)
            if found is not None:
                known = _filled(known, found) if known else found
        return known


def _filled(known: ModelFacts, more: ModelFacts) -> ModelFacts:
    """What is known, with its gaps filled from a later provider."""
    kept = {name for group in _TOGETHER if any(getattr(known, name) is not None for name in group) for name in group}
    kept |= _FIRST_ONLY
    gaps = {
        field.name: getattr(more, field.name)
        for field in fields(ModelFacts)
        if field.name not in kept and getattr(known, field.name) is None and getattr(more, field.name) is not None
    }
    if not gaps:
        return known
    return replace(known, **gaps, source=f"{known.source}; {more.source}")


@cache
def _load(path: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(path.read_bytes())
    ids: dict[str, tuple[str, str]] = {model: (model, "same") for model in table["models"]}
    for relation in ("same", "copies", "bnb_4bit"):
        ids.update({other: (original, relation) for other, original in table[relation].items()})
    return {**table, "ids": ids, "spellings": {model.lower(): model for model in ids}}
