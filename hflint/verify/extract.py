"""From a program to the `Setup` of one finding: what its objects load, train and generate, as far as that is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hflint.semantics.objects import (
    Adapter,
    AdapterConfig,
    ChatTemplateCall,
    Collator,
    GenerateCall,
    GenerationSettings,
    KbitPreparation,
    LibraryCall,
    MethodCall,
    ModelBuild,
    ModelLoad,
    PipelineCall,
    PipelineLoad,
    QuantizationConfig,
    TokenizerCall,
    TokenizerLoad,
    Trainer,
    TrainingArguments,
)
from hflint.semantics.values import MISSING, Items, Table, likely, objects
from hflint.verify import setup as parts
from hflint.verify.bindings import bindings, imports
from hflint.verify.plain import Plain
from hflint.verify.setup import Setup

if TYPE_CHECKING:
    from hflint.facts.models import ModelFacts, Models, Releases
    from hflint.semantics.values import Value
    from hflint.verify.linked import Linked

# Methods of a model that change it, and that a run repeats.
_MODEL_METHODS = {
    "float", "half", "bfloat16", "to", "cuda", "cpu", "gradient_checkpointing_enable", "gradient_checkpointing_disable",
    "activation_checkpointing_enable", "enable_input_require_grads", "to_bettertransformer",
}  # fmt: skip
_ID = ("pretrained_model_name_or_path",)
_OBJECTS = ("config", "quantization_config", "generation_config", "state_dict")  # no plain values; read apart
_TRAINER_PARTS = ("model", "args", "data_collator", "train_dataset", "eval_dataset", "processing_class", "tokenizer",
                  "peft_config", "callbacks", "compute_metrics", "ref_model", "model_init", "optimizers")  # fmt: skip
_TEXT = ("text", "text_pair", "batch_text_or_text_pairs", "encoded_inputs", "src_texts", "tgt_texts")
_CAUSAL, _SOME_MODEL = "AutoModelForCausalLM", "LlamaForCausalLM"
_TASKS = {"SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM", "SEQ_CLS": "AutoModelForSequenceClassification",
          "TOKEN_CLS": "AutoModelForTokenClassification", "FEATURE_EXTRACTION": "AutoModel"}  # fmt: skip


class Extraction:
    """One finding's setup in the making."""

    def __init__(self, linked: Linked, models: Models, transformers: Releases | None = None) -> None:
        """With the finding's objects, what is known of models, and the releases of transformers that are allowed."""
        self.linked = linked
        self.models = models
        self.transformers = transformers
        self.plain = Plain()
        self.trainer = linked.first(Trainer)
        self.pipeline = linked.first(PipelineLoad)
        self.generation = next((one for one in linked.all(GenerateCall) if one.method == "generate"), None)
        self.load: ModelLoad | ModelBuild | None = linked.first(ModelLoad) or linked.first(ModelBuild)
        self.tokenizer = linked.first(TokenizerLoad)

    def setup(self, focus: frozenset[str] | None = None, imported: tuple[str, ...] | None = None) -> Setup:
        """The setup; `focus` are the keywords of its calls in question, `imported` the names of imports in question."""
        self.plain = Plain(self.linked.anchors, focus or frozenset())
        setup = Setup(
            model=self._model(),
            quantization=self._quantization(),
            adapter=self._adapter(),
            tokenizer=self._tokenizer(),
            tokenizer_calls=tuple(self._tokenizer_calls()),
            training=self._training(),
            generation=self._generation(),
            pipeline=self._pipeline(),
            chat_template=self._chat_template(),
            bindings=tuple(bindings(self.linked, self.plain, focus)),
            imports=imports(self.linked) if imported is None else imported,
        )
        return replace(setup, assumed=tuple(dict.fromkeys(self.plain.assumed)))

    def facts(self, name: str | None, call: LibraryCall | None, place: str) -> ModelFacts | None:
        """What is known of a model id, at the revision that the call names which loads it."""
        if not name:
            return None
        return self.models.find(name, self.plain.text(call.argument("revision"), f"{place}.revision") if call else None)

    # --- the model ----------------------------------------------------------------------------------------------------

    def _model(self) -> parts.Model | None:
        load = self.load
        if load is None:
            return self._named_model() or self._adapted_model()
        name = self.plain.text(load.argument(*_ID), "model.id") if isinstance(load, ModelLoad) else None
        last = load.callee.rpartition(".")[2]
        return parts.Model(
            id=name,
            loader=self._class(load, "model"),
            constructor=last if last in ("from_pretrained", "from_config") else "",
            kwargs=self.plain.arguments(load, "model", (*_ID, *_OBJECTS)),
            attributes=self._attributes(load, "model"),
            calls=tuple(self._model_calls(load)),
            facts=self._model_facts(name, load),
        )

    def _class(self, load: LibraryCall, place: str) -> str:
        """The class that is loaded; the first where the program chooses one of several, and some class for one of its own."""
        named = (*load.classes, *([_SOME_MODEL] if load.name == "PreTrainedModel" else []))
        if named:
            self.plain.assumed.append(f"{place}.loader")
        return next(iter(named), load.name)

    def _named_model(self) -> parts.Model | None:
        """The model that a pipeline or a trainer of TRL loads by its name."""
        for call in filter(None, (self.pipeline, self.trainer)):
            name = self.plain.text(call.argument("model"), "model.id")
            if name:
                return parts.Model(
                    id=name, loader=_CAUSAL if call is self.trainer else "", facts=self._model_facts(name, call)
                )
        return None

    def _adapted_model(self) -> parts.Model | None:
        """Some model of the task, for the configuration of an adapter that the finding stands at."""
        config = self._own_config()
        if config is None:
            return None
        task = str(self.plain.text(config.argument("task_type"), "adapter.task_type"))
        return parts.Model(loader=_TASKS.get(task, _CAUSAL))

    def _own_config(self) -> AdapterConfig | None:
        """The configuration of an adapter that the finding stands at, where nothing is seen to take it."""
        return next((one for one in self.linked.anchors if isinstance(one, AdapterConfig)), None)

    def _model_facts(self, name: str | None, call: LibraryCall) -> parts.ModelFacts:
        facts = self.facts(name, call, "model")
        if facts is None:
            return parts.ModelFacts()
        return parts.ModelFacts(
            model_type=facts.model_type, dtype=facts.dtype, parameters=facts.parameters, vocab_size=facts.vocab_size,
            positions=facts.context_length, quantized=facts.quantized,
        )  # fmt: skip

    def _model_calls(self, load: LibraryCall) -> list[parts.MethodCall]:
        calls = [change.value for change in load.changes if change.kind == "call" and change.name in _MODEL_METHODS]
        made = []
        for call in calls:
            if not isinstance(call, MethodCall):
                continue
            named = self.plain.arguments(call, f"model.{call.method}")
            extra = [self.plain.value(value, f"model.{call.method}") for value in call.extra]
            if MISSING not in extra and len(named) == len(call.arguments):
                made.append(parts.MethodCall(call.method, tuple(extra), named))
        return made

    def _attributes(self, load: LibraryCall, place: str) -> dict[str, Any]:
        """Attributes that are set afterwards and whose values are known."""
        found = {
            change.name: self.plain.value(change.value, f"{place}.{change.name}")
            for change in load.changes
            if change.kind == "set" and all(part.isidentifier() for part in change.name.split("."))
        }
        return {name: value for name, value in found.items() if value is not MISSING}

    def _quantization(self) -> parts.Quantization | None:
        if self.load is None and self.pipeline is None:
            return None
        config = (
            next(iter(objects(self.load.argument("quantization_config"), QuantizationConfig)), None)
            if self.load
            else None
        )
        if config is None:
            return None
        return parts.Quantization(config.name, self.plain.arguments(config, "quantization"))

    def _adapter(self) -> parts.Adapter | None:
        made = self.linked.first(Adapter)
        if made is None:
            config = (
                next(iter(objects(self.trainer.argument("peft_config"), AdapterConfig)), None) if self.trainer else None
            )
            if config is None:
                config = self._own_config()
                return parts.Adapter(config.name, self.plain.arguments(config, "adapter")) if config else None
            kwargs = self.plain.arguments(config, "adapter")
            return parts.Adapter(config.name, kwargs, **self._preparation(None), given_to_trainer=True)
        if made.callee.endswith("from_pretrained"):
            kwargs = self.plain.arguments(made, "adapter", ("model", "model_id", "config", *_ID))
            return parts.Adapter(kwargs=kwargs, **self._preparation(made), loaded=True)
        config = next(iter(objects(made.config, AdapterConfig)), None)
        kind = config.name if config else "LoraConfig"
        kwargs = self.plain.arguments(config, "adapter") if config else {}
        return parts.Adapter(kind, kwargs, **self._preparation(made))

    def _preparation(self, adapter: Adapter | None) -> dict[str, Any]:
        prepared = self.linked.first(KbitPreparation)
        if prepared is None:
            return {}
        after = adapter is not None and any(one is adapter for one in prepared.model.alternatives)
        return {
            "preparation": "after" if after else "before",
            "preparation_kwargs": self.plain.arguments(prepared, "adapter.preparation", ("model",)),
        }

    # --- the tokenizer ------------------------------------------------------------------------------------------------

    def _tokenizer(self) -> parts.Tokenizer | None:
        load = self.tokenizer
        if load is None:
            named = self.plain.text(self.pipeline.argument("tokenizer"), "tokenizer.id") if self.pipeline else None
            model = self._model() if named is None and self.pipeline else None
            name = named or (model.id if model else None)
            attributes = self._pipeline_tokenizer()
            facts = self._tokenizer_facts(name, self.pipeline)
            return parts.Tokenizer(id=name, attributes=attributes, facts=facts) if name else None
        name = self.plain.text(load.argument(*_ID), "tokenizer.id")
        special, tokens = self._added(load)
        return parts.Tokenizer(
            id=name,
            loader=self._class(load, "tokenizer"),
            kwargs=self.plain.arguments(load, "tokenizer", _ID),
            attributes=self._attributes(load, "tokenizer"),
            added_special_tokens=special,
            added_tokens=tuple(tokens),
            resize=any(change.name == "resize_token_embeddings" for change in self.load.changes)
            if self.load
            else False,
            facts=self._tokenizer_facts(name, load),
        )

    def _pipeline_tokenizer(self) -> dict[str, Any]:
        """What is set on a pipeline's own tokenizer."""
        found = self._attributes(self.pipeline, "pipeline") if self.pipeline else {}
        return {name.removeprefix("tokenizer."): v for name, v in found.items() if name.startswith("tokenizer.")}

    def _tokenizer_facts(self, name: str | None, call: LibraryCall | None) -> parts.TokenizerFacts:
        facts = self.facts(name, call, "tokenizer")
        if facts is None:
            return parts.TokenizerFacts()
        special: dict[str, Any] = {}
        if facts.lacks_pad_token(self.transformers):
            special["pad_token"] = None
        elif facts.has_pad_token:
            special["pad_token"] = facts.pad_token or "<pad>"
        return parts.TokenizerFacts(
            facts.model_type, facts.vocab_size, special, chat_template=facts.chat_template, adds_bos=facts.adds_bos
        )

    def _added(self, load: TokenizerLoad) -> tuple[dict[str, Any], list[str]]:
        special: dict[str, Any] = {}
        tokens: list[str] = []
        for change in load.changes:
            call = change.value
            if change.kind != "call" or not isinstance(call, LibraryCall):
                continue
            given = next(iter([*call.extra, *call.arguments.values()]), None)
            found = self.plain.value(given, f"tokenizer.{change.name}") if given is not None else MISSING
            if change.name == "add_special_tokens" and isinstance(found, dict):
                special |= found
            elif change.name == "add_tokens" and isinstance(found, str | list):
                tokens += [found] if isinstance(found, str) else found
        return special, tokens

    def _tokenizer_calls(self) -> list[parts.TokenizerCall]:
        """The calls in question: those that `generate` takes, those the finding stands at, or else all."""
        fed = [one for one in (self.generation.encodings if self.generation else []) if isinstance(one, TokenizerCall)]
        meant = [one for one in self.linked.anchors if isinstance(one, TokenizerCall)]
        others = meant or [one for one in self.linked.all(TokenizerCall) if one not in fed]
        chosen = dict.fromkeys([*fed, *others]) if not meant else dict.fromkeys([*meant, *fed])
        calls = [
            parts.TokenizerCall(
                kwargs=self.plain.arguments(call, "tokenizer call", _TEXT), batch=_is_batch(call), method=call.method
            )
            for call in chosen
            if call.method in ("__call__", "encode", "encode_plus", "batch_encode_plus")
            and (self.tokenizer is None or any(one is self.tokenizer for one in call.receiver.alternatives))
            and (call in meant or not any(isinstance(v, ChatTemplateCall) for v in call.argument("text").alternatives))
        ]
        loads = any(isinstance(one, TokenizerLoad) for one in self.linked.anchors)
        return calls or [parts.TokenizerCall()] * loads  # one that is in question is used once

    def _chat_template(self) -> parts.ChatTemplate | None:
        call = self.linked.first(ChatTemplateCall)
        if call is None:
            return None
        takes = [
            one for one in self.linked.all(TokenizerCall) if any(v is call for v in one.argument("text").alternatives)
        ]
        again = self.plain.arguments(takes[0], "chat template", _TEXT) if takes else None
        given = self.generation is not None and any(v is call for v in self.generation.argument("inputs").alternatives)
        return parts.ChatTemplate(self.plain.arguments(call, "chat template", ("conversation",)), again, given)

    # --- training and generation --------------------------------------------------------------------------------------

    def _training(self) -> parts.Training | None:
        trainer = self.trainer
        if trainer is None:
            return None
        args = next(iter(objects(likely(trainer.args), TrainingArguments)), None) or self.linked.first(
            TrainingArguments
        )
        collator = next(iter(objects(trainer.argument("data_collator"), Collator)), None)
        known = self.plain.arguments(args, "training") if args else {}
        default = "SFTConfig" if trainer.library == "trl" and trainer.name == "SFTTrainer" else "TrainingArguments"
        return parts.Training(
            trainer=trainer.name,
            arguments_class=args.name if args else default,
            arguments=known,
            kwargs=self.plain.arguments(trainer, "trainer", _TRAINER_PARTS),
            collator=parts.Collator(collator.name, self.plain.arguments(collator, "collator", ("tokenizer", "model")))
            if collator
            else None,
            passes_tokenizer=next((name for name in ("tokenizer", "processing_class") if trainer.given(name)), None),
        )

    def _generation(self) -> parts.Generation | None:
        call = self.generation
        if call is None:
            return None
        settings = next(iter(objects(call.argument("generation_config"), GenerationSettings)), None)
        kwargs = self.plain.arguments(settings, "generation", _ID) if settings else {}
        fed = call.encodings
        leave = ("inputs", "input_ids", "attention_mask", "generation_config", "streamer")
        whole = any(one is encoding for one in call.spread for encoding in fed) or call.given("attention_mask")
        return parts.Generation(
            kwargs=kwargs | self.plain.arguments(call, "generation", leave),
            batch=any(isinstance(one, TokenizerCall) and _is_batch(one) for one in fed),
            attention_mask=whole or not fed,
        )

    def _pipeline(self) -> parts.Pipeline | None:
        made = self.pipeline
        if made is None:
            return None
        call = next(
            (one for one in self.linked.all(PipelineCall) if any(v is made for v in one.receiver.alternatives)), None
        )
        leave = ("task", "model", "tokenizer", "config", "feature_extractor", "image_processor", "processor")
        inputs = call.argument("inputs", "text_inputs") if call else None
        messages = inputs is not None and any(_is_chat(one) for one in inputs.alternatives)
        return parts.Pipeline(
            task=self.plain.text(made.argument("task"), "pipeline.task"),
            kwargs=self.plain.arguments(made, "pipeline", leave),
            call_kwargs=self.plain.arguments(call, "pipeline call", ("inputs", "text_inputs")) if call else {},
            batch=inputs is not None and any(isinstance(one, Items) for one in inputs.alternatives) and not messages,
            messages=messages,
            loads_model=self.load is None,
        )


def _is_chat(value: Value) -> bool:
    """Whether it is a list of messages."""
    return isinstance(value, Items) and any(isinstance(one, Table) and "role" in one.entries for one in value.items)


def _is_batch(call: TokenizerCall) -> bool:
    """Whether it takes several texts; where they are not known, padding says so."""
    if call.method in ("encode", "encode_plus"):
        return False
    text = call.argument(*_TEXT)
    for one in text.alternatives:
        if isinstance(one, Items):
            return not one.complete or len(one.items) > 1
    known = any(isinstance(one.constant, str) for one in text.alternatives)
    pads = call.given("padding") and call.argument("padding").constant not in (False, None)
    return call.method == "batch_encode_plus" or (not known and pads)
