"""A project that makes a library means its own code by the library's name, wherever its packages lie."""

from __future__ import annotations

import pytest

from hflint.check import check_source
from hflint.files import source_from_bytes
from hflint.project import Projects

TEST = """\
from peft import LoraConfig, PeftModelForSeq2SeqLM
from transformers import AdamW, AutoModelForCausalLM, AutoTokenizer

LoraConfig(r=4, brand_new=1)
AutoModelForCausalLM.from_pretrained("gpt2", load_in_8bit=True, device_map="auto")
AutoTokenizer.from_pretrained("gpt2").encode_plus("a text", brand_new=1)
"""


def codes(
    folder,
    library,
    layout,
    build_file=("pyproject.toml", "[project]\nname = 'ours'\ndependencies = ['transformers']\n"),
):
    package = folder / layout / library
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (folder / build_file[0]).write_text(build_file[1], "utf-8")
    path = folder / "app" / "run.py"
    path.parent.mkdir()
    project = Projects(isolated=True, overrides={"select": ["migration", "project"]}).of(path)
    report = check_source(source_from_bytes(TEST.encode(), path, path.name), project)
    assert not report.errors
    return {one.code for one in report.findings}


@pytest.mark.parametrize("layout", [".", "src"])
def test_its_names_and_arguments_are_its_own(tmp_path, layout):
    assert "HF606" not in codes(tmp_path, "peft", layout)


@pytest.mark.parametrize("layout", [".", "src"])
def test_no_rule_of_migration_or_dependencies_speaks_of_it(tmp_path, layout):
    assert codes(tmp_path, "transformers", layout) == {"HF606"}  # of peft


def test_a_folder_that_a_build_file_names(tmp_path):
    setup = 'from setuptools import setup\nsetup(package_dir={"": "python"})\n'
    assert codes(tmp_path, "transformers", "python", ("setup.py", setup)) == {"HF606"}


def test_other_folders_do_not_count(tmp_path):
    assert codes(tmp_path, "transformers", "python") == {"HF601", "HF603", "HF605", "HF606", "HF802"}
