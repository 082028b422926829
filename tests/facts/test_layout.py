"""Where a project keeps its packages, as its build files say it."""

from __future__ import annotations

import pytest

from hflint.facts.layout import own_folders


@pytest.mark.parametrize(
    ("name", "text", "folder"),
    [
        ("setup.py", 'setup(package_dir={"": "lib"}, packages=find_packages("lib"))', "lib"),
        ("setup.py", 'setup(package_dir={"peft": "python/peft"})', "python"),
        ("setup.py", 'setup(packages=find_packages(where="code"))', "code"),
        ("setup.cfg", "[options]\npackage_dir =\n    = lib\npackages = find:\n", "lib"),
        ("setup.cfg", "[options.packages.find]\nwhere = lib\n", "lib"),
        ("pyproject.toml", '[tool.setuptools.packages.find]\nwhere = ["lib"]', "lib"),
        ("pyproject.toml", '[tool.setuptools]\npackage-dir = {"" = "lib"}', "lib"),
        ("pyproject.toml", '[tool.poetry]\npackages = [{include = "peft", from = "lib"}]', "lib"),
        ("pyproject.toml", '[tool.hatch.build.targets.wheel]\npackages = ["lib/peft"]', "lib"),
        ("pyproject.toml", '[tool.hatch.build.targets.wheel.sources]\n"lib" = ""', "lib"),
        ("pyproject.toml", '[tool.uv.build-backend]\nmodule-root = "lib"', "lib"),
        ("pyproject.toml", "[project]\nname = 'peft'", "src"),
        ("pyproject.toml", "is no toml", "src"),
        ("requirements.txt", "", "src"),
    ],
)
def test_a_build_file_names_the_folder(tmp_path, name, text, folder):
    (tmp_path / name).write_text(text, "utf-8")
    inside = tmp_path / "tests" / "unit"
    inside.mkdir(parents=True)
    found = own_folders(inside, tmp_path)
    assert tmp_path in found
    assert tmp_path / folder in found
    assert inside not in found


def test_a_source_folder_that_is_a_package_is_none(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "__init__.py").touch()
    assert own_folders(tmp_path, tmp_path) == [tmp_path]


def test_the_whole_repository_counts(tmp_path):
    """The examples of a library have requirements of their own, and so are a project."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "setup.py").touch()
    inside = tmp_path / "examples" / "one"
    inside.mkdir(parents=True)
    assert tmp_path / "src" in own_folders(inside, inside)
