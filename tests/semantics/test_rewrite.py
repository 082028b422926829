"""Edits keep the style of the code around them, and touch nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from hflint.files import source_from_bytes
from hflint.fix import apply_edits
from hflint.semantics.build import build_program
from hflint.semantics.objects import LibraryCall, ModelLoad
from hflint.semantics.program import Program

IMPORT = "from transformers import AutoModel\n"


def program_of(code: str) -> Program:
    return build_program(source_from_bytes(code.encode(), Path("case.py"), "case.py"))


def load_of(program: Program) -> ModelLoad:
    return next(program.all(ModelLoad))


def edited(code: str, method: str, *arguments: str) -> str | None:
    program = program_of(IMPORT + code)
    edits = getattr(program.rewriter, method)(load_of(program), *arguments)
    return None if edits is None else apply_edits(IMPORT + code, edits).removeprefix(IMPORT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('m = AutoModel.from_pretrained("a")\n', 'm = AutoModel.from_pretrained("a", dtype="auto")\n'),
        ('m = AutoModel.from_pretrained("a", )\n', 'm = AutoModel.from_pretrained("a", dtype="auto", )\n'),
        ('m = AutoModel.from_pretrained("a", **kw)\n', 'm = AutoModel.from_pretrained("a", dtype="auto", **kw)\n'),
        (
            'm = AutoModel.from_pretrained(\n    "a",\n    revision="b",  # why\n)\n',
            'm = AutoModel.from_pretrained(\n    "a",\n    revision="b",  # why\n    dtype="auto",\n)\n',
        ),
        (
            'm = AutoModel.from_pretrained(\n    "a",\n    revision="b"  # why\n)\n',
            'm = AutoModel.from_pretrained(\n    "a",\n    revision="b",  # why\n    dtype="auto"\n)\n',
        ),
        (
            'm = AutoModel.from_pretrained("a",\n    dtype=x)\n',
            'm = AutoModel.from_pretrained("a",\n    dtype="auto")\n',
        ),
    ],
)
def test_an_argument_is_set_in_the_style_of_the_call(before: str, after: str) -> None:
    assert edited(before, "set_argument", "dtype", '"auto"') == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('m = AutoModel.from_pretrained("a", mirror="b")\n', 'm = AutoModel.from_pretrained("a")\n'),
        ('m = AutoModel.from_pretrained("a", mirror="b", x=1)\n', 'm = AutoModel.from_pretrained("a", x=1)\n'),
        ('m = AutoModel.from_pretrained(mirror="b")\n', "m = AutoModel.from_pretrained()\n"),
        (
            'm = AutoModel.from_pretrained(\n    "a",\n    mirror="b",  # gone\n    x=1,\n)\n',
            'm = AutoModel.from_pretrained(\n    "a",\n    x=1,\n)\n',
        ),
        (
            'm = AutoModel.from_pretrained(\n    "a",\n    mirror=f(\n        1\n    )\n)\n',
            'm = AutoModel.from_pretrained(\n    "a",\n)\n',
        ),
    ],
)
def test_an_argument_is_removed_with_its_comma_and_line(before: str, after: str) -> None:
    assert edited(before, "remove_argument", "mirror") == after


def test_an_argument_is_renamed() -> None:
    before = 'm = AutoModel.from_pretrained("a", torch_dtype = x)\n'
    assert edited(before, "rename_argument", "torch_dtype", "dtype") == before.replace("torch_dtype", "dtype")


@pytest.mark.parametrize("method", ["rename_argument", "replace_argument"])
def test_what_a_splat_brings_is_not_edited(method: str) -> None:
    assert edited('kw = {"mirror": 1}\nm = AutoModel.from_pretrained("a", **kw)\n', method, "mirror", "x") is None


def test_a_statement_is_added_at_the_indentation_of_the_other() -> None:
    before = 'if x:\n\tm = AutoModel.from_pretrained("a")  # why\n'
    assert edited(before, "add_after", "m.train()") == before + "\tm.train()\n".removesuffix("\n") + "\n"


@pytest.mark.parametrize(
    "before", ['if x: m = AutoModel.from_pretrained("a")\n', 'm = AutoModel.from_pretrained("a"); n = 1\n']
)
def test_no_statement_is_added_to_a_shared_line(before: str) -> None:
    changed = edited(before, "add_after", "m.train()")
    assert changed is None or compile(changed, "case.py", "exec")


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ("from transformers import AutoModel\n", "Auto2", "from transformers import AutoModel, Auto2\n"),
        (
            "from transformers import (\n    AutoModel,\n)\n",
            "Auto2",
            "from transformers import (\n    AutoModel,\n    Auto2,\n)\n",
        ),
        ("from transformers import AutoModel\n", "AutoModel", "from transformers import AutoModel\n"),
    ],
)
def test_a_name_is_imported_beside_its_neighbours(before: str, name: str, after: str) -> None:
    code = before + 'm = AutoModel.from_pretrained("a")\n'
    called, edits = program_of(code).rewriter.imported_name("transformers", name)
    assert called == name
    assert apply_edits(code, edits) == code.replace(before, after)


def test_an_import_follows_the_imports_and_keeps_line_ends() -> None:
    code = '"""Doc."""\r\nfrom __future__ import annotations\r\nfrom transformers import AutoModel\r\nm = AutoModel.from_pretrained("a")\r\n'
    called, edits = program_of(code).rewriter.module_alias("torch")
    assert called == "torch"
    assert apply_edits(code, edits) == code.replace("AutoModel\r\nm", "AutoModel\r\nimport torch\r\nm")


def test_positions_are_those_of_the_whole_source() -> None:
    code = 'x = """\n\n"""\n# é\ndef f():\n    pass\n\n\nfrom transformers import AutoModel\n\ns = "é"; m = AutoModel.from_pretrained("a")\n'
    program = program_of(code)
    spans = {one.describe(): code[one.span.start : one.span.end] for one in program.all(LibraryCall)}
    assert spans == {"ModelLoad AutoModel": 'AutoModel.from_pretrained("a")'}
