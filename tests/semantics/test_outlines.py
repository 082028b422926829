import json
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflint.files import Source
from hflint.semantics.choice import Outline, Selection, Statement, outline
from hflint.semantics.outlines import Outlines

TEXT = "import os\nfrom transformers import AutoModel\n\nNAME = 'gpt2'\n\n\ndef load():\n    return AutoModel.from_pretrained(NAME)\n"


def stored(path, found, text=TEXT):
    """The store of another run that is asked for what was put into one."""
    first = Outlines(path)
    source = Source(Path("a.py"), "a.py", text)
    first.put(source, found)
    path.write_text(json.dumps(first.take_new()))
    assert first.take_new() == {}
    return Outlines(path), source


def test_the_outline_of_a_module_is_what_it_was(tmp_path):
    found = outline(TEXT)
    store, source = stored(tmp_path / "modules.json", found)
    assert found.statements
    assert store.get(source) == found


def test_another_text_has_another_outline(tmp_path):
    store, source = stored(tmp_path / "modules.json", outline(TEXT))
    assert store.get(Source(source.path, "a.py", TEXT + "\n")) is None
    assert store.get(Source(Path("b.py"), "b.py", TEXT)) is None


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)), st.lists(st.text(max_size=5)))
def test_any_selection_is_kept(tmp_path_factory, lines, stubs, stars):
    selection = Selection(array("I", sorted(lines)), frozenset(stubs))
    found = Outline(selection, [Statement(selection, frozenset(stars))], stars)
    store, source = stored(tmp_path_factory.getbasetemp() / "modules.json", found, "\n" * 60)
    assert store.get(source) == found


@pytest.mark.parametrize(
    "entry",
    [
        [],
        ["STATE", None, [], [], 1],
        ["STATE", [[1], []], [], []],
        ["STATE", [[3, 4, 1, 2], []], [], []],
        ["STATE", [[0, 1], []], [], []],
        ["STATE", [[1, "x"], []], [], []],
        ["STATE", [[1, 2**70], ["x"]], [], []],
        ["STATE", 1, [], []],
        ["STATE", None, [1], []],
    ],
)
def test_what_is_no_outline_is_none(tmp_path, entry):
    path = tmp_path / "modules.json"
    _, source = stored(path, outline(TEXT))
    ((name, (state, *_)),) = json.loads(path.read_text()).items()
    path.write_text(json.dumps({name: [state if one == "STATE" else one for one in entry]}))
    assert Outlines(path).get(source) is None


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_file_that_is_damaged_is_none(tmp_path, damage):
    path = tmp_path / "modules.json"
    _, source = stored(path, outline(TEXT))
    path.write_bytes(damage)
    assert Outlines(path).get(source) is None
