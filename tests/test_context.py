"""The versions under which a place in a program is run, and the models that it names."""

from __future__ import annotations

from datetime import date
from textwrap import dedent

import pytest

from hflint.context import Context
from hflint.facts.lock import Entry, Lock, LockFile, render
from hflint.facts.models import Models
from hflint.facts.record import ModelRecord
from hflint.facts.versions import project_versions
from hflint.files import source_from_bytes
from hflint.project import Projects
from hflint.semantics.build import build_program
from hflint.semantics.objects import LibraryCall


@pytest.fixture
def context_of(tmp_path):
    """`context_of(code, **target)`: the context of a piece of code, and where its last library call stands."""

    def make(code: str, **target: str):
        path = tmp_path / "example.py"
        project = Projects(isolated=True, overrides={"target": target}).of(path)
        program = build_program(source_from_bytes(dedent(code).encode(), path, path.name), project.modules)
        context = Context(program, project.settings, project_versions(tmp_path, target), project.models)
        return context, list(program.all(LibraryCall))[-1].where

    return make


LOAD = "from transformers import AutoModel\n{}AutoModel.from_pretrained('x')\n"
CHECK = "import transformers\nfrom packaging.version import Version\nif Version(transformers.__version__) >= Version('5'):\n    "


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "transformers 4.55.0 to 5.23.0"),
        (CHECK, "transformers 5.0.0 to 5.23.0"),
        ("if hasattr(transformers, 'x'):\n    ", None),
    ],
)
def test_version_checks_narrow_the_releases(context_of, before, expected):
    context, where = context_of("import transformers\n" + LOAD.format(before), transformers=">=4.55,<5.24")
    found = context.releases(where)
    assert (found and str(found)) == expected
    every = context.versions_at(where)
    assert (every and str(every["transformers"])) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("require_version('transformers>=5,<5.2', 'reason')\n", "transformers 5.0.0 to 5.1.0"),
        ("check_version(\n    'trl<=0.9.6')\n", "transformers 4.55.0 to 5.23.0"),
        ("check_version('transformers<4')\n", None),
        ("check_version('gptqmodel>=2')\n", "transformers 4.55.0 to 5.23.0"),
        ("check_version('transformers')\n", "transformers 4.55.0 to 5.23.0"),
        ("check_version('transformers>=x')\n", None),
    ],
)
def test_what_the_file_requires_of_a_version_counts_for_all_of_it(context_of, before, expected):
    context, where = context_of(LOAD.format(before), transformers=">=4.55,<5.24")
    found = context.versions_at(where)
    assert (found and str(found["transformers"])) == expected
    assert "trl" not in before or "trl" not in (found or ())  # its newest release does not pass


def test_libraries_that_are_not_named_are_those_that_can_be_installed_beside_the_others(context_of):
    context, where = context_of(LOAD.format(""), transformers="4.50.3")
    found = (context.versions_at(where) or {})["trl"]
    assert found.highest < context.versions["trl"].highest
    assert (found.beside, found.stated) == ("transformers 4.50.3", False)


def test_a_script_has_versions_of_its_own(context_of):
    context, _ = context_of("# /// script\n# dependencies = ['trl==0.24.0']\n# ///\n" + LOAD.format(""))
    assert str(context.versions["trl"]) == "trl 0.24.0"


@pytest.mark.parametrize(
    ("revision", "dtype"),
    [(None, "bfloat16"), ("main", "bfloat16"), ("fp16", "float16"), ("1" * 40, "float16"), ("other", None)],
)
def test_a_model_is_that_of_the_revision_that_is_named(context_of, tmp_path, revision, dtype):
    records = {"acme/x": ModelRecord(dtype="bfloat16"), "acme/x@fp16": ModelRecord(dtype="float16", commit="1" * 40)}
    lock = Lock({name: Entry(record, date(2026, 11, 21)) for name, record in records.items()})
    context, _ = context_of(LOAD.format(""))
    context.models = Models([LockFile(tmp_path / "hflint.lock", render(lock).encode())])
    found = context.model("acme/x", revision)
    assert (found and found.dtype) == dtype
