"""Calls held against signatures: a small library made here stands in for the real ones."""

from __future__ import annotations

import sys

import pytest

from hflint.verify.bind import check, check_loaded
from hflint.verify.libraries import is_absence
from hflint.verify.setup import Binding, Setup

LIBRARY = """
import functools
import warnings


def renames(old, new=None):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if old in kwargs:
                warnings.warn(f"{old} of {function.__name__} is old")
                value = kwargs.pop(old)
                if new:
                    kwargs[new] = value
            return function(*args, **kwargs)
        return wrapper
    return decorate


class Trainer:
    @renames("tokenizer", "processing_class")
    @renames("data")
    def __init__(self, model, processing_class=None):
        self.processing_class = processing_class


def keeps(function):
    @functools.wraps(function)
    def wrapper(self, **kwargs):
        known = {name: kwargs.pop(name) for name in list(kwargs) if name == "layers"}
        function(self, **known)
        vars(self).update(kwargs)
    return wrapper


class Config:
    @keeps
    def __init__(self, layers=2):
        self.layers = layers


class Arguments:
    def __init__(self, output_dir, fp16=False, bf16=False, use_cpu=False):
        if fp16 and bf16:
            raise ValueError("At most one of fp16 and bf16 can be True")


def load(name, **kwargs):
    return kwargs.get("token")


class Loaded:
    def __call__(self, text, padding=False):
        return text
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The record of one binding of the library."""
    folder = tmp_path / "fakelib"
    folder.mkdir()
    (folder / "__init__.py").write_text(LIBRARY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda *arguments, **fields: next(iter(check(Setup(bindings=(Binding(*arguments, **fields),)), "cpu")))
    sys.modules.pop("fakelib", None)


@pytest.mark.parametrize(
    ("target", "method", "kwargs", "ok"),
    [
        ("fakelib.Trainer", "", {"processing_class": None}, True),
        ("fakelib.Trainer", "", {"other": None}, False),
        ("fakelib.Trainer", "", {"tokenizer": None}, True),  # a decorator takes it, whatever the signature says
        ("fakelib.Config", "", {"heads": None}, None),  # and one that keeps it may do something with it
        ("fakelib.Trainer", "processing_class", {}, True),  # set on instances only
        ("fakelib.Trainer", "tokenizer", {}, False),
        ("fakelib.load", "", {"token": None}, None),
        ("fakelib.missing", "", {}, False),
    ],
)
def test_a_call_is_taken_refused_or_open(made, target, method, kwargs, ok):
    assert made(target, method, kwargs=kwargs)["ok"] is ok


@pytest.mark.parametrize(
    ("target", "method", "closed"),
    [("Trainer", "", True), ("load", "", False), ("Loaded", "__call__", True), ("missing", "", False)],
)
def test_a_signature_without_any_keyword_is_closed(made, target, method, closed):
    assert made(f"fakelib.{target}", method)["closed"] is closed


def test_a_keyword_that_nothing_reads_is_said_to_be_unread(made):
    assert made("fakelib.load", kwargs={"use_auth_token": "x"})["unread"].endswith("reads `use_auth_token`")
    assert made("fakelib.load", kwargs={"token": "x"})["unread"] == ""


def test_what_a_decorator_takes_is_followed(made):
    with pytest.warns(UserWarning, match="tokenizer of __init__ is old"):
        handed_on = made("fakelib.Trainer", kwargs={"tokenizer": None})
    assert "unread" not in handed_on
    with pytest.warns(UserWarning, match="data of __init__ is old"):
        dropped = made("fakelib.Trainer", kwargs={"data": None})
    assert (dropped["ok"], dropped["unread"]) == (True, "data of __init__ is old")
    assert sys.modules["fakelib"].Trainer("m", processing_class=1).processing_class == 1  # it works as before


@pytest.mark.parametrize(
    ("everything", "ok"),
    [
        ({"output_dir": "out", "fp16": True}, True),
        ({"output_dir": "out", "fp16": True, "bf16": True}, False),
        (
            {"output_dir": "out", "fp16": True, "bf16": True, "other": 1},
            True,
        ),  # another keyword's defect is not this one's
    ],
)
def test_a_configuration_is_made_where_its_signature_takes_all(made, everything, ok):
    assert made("fakelib.Arguments", kwargs={"fp16": True}, made=everything)["ok"] is ok


def test_names_are_imported(made):
    assert made("fakelib.load")["ok"]
    records = list(check(Setup(imports=("fakelib.load", "fakelib.gone"))))
    assert [record["ok"] for record in records] == [True, False]
    assert "gone" in records[1]["text"]


def test_methods_of_what_is_loaded_are_looked_up_on_it(made):
    assert made("fakelib.load")["ok"]
    setup = Setup(bindings=(Binding("tokenizer", "__call__", kwargs={"padding": True}), Binding("tokenizer", "gone")))
    records = list(check_loaded(setup, {"tokenizer": sys.modules["fakelib"].Loaded(), "model": None}))
    assert [record["ok"] for record in records] == [True, False]
    assert not list(check(setup))


@pytest.mark.parametrize(
    ("error", "absent"),
    [
        (ImportError("Quark is not installed. Please refer to its documentation."), True),
        (ImportError("X requires the Torchvision library. Please install it"), True),
        (ImportError("cannot import name 'AdamW' from 'transformers' (/opt/install/transformers/__init__.py)"), False),
        (ValueError("install it"), False),
    ],
)
def test_a_library_that_is_not_there_is_told_from_a_name_that_is_gone(error, absent):
    assert is_absence(error) is absent
