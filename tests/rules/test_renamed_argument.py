"""HF602: deprecated names, where every allowed version has the new one."""

from __future__ import annotations

import pytest

LOAD = "from transformers import AutoModel\nmodel = AutoModel.from_pretrained('x', torch_dtype='auto')\n"
ARGUMENTS = "from transformers import TrainingArguments\nargs = TrainingArguments('out', gradient_checkpointing=True)\n"


@pytest.mark.parametrize(
    ("code", "target", "expected"),
    [
        (LOAD, {"transformers": "4.57.6"}, ["warning"]),
        (LOAD, {"transformers": ">=4.56"}, ["warning"]),
        (LOAD, {"transformers": ">=4.55"}, []),
        (LOAD, {}, ["note"]),
        (ARGUMENTS, {"transformers": "5.23"}, ["note"]),
        (ARGUMENTS, {"transformers": ">=5.22"}, []),
        (ARGUMENTS, {}, []),
    ],
)
def test_versions_and_whether_they_are_stated_decide(report_of, code, target, expected):
    assert [one.severity.value for one in report_of(code, "HF602", **target).findings] == expected


def test_what_is_gone_in_some_version_is_the_other_rules_to_say(report_of):
    code = "from transformers import Trainer\nTrainer(tokenizer=t)\n"
    for target, codes in (("4.57.6", ["HF602"]), (">=4.57", ["HF601"]), ("4.45", [])):
        findings = [one for rule in ("HF601", "HF602") for one in report_of(code, rule, transformers=target).findings]
        assert [one.code for one in findings] == codes


def test_what_trl_inherits_is_renamed_only_where_it_goes_away(report_of):
    code = "from trl import SFTConfig\nSFTConfig('out', gradient_checkpointing_kwargs={}, evaluation_strategy='no')\n"
    assert report_of(code, "HF602", transformers="5.23").findings == ()
    assert [one.message.split("`")[1] for one in report_of(code, "HF602", transformers="4.45").findings] == [
        "evaluation_strategy"
    ]


def test_values_are_kept_and_the_new_name_is_not_given_twice(report_of):
    report = report_of(LOAD.replace("'auto'", "dtype  # as asked for\n"), "HF602", fix=True, transformers="4.57.6")
    assert report.located.text.endswith("from_pretrained('x', dtype=dtype  # as asked for\n)\n")
    both = report_of(LOAD.replace("'auto'", "a, dtype=b"), "HF602", transformers="4.57.6").findings
    assert [one.no_fix_reason for one in both] == ["`dtype` is given beside it"]


@pytest.mark.parametrize(
    ("argument", "version", "said"),
    [
        ("use_auth_token=t", "4.45", "is deprecated since transformers 4.40 or earlier: it is `token`"),
        ("torch_dtype='auto'", "4.57.6", "is deprecated since transformers 4.56: it is `dtype`"),
    ],
)
def test_the_oldest_release_that_was_read_need_not_be_the_first(report_of, argument, version, said):
    code = f"from transformers import AutoModel\nAutoModel.from_pretrained('x', {argument})\n"
    (finding,) = report_of(code, "HF602", transformers=version).findings
    assert said in finding.message


def test_what_becomes_of_it_once_it_is_ignored_is_not_said_before(report_of):
    code = "from transformers import AutoConfig\nAutoConfig.from_pretrained('x', use_auth_token=True)\n"
    (finding,) = report_of(code, "HF602", transformers="4.51.3").findings
    assert finding.label == ""
    (finding,) = report_of(code, "HF601", transformers="5.23").findings
    assert finding.label == "the download is then made without a token"


def test_what_is_not_dropped_yet_is_done(report_of):
    code = "from transformers import pipeline\npipeline('text-classification', return_all_scores=every)\n"
    reasons = [
        report_of(code, rule, transformers=version).findings[0].no_fix_reason
        for rule, version in (("HF602", "4.57.6"), ("HF601", "5.23"))
    ]
    assert [reason.startswith("deleting it would hide") for reason in reasons] == [False, True]
