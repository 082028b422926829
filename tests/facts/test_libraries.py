import json
from pathlib import Path

import pytest
from packaging.version import Version

from hflint.facts import libraries
from hflint.facts.libraries import (
    Change,
    argument_changes,
    declared_deprecations,
    environment_change,
    exists,
    method_change,
    removed_name,
    task_change,
)
from hflint.facts.versions import Versions, project_versions

TABLES = sorted(
    path
    for path in (Path(libraries.__file__).parent / "tables").glob("*.*.json")
    if not path.stem.endswith(("signatures", "history", "defaults", "deprecations"))
)


@pytest.fixture
def allowed(tmp_path: Path):
    def allowed(**target: str) -> Versions:
        return project_versions(tmp_path, {name.replace("_", "-"): wanted for name, wanted in target.items()})

    return allowed


def removed(change: Change | None) -> tuple[str | None, str | None]:
    assert change is not None
    return change.removed, change.replacement


# --- every entry ------------------------------------------------------------------------------------------------------

FIELDS = {
    "since": str, "deprecated": str, "removed": str, "restored": str, "gaps": list, "effect": str, "replacement": str,
    "replacement_since": str, "certain": bool, "delete": bool, "values": dict, "unless": list, "note": str, "source": str,
}  # fmt: skip
EFFECTS = {"ImportError", "TypeError", "AttributeError", "KeyError", "ValueError", "ignored", "warns"}
OLDER = {
    "transformers.pipeline.use_auth_token"
}  # looked up in wheels older than those that are read: 4.31.0 and 4.32.0


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_schema_of_every_entry(path: Path) -> None:
    table = json.loads(path.read_text("utf-8"))
    assert path.stem == f"{table['library']}.{table['kind']}"
    first, last = map(Version, table["read"])
    entries = [(o, name, entry) for o, names in table["changes"].items() for name, entry in names.items()]
    assert entries or table["came"]
    for owner, name, entry in entries:
        where = f"{owner}.{name}"
        assert set(entry) <= set(FIELDS), where
        assert all(isinstance(value, FIELDS[field]) for field, value in entry.items()), where
        assert {"since", "deprecated", "removed"} & set(entry), where
        assert entry.get("effect", "TypeError").partition(", or ")[0] in EFFECTS, where
        order = ("since", "removed", "restored") if "restored" in entry else ("since", "deprecated", "removed")
        states = [entry[field] for field in order if field in entry]
        assert [Version(s) for s in states] == sorted(map(Version, states)), where
        assert where in OLDER or all(first.release[:2] <= Version(s).release[:2] for s in states), where
        assert all(Version(s) <= last for s in states), where


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_what_is_certain_says_how(path: Path) -> None:
    table = json.loads(path.read_text("utf-8"))
    for owner, names in table["changes"].items():
        for name, entry in names.items():
            where = f"{owner}.{name}"
            if entry.get("certain"):
                assert entry.get("replacement") or entry.get("delete") or entry.get("values"), where
            if entry.get("certain") and entry.get("replacement"):
                assert entry.get("replacement_since"), where
            for text in entry.get("values", {}).values():
                assert not text or text.startswith(f"{entry.get('replacement')}="), where
            if "replacement" in entry:
                assert all(part.isidentifier() for part in entry["replacement"].replace("-", "_").split(".")), where


def test_a_replacement_is_not_gone_itself() -> None:
    for path in TABLES:
        table = json.loads(path.read_text("utf-8"))
        for names in table["changes"].values() if table["kind"] == "name" else ():
            for name, entry in names.items():
                if entry.get("replacement"):
                    change = removed_name(entry["replacement"])
                    assert change is None or change.restored, (name, entry["replacement"])


def test_the_tables_are_small() -> None:
    everything = (Path(libraries.__file__).parent / "tables").glob("*.json")
    assert sum(path.stat().st_size for path in everything) < 3_000_000


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "version", "replacement"),
    [
        ("transformers.AdamW", "4.50", "torch.optim.AdamW"),
        ("transformers.optimization.AdamW", "4.50", "torch.optim.AdamW"),
        ("transformers.CLIPFeatureExtractor", "5.0", "transformers.CLIPImageProcessor"),
        ("transformers.models.clip.CLIPFeatureExtractor", "5.0", "transformers.CLIPImageProcessor"),
        ("transformers.AutoModelForVision2Seq", "5.0", "transformers.AutoModelForImageTextToText"),
        ("transformers.Conversation", "4.42", None),
        ("transformers.TFBertModel.from_pretrained", "5.0", "transformers.BertModel"),
        ("transformers.BERT_PRETRAINED_MODEL_ARCHIVE_LIST", "4.41", None),
        ("transformers.DataCollatorForWholeWordMask", "5.20", None),
        ("transformers.cache_utils.MambaCache", "4.56", None),  # 4.54 and 4.55 answered to it
        ("transformers.image_utils.ImageReadMode", "5.20", None),
        ("diffusers.FlaxUNet2DConditionModel", "0.40", None),
        ("trl.core", "0.25", None),
        ("transformers.deepspeed.HfDeepSpeedConfig", "4.46", "transformers.integrations.deepspeed"),
        ("transformers.onnx", "5.0", None),
        ("trl.DataCollatorForCompletionOnlyLM", "0.20", None),
        ("trl.ORPOTrainer", "0.29", "trl.experimental.orpo.ORPOTrainer"),
        ("trl.experimental.ppo.PPOTrainer", "1.13", None),
        ("peft.BoneConfig", "0.19", "peft.MissConfig"),
        ("datasets.load_metric", "3.0", None),
        ("huggingface_hub.HfFolder", "1.0", None),
        ("huggingface_hub.cached_download", "0.26", None),
    ],
)
def test_names_that_went(name: str, version: str, replacement: str | None) -> None:
    assert removed(removed_name(name)) == (version, replacement)


@pytest.mark.parametrize(
    "name",
    [
        "transformers.BertTokenizerFast",  # an alias in 5.x
        "transformers.ViTImageProcessorFast",
        "transformers.BaseImageProcessorFast",
        "transformers.tokenization_utils.PreTrainedTokenizer",
        "transformers.tokenization_utils_fast",
        "transformers.AutoModel",
        "transformers.models.vit_mae.modeling_vit_mae.ViTMAELayer",
        "transformers",
        "torch.optim.AdamW",
        "AdamW",
        "",
    ],
)
def test_names_that_are_there_or_unknown(name: str) -> None:
    assert removed_name(name) is None


def test_whether_a_name_exists_depends_on_the_releases_allowed(allowed) -> None:
    assert exists("transformers.AdamW", allowed(transformers="4.49.0")) is True
    assert exists("transformers.AdamW", allowed(transformers="5.1.0")) is False
    assert exists("transformers.AdamW", allowed(transformers=">=4.40")) is None
    assert exists("transformers.NeverHeardOf", allowed(transformers="5.1.0")) is None
    assert exists("transformers.Qwen3Config", allowed(transformers="4.50.0")) is False
    assert exists("transformers.Qwen3Config", allowed(transformers="4.52.4")) is True
    assert exists("transformers.TrainingArguments.eval_strategy", allowed(transformers="4.40.2")) is False
    assert exists("transformers.TrainingArguments.eval_strategy", allowed(transformers="4.41.0")) is True


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "argument", "version", "replacement"),
    [
        ("transformers.TrainingArguments", "evaluation_strategy", "4.51", "eval_strategy"),
        ("transformers.training_args.TrainingArguments", "no_cuda", "5.0", "use_cpu"),
        ("transformers.Seq2SeqTrainingArguments", "group_by_length", "5.2", "train_sampling_strategy"),
        ("transformers.TrainingArguments", "warmup_ratio", "5.15", "warmup_steps"),
        ("transformers.TrainingArguments", "use_ipex", "4.57", None),
        ("transformers.TrainingArguments", "gradient_checkpointing", None, "activation_checkpointing"),
        ("transformers.Trainer", "tokenizer", "5.0", "processing_class"),
        ("transformers.Seq2SeqTrainer", "tokenizer", "5.0", "processing_class"),
        ("trl.SFTTrainer", "tokenizer", "0.16", "processing_class"),
        ("trl.KTOTrainer", "tokenizer", "0.14", "processing_class"),
        ("trl.SFTTrainer", "max_seq_length", "0.13", None),
        ("trl.SFTConfig", "max_seq_length", "0.20", "max_length"),
        ("trl.SFTConfig", "evaluation_strategy", "4.51", "eval_strategy"),
        ("trl.DPOConfig", "max_prompt_length", "0.29", None),
        ("trl.KTOConfig", "max_prompt_length", "0.27", None),
        ("trl.RLOOConfig", "no_cuda", "5.0", "use_cpu"),
        ("sentence_transformers.SentenceTransformerTrainingArguments", "evaluation_strategy", "4.51", "eval_strategy"),
        ("transformers.AutoModelForCausalLM.from_pretrained", "torch_dtype", None, "dtype"),
        ("transformers.LlamaForCausalLM.from_pretrained", "use_flash_attention_2", "4.53", "attn_implementation"),
        ("transformers.AutoModel.from_pretrained", "load_in_4bit", "5.0", None),
        ("transformers.AutoTokenizer.from_pretrained", "use_auth_token", "5.0", "token"),
        ("transformers.pipeline", "grouped_entities", "5.0", "aggregation_strategy"),
        ("datasets.load_dataset", "trust_remote_code", "4.0", None),
        ("datasets.load.load_dataset", "use_auth_token", "3.0", "token"),
        ("huggingface_hub.HfApi.snapshot_download", "resume_download", "1.0", None),
        ("sentence_transformers.SentenceTransformer", "tokenizer_kwargs", None, "processor_kwargs"),
    ],
)
def test_arguments_that_changed(owner: str, argument: str, version: str | None, replacement: str | None) -> None:
    assert removed(argument_changes(owner)[argument]) == (version, replacement)


def test_the_effect_depends_on_what_is_loaded() -> None:
    def effect(loader: str) -> str:
        return argument_changes(f"transformers.{loader}.from_pretrained")["use_auth_token"].effect

    assert [effect(name) for name in ("AutoModel", "BertTokenizer", "AutoProcessor", "AutoConfig")] == [
        "TypeError",
        "ignored",
        "ignored",
        "ignored",
    ]
    assert argument_changes("datasets.load_dataset")["trust_remote_code"].effect == "ignored"
    assert argument_changes("datasets.load_dataset")["use_auth_token"].effect.startswith("ValueError, or TypeError")
    assert argument_changes("transformers.AutoTokenizer.__call__")["truncation_strategy"].effect == "TypeError"
    assert argument_changes("huggingface_hub.hf_hub_download")["resume_download"].effect == "warns"


def test_inherited_arguments_belong_to_the_library_that_defines_them() -> None:
    changes = argument_changes("trl.SFTConfig")
    assert changes["evaluation_strategy"].library == "transformers"
    assert changes["max_seq_length"].library == "trl"


@pytest.mark.parametrize(
    "argument", ["gradient_checkpointing", "learning_rate", "neftune_noise_alpha", "logging_steps"]
)
def test_what_trl_only_redefines_neither_begins_nor_ends_there(argument: str) -> None:
    assert argument not in argument_changes("trl.SFTConfig")


def test_what_sentence_transformers_keeps_does_not_go_with_transformers() -> None:
    assert "warmup_ratio" not in argument_changes("sentence_transformers.SentenceTransformerTrainingArguments")
    assert "warmup_ratio" in argument_changes("transformers.TrainingArguments")


@pytest.mark.parametrize(
    "owner", ["os.path.join", "transformers.Trainer.push_to_hub", "peft.get_peft_model", "transformers", ""]
)
def test_owners_without_changes(owner: str) -> None:
    assert not argument_changes(owner)


def test_new_arguments_say_since_when(allowed) -> None:
    change = argument_changes("transformers.AutoModel.from_pretrained")["dtype"]
    assert (change.since, change.removed) == ("4.56", None)
    assert change.not_yet_in(allowed(transformers="4.55.4"))
    assert not change.not_yet_in(allowed(transformers=">=4.56"))
    assert argument_changes("peft.LoraConfig")["target_parameters"].since == "0.17"


# --- questions to a change --------------------------------------------------------------------------------------------


def test_a_change_is_held_against_the_releases_allowed(allowed) -> None:
    change = argument_changes("transformers.TrainingArguments")["evaluation_strategy"]
    old, both, new = (allowed(transformers=t) for t in ("4.40.2", ">=4.41,<5", "5.1.0"))
    assert [change.gone_in(v) for v in (old, both, new)] == [False, True, True]
    assert [change.always_gone(v) for v in (old, both, new)] == [False, False, True]
    assert [change.deprecated_in(v) for v in (old, both, new)] == [False, True, False]
    assert [change.replaceable(v) for v in (old, both, new)] == [False, True, True]


def test_use_fast_belongs_to_auto_tokenizer_alone() -> None:
    auto, other = (
        argument_changes(f"transformers.{name}.from_pretrained") for name in ("AutoTokenizer", "T5Tokenizer")
    )
    assert {*auto} - {*other} == {"use_fast"}
    assert auto["use_fast"].removed == "5.0"
    assert auto["use_auth_token"] == other["use_auth_token"]


def test_an_argument_that_one_release_forgot(allowed) -> None:
    change = argument_changes("trl.KTOTrainer")["tokenizer"]
    assert change.gaps == (">=0.12,<0.12.1",)
    gone = {
        release: change.gone_between(allowed(trl=release))
        for release in ("0.11.4", "0.12.0", "0.12.1", "0.13.0", "0.14.0")
    }
    first, last = ("0.12", "0.12.1"), ("0.14", "")
    assert gone == {"0.11.4": None, "0.12.0": first, "0.12.1": None, "0.13.0": None, "0.14.0": last}
    assert change.gone_between(allowed(trl=">=0.12")) == first
    assert change.gone_between(allowed(trl=">=0.12.1")) == last
    assert change.always_gone(allowed(trl="0.12.0"))
    assert change.gone_in(allowed(trl=">=0.12,<0.13"))
    assert not change.always_gone(allowed(trl=">=0.12,<0.13"))
    assert not argument_changes("trl.SFTTrainer")["tokenizer"].gaps


def test_a_name_that_came_back_is_gone_in_between_only(allowed) -> None:
    change = removed_name("transformers.utils.is_torch_tpu_available")
    assert change is not None
    assert [change.gone_in(allowed(transformers=t)) for t in ("4.50.3", "5.8.0", "5.9.0")] == [False, True, False]


def test_a_task_that_came_back_is_gone_in_between_only(allowed) -> None:
    change = task_change("image-to-text")
    assert change is not None
    assert [change.gone_in(allowed(transformers=t)) for t in ("4.57.6", "5.18.0", "5.19.0")] == [False, True, False]


def test_a_replacement_of_another_library_is_held_against_that(allowed) -> None:
    change = removed_name("trl.set_seed")
    assert change is not None
    assert change.replacement_library == "transformers"
    assert change.replaceable(allowed(trl="1.0.0", transformers="4.57.6"))
    optimizer = removed_name("transformers.AdamW")
    assert optimizer is not None
    assert not optimizer.replaceable(allowed(transformers="5.1.0"))


@pytest.mark.parametrize(
    ("owner", "argument", "value", "mended"),
    [
        ("transformers.TrainingArguments", "evaluation_strategy", '"epoch"', 'eval_strategy="epoch"'),
        ("transformers.TrainingArguments", "overwrite_output_dir", "True", ""),
        ("transformers.TrainingArguments", "save_safetensors", "True", ""),
        ("transformers.TrainingArguments", "save_safetensors", "False", None),
        ("transformers.TrainingArguments", "logging_dir", '"runs"', None),
        ("transformers.TrainingArguments", "use_ipex", "True", None),
        (
            "transformers.AutoModel.from_pretrained",
            "use_flash_attention_2",
            "True",
            'attn_implementation="flash_attention_2"',
        ),
        ("transformers.AutoModel.from_pretrained", "use_flash_attention_2", "flag", None),
        ("transformers.AutoModel.from_pretrained", "load_in_4bit", "True", None),
        ("transformers.pipeline", "grouped_entities", "True", 'aggregation_strategy="simple"'),
        ("transformers.pipeline", "framework", "'pt'", ""),
        ("transformers.pipeline", "return_all_scores", "True", None),  # the output is another
    ],
)
def test_what_is_certain_is_mended(owner: str, argument: str, value: str, mended: str | None) -> None:
    assert argument_changes(owner)[argument].mended(value) == mended


# --- tasks, methods, environment --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "version"),
    [
        ("conversational", "4.42"),
        ("summarization", "5.0"),
        ("translation_en_to_de", "5.0"),
        ("question-answering", "5.3"),
        ("vqa", "5.3"),
    ],
)
def test_tasks_that_went(task: str, version: str) -> None:
    change = task_change(task)
    assert change is not None
    assert (change.removed, change.effect) == (version, "KeyError")


def test_tasks_that_are_there() -> None:
    assert task_change("text-generation") is None
    assert task_change("sentiment-analysis") is None
    change = task_change("image-text-to-text")
    assert change is not None
    assert (change.since, change.removed) == ("4.47", None)


@pytest.mark.parametrize(
    ("kind", "method", "version", "replacement"),
    [
        ("tokenizer", "encode_plus", "5.0", "__call__"),
        ("tokenizer", "batch_encode_plus", "5.0", "__call__"),
        ("tokenizer", "as_target_tokenizer", "5.0", None),
        ("trainer", "tokenizer", "5.0", "processing_class"),
        ("model", "greedy_search", "4.41", None),
        ("model", "gradient_checkpointing_enable", None, "activation_checkpointing_enable"),
        ("cache", "from_legacy_cache", "5.0", None),
        ("cache", "get_usable_length", "4.54", None),
        ("dataset", "prepare_for_task", "3.0", None),
    ],
)
def test_methods_that_changed(kind: str, method: str, version: str | None, replacement: str | None) -> None:
    assert removed(method_change(kind, method)) == (version, replacement)


def test_methods_that_are_there() -> None:
    assert method_change("tokenizer", "batch_decode") is None
    assert method_change("model", "generate") is None
    assert method_change("no such kind", "encode_plus") is None


@pytest.mark.parametrize("tokenizer", ["MBart50Tokenizer", "M2M100Tokenizer", "NllbTokenizer", "SeamlessM4TTokenizer"])
def test_some_tokenizers_still_have_prepare_seq2seq_batch(tokenizer: str) -> None:
    change = method_change("tokenizer", "prepare_seq2seq_batch")
    assert change is not None
    assert tokenizer.startswith(change.unless)
    assert not "T5Tokenizer".startswith(change.unless)


def test_some_tokenizers_still_have_encode_plus() -> None:
    change = method_change("tokenizer", "encode_plus")
    assert change is not None
    assert "LayoutXLMTokenizer".startswith(change.unless)
    assert not "BertTokenizer".startswith(change.unless)


def test_environment_variables() -> None:
    assert removed(environment_change("TRANSFORMERS_CACHE")) == ("5.0", "HF_HUB_CACHE")
    assert removed(environment_change("HF_HUB_ENABLE_HF_TRANSFER")) == ("1.0", "HF_XET_HIGH_PERFORMANCE")
    assert environment_change("HF_HOME") is None


# --- deprecations that the source declares ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("callable_", "argument", "since", "until", "instead"),
    [
        ("transformers.TrainingArguments", "no_cuda", "4.40", "5.0", "use_cpu"),
        ("transformers.Trainer", "tokenizer", "4.46", "5.0", "processing_class"),
        ("trl.GRPOConfig", "use_transformers_paged", "1.2", None, "use_transformers_continuous_batching"),
        ("diffusers.StableDiffusionPipeline.__call__", "callback", "0.26", None, None),
        ("huggingface_hub.list_models", "direction", "1.3", "1.6", None),
        ("transformers.PreTrainedModel.gradient_checkpointing_enable", "", "5.23", None, None),
    ],
)
def test_declared_deprecations(
    callable_: str, argument: str, since: str, until: str | None, instead: str | None
) -> None:
    found = declared_deprecations(callable_)[argument]
    assert (found.since, found.until, found.instead) == (since, until, instead)


def test_what_is_not_declared() -> None:
    assert "eval_strategy" not in declared_deprecations("transformers.TrainingArguments")
    assert not declared_deprecations("transformers.NeverHeardOf")
    assert not declared_deprecations("elsewhere.Trainer")
