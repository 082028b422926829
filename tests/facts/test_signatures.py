"""What callables take: the tables against what is known of releases."""

import json
from pathlib import Path

import pytest
from packaging.version import Version

from hflint.facts import signatures
from hflint.facts.signatures import model_settings, signature
from hflint.facts.versions import Versions, project_versions

TABLES = sorted((Path(signatures.__file__).parent / "tables").glob("*signatures.json"))
FATES = {"raises", "drops", "keeps", "open"}


@pytest.fixture
def allowed(tmp_path: Path):
    def allowed(**target: str) -> Versions:
        return project_versions(tmp_path, {name.replace("_", "-"): wanted for name, wanted in target.items()})

    return allowed


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_schema_of_every_entry(path: Path) -> None:
    text = path.read_text("utf-8")
    table = json.loads(text)
    assert path.stem == f"{table['library']}.{table['kind']}"
    assert table["read"] == [str(one) for one in sorted(map(Version, table["read"]))]
    assert len(text.splitlines()) == len(table["callables"]) + 2  # a callable a line: only those asked for are parsed
    owners = {name for names, entry in table["callables"].items() if "from" in entry for name in names.split()}
    for name, entry in table["callables"].items():
        assert set(entry) <= {"takes", "some", "rest", "in", "from", "parents", "bases", "line"}, name
        assert entry.get("from") or name.rpartition(".")[0] in owners, name
        assert len({name.count(".") for name in name.split()}) == 1, name
        rest = entry.get("rest", "raises")
        assert {rest} <= FATES if isinstance(rest, str) else set(rest) <= FATES, name
        assert not set(entry.get("takes", "").split()) & set(entry.get("some", {})), name


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_no_name_stands_in_two_lines(path: Path) -> None:
    names = [name for names in json.loads(path.read_text("utf-8"))["callables"] for name in names.split()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("callable_", "argument", "target", "fates"),
    [
        ("transformers.TrainingArguments", "eval_strategy", "4.40.2", {"raises"}),
        ("transformers.TrainingArguments", "eval_strategy", "4.41.2", None),
        ("transformers.training_args.TrainingArguments", "evaluation_strategy", "5.23.0", {"raises"}),
        ("transformers.Seq2SeqTrainingArguments", "predict_with_generate", "5.23.0", None),
        ("transformers.Trainer", "tokenizer", "4.57.6", None),  # a decorator takes it
        ("transformers.Trainer", "tokenizer", "5.0.0", {"raises"}),
        ("transformers.Trainer.train", "resume_from_checkpoint", "5.23.0", None),
        ("transformers.Seq2SeqTrainer.train", "nonsense", "5.23.0", {"raises"}),
        ("transformers.BitsAndBytesConfig", "bnb_4bit_compute_type", "5.23.0", {"drops"}),
        ("transformers.GenerationConfig", "temprature", "5.23.0", {"keeps"}),
        ("transformers.LlamaConfig", "hiden_size", "5.23.0", {"keeps"}),
        ("transformers.LlamaConfig", "pad_token_id", "5.23.0", None),  # of every configuration
        ("transformers.PreTrainedTokenizerBase.__call__", "return_tensor", "4.57.6", {"raises"}),
        ("transformers.PreTrainedTokenizerBase.__call__", "return_tensor", "5.23.0", {"drops"}),
        ("transformers.DataCollatorForLanguageModeling", "mlm_probability", "5.23.0", None),
        ("transformers.BertModel", "add_pooling_layer", "5.23.0", None),
        ("transformers.BertModel", "add_poling_layer", "5.23.0", {"raises"}),
        ("transformers.models.bert.BertModel", "add_poling_layer", "4.57.6", {"raises"}),
        ("transformers.models.bert.modeling_bert.BertForMaskedLM", "cofig", "4.40.0", {"raises"}),
        ("transformers.BertPreTrainedModel", "cofig", "5.23.0", {"drops"}),  # PreTrainedModel takes any keyword
        ("transformers.EncoderDecoderModel", "encoder", "4.57.6", None),
        ("transformers.BlipTextModel", "add_poling_layer", "5.23.0", {"raises"}),  # __all__ of another file lists it
    ],
)
def test_transformers(callable_: str, argument: str, target: str, fates: set[str] | None, allowed) -> None:
    found = signature(callable_)
    assert found is not None
    refusal = found.refusal(argument, allowed(transformers=target))
    assert (refusal and set(refusal.fates)) == fates


@pytest.mark.parametrize(
    ("callable_", "taken", "refused"),
    [
        ("trl.SFTConfig", "num_train_epochs", "max_seq_length"),
        ("trl.trainer.sft_config.SFTConfig", "max_length", "nonsense"),
        ("trl.GRPOTrainer", "reward_funcs", "tokenizer"),
        ("peft.LoraConfig", "target_modules", "lora_aplha"),
        ("peft.tuners.lora.LoraConfig", "r", "rank"),
        ("peft.get_peft_model", "adapter_name", "config"),
        ("peft.prepare_model_for_kbit_training", "use_gradient_checkpointing", "nonsense"),
        ("accelerate.Accelerator", "mixed_precision", "fp16"),
        ("datasets.Dataset.map", "remove_columns", "batch"),
        ("datasets.load_from_disk", "keep_in_memory", "split"),
        ("huggingface_hub.snapshot_download", "resume_download", "nonsense"),  # a decorator takes it
        ("huggingface_hub.create_repo", "exist_ok", "organization"),  # a method of an object that the module made
        ("huggingface_hub.HfApi.create_repo", "exist_ok", "organization"),
        ("huggingface_hub.TextGenerationInput", "parameters", "paameters"),
        ("sentence_transformers.SentenceTransformerTrainer", "tokenizer", "nonsense"),  # a decorator takes it
        ("sentence_transformers.SentenceTransformer", "device", "nonsense"),
        ("sentence_transformers.SentenceTransformerModelCardData", "license", "liense"),
        ("sentence_transformers.CrossEncoder", "automodel_args", "automodel_arg"),  # a decorator takes it
        ("bitsandbytes.nn.Linear4bit", "compute_dtype", "dtype"),
        ("diffusers.DDPMScheduler", "num_train_timesteps", "timesteps"),
        ("diffusers.ComponentSpec", "type_hint", "type"),
    ],
)
def test_the_newest_of_the_other_libraries(callable_: str, taken: str, refused: str, allowed) -> None:
    found = signature(callable_)
    assert found is not None
    assert found.refusal(taken, allowed()) is None
    refusal = found.refusal(refused, allowed())
    assert refusal is not None
    assert refusal.everywhere


@pytest.mark.parametrize(
    "name",
    [
        "transformers.NeverHeardOf",
        "elsewhere.TrainingArguments",
        "transformers",
        "transformers.models.TrainingArguments",
        "transformers.training_args.Trainer.train",
        "transformers.models.albert.BertModel",
        "transformers.BertModel.save_pretrained",  # a model may have its own
        "transformers.BertConfig.to_dict",
        "transformers.AutoModel",  # raises, whatever it is given
        "transformers.RagModel",  # hands its keywords on
        "transformers.TFBertModel",
        "",
    ],
)
def test_what_the_tables_do_not_know(name: str) -> None:
    assert signature(name) is None


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("transformers.trainer.Trainer.train", "Trainer.train"),  # from where its class is from
        ("transformers.Seq2SeqTrainer.train", "Trainer.train"),  # of its base
        ("transformers.Adafactor.step", "Adafactor.step"),
        ("peft.PeftModelForCausalLM.generate", "PeftModelForCausalLM.generate"),  # takes anything, unlike its base's
        ("diffusers.StableDiffusionXLPipeline.enable_freeu", None),  # of a base that is not at the top level
    ],
)
def test_a_method_is_its_class_s_or_a_base_s(name: str, owner: str | None) -> None:
    found = signature(name)
    assert (found and found.name) == owner


def test_a_refusal_names_the_releases(allowed) -> None:
    found = signature("transformers.TrainingArguments")
    assert found is not None
    refusal = found.refusal("eval_strategy", allowed(transformers=">=4.40,<4.43"))
    assert refusal is not None
    assert [str(one) for one in refusal.releases] == ["4.40.0", "4.40.1", "4.40.2"]
    assert (refusal.everywhere, str(refusal.since)) == (False, "4.41.0")
    gone = found.refusal("evaluation_strategy", allowed(transformers=">=4.49,<5"))
    assert gone is not None
    assert str(gone.until) == "4.51.0"


def test_releases_that_were_not_read_say_nothing(allowed) -> None:
    found = signature("transformers.TrainingArguments")
    assert found is not None
    assert found.refusal("nonsense", allowed(transformers="4.30.2")) is None
    assert found.refusal("nonsense", allowed(transformers="9.0.0")) is None


def test_an_inherited_argument_counts_while_any_allowed_release_of_its_owner_takes_it(allowed) -> None:
    found = signature("trl.SFTConfig")
    assert found is not None
    assert found.refusal("use_ipex", allowed(trl="0.20.0", transformers=">=4.50")) is None
    assert found.refusal("use_ipex", allowed(trl="0.20.0", transformers="4.57.6")) is not None


@pytest.mark.parametrize(
    ("task", "argument", "release", "fate"),
    [
        ("fill-mask", "framework", "4.57.6", None),
        ("fill-mask", "framework", "5.0.0", {"raises"}),
        ("fill-mask", "use_auth_token", "4.57.6", {"raises"}),  # run; only model_kwargs may bring it
        ("token-classification", "use_auth_token", "5.23.0", {"raises"}),
        ("object-detection", "framework", "5.0.0", {"drops"}),
        ("question-answering", "use_auth_token", "4.57.6", {"drops"}),  # run
        ("question-answering", "framework", "5.1.0", {"drops"}),
        ("automatic-speech-recognition", "framework", "5.23.0", None),  # it may be an argument of generate
    ],
)
def test_what_becomes_of_a_keyword_depends_on_the_task(
    task: str, argument: str, release: str, fate: set[str] | None, allowed
) -> None:
    found = signature(f"transformers.pipeline.{task}")
    refusal = found.refusal(argument, allowed(transformers=release)) if found else None
    assert (refusal and set(refusal.fates)) == fate


@pytest.mark.parametrize(
    ("callable_", "argument", "target", "default"),
    [
        ("transformers.TrainingArguments", "num_train_epochs", "5.23.0", "3.0"),
        ("transformers.TrainingArguments", "average_tokens_across_devices", "4.50.0", "False"),
        ("transformers.TrainingArguments", "average_tokens_across_devices", ">=4.50", None),  # it changed
        ("trl.SFTConfig", "packing", "1.16.0", "False"),
        ("trl.SFTConfig", "num_train_epochs", "1.16.0", "3.0"),  # of the class that it extends
        ("transformers.Trainer", "model", "5.23.0", "None"),
        ("peft.get_peft_model", "model", "0.21.2", ""),  # must be given
        ("transformers.Trainer", "nonsense", "5.23.0", None),
    ],
)
def test_defaults(callable_: str, argument: str, target: str, default: str | None, allowed) -> None:
    found = signature(callable_)
    assert found is not None
    assert found.default(argument, allowed(**{callable_.partition(".")[0]: target})) == default


def test_a_configuration_takes_the_names_that_its_attribute_map_has(allowed) -> None:
    found = signature("transformers.GPT2Config")
    assert found is not None
    assert found.refusal("hidden_size", allowed()) is None
    assert found.refusal("hiden_size", allowed()) is not None


def test_what_models_take() -> None:
    assert {"sliding_window", "num_experts_per_tok"} <= model_settings()
    assert "devce_map" not in model_settings()
