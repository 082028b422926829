"""Which packages a project declares, and when it can be said to lack one."""

from pathlib import Path

import pytest

from hflint.facts.declared import Declared, declared_packages
from hflint.facts.versions import Versions, project_versions

from .folders import write

PYPROJECT = '[project]\nname = "app"\ndependencies = ["transformers>=4.50", "torch"]\n'


def test_a_project_that_declares_its_packages_lacks_the_others(project: Path) -> None:
    write(project, pyproject_dot_toml=PYPROJECT)
    found = declared_packages(project)
    assert found.packages.keys() == {"app", "transformers", "torch"}
    assert found.packages["transformers"] == "pyproject.toml: transformers>=4.50"
    assert found.lacks("accelerate")
    assert found.lacks("flash-attn", "kernels")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README_dot_md": "pip install torch\n"},
        {"pyproject_dot_toml": '[project]\nname = "app"\nrequires-python = ">=3.10"\n'},
    ],
)
def test_a_project_that_declares_nothing_lacks_nothing(project: Path, files: dict[str, str]) -> None:
    write(project, **files)
    assert not declared_packages(project).lacks("accelerate")


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject_dot_toml": PYPROJECT + '[project.optional-dependencies]\ntrain = ["accelerate"]\n'},
        {"pyproject_dot_toml": PYPROJECT + '[dependency-groups]\ndev = ["accelerate>=1"]\n'},
        {"requirements_dot_txt": "accelerate==1.10\n"},
        {"requirements_dot_txt": "peft  # which requires it\n"},
        {"requirements-train_dot_txt": "Accelerate\n"},
        {"environment_dot_yml": "dependencies:\n  - pip:\n    - accelerate\n"},
        {"uv_dot_lock": '[[package]]\nname = "accelerate"\nversion = "1.10.0"\n'},
        {"setup_dot_py": "setup(extras_require={'train': ['accelerate']})\n"},
        {"training__requirements_dot_txt": "accelerate\n"},
    ],
)
def test_whatever_declares_a_package_brings_it(project: Path, files: dict[str, str]) -> None:
    write(project, **{"pyproject_dot_toml": PYPROJECT, **files})
    found = declared_packages(project)
    assert not found.lacks("accelerate")
    assert found.lacks("gguf")


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject_dot_toml": '[project]\nname = "app"\ndynamic = ["dependencies"]\n'},
        {"requirements_dot_txt": "some-package-of-ours\n"},
        {"requirements_dot_txt": "transformers[torch]\n"},
        {"requirements_dot_txt": "git+https://example.org/ours.git\n"},
        {"requirements_dot_txt": "-r more.txt\n"},
        {"setup_dot_py": "setup(install_requires=open('needs').read().split())\n"},
        {"setup_dot_py": "setup(**options)\n"},
        {"pyproject_dot_toml": "[project\n"},
    ],
)
def test_what_cannot_be_read_may_bring_anything(project: Path, files: dict[str, str]) -> None:
    write(project, **{"requirements_dot_txt": "transformers\n", **files})
    assert not declared_packages(project).lacks("accelerate")


@pytest.mark.parametrize(
    "files",
    [
        {"README_dot_md": "First `pip install accelerate`.\n"},
        {"Dockerfile": "RUN pip install \\\n  accelerate\n"},
        {"_dot_github__workflows__test_dot_yml": "run: uv pip install accelerate\n"},
    ],
)
def test_what_people_are_told_to_install_is_not_lacking(project: Path, files: dict[str, str]) -> None:
    write(project, pyproject_dot_toml=PYPROJECT, **files)
    found = declared_packages(project)
    assert not found.lacks("accelerate")
    assert found.lacks("gguf")


def test_a_word_of_prose_is_nothing_to_install(project: Path) -> None:
    write(project, pyproject_dot_toml=PYPROJECT, README_dot_md="We accelerate your training.\n")
    assert declared_packages(project).lacks("accelerate")


def test_options_of_requirements_and_the_project_itself_are_no_packages(project: Path) -> None:
    text = "--extra-index-url https://example.org/simple\n-e .\n\n# a comment\ntransformers>=4.50 ; python_version > '3.9'\n"
    write(project, requirements_dot_txt=text)
    found = declared_packages(project)
    assert found.packages.keys() == {"transformers"}
    assert found.lacks("accelerate")


def test_a_lock_says_what_unknown_packages_bring(project: Path) -> None:
    lock = "".join(
        f'[[package]]\nname = "{name}"\nversion = "1.0"\n' for name in ("transformers", "some-package-of-ours")
    )
    write(
        project,
        uv_dot_lock=lock,
        pyproject_dot_toml='[project]\nname = "app"\ndependencies = ["some-package-of-ours"]\n',
    )
    assert declared_packages(project).lacks("accelerate")


def test_the_folders_up_to_the_repository_count_together(project: Path) -> None:
    write(project, requirements_dot_txt="accelerate\n", app__pyproject_dot_toml=PYPROJECT)
    assert not declared_packages(project / "app").lacks("accelerate")


def test_findings_that_are_remembered_depend_on_what_is_declared(project: Path) -> None:
    prints = [project_versions(project, {}).fingerprint()]
    for needs in ("torch\n", "torch\naccelerate\n"):
        write(project, requirements_dot_txt=needs)
        prints.append(project_versions(project, {}).fingerprint())
    assert len(set(prints)) == 3
    assert prints[0] == Versions({}).fingerprint()
    assert Declared().fingerprint == ""


def test_a_script_has_its_own_versions_and_packages(project: Path) -> None:
    write(project, requirements_dot_txt="transformers==4.57.6\naccelerate\n")
    versions = project_versions(project, {})
    script = (
        "#!/usr/bin/env -S uv run\n# /// script\n# dependencies = [\n#   'transformers>=5',\n# ]\n# ///\nimport torch\n"
    )
    own = versions.of_script(script)
    assert str(own["transformers"].lowest) == "5.0.0"
    assert own.declared.lacks("accelerate")
    assert versions.of_script("import torch\n") is versions
    assert versions.of_script("# /// script\n# dependencies = [\n# ///\n") is versions


def test_a_target_counts_for_scripts_as_well(project: Path) -> None:
    versions = project_versions(project, {"transformers": "4.57.6"})
    own = versions.of_script("# /// script\n# dependencies = ['transformers>=5', 'trl==0.24.0']\n# ///\n")
    assert str(own["transformers"]) == "transformers 4.57.6"
    assert str(own["trl"]) == "trl 0.24.0"
