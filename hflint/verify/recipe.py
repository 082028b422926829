"""What a tiny twin and its tokenizer are made from, and the making: weights, tokenizer, what a repository has beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hflint.verify import repositories, twin
from hflint.verify.libraries import attribute, library
from hflint.verify.setup import Tokenizer, TokenizerFacts

if TYPE_CHECKING:
    from pathlib import Path

VOCAB = 400  # of a twin, where nothing says that it is more or less than its tokenizer's
POSITIONS = ("max_position_embeddings", "n_positions", "max_target_positions", "max_source_positions")
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
class Recipe:
    """What a twin and its tokenizer are made from."""

    loader: str
    model_type: str
    full: Any  # the configuration object of the full-size model
    tokenizer: Tokenizer
    given: str | None  # the folder of the real tokenizer that the program loads
    theirs: str | None  # that of the model's real tokenizer, where the program loads another
    sizes: tuple[int, int]  # of the model's vocabulary, and of the other tokenizer's (0 where it is the model's own)
    dtype: str
    learned: bool
    labels: int = 0  # that the program gives its head; 0 where it says nothing
    positions: int = 0  # of the full-size model, where the twin has as many
    quantized: str = ""  # how it is stored
    pickled: bool = False  # whether there are pickles beside the weights, with code and without
    unsafe: bool = False  # whether the program reads nothing but pickles
    coded: str = ""  # the part that brings code: "model" or "tokenizer"
    named: str = ""  # the model type by its name, which the library need not know

    def identity(self) -> dict[str, Any]:
        """What tells one twin from another; its attributes set later are no part of it."""
        facts = self.tokenizer.facts
        return {
            **vars(self),
            "full": self.full.to_dict(),
            "tokenizer": [dict(facts.special), facts.adds_bos, facts.chat_template, self.tokenizer.loader],
        }

    def write(self, folder: Path) -> None:
        """Make both and save them to `folder`."""
        size, other = self.sizes
        pad = self.model_type in _HAVE_PAD
        real = self.theirs if other else self.given
        if real:
            loader = "AutoTokenizer" if other else self.tokenizer.loader
            made = attribute("transformers", loader).from_pretrained(real)
            vocab = max(size, len(made)) if other else len(made)
        else:
            facts = TokenizerFacts() if other else self.tokenizer.facts
            if "MaskedLM" in self.loader:
                facts = replace(facts, special={"mask_token": "<mask>", **facts.special})
            made = twin.make_tokenizer(facts, pad=pad, size=min(VOCAB, size))
            vocab = len(made) + max(0, size - VOCAB)
        config = self._config(made, vocab)
        if not real and (getattr(config, "type_vocab_size", 0) or 0) < 2:
            # 4.x makes token types for every tokenizer, and saves what it was made with.
            made.model_input_names = made.init_kwargs["model_input_names"] = ["input_ids", "attention_mask"]
        model = _built(self.loader, config)
        if self.learned and "LM" in self.loader:
            twin.learn(model, made)
        model.to(getattr(library("torch"), self.dtype)).save_pretrained(folder)
        if not real:
            made.save_pretrained(folder)
        if other and not self.given:
            twin.make_tokenizer(_other(self.tokenizer.facts), pad=pad, size=other).save_pretrained(folder / "tokenizer")
        self._add(folder, model, made)

    def _config(self, tokenizer: Any, vocab: int) -> Any:
        """The twin's configuration, for the tokenizer and the labels of its head."""
        names = {number: f"LABEL_{number}" for number in range(self.labels)}
        head = {"id2label": names, "label2id": {name: number for number, name in names.items()}} if names else {}
        places = {key: self.positions for key in POSITIONS if self.positions and hasattr(self.full, key)}
        config = twin.twin_config(self.full, vocab, vocab_size=vocab, **head, **places, **twin.special_ids(tokenizer))
        if getattr(config, "is_encoder_decoder", False) and getattr(config, "decoder_start_token_id", None) is None:
            config.decoder_start_token_id = tokenizer.pad_token_id or 0
        return config

    def _add(self, folder: Path, model: Any, tokenizer: Any) -> None:
        """What the repository has beside a plain checkpoint."""
        if self.pickled:
            repositories.add_marked(folder, model)
        if self.pickled or self.unsafe:
            repositories.add_pickle(folder, model)
        if self.quantized:
            described = getattr(self.full, "quantization_config", None)
            repositories.store_quantized(folder, type(model), self.quantized, described, tokenizer)
        if self.coded == "tokenizer":
            tokenizer.save_pretrained(folder / "tokenizer")
            native = self.named == self.model_type
            repositories.add_tokenizer_code(folder / "tokenizer", self.named, native=native)
        elif self.coded:
            repositories.add_model_code(folder, self.loader, self.named, model.config, model)


def _built(loader: str, config: Any) -> Any:
    """The twin; one without a head where the class has none for it, which the program's own load will say."""
    try:
        return twin.build(loader, config)
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        return twin.build("AutoModel", config)


def _other(facts: TokenizerFacts) -> TokenizerFacts:
    """A tokenizer whose ids all mean other tokens than those of one without these: special tokens come first."""
    return replace(facts, special={**facts.special, "cls_token": "<cls>", "sep_token": "<sep>", "mask_token": "<mask>"})
