"""Which callables of the libraries make which objects, with the order of the parameters that people give by position."""

from __future__ import annotations

import re
import sys

from hflint.semantics.objects import (
    Adapter,
    AdapterConfig,
    Collator,
    ConfigLoad,
    DatasetLoad,
    EncoderLoad,
    GenerationSettings,
    KbitPreparation,
    LibraryCall,
    ModelBuild,
    ModelLoad,
    PipelineLoad,
    ProcessorLoad,
    QuantizationConfig,
    TokenizerLoad,
    Trainer,
    TrainingArguments,
)

LIBRARIES = frozenset(
    {
        "transformers",
        "peft",
        "trl",
        "accelerate",
        "bitsandbytes",
        "datasets",
        "evaluate",
        "huggingface_hub",
        "sentence_transformers",
        "diffusers",
    }
)

LOAD_PARAMETERS = _ID = ("pretrained_model_name_or_path",)
_TRAINER = (
    "model",
    "args",
    "data_collator",
    "train_dataset",
    "eval_dataset",
    "processing_class",
    "model_init",
    "compute_metrics",
    "callbacks",
)
_SFT = ("model", "args", "data_collator", "train_dataset", "eval_dataset", "processing_class")
_DPO = ("model", "ref_model", "args", "data_collator", "train_dataset", "eval_dataset", "processing_class")

_FUNCTIONS: dict[str, tuple[type[LibraryCall], tuple[str, ...]]] = {
    "transformers.pipeline": (PipelineLoad, ("task", "model", "config", "tokenizer", "feature_extractor")),
    "transformers.BitsAndBytesConfig": (QuantizationConfig, ("load_in_8bit", "load_in_4bit", "llm_int8_threshold")),
    "transformers.TrainingArguments": (TrainingArguments, ("output_dir",)),
    "transformers.Seq2SeqTrainingArguments": (TrainingArguments, ("output_dir",)),
    "transformers.Trainer": (Trainer, _TRAINER),
    "transformers.Seq2SeqTrainer": (Trainer, _TRAINER),
    "transformers.GenerationConfig": (GenerationSettings, ()),
    "transformers.GenerationConfig.from_pretrained": (GenerationSettings, ("pretrained_model_name",)),
    "peft.get_peft_model": (Adapter, ("model", "peft_config", "adapter_name")),
    "peft.prepare_model_for_kbit_training": (
        KbitPreparation,
        ("model", "use_gradient_checkpointing", "gradient_checkpointing_kwargs"),
    ),
    "peft.prepare_model_for_int8_training": (KbitPreparation, ("model", "use_gradient_checkpointing")),
    "trl.SFTTrainer": (Trainer, _SFT),
    "trl.DPOTrainer": (Trainer, _DPO),
    "datasets.load_dataset": (DatasetLoad, ("path", "name")),
    "sentence_transformers.SentenceTransformer": (EncoderLoad, ("model_name_or_path",)),
    "sentence_transformers.CrossEncoder": (EncoderLoad, ("model_name_or_path",)),
    "sentence_transformers.SparseEncoder": (EncoderLoad, ("model_name_or_path",)),
    "sentence_transformers.SentenceTransformerTrainer": (Trainer, ("model", "args", "train_dataset", "eval_dataset")),
    "sentence_transformers.SentenceTransformerTrainingArguments": (TrainingArguments, ("output_dir",)),
}
_QUANTIZATION = re.compile(
    r"(BitsAndBytes|GPTQ|Awq|Hqq|Quanto|Eetq|Aqlm|TorchAo|FbgemmFp8|FineGrainedFP8|HIGGS|Bitnet|CompressedTensors)Config$"
)
_HEAD = re.compile(
    r"(?:For[A-Z0-9]\w*|LMHead|WithLMHead|LMHeadModel|Model|ModelWithProjection|DoubleHeadsModel|ForCausalLMWithValueHead|HifiGan"
    r"|^DPR(?:Context|Question)Encoder)$"
)
_PEFT_MODEL = re.compile(r"^(?:PeftModel\w*|PeftMixedModel)$")
_AUTO_PEFT = re.compile(r"^AutoPeftModel\w*$")
_BASES: dict[object, str] = {(ModelLoad, _ID): "PreTrainedModel", (TokenizerLoad, _ID): "PreTrainedTokenizerBase"}


def call_kind(qualified: str) -> tuple[type[LibraryCall], tuple[str, ...]] | None:
    """The object that a call of a full dotted name makes, and its leading parameters; None for a name that is no library's.

    Modules between the library and the name do not matter: `transformers.models.bert.BertModel` is `transformers.BertModel`.
    """
    library, _, rest = qualified.partition(".")
    if library not in LIBRARIES or not rest:
        return None
    parts = rest.split(".")
    method = parts.pop() if len(parts) > 1 and parts[-1] in ("from_pretrained", "from_config") else ""
    name = parts[-1]
    if known := _FUNCTIONS.get(".".join(filter(None, (library, name, method)))):
        return known
    finder = {"transformers": _transformers, "peft": _peft, "trl": _trl}.get(library)
    return (finder(name, method) if finder else None) or (LibraryCall, ())


def shared_kind(names: list[str]) -> tuple[str, type[LibraryCall]] | None:
    """What calls of several full names, of which one is made, have in common: the name of a base, and the kind; None for calls of other kinds.

    Auto classes have no base of that name; what they load has.
    """
    kinds = {call_kind(name) for name in names if name.endswith(".from_pretrained")}
    if len(kinds) != 1 or not all(name.startswith("transformers.") and name.count(".") > 1 for name in names):
        return None
    base = _BASES.get(kind := next(iter(kinds)))
    return (f"transformers.{base}.from_pretrained", kind[0]) if base and kind else None


def _transformers(name: str, method: str) -> tuple[type[LibraryCall], tuple[str, ...]] | None:
    if name.startswith(("TF", "Flax")) and name[2:3].isupper():
        return None
    loaded = method == "from_pretrained"
    if _QUANTIZATION.search(name):
        return QuantizationConfig, ()
    if name.endswith("Config"):
        return ConfigLoad, _ID if loaded else ()
    if name.endswith(("Tokenizer", "TokenizerFast")):
        return TokenizerLoad, _ID if loaded else ()
    if name.endswith(("Processor", "ProcessorFast", "FeatureExtractor")):
        return ProcessorLoad, _ID if loaded else ()
    if name.startswith("DataCollator") and not method:
        return Collator, ("mapping",) if name.endswith(("Flattening", "SOP")) else ("tokenizer",)
    if name.startswith("Seq2SeqTrainer") or name == "Trainer":
        return None
    if _HEAD.search(name) and name[:1].isupper():
        return (ModelLoad, _ID) if loaded else (ModelBuild, ("config",))
    return None


def _peft(name: str, method: str) -> tuple[type[LibraryCall], tuple[str, ...]] | None:
    if _PEFT_MODEL.match(name):
        return Adapter, ("model", "model_id", "adapter_name", "is_trainable") if method else ("model", "peft_config")
    if _AUTO_PEFT.match(name):
        return Adapter, _ID
    return (AdapterConfig, ()) if name.endswith("Config") and not method else None


def _trl(name: str, method: str) -> tuple[type[LibraryCall], tuple[str, ...]] | None:
    if name.endswith("Trainer"):
        return Trainer, ()
    if name.endswith("Config") and name not in ("ModelConfig", "ScriptArguments"):
        return TrainingArguments, ("output_dir",)
    if name.startswith("AutoModelFor") and method:
        return ModelLoad, _ID
    return (Collator, ()) if name.startswith("DataCollator") else None


# Methods of what a load made: the object that a call of it is, and its leading parameters.
_ENCODE = ("text", "text_pair")
TOKENIZER_METHODS = {
    "__call__": _ENCODE,
    "encode": _ENCODE,
    "encode_plus": _ENCODE,
    "batch_encode_plus": ("batch_text_or_text_pairs",),
    "pad": ("encoded_inputs",),
    "prepare_seq2seq_batch": ("src_texts", "tgt_texts"),
}
CHAT_TEMPLATE = ("conversation", "tools")
GENERATE = ("inputs", "generation_config")
PIPELINE_CALL = ("inputs",)
MOVES = frozenset({"to", "cuda", "cpu", "half", "float", "bfloat16", "double"})
SAVES = frozenset({"save_pretrained", "push_to_hub"})

# Methods that hand back the object itself.
FLUENT = MOVES | {
    "eval",
    "train",
    "requires_grad_",
    "to_bettertransformer",
    "bfloat16",
    "convert_to_tensors",
    "merge_and_unload_",
}

# Functions that hand back their first argument, so that what comes out is what went in.
TRANSPARENT = frozenset(
    {
        "torch.compile",
        "torch.nn.DataParallel",
        "torch.nn.parallel.DistributedDataParallel",
        "torch.nn.parallel.DataParallel",
        "copy.copy",
        "copy.deepcopy",
        "typing.cast",
        "accelerate.dispatch_model",
    }
)

# Methods of a trainer that a subclass of the program may have instead: each gets the model and a batch.
TRAINER_STEPS = ("compute_loss", "training_step", "prediction_step")

# What calls a function of the program: `target`, with `args` and `kwargs`.
THREADS = frozenset({"threading.Thread", "multiprocessing.Process", "torch.multiprocessing.Process"})

# Context managers, and decorators, that say how the code inside runs.
CONTEXTS = frozenset(
    {
        "torch.no_grad",
        "torch.inference_mode",
        "torch.enable_grad",
        "torch.set_grad_enabled",
        "torch.autocast",
        "torch.cuda.amp.autocast",
        "torch.amp.autocast",
        "torch.device",
    }
)

# Functions that look at an object and leave it as it is.
HARMLESS = frozenset(
    [
        "print",
        "len",
        "type",
        "isinstance",
        "id",
        "repr",
        "str",
        "int",
        "float",
        "bool",
        "list",
        "tuple",
        "set",
        "dict",
        "sorted",
        "sum",
        "min",
        "max",
        "hasattr",
        "getattr",
        "next",
        "iter",
        "enumerate",
        "zip",
        "map",
        "filter",
        "range",
        "any",
        "all",
        "callable",
        "vars",
        "dir",
        "format",
        "issubclass",
        "super",
        "hash",
        "abs",
        "round",
        "open",
        "input",
    ]
)

# Decorators whose functions give what they would give without them.
DECORATORS_TRANSPARENT = re.compile(
    r"^(functools\.(lru_cache|cache|wraps)|torch\.(no_grad|inference_mode|enable_grad)|staticmethod|classmethod|property|functools\.cached_property"
    r"|torch\.((cuda\.)?amp\.)?autocast|torch\.compiler\.disable|spaces\.GPU|tenacity\.retry|backoff\.on_exception"
    r"|streamlit\.(cache|cache_resource|cache_data|experimental_singleton|experimental_memo)|contextlib\.contextmanager|abc\.abstractmethod"
    r"|typing\.(override|final|no_type_check|overload)|contextlib\.asynccontextmanager)$"
)

# Packages that may be given an object without doing anything to it that a rule asks about.
KNOWN_ROOTS = (
    LIBRARIES
    | sys.stdlib_module_names
    | frozenset(
        [
            "torch",
            "numpy",
            "pandas",
            "tqdm",
            "rich",
            "loguru",
            "wandb",
            "gradio",
            "streamlit",
            "fastapi",
            "pydantic",
            "flask",
            "uvicorn",
        ]
    )
)
