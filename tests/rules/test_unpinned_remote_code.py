"""Pinning code of the hub to the commit that a lock names."""

from __future__ import annotations

import pytest

from hflint.facts.record import ModelRecord

RULE = "unpinned-remote-code"
MAIN, TAG = "1" * 40, "2" * 40
HEAD = "from transformers import AutoModel\n"


@pytest.fixture
def mended(report_of):
    """`mended(code, records)`: the findings, and what fixes make of the code in a project with a lock of these records."""

    def mend_with(code, records):
        fixed = report_of(HEAD + code, RULE, fix=True, lock=records).located.text
        return report_of(HEAD + code, RULE, lock=records).findings, fixed.removeprefix(HEAD)

    return mend_with


LOCKED = {
    "acme/own": ModelRecord(commit=MAIN, custom_code=True),
    "acme/own@v1": ModelRecord(commit=TAG, custom_code=True),
}


@pytest.mark.parametrize(
    ("call", "fixed"),
    [
        (
            'AutoModel.from_pretrained("acme/own", trust_remote_code=True)',
            f'AutoModel.from_pretrained("acme/own", trust_remote_code=True, revision="{MAIN}")',
        ),
        (
            'AutoModel.from_pretrained("acme/own", revision=None, trust_remote_code=True)',
            f'AutoModel.from_pretrained("acme/own", revision="{MAIN}", trust_remote_code=True)',
        ),
        (
            'AutoModel.from_pretrained("acme/own", revision="v1", trust_remote_code=True)',
            f'AutoModel.from_pretrained("acme/own", revision="{TAG}", trust_remote_code=True)',
        ),
        (
            'AutoModel.from_pretrained("acme/own", code_revision="main", trust_remote_code=True)',
            f'AutoModel.from_pretrained("acme/own", code_revision="{MAIN}", trust_remote_code=True)',
        ),
    ],
)
def test_the_locked_commit_is_written(mended, call, fixed):
    findings, text = mended(f"model = {call}\n", LOCKED)
    assert [one.fix.safety.value for one in findings] == ["safe"]
    assert text == f"model = {fixed}\n"
    again, same = mended(text, LOCKED)
    assert (list(again), same) == ([], text)


@pytest.mark.parametrize(
    ("revision", "records", "reason"),
    [
        ("", {}, "no `hflint.lock` names the commit"),
        ("", {"acme/own": ModelRecord(custom_code=True)}, "no `hflint.lock` names the commit"),
        (', revision="v2"', LOCKED, "no `hflint.lock` names the commit"),
        ("", {"acme/own@v1": LOCKED["acme/own@v1"]}, "no `hflint.lock` names the commit"),
        (
            "",
            {"acme/own": ModelRecord(commit=MAIN, custom_code=True, code_repository="acme/code")},
            "the code stands in `acme/code`",
        ),
    ],
)
def test_no_fix_without_the_commit_of_what_is_loaded(mended, revision, records, reason):
    code = f'model = AutoModel.from_pretrained("acme/own", trust_remote_code=True{revision})\n'
    findings, text = mended(code, records)
    assert [one.fix for one in findings] == [None]
    assert findings[0].no_fix_reason.startswith(reason)
    assert text == code


def test_a_repository_without_code_is_another_rules(mended):
    code = 'model = AutoModel.from_pretrained("acme/own", trust_remote_code=True)\n'
    findings, _ = mended(code, {"acme/own": ModelRecord(commit=MAIN, custom_code=False)})
    assert not findings


@pytest.mark.parametrize(
    ("model_id", "transformers", "said", "reason"),
    [
        (
            "mistralai/Mistral-7B-v0.3",
            ">=4.35",
            "; transformers has its own code for it, since 4.40 or earlier, and needs none of it",
            "drop `trust_remote_code`: then there is nothing to pin",
        ),
        ("mistralai/Mistral-7B-v0.3", "==4.35.0", "has read", "no `hflint.lock` names the commit"),
        (
            "Qwen/Qwen3-8B",
            ">=4.50",
            "; transformers 4.51 and newer, which this project allows, need none of it",
            "drop `trust_remote_code` and ask for transformers 4.51 or newer: then there is nothing to pin",
        ),
    ],
)
def test_the_flag_is_to_go_where_some_releases_have_the_model(report_of, model_id, transformers, said, reason):
    code = HEAD + f"model = AutoModel.from_pretrained('{model_id}', trust_remote_code=True)\n"
    (finding,) = report_of(code, RULE, transformers=transformers).findings
    assert finding.message.endswith(said)
    assert finding.no_fix_reason.startswith(reason)
