import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from hflint.facts import versions
from hflint.facts.together import compatible
from hflint.facts.versions import Range, Versions, newest_known, project_versions
from hflint.project import Projects
from hflint.settings import SettingsError

from .folders import write


@pytest.fixture(autouse=True)
def no_active_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


def of(project: Path, library: str = "transformers", target: dict[str, str] | None = None) -> Range:
    return project_versions(project, target or {})[library]


def releases(found: Range) -> list[str]:
    return [str(release) for release in found.releases]


# --- ranges -----------------------------------------------------------------------------------------------------------


def test_a_range_answers_for_some_and_for_all_of_its_releases() -> None:
    found = Range("transformers", "here", tuple(map(Version, ("4.57.6", "5.0.0", "5.1.0"))))
    assert found.any(">=5.1")
    assert not found.any(">=6")
    assert found.all(">=4.57,<6")
    assert not found.all(">=5")
    assert (str(found.lowest), str(found.highest)) == ("4.57.6", "5.1.0")
    assert str(found) == "transformers 4.57.6 to 5.1.0"


def test_a_range_is_narrowed_to_what_a_version_check_leaves() -> None:
    found = Range("transformers", "here", tuple(map(Version, ("4.57.6", "5.0.0"))))
    narrowed = found.narrowed(">=5")
    assert narrowed is not None
    assert releases(narrowed) == ["5.0.0"]
    assert str(narrowed) == "transformers 5.0.0"
    assert narrowed.origin == "here, here >=5"
    assert found.narrowed(">=6") is None
    assert found.narrowed(">=4") is found


def test_every_known_library_has_an_answer_under_any_spelling(project: Path) -> None:
    found = project_versions(project, {})
    assert set(found) >= {"transformers", "trl", "peft", "huggingface_hub", "sentence-transformers", "torch", "python"}
    assert all(found[library].releases for library in found)
    assert found["HuggingFace-Hub"] == found["huggingface_hub"]
    assert found["transformers"].origin == "newest known"
    assert found["transformers"].releases == (newest_known("transformers"),)
    with pytest.raises(KeyError):
        found["numpy"]


def test_a_fingerprint_depends_on_releases_and_not_on_origins(project: Path) -> None:
    def fingerprint(target: dict[str, str]) -> str:
        return project_versions(project, target).fingerprint()

    assert fingerprint({"transformers": "4.57.6"}) == fingerprint({"transformers": "==4.57.6"})
    assert fingerprint({"transformers": "4.57.6"}) != fingerprint({"transformers": "4.57.5"})
    assert Versions({}).fingerprint() == fingerprint({})


def test_the_shipped_releases_are_ascending_and_final() -> None:
    table = json.loads((Path(versions.__file__).parent / "tables" / "releases.json").read_text())["releases"]
    for library, listed in table.items():
        parsed = [Version(text) for text in listed]
        assert parsed == sorted(set(parsed)), library
        assert not any(version.is_prerelease for version in parsed), library


# --- the target of the settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "lowest", "highest"),
    [
        ("4.57", "4.57.1", "4.57.6"),
        ("==4.57.*", "4.57.1", "4.57.6"),
        ("4.57.6", "4.57.6", "4.57.6"),
        (">=4.50,<5", "4.50.0", "4.57.6"),
        ("4.57.0", "4.57.0", "4.57.0"),  # withdrawn: known to nobody's list, and still meant
        ("99.1", "99.1", "99.1"),  # newer than this hflint
        (">=99", "99", "99"),
    ],
)
def test_the_target_decides(project: Path, wanted: str, lowest: str, highest: str) -> None:
    write(project, uv_dot_lock='[[package]]\nname = "transformers"\nversion = "4.40.0"\n')
    found = of(project, target={"transformers": wanted})
    assert (str(found.lowest), str(found.highest)) == (lowest, highest)
    assert found.origin == f"target transformers {wanted}"


@pytest.mark.parametrize("wanted", ["five", "", "==x", "<4,>5"])
def test_a_target_that_holds_nothing_is_an_error(project: Path, wanted: str) -> None:
    with pytest.raises(SettingsError, match="target transformers"):
        project_versions(project, {"transformers": wanted})


def test_an_unknown_library_in_the_target_is_an_error_that_suggests_one(project: Path) -> None:
    with pytest.raises(SettingsError, match="unknown library transfomers; did you mean transformers"):
        project_versions(project, {"transfomers": "5"})


# --- lock files -------------------------------------------------------------------------------------------------------

UV = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "accelerate"
version = "1.10.1"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "torch" },
]

[[package]]
name = "huggingface-hub"
version = "0.36.0"

[[package]]
name = "torch"
version = "2.6.0+cu124"

[[package]]
name = "transformers"
version = "4.57.1"
"""


def test_uv_lock(project: Path) -> None:
    write(project, uv_dot_lock=UV, pyproject_dot_toml='[project]\ndependencies = ["transformers>=4.40"]\n')
    found = project_versions(project, {})
    assert (releases(found["transformers"]), found["transformers"].origin) == (["4.57.1"], "uv.lock")
    assert releases(found["huggingface_hub"]) == ["0.36.0"]
    assert releases(found["torch"]) == ["2.6.0"]
    assert found["trl"].origin == "newest known"


def test_poetry_and_pdm_and_pylock(project: Path) -> None:
    for name in ("poetry.lock", "pdm.lock"):
        (project / name).write_text('[[package]]\nname = "transformers"\nversion = "4.56.2"\ndescription = ""\n')
        assert (releases(of(project)), of(project).origin) == (["4.56.2"], name)
        (project / name).unlink()
    (project / "pylock.toml").write_text('[[packages]]\nname = "transformers"\nversion = "5.1.0"\n')
    assert (releases(of(project)), of(project).origin) == (["5.1.0"], "pylock.toml")


def test_pipfile_lock(project: Path) -> None:
    lock = {"default": {"transformers": {"version": "==4.55.0"}}, "develop": {"trl": {"version": "==0.20.0"}}}
    write(project, Pipfile_dot_lock=json.dumps(lock))
    assert (releases(of(project)), of(project).origin) == (["4.55.0"], "Pipfile.lock")
    assert releases(of(project, "trl")) == ["0.20.0"]


def test_a_lock_with_two_resolutions_allows_both(project: Path) -> None:
    package = '[[package]]\nname = "transformers"\nversion = "{}"\nresolution-markers = ["python_version < \'3.12\'"]\n'
    write(project, uv_dot_lock=package.format("4.57.6") + package.format("5.1.0"))
    assert releases(of(project)) == ["4.57.6", "5.1.0"]


def test_a_lock_of_the_whole_repository_serves_a_package_within(project: Path) -> None:
    write(project, uv_dot_lock=UV, packages__one__pyproject_dot_toml='[project]\nname = "one"\n')
    (project / "packages/one/src").mkdir()
    assert of(project / "packages/one/src").origin == "uv.lock"


# --- declared dependencies --------------------------------------------------------------------------------------------


def test_pyproject_from_a_folder_within(project: Path) -> None:
    write(
        project,
        pyproject_dot_toml='[project]\nrequires-python = ">=3.11"\ndependencies = ["transformers[torch]>=4.50,<5"]\n',
    )
    (project / "src/deep").mkdir(parents=True)
    found = of(project / "src/deep")
    assert (str(found.lowest), str(found.highest)) == ("4.50.0", "4.57.6")
    assert found.origin == "pyproject.toml: transformers[torch]>=4.50,<5"
    assert releases(of(project, "python"))[0] == "3.11"


def test_an_open_range_allows_all_from_there_on(project: Path) -> None:
    write(project, pyproject_dot_toml='[project]\ndependencies = ["transformers >= 4.30"]\n')
    assert of(project).any("==4.30.0")
    assert of(project).highest == newest_known("transformers")


@pytest.mark.parametrize(
    "text",
    [
        '[project.optional-dependencies]\ntrain = ["transformers==4.51.3"]\n',
        '[dependency-groups]\ndev = [{include-group = "x"}, "transformers==4.51.3"]\n',
        '[tool.uv]\ndev-dependencies = ["transformers==4.51.3"]\n',
        '[tool.pdm.dev-dependencies]\ntest = ["transformers==4.51.3"]\n',
        '[project]\ndependencies = ["transformers @ git+https://github.com/huggingface/transformers@v4.51.3"]\n',
        '[project]\ndependencies = ["transformers @ https://host/transformers-4.51.3-py3-none-any.whl"]\n',
        '[project]\ndependencies = ["Transformers (==4.51.3); python_version > \\"3.8\\""]\n',
        '[tool.poetry.group.gpu.dependencies]\ntransformers = "4.51.3"\n',
        '[tool.poetry.dependencies]\ntransformers = {version = "==4.51.3", extras = ["torch"]}\n',
    ],
)
def test_places_in_pyproject(project: Path, text: str) -> None:
    write(project, pyproject_dot_toml=text)
    assert releases(of(project)) == ["4.51.3"]


@pytest.mark.parametrize(
    ("constraint", "lowest", "highest"),
    [
        ('"^4.55"', "4.55.0", "4.57.6"),
        ('"~4.55"', "4.55.0", "4.55.4"),
        ('"~4.55.2"', "4.55.2", "4.55.4"),
        ('"~4"', "4.0.0", "4.57.6"),
        ('">=4.55 <4.57"', "4.55.0", "4.56.2"),
        ('"4.55.*"', "4.55.0", "4.55.4"),
        ('"4.40.2 || ^4.57"', "4.40.2", "4.57.6"),
        ('[{version = "4.40.2", python = "<3.10"}, {version = "4.41.2", python = ">=3.10"}]', "4.40.2", "4.41.2"),
    ],
)
def test_poetry_constraints(project: Path, constraint: str, lowest: str, highest: str) -> None:
    write(project, pyproject_dot_toml=f'[tool.poetry.dependencies]\npython = "^3.10"\ntransformers = {constraint}\n')
    assert (str(of(project).lowest), str(of(project).highest)) == (lowest, highest)
    assert releases(of(project, "python"))[0] == "3.10"


def test_a_poetry_caret_below_one_keeps_the_minor(project: Path) -> None:
    write(project, pyproject_dot_toml='[tool.poetry.dependencies]\ntrl = "^0.19.0"\npeft = "*"\n')
    assert releases(of(project, "trl")) == ["0.19.0", "0.19.1"]
    assert of(project, "peft").origin == "newest known"


def test_setup_cfg(project: Path) -> None:
    text = "[options]\npython_requires = >=3.10\ninstall_requires =\n    transformers==4.51.3\n    numpy\n"
    write(project, setup_dot_cfg=text + "[options.extras_require]\nrl =\n    trl>=0.19,<0.20\n")
    assert releases(of(project)) == ["4.51.3"]
    assert of(project).origin == "setup.cfg: transformers==4.51.3"
    assert releases(of(project, "trl")) == ["0.19.0", "0.19.1"]
    assert releases(of(project, "python"))[0] == "3.10"


def test_setup_py_is_read_and_never_run(project: Path) -> None:
    write(
        project,
        setup_dot_py="""\
import setuptools, sys
NEEDS = ["transformers==4.51.3"]
sys.exit("ran")
setuptools.setup(install_requires=NEEDS, extras_require={"rl": ["trl==0.19.1"]}, python_requires=">=3.10")
""",
    )
    assert releases(of(project)) == ["4.51.3"]
    assert releases(of(project, "trl")) == ["0.19.1"]


def test_a_computed_setup_py_says_nothing(project: Path) -> None:
    write(project, setup_dot_py="from setuptools import setup\nsetup(install_requires=open('r.txt').read().split())\n")
    assert of(project).origin == "newest known"


# --- requirements -----------------------------------------------------------------------------------------------------


def test_requirements_with_includes_comments_and_hashes(project: Path) -> None:
    write(
        project,
        requirements_dot_txt="-r deps/base.txt\n--extra-index-url https://host\ntrl>=0.19,<0.20  # for GRPO\n",
        deps__base_dot_txt="-r ../requirements.txt\ntransformers==4.57.6 \\\n    --hash=sha256:abc\n./local\n",
    )
    assert (releases(of(project)), of(project).origin) == (["4.57.6"], "base.txt: transformers==4.57.6")
    assert releases(of(project, "trl")) == ["0.19.0", "0.19.1"]


def test_requirement_files_are_intersected(project: Path) -> None:
    write(project, requirements_dot_txt="transformers>=4.50\n")
    (project / "requirements-dev.txt").write_text("transformers<4.52\n")
    assert (str(of(project).lowest), str(of(project).highest)) == ("4.50.0", "4.51.3")
    assert of(project).origin == "requirements-dev.txt: transformers<4.52; requirements.txt: transformers>=4.50"


def test_requirement_files_that_exclude_each_other_are_united(project: Path) -> None:
    write(
        project, requirements__old_dot_txt="transformers==4.40.2\n", requirements__new_dot_txt="transformers==5.1.0\n"
    )
    assert releases(of(project)) == ["4.40.2", "5.1.0"]


def test_markers_do_not_exclude(project: Path) -> None:
    lines = "transformers==4.40.2; python_version < '3.9'\ntransformers==5.1.0; python_version >= '3.9'\n"
    write(project, requirements_dot_txt=lines)
    assert releases(of(project)) == ["4.40.2", "5.1.0"]


def test_a_bare_name_leaves_the_word_to_the_next(project: Path) -> None:
    write(
        project,
        pyproject_dot_toml='[project]\ndependencies = ["transformers"]\n',
        requirements_dot_txt="transformers==4.40.2\n",
    )
    assert of(project).origin == "requirements.txt: transformers==4.40.2"


def test_conda_environment(project: Path) -> None:
    text = """\
channels: [conda-forge]
dependencies:
  - python=3.11
  - conda-forge::datasets=2.19  # conda's prefix match
  - pip:
      - "transformers==4.51.3"
      - trl>=0.19,<0.20
"""
    write(project, environment_dot_yml=text)
    assert releases(of(project)) == ["4.51.3"]
    assert of(project, "datasets").all("==2.19.*")
    assert releases(of(project, "trl")) == ["0.19.0", "0.19.1"]
    assert releases(of(project, "python")) == ["3.11"]


def test_the_nearest_requirements_win(project: Path) -> None:
    write(
        project,
        requirements_dot_txt="transformers==4.40.2\ntrl==0.19.1\n",
        examples__requirements_dot_txt="transformers==5.1.0\n",
    )
    assert releases(of(project / "examples")) == ["5.1.0"]
    assert releases(of(project / "examples", "trl")) == ["0.19.1"]


def test_files_above_a_folder_without_a_root_are_not_its_own(tmp_path: Path) -> None:
    write(tmp_path, requirements_dot_txt="transformers==4.40.2\n")
    (tmp_path / "loose").mkdir()
    assert of(tmp_path / "loose").origin == "newest known"
    assert of(tmp_path).origin == "requirements.txt: transformers==4.40.2"


def test_a_file_in_utf_16_is_read(project: Path) -> None:
    (project / "requirements.txt").write_text("transformers==4.40.2\r\n", "utf-16")
    assert releases(of(project)) == ["4.40.2"]


COMMIT = "transformers @ git+https://github.com/huggingface/transformers@f26099e7b5cf579f99a42bab6ddd371bf2c8d548"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements_dot_txt", COMMIT),
        ("requirements_dot_txt", COMMIT.partition("@ ")[2]),
        ("requirements_dot_txt", "transformers @ git+https://github.com/someone/transformers"),
        ("requirements_dot_txt", "git+https://github.com/huggingface/transformers@v4.49.0-Gemma-3"),
        ("requirements_dot_txt", "transformers @ file:///src/transformers"),
        ("pyproject_dot_toml", f'[project]\ndependencies = ["{COMMIT}"]\n'),
        (
            "pyproject_dot_toml",
            '[tool.uv.sources]\ntransformers = {git = "https://github.com/huggingface/transformers", rev = "f26099e"}\n',
        ),
        (
            "pyproject_dot_toml",
            '[tool.poetry.dependencies]\ntransformers = {git = "https://github.com/huggingface/transformers", rev = "f2"}\n',
        ),
    ],
)
def test_nobody_knows_the_release_of_a_commit(project: Path, name: str, text: str) -> None:
    write(project, **{name: text})
    found = project_versions(project, {})
    assert found["transformers"].commit
    assert found["transformers"].stated
    assert "transformers" not in found.installable
    assert "trl" in found.installable


@pytest.mark.parametrize("end", ["", "@main", ".git", ".git@main#egg=transformers", "/archive/refs/heads/main.zip"])
def test_the_main_branch_is_as_good_as_the_newest_release(project: Path, end: str) -> None:
    write(project, requirements_dot_txt=f"git+https://github.com/huggingface/transformers{end}\n")
    assert releases(of(project)) == [str(newest_known("transformers"))]
    assert not of(project).commit


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        ("transformers==4.32.0", "4.32.0 to 4.32.0"),
        ("transformers>=4.55", "4.27.1 to "),  # no pin: who installs the package gets any
        ("transformers==4.20.1", "4.27.1 to "),  # nobody can install that beside the package
    ],
)
def test_a_pin_beside_a_declared_range_narrows_it(project: Path, required: str, expected: str) -> None:
    write(project, setup_dot_cfg="[options]\ninstall_requires =\n    transformers>=4.27.1\n")
    write(project, requirements_dot_txt=required)
    found = of(project)
    assert f"{found.lowest} to {found.highest}".startswith(expected)


def test_a_commit_beside_a_declared_range_leaves_it_unknown(project: Path) -> None:
    write(
        project, pyproject_dot_toml='[project]\ndependencies = ["transformers>=4.27.1"]\n', requirements_dot_txt=COMMIT
    )
    assert of(project).commit


def test_the_requirements_of_an_example_narrow_those_of_its_project(project: Path) -> None:
    write(
        project,
        setup_dot_py="setup(install_requires=['transformers', 'huggingface_hub>=0.25'])\n",
        examples__requirements_dot_txt="huggingface_hub==0.34.3\ntransformers>=4.54,<5\n",
    )
    assert releases(of(project / "examples", "huggingface_hub")) == ["0.34.3"]
    assert of(project / "examples").all("<5")
    assert of(project, "huggingface_hub").any(">=1")


def test_a_list_that_setup_py_takes_its_requirements_from_by_name(project: Path) -> None:
    write(
        project,
        setup_dot_py="""\
_deps = ["black==24.1", "transformers>=4.53.3", "trl==0.19.1"]
CLASSIFIERS = ["Programming Language :: Python", "transformers"]
deps = {name.split("=")[0].rstrip(">"): name for name in _deps}
install_requires = [deps["transformers"], deps["trl"]]
setup(name="x", install_requires=install_requires)
""",
    )
    assert of(project).origin == "setup.py: transformers>=4.53.3"
    assert releases(of(project, "trl")) == ["0.19.1"]


def test_requirements_of_the_folders_above_where_nothing_marks_the_root(tmp_path: Path) -> None:
    write(tmp_path, requirements_dot_txt="transformers==4.40.2\n", code__train__requirements_dot_txt="transformers\n")
    assert releases(of(tmp_path / "code" / "train")) == ["4.40.2"]
    (tmp_path / "code" / ".git").mkdir()
    assert not of(tmp_path / "code" / "train").stated


def test_requirements_in_subfolders_of_their_folder(project: Path) -> None:
    write(project, requirements__full__requirements_dot_txt="transformers==5.6.*\n")
    assert of(project).all("==5.6.*")


# --- environments -----------------------------------------------------------------------------------------------------


def install(root: Path, *distributions: str) -> None:
    site = root / "lib" / "python3.12" / "site-packages"
    site.mkdir(parents=True)
    (root / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for name in distributions:
        (site / f"{name}.dist-info").mkdir()


def test_the_projects_environment_is_read_from_its_metadata(project: Path) -> None:
    install(project / ".venv", "transformers-4.57.6", "huggingface_hub-0.36.0", "torch-2.6.0+cu124", "broken-x")
    found = project_versions(project, {})
    assert (releases(found["transformers"]), found["transformers"].origin) == (["4.57.6"], "installed in .venv")
    assert releases(found["huggingface_hub"]) == ["0.36.0"]
    assert releases(found["torch"]) == ["2.6.0"]


def test_an_environment_knows_which_release_a_commit_is(project: Path) -> None:
    write(project, requirements_dot_txt=COMMIT)
    install(project / ".venv", "transformers-4.32.0.dev0")
    assert releases(of(project)) == ["4.32.0.dev0"]
    assert not of(project).commit


def test_the_active_environment_is_read_first(project: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path_factory.mktemp("environments") / "work"
    install(elsewhere, "transformers-5.1.0")
    install(project / "venv", "transformers-4.57.6", "trl-0.24.0")
    monkeypatch.setenv("VIRTUAL_ENV", str(elsewhere))
    found = project_versions(project, {})
    assert (releases(found["transformers"]), found["transformers"].origin) == (["5.1.0"], "installed in work")
    assert releases(found["trl"]) == ["0.24.0"]


def test_hflints_own_environment_is_not_the_projects(
    project: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path_factory.mktemp("tools") / "hflint"
    install(own, "transformers-4.57.6")
    monkeypatch.setenv("VIRTUAL_ENV", str(own))
    monkeypatch.setattr(sys, "prefix", str(own))
    assert of(project).origin == "newest known"
    install(project / ".venv", "transformers-4.51.3")
    monkeypatch.setenv("VIRTUAL_ENV", str(project / ".venv"))
    monkeypatch.setattr(sys, "prefix", str(project / ".venv"))
    assert releases(of(project)) == ["4.51.3"]


# --- broken files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", b"[project\ndependencies = "),
        ("pyproject.toml", b'[project]\ndependencies = "transformers==4.1"\noptional-dependencies = 3\n'),
        ("pyproject.toml", b"tool = 1\nproject = 2\n"),
        ("setup.cfg", b"no section\n"),
        ("setup.py", b"def (:\n"),
        ("setup.py", b"\x00"),
        ("Pipfile.lock", b"{"),
        ("Pipfile.lock", b"[1]"),
        ("uv.lock", b'[[package]]\nname = "transformers"\n'),
        ("uv.lock", b"\xff\x00\xff"),
        ("requirements.txt", b"transformers==\ntransformers>>4\n\xe9"),
        ("requirements.txt", b"-r missing.txt\n-r requirements.txt\n"),
        ("environment.yml", b"\tdependencies: [\n- transformers = = 4\n"),
    ],
)
def test_a_broken_file_is_ignored(project: Path, name: str, content: bytes) -> None:
    (project / name).write_bytes(content)
    assert of(project).origin == "newest known"


def test_what_was_ignored_is_noted(project: Path) -> None:
    write(project, pyproject_dot_toml="[project", requirements_dot_txt="transformers>>4\ntrl==0.19.1\n")
    found = project_versions(project, {})
    assert releases(found["trl"]) == ["0.19.1"]
    assert found.notes == (
        "pyproject.toml: cannot be parsed, ignored",
        "requirements.txt: transformers>>4: not understood, ignored",
    )


def test_a_declared_release_that_does_not_exist_is_noted(project: Path) -> None:
    write(project, requirements_dot_txt="transformers<0.0.1\n")
    found = project_versions(project, {})
    assert found["transformers"].origin == "newest known"
    assert found.notes == ("requirements.txt: transformers<0.0.1: no known release satisfies it",)


def test_none_of_the_libraries_is_imported() -> None:
    code = (
        "import sys, pathlib; from hflint.facts.versions import project_versions; "
        "project_versions(pathlib.Path('.'), {}); from hflint.facts import libraries; libraries.removed_name('transformers.AdamW'); "
        "print([name for name in ('torch', 'transformers', 'huggingface_hub', 'rich') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(versions.__file__).parents[2]
    )
    assert run.stdout.strip() == "[]"


def test_a_file_that_says_several_things_is_named_once(project: Path) -> None:
    write(project, requirements_dot_txt="trl>=1.0\ntrl<1.10\n")
    assert of(project, "trl").origin == "requirements.txt: trl>=1.0, trl<1.10"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("requirements requirements-cpu", "requirements-cpu.txt and requirements.txt: trl==1.0"),
        ("requirements requirements-cpu requirements-gpu", "requirements-cpu.txt and 2 other files: trl==1.0"),
    ],
)
def test_what_several_files_say_alike_is_told_once(project: Path, names: str, said: str) -> None:
    write(project, **{f"{name}_dot_txt": "trl==1.0\n" for name in names.split()})
    assert of(project, "trl").origin == said


# --- built packages ---------------------------------------------------------------------------------------------------

METADATA = """Metadata-Version: 2.4
Name: app
Version: 1.0
Requires-Python: >=3.11
Requires-Dist: transformers==5.16.1
Requires-Dist: peft<0.18,>=0.17; sys_platform != "win32"
Requires-Dist: trl==0.9.2; extra == "train"
"""


@pytest.mark.parametrize("place", ["app-1_dot_0_dot_dist-info__METADATA", "PKG-INFO", "app_dot_egg-info__PKG-INFO"])
def test_the_metadata_of_a_built_package_beside_its_code(project: Path, place: str) -> None:
    write(project, **{place: METADATA})
    assert releases(of(project)) == ["5.16.1"]
    assert str(of(project, "peft")) == "peft 0.17.0 to 0.17.1"
    assert of(project, "python").lowest == Version("3.11")
    assert releases(of(project, "trl")) == ["0.9.2"]  # an extra counts, as in the files that it was built from
    assert "transformers==5.16.1" in of(project).origin


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject_dot_toml": '[project]\nname = "app"\noptional-dependencies = {hf = ["transformers>=5"]}\n'},
        {"setup_dot_py": "setup(extras_require={'hf': ['transformers>=5']})\n"},
        {
            "app-1_dot_dist-info__METADATA": 'Name: app\nProvides-Extra: hf\nRequires-Dist: transformers>=5; extra == "hf"\n'
        },
    ],
)
def test_an_extra_says_the_same_wherever_it_is_written(project: Path, files: dict[str, str]) -> None:
    write(project, **files)
    assert of(project).stated
    assert of(project).lowest == Version("5.0.0")
    assert of(project).origin.endswith(": transformers>=5")


def test_an_extra_does_not_narrow_what_is_required(project: Path) -> None:
    extras = 'Requires-Dist: peft==0.17.1; extra == "a"\nRequires-Dist: peft<0.17; extra == "b"\n'
    write(project, **{"app-1_dot_dist-info__METADATA": METADATA + extras})
    assert str(of(project, "peft")) == "peft 0.17.0 to 0.17.1"


def test_metadata_stand_below_what_is_declared_and_above_requirements_files(project: Path) -> None:
    declared = '[project]\nname = "app"\ndependencies = ["transformers==4.57.6"]\n'
    write(project, pyproject_dot_toml=declared, **{"PKG-INFO": METADATA}, requirements_dot_txt="peft==0.10.0\n")
    assert releases(of(project)) == ["4.57.6"]
    assert of(project, "peft").any(">=0.17")


def test_metadata_of_an_old_build_do_not_count_where_dependencies_are_declared(project: Path) -> None:
    write(
        project, setup_dot_py="setup(install_requires=['transformers'])\n", **{"app_dot_egg-info__PKG-INFO": METADATA}
    )
    assert not of(project).stated


def test_an_environment_is_no_built_package(project: Path) -> None:
    write(project, **{f"{name}-1_dot_0_dot_dist-info__METADATA": METADATA for name in ("app", "other")})
    assert not of(project).stated


def test_a_folder_into_which_a_wheel_was_unpacked_is_a_project(project: Path) -> None:
    write(
        project, **{"app-1_dot_0_dot_dist-info__METADATA": METADATA, "app__inner__code_dot_py": "import transformers\n"}
    )
    assert Projects().of(project / "app" / "inner" / "code.py").folder == project
    nested = project / "lib"
    write(nested, **{"app-1_dot_0_dot_dist-info__METADATA": METADATA, "app__code_dot_py": "import transformers\n"})
    assert Projects().of(nested / "app" / "code.py").folder == nested


# --- what goes together -----------------------------------------------------------------------------------------------


def test_libraries_of_which_nothing_speaks_stand_at_the_newest_release_that_can_be_installed(project: Path) -> None:
    found = project_versions(project, {"transformers": "4.57.6"}).installable
    assert found["huggingface_hub"].highest < Version("1")
    assert found["huggingface_hub"].beside == "transformers 4.57.6"
    assert not found["huggingface_hub"].stated
    assert found["datasets"].highest < newest_known("datasets")  # it requires a newer huggingface_hub
    newest = project_versions(project, {"transformers": "5.23.0"}).installable
    assert newest["huggingface_hub"].highest == newest_known("huggingface_hub")
    assert not newest["huggingface_hub"].beside


def test_beside_a_transformers_of_which_nothing_is_known_nothing_is(project: Path) -> None:
    assert set(project_versions(project, {"transformers": "4.32.0"}).installable) & {"huggingface_hub", "trl"} == set()


def test_ranges_are_narrowed_to_what_can_be_installed_together(project: Path) -> None:
    write(project, requirements_dot_txt="transformers==4.55.0\nhuggingface_hub>=0.25\n")
    hub = project_versions(project, {}).installable["huggingface_hub"]
    assert hub.all(">=0.34,<1")
    assert hub.origin == "requirements.txt: huggingface_hub>=0.25, beside transformers 4.55.0"
    write(project, requirements_dot_txt="transformers>=4.53.3\nhuggingface_hub<1.0\n")
    assert project_versions(project, {}).installable["transformers"].all("<5")
    write(project, requirements_dot_txt="transformers==4.55.0\nhuggingface_hub>=1.0\n")  # pip refuses: another rule's
    assert project_versions(project, {}).installable["huggingface_hub"].all(">=1")


def test_what_the_settings_ask_for_is_not_narrowed_by_the_project(project: Path) -> None:
    write(project, requirements_dot_txt="huggingface_hub<1.0\n")
    found = project_versions(project, {"transformers": ">=4.57"}).installable
    assert found["transformers"].highest == newest_known("transformers")


@pytest.mark.parametrize(
    ("library", "release", "other", "beside", "together"),
    [
        ("trl", "0.24.0", "transformers", "4.50.3", False),
        ("transformers", "4.50.3", "trl", "0.24.0", False),
        ("trl", "0.24.0", "transformers", "4.57.6", True),
        ("transformers", "5.23.0", "python", "3.10", False),
        ("transformers", "5.23.0", "python", "3.11", True),
        ("peft", "0.17.1", "transformers", "5.23.0", True),  # it does not say what it does not work with
    ],
)
def test_two_releases_that_pip_installs_together(
    library: str, release: str, other: str, beside: str, *, together: bool
) -> None:
    assert compatible(library, Version(release), other, Version(beside)) is together
