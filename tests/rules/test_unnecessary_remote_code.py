"""HF203: which models need no code of their repository, in which releases."""

from __future__ import annotations

import pytest

from hflint.facts.record import ModelRecord

CODE = "from transformers import {loader}\nmade = {loader}.from_pretrained('{model}', {arguments})\n"


def count(report_of, model: str, arguments: str = "trust_remote_code=True", loader: str = "AutoTokenizer", **target):
    return len(report_of(CODE.format(loader=loader, model=model, arguments=arguments), "HF203", **target).findings)


@pytest.mark.parametrize(
    ("model", "transformers", "expected"),
    [
        ("meta-llama/Llama-3.1-8B", "5.23", 1),
        ("Qwen/Qwen3-8B", "5.23", 1),
        ("Qwen/Qwen3-8B", ">=4.51", 1),
        ("Qwen/Qwen3-8B", ">=4.50", 0),
        ("microsoft/Phi-4-mini-instruct", ">=4.48", 0),
        ("microsoft/Phi-4-mini-instruct", ">=4.49", 1),
        ("tiiuae/falcon-7b", ">=4.30", 0),
        ("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", ">=4.30", 1),
        ("THUDM/chatglm3-6b", "5.23", 0),
        ("my-org/my-llama", "5.23", 0),
    ],
)
def test_every_allowed_release_must_have_code_for_the_model(report_of, model, transformers, expected):
    assert count(report_of, model, transformers=transformers) == expected


@pytest.mark.parametrize("loader", ["AutoModel", "AutoModelForCausalLM", "AutoProcessor"])
def test_every_auto_class_counts(report_of, loader):
    assert count(report_of, "meta-llama/Llama-3.1-8B", loader=loader) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        "trust_remote_code=False",
        "trust_remote_code=wanted",
        f"trust_remote_code=True, revision='{'0123456789' * 4}'",
        "trust_remote_code=True, revision=commit",
        "**options",
    ],
)
def test_a_commit_or_an_open_choice_is_fine(report_of, arguments):
    assert not count(report_of, "meta-llama/Llama-3.1-8B", arguments)


def test_a_branch_is_no_commit_and_a_splat_has_no_fix(report_of):
    assert count(report_of, "meta-llama/Llama-3.1-8B", "trust_remote_code=True, revision='main'") == 1
    code = CODE.format(loader="AutoTokenizer", model="gpt2", arguments="**{'trust_remote_code': True}")
    (finding,) = report_of(code, "HF203").findings
    assert finding.fix is None
    assert "not written in this call" in finding.no_fix_reason


@pytest.mark.parametrize(
    ("loader", "record", "safety"),
    [
        ("AutoTokenizer", ModelRecord(model_type="llama", custom_code=False), ["safe"]),
        ("AutoConfig", ModelRecord(model_type="llama", custom_code=False), ["safe"]),
        ("AutoModel", ModelRecord(model_type="llama", custom_code=False), ["unsafe"]),
        ("AutoTokenizer", ModelRecord(model_type="llama", custom_code=True), []),
        ("AutoTokenizer", ModelRecord(model_type="acme", custom_code=False), []),
    ],
)
def test_where_the_lock_says_that_there_is_no_code_the_flag_does_nothing(report_of, loader, record, safety):
    code = CODE.format(loader=loader, model="acme/own", arguments="trust_remote_code=True")
    report = report_of(code, "HF203", lock={"acme/own": record})
    assert [one.fix.safety.value for one in report.findings] == safety
