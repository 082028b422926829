"""What a test expects to fail is not found fault with."""

from __future__ import annotations

from textwrap import dedent

import pytest

from hflint.check import check_source
from hflint.files import source_from_bytes
from hflint.project import Projects

LOAD = "AutoModel.from_pretrained('x', use_auth_token=True)"
HEAD = """
import contextlib
import unittest
import pytest
from transformers import AutoModel
"""


@pytest.fixture
def count(tmp_path):
    """`count(code)`: how many removed arguments hflint finds."""

    def check(code):
        path = tmp_path / "test_x.py"
        project = Projects(isolated=True, overrides={"select": ["HF601"]}).of(path)
        report = check_source(source_from_bytes((HEAD + dedent(code)).encode(), path, path.name), project)
        assert not report.errors
        return len(report.findings)

    return check


@pytest.mark.parametrize(
    "code",
    [
        f"with pytest.raises(ValueError):\n    {LOAD}\n",
        f"with pytest.raises(ValueError) if x else contextlib.nullcontext():\n    {LOAD}\n",
        f"class T(unittest.TestCase):\n    def test(self):\n        with self.assertRaises(TypeError):\n            {LOAD}\n",
        f"class T(unittest.TestCase):\n    @unittest.expectedFailure\n    def test(self):\n        {LOAD}\n",
        f"@pytest.mark.xfail(reason='y')\ndef test():\n    {LOAD}\n",
        f"def load():\n    {LOAD}\n\ndef test():\n    with pytest.raises(ValueError):\n        load()\n",
    ],
)
def test_inside(count, code):
    assert count(code) == 0


@pytest.mark.parametrize(
    "code",
    [
        f"{LOAD}\nwith pytest.raises(ValueError):\n    pass\n{LOAD}\n",
        f"with open('x'):\n    {LOAD}\n{LOAD}\n",
        f"@pytest.mark.parametrize('x', [1])\ndef test(x):\n    {LOAD}\n    {LOAD}\n",
    ],
)
def test_outside(count, code):
    assert count(code) == 2
