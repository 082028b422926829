"""`Setup`: the declarative part of a program, as JSON: what is loaded, how it is trained, what it generates.

Values are as the program writes them, made JSON-friendly: `torch.bfloat16` is the string `"torch.bfloat16"`, and
`tokenizer.eos_token` is `{"$ref": "tokenizer.eos_token"}`. What is not known is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hflint.verify.codec import CodecError, from_json, to_json

VERSION = 1
Kwargs = Mapping[str, Any]
DTYPES = ("dtype", "torch_dtype")
# Names of what is on or off: some value can be given where that of the program is not known.
_FLAG = re.compile(r"(use|is|from|low|safe|return|add|do|with|force|load_in|trust|keep|clean|legacy)(_|$)")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a checkpoint without loading it."""

    model_type: str | None = None
    config: Kwargs | None = None  # its config.json
    dtype: str | None = None  # what it is stored in, "bfloat16"
    parameters: int | None = None
    vocab_size: int | None = None
    positions: int | None = None
    quantized: str | None = None  # how it is stored, "gptq", "bitsandbytes"; None where it is not, or not known to be


@dataclass(frozen=True)
class MethodCall:
    """A call on the loaded object, `model.float()` or `model.gradient_checkpointing_enable()`."""

    method: str
    args: tuple[Any, ...] = ()
    kwargs: Kwargs = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """`loader.constructor(id, **kwargs)`, then `calls` in order."""

    id: str | None = None  # a hub id or a path
    loader: str = "AutoModelForCausalLM"  # "" for what a pipeline takes for its task
    constructor: str = "from_pretrained"  # or "from_config"
    kwargs: Kwargs = field(default_factory=dict)
    attributes: Kwargs = field(default_factory=dict)  # set on it afterwards, by path: {"config.use_cache": false}
    calls: tuple[MethodCall, ...] = ()
    facts: ModelFacts = field(default_factory=ModelFacts)


@dataclass(frozen=True)
class Quantization:
    """The `quantization_config` of the load."""

    kind: str = "BitsAndBytesConfig"  # or GPTQConfig, AwqConfig, ...
    kwargs: Kwargs = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter:
    """`get_peft_model(model, kind(**kwargs))`; or `PeftModel.from_pretrained` where `loaded`."""

    kind: str = "LoraConfig"
    kwargs: Kwargs = field(default_factory=dict)
    preparation: str | None = None  # prepare_model_for_kbit_training "before" or "after" get_peft_model
    preparation_kwargs: Kwargs = field(default_factory=dict)
    loaded: bool = False  # an adapter trained earlier is loaded; kwargs are those of from_pretrained
    given_to_trainer: bool = False  # passed as `peft_config` to a TRL trainer


@dataclass(frozen=True)
class TokenizerFacts:
    """What is known of a tokenizer without loading it; `special` holds known tokens, None for one known to be missing."""

    model_type: str | None = None  # of the model that it belongs to
    vocab_size: int | None = None
    special: Kwargs = field(default_factory=dict)
    chat_template: bool | None = None
    adds_bos: bool | None = None


@dataclass(frozen=True)
class Tokenizer:
    """`loader.from_pretrained(id, **kwargs)`, then attributes set and tokens added."""

    id: str | None = None  # None: that of the model
    loader: str = "AutoTokenizer"
    kwargs: Kwargs = field(default_factory=dict)
    attributes: Kwargs = field(default_factory=dict)  # pad_token, padding_side, ...
    added_special_tokens: Kwargs = field(default_factory=dict)
    added_tokens: tuple[str, ...] = ()
    resize: bool = False  # model.resize_token_embeddings(len(tokenizer))
    facts: TokenizerFacts = field(default_factory=TokenizerFacts)


@dataclass(frozen=True)
class TokenizerCall:
    """`tokenizer(text or texts, **kwargs)`, or another method of it."""

    kwargs: Kwargs = field(default_factory=dict)
    batch: bool = False
    method: str = "__call__"


@dataclass(frozen=True)
class Collator:
    """A data collator of transformers or TRL by name."""

    kind: str
    kwargs: Kwargs = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """`trainer(model, arguments_class(**arguments), ...)`; `dataset` is the shape of its rows."""

    trainer: str = "Trainer"
    arguments_class: str = "TrainingArguments"
    arguments: Kwargs = field(default_factory=dict)
    kwargs: Kwargs = field(default_factory=dict)  # of the trainer, where they are plain values
    collator: Collator | None = None
    dataset: str | None = None  # text, tokenized, unlabeled, messages, prompt_completion, preference
    passes_tokenizer: str | None = None  # "tokenizer" or "processing_class"


@dataclass(frozen=True)
class Generation:
    """`model.generate(**inputs, **kwargs)`."""

    kwargs: Kwargs = field(default_factory=dict)
    batch: bool = False
    attention_mask: bool = True


@dataclass(frozen=True)
class Pipeline:
    """`pipeline(task, model, **kwargs)` and its call on a text or a list of them."""

    task: str | None = None
    kwargs: Kwargs = field(default_factory=dict)
    call_kwargs: Kwargs = field(default_factory=dict)
    batch: bool = False
    messages: bool = False  # it is called on a chat
    loads_model: bool = False  # it is given the model's name, and loads it as it likes


@dataclass(frozen=True)
class ChatTemplate:
    """`tokenizer.apply_chat_template(messages, **kwargs)` and what is done with it."""

    kwargs: Kwargs = field(default_factory=dict)
    retokenized: Kwargs | None = None  # the text goes through tokenizer(text, **retokenized)
    generated: bool = False  # the result is passed to model.generate as its first argument


@dataclass(frozen=True)
class Binding:
    """A call that is checked against the real signature: `target(**kwargs)` or `target.method(**kwargs)`.

    `target` is a dotted name, or `tokenizer`, `model` for the loaded object. Where there is `made`, the call is made with
    these keywords as well, if the signature takes all of them: configurations, which do nothing else.
    """

    target: str
    method: str = ""
    positional: int = 0
    kwargs: Kwargs = field(default_factory=dict)
    made: Kwargs | None = None


@dataclass(frozen=True)
class Setup:
    """What one run loads, trains and generates; every part may be absent."""

    model: Model | None = None
    quantization: Quantization | None = None
    adapter: Adapter | None = None
    tokenizer: Tokenizer | None = None
    tokenizer_calls: tuple[TokenizerCall, ...] = ()
    training: Training | None = None
    generation: Generation | None = None
    pipeline: Pipeline | None = None
    chat_template: ChatTemplate | None = None
    bindings: tuple[Binding, ...] = ()
    imports: tuple[str, ...] = ()  # dotted names, "transformers.AdamW"
    assumed: tuple[str, ...] = ()  # places whose value is a default that a user may change

    def to_json(self) -> dict[str, Any]:
        """The setup as a JSON object with its version."""
        return {"version": VERSION, **to_json(self)}

    @classmethod
    def from_json(cls, data: Any) -> Setup:
        """The setup that a JSON object describes.

        Raises:
            CodecError: another version, an unknown key, or a value of the wrong type.
        """
        if not isinstance(data, Mapping):
            raise CodecError("Setup: expected an object")
        if data.get("version") != VERSION:
            raise CodecError(f"Setup: version {data.get('version')!r} is not {VERSION}")
        return from_json(cls, {key: value for key, value in data.items() if key != "version"})


def made_up(name: str) -> Any:
    """Some value for a keyword of which only the name is known; None where none can be told."""
    return "torch.float16" if name in DTYPES else True if _FLAG.match(name) else None
