"""A sample of the tables against the libraries installed here, whose source is read and not imported.

huggingface_hub is there wherever the tests run, the others where hflint[verify] is installed.
"""

import ast
import importlib.util
import json
import os
import re
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

import pytest
from packaging.version import Version

from hflint.facts import signatures
from hflint.facts.histories import required
from hflint.facts.signatures import signature
from hflint.facts.versions import newest_known, project_versions

ALWAYS = {"huggingface_hub"}
SAMPLE = [  # what, its file, its class and method or function
    ("huggingface_hub.HfApi.create_repo", "hf_api.py", "HfApi.create_repo"),
    ("huggingface_hub.HfApi.list_models", "hf_api.py", "HfApi.list_models"),
    ("huggingface_hub.HfApi.upload_folder", "hf_api.py", "HfApi.upload_folder"),
    ("huggingface_hub.InferenceClient.chat_completion", "inference/_client.py", "InferenceClient.chat_completion"),
    ("huggingface_hub.hf_hub_download", "file_download.py", "hf_hub_download"),
    ("huggingface_hub.snapshot_download", "_snapshot_download.py", "snapshot_download"),
    ("huggingface_hub.login", "_login.py", "login"),
    ("transformers.Trainer", "trainer.py", "Trainer.__init__"),
    ("transformers.Trainer.train", "trainer.py", "Trainer.train"),
    ("transformers.BitsAndBytesConfig", "utils/quantization_config.py", "BitsAndBytesConfig.__init__"),
    ("transformers.TrainingArguments", "training_args.py", "TrainingArguments"),
    ("peft.LoraConfig", "tuners/lora/config.py", "LoraConfig"),
    ("peft.get_peft_model", "mapping_func.py", "get_peft_model"),
    ("trl.SFTTrainer", "trainer/sft_trainer.py", "SFTTrainer.__init__"),
    ("trl.SFTConfig", "trainer/sft_config.py", "SFTConfig"),
    ("accelerate.Accelerator", "accelerator.py", "Accelerator.__init__"),
    ("datasets.Dataset.map", "arrow_dataset.py", "Dataset.map"),
]
LIBRARIES = sorted({name.partition(".")[0] for name, _, _ in SAMPLE})


def installed(package: str) -> tuple[Path, str]:
    """The folder of a package and its release; skips where it is not installed, or newer than the tables."""
    try:
        spec, release = importlib.util.find_spec(package), version(package)
    except PackageNotFoundError:
        spec, release = None, ""
    needed = os.environ.get("HFLINT_FULL_TESTS") == "1" or package in ALWAYS
    if spec is None or spec.origin is None:
        assert not needed, f"{package} must be installed"
        pytest.skip(f"{package} is not installed; with HFLINT_FULL_TESTS=1 that fails")
    if Version(release) > newest_known(package):
        assert os.environ.get("HFLINT_FULL_TESTS") != "1", f"{package} {release} was not read: make the tables anew"
        pytest.skip(f"{package} {release} is newer than the tables; with HFLINT_FULL_TESTS=1 that fails")
    return Path(spec.origin).parent, release


@pytest.mark.parametrize(("name", "file", "path"), SAMPLE, ids=[one[0] for one in SAMPLE])
def test_arguments_and_defaults(name: str, file: str, path: str, tmp_path: Path) -> None:
    package = name.partition(".")[0]
    folder, release = installed(package)
    versions = project_versions(tmp_path, {package: release})
    found = signature(name)
    assert found is not None
    written = arguments(ast.parse((folder / file).read_text("utf-8")), path.split("."))
    assert written
    assert set(written) <= set(found.parameters(versions))
    told = {argument: found.default(argument, versions) for argument in written}
    assert {argument: default for argument, default in told.items() if default not in {None, written[argument]}} == {}
    assert sum(default is not None for default in told.values()) > len(told) / 2


@pytest.mark.parametrize("name", [one[0] for one in SAMPLE if one[0].startswith("huggingface_hub")])
def test_no_argument_is_made_up(name: str, tmp_path: Path) -> None:
    folder, release = installed("huggingface_hub")
    file, path = next((file, path) for one, file, path in SAMPLE if one == name)
    written = arguments(ast.parse((folder / file).read_text("utf-8")), path.split("."))
    decorator = (folder / "utils" / "_validators.py").read_text("utf-8")  # takes some keywords out of all calls
    found = signature(name)
    assert found is not None
    extra = set(found.parameters(project_versions(tmp_path, {"huggingface_hub": release}))) - set(written)
    assert {argument for argument in extra if f'pop("{argument}"' not in decorator} == set()


def test_names_that_came_and_went() -> None:
    folder, release = installed("huggingface_hub")
    table = json.loads((Path(signatures.__file__).parent / "tables" / "huggingface_hub.name.json").read_text("utf-8"))
    listed = set(re.findall(r'"(\w+)"', (folder / "__init__.py").read_text("utf-8")))
    entries = table["changes"]["huggingface_hub"]
    later = table["came"]["huggingface_hub"]
    gone = {
        name
        for name, entry in entries.items()
        if "removed" in entry and "restored" not in entry and Version(entry["removed"]) <= Version(release)
    }
    came = {name for since, names in later.items() if Version(since) <= Version(release) for name in names.split()}
    assert len(gone) > 20
    assert len(came) > 50
    assert gone & listed == set()
    assert came - listed == set()


@pytest.mark.parametrize("package", LIBRARIES)
def test_requirements(package: str) -> None:
    _, release = installed(package)
    assert required(package, Version(release))["python"] == metadata(package)["Requires-Python"]


def arguments(tree: ast.AST, path: list[str]) -> dict[str, str]:
    """The keywords of a function, or the fields of a dataclass, with the source of their defaults, "" where there is none."""
    node = tree
    for name in path:
        kinds = (ast.ClassDef, ast.FunctionDef)
        same = [one for one in ast.iter_child_nodes(node) if isinstance(one, kinds) and one.name == name]
        node = same[-1]  # those before are overloads
    if isinstance(node, ast.FunctionDef):
        given = node.args
        places = [*given.args, *given.kwonlyargs]
        defaults = [None] * (len(given.args) - len(given.defaults)) + [*given.defaults, *given.kw_defaults]
        return {one.arg: source(value) for one, value in zip(places, defaults, strict=True) if one.arg != "self"}
    fields = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.AnnAssign)]
    return {
        one.target.id: source(one.value)
        for one in fields
        if isinstance(one.target, ast.Name)
        and not one.target.id.startswith("_")
        and "init=False" not in ast.unparse(one)
        and "ClassVar" not in ast.unparse(one.annotation)
    }


def source(value: ast.expr | None) -> str:
    """A default as it is written, that of `field(default=...)` too."""
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("field"):
        given = {one.arg: one.value for one in value.keywords}
        return source(given.get("default") or given.get("default_factory"))
    return "" if value is None else ast.unparse(value)
