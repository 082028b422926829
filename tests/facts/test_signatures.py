"""What callables take: the tables against what is known of releases, and against the libraries installed here."""

import ast
import importlib.util
import json
import os
from importlib.metadata import PackageNotFoundError, version
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
    for name, entry in table["callables"].items():
        assert set(entry) <= {"takes", "some", "rest", "in", "from", "parents", "bases"}, name
        assert entry["from"], name
        rest = entry["rest"]
        assert {rest} <= FATES if isinstance(rest, str) else set(rest) <= FATES, name
        assert not set(entry["takes"].split()) & set(entry.get("some", {})), name


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
        ("sentence_transformers.SentenceTransformerTrainer", "tokenizer", "nonsense"),  # a decorator takes it
        ("sentence_transformers.SentenceTransformer", "device", "nonsense"),
        ("bitsandbytes.nn.Linear4bit", "compute_dtype", "dtype"),
        ("diffusers.DDPMScheduler", "num_train_timesteps", "timesteps"),
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
        "",
    ],
)
def test_what_the_tables_do_not_know(name: str) -> None:
    assert signature(name) is None


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


def test_what_models_take() -> None:
    assert {"sliding_window", "num_experts_per_tok"} <= model_settings()
    assert "devce_map" not in model_settings()


# --- against the libraries installed ----------------------------------------------------------------------------------

SAMPLE = [  # what, its file, its class and method or function
    ("transformers.Trainer", "transformers/trainer.py", "Trainer.__init__"),
    ("transformers.Trainer.train", "transformers/trainer.py", "Trainer.train"),
    ("transformers.BitsAndBytesConfig", "transformers/utils/quantization_config.py", "BitsAndBytesConfig.__init__"),
    ("transformers.TrainingArguments", "transformers/training_args.py", "TrainingArguments"),
    ("peft.LoraConfig", "peft/tuners/lora/config.py", "LoraConfig"),
    ("peft.get_peft_model", "peft/mapping_func.py", "get_peft_model"),
    ("trl.SFTTrainer", "trl/trainer/sft_trainer.py", "SFTTrainer.__init__"),
    ("trl.SFTConfig", "trl/trainer/sft_config.py", "SFTConfig"),
    ("accelerate.Accelerator", "accelerate/accelerator.py", "Accelerator.__init__"),
    ("datasets.Dataset.map", "datasets/arrow_dataset.py", "Dataset.map"),
]


@pytest.mark.parametrize(("name", "file", "path"), SAMPLE, ids=[one[0] for one in SAMPLE])
def test_a_sample_against_the_installed_source(name: str, file: str, path: str, allowed) -> None:
    package = name.partition(".")[0]
    try:
        spec, installed = importlib.util.find_spec(package), version(package)
    except PackageNotFoundError:
        spec, installed = None, ""
    if spec is None or spec.origin is None:
        assert os.environ.get("HFLINT_FULL_TESTS") != "1", f"{package} must be installed where HFLINT_FULL_TESTS=1"
        pytest.skip(f"{package} is not installed; with HFLINT_FULL_TESTS=1 that fails")
    found = signature(name)
    assert found is not None
    if Version(installed) not in found.read:
        assert os.environ.get("HFLINT_FULL_TESTS") != "1", f"{package} {installed} was not read: make the tables anew"
        pytest.skip(f"{package} {installed} was not read for the tables; with HFLINT_FULL_TESTS=1 that fails")
    source = Path(spec.origin).parent.parent / file
    written = parameters(ast.parse(source.read_text("utf-8")), path.split("."))
    assert written
    assert written <= set(found.parameters(allowed(**{package: installed})))


def parameters(tree: ast.AST, path: list[str]) -> set[str]:
    """The keywords of a function, or the fields of a dataclass that have a default or none."""
    node = tree
    for name in path:
        kinds = (ast.ClassDef, ast.FunctionDef)
        node = next(one for one in ast.iter_child_nodes(node) if isinstance(one, kinds) and one.name == name)
    if isinstance(node, ast.FunctionDef):
        return {one.arg for one in (*node.args.args, *node.args.kwonlyargs)} - {"self"}
    fields = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.AnnAssign)]
    open_ = [
        one for one in fields if "init=False" not in ast.unparse(one) and "ClassVar" not in ast.unparse(one.annotation)
    ]
    return {one.target.id for one in open_ if isinstance(one.target, ast.Name) and not one.target.id.startswith("_")}
