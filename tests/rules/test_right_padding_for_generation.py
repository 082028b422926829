"""HF103: when the fix is safe, and where it goes."""

from __future__ import annotations

import pytest

from hflint.findings import Safety

CODE = """\
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorWithPadding
tokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen2.5-7B")
model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-7B")
model.generate(**tokenizer(["one", "and two"], padding=True, return_tensors="pt"))
"""


def test_is_safe_where_the_tokenizer_pads_for_generate_alone(report_of):
    (finding,) = report_of(CODE, "HF103").findings
    assert finding.fix.safety is Safety.SAFE


def test_is_unsafe_beside_a_collator_or_a_forward_pass(report_of):
    for line in (
        "collator = DataCollatorWithPadding(tokenizer)",
        'model(**tokenizer(["one", "and two"], padding=True))',
    ):
        (finding,) = report_of(f"{CODE}{line}\n", "HF103").findings
        assert finding.fix.safety is Safety.UNSAFE


def test_mends_the_call_where_the_side_is_said_there(report_of):
    code = CODE.replace("padding=True", 'padding=True, padding_side="right"')
    mended = report_of(code, "HF103", fix=True).source.text
    assert mended == CODE.replace("padding=True", 'padding=True, padding_side="left"')


def test_leaves_an_attribute_that_is_set_by_hand(report_of):
    code = CODE.replace("model = ", 'tokenizer.padding_side = "right"\nmodel = ')
    (finding,) = report_of(code, "HF103").findings
    assert finding.fix is None


def test_a_single_row_padded_to_a_fixed_length_is_wrong_as_well(report_of):
    code = CODE.replace('["one", "and two"], padding=True', '"one", padding="max_length", max_length=64')
    assert len(report_of(code, "HF103").findings) == 1
    assert not report_of(code.replace(", max_length=64", ""), "HF103").findings


def test_is_silent_where_the_ids_are_changed_before(report_of):
    code = CODE.replace("model.generate(**tokenizer(", "batch = tokenizer(").replace('"pt"))', '"pt")')
    code += 'batch["input_ids"] = batch["input_ids"].flip(1)\nmodel.generate(**batch)\n'
    assert not report_of(code, "HF103").findings


def test_is_silent_where_a_pipeline_may_have_turned_the_tokenizer(report_of):
    line = 'from transformers import pipeline\npipeline("text-generation", model=model, tokenizer=tokenizer)\n'
    assert not report_of(CODE + line, "HF103").findings


def test_a_pipeline_without_a_pad_token_raises_before(report_of):
    code = """\
    from transformers import pipeline
    writer = pipeline("text-generation", model="gpt2", batch_size=2)
    {line}
    writer(["one", "and two"])
    """
    assert not report_of(code.format(line="pass"), "HF103", transformers="==4.57.6").findings
    line = "writer.tokenizer.pad_token_id = 50256"
    assert len(report_of(code.format(line=line), "HF103", transformers="==4.57.6").findings) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            'AutoTokenizer.from_pretrained("Qwen/Qwen2.5-7B")',
            'AutoTokenizer.from_pretrained("Qwen/Qwen2.5-7B") if flag else other.tokenizer',
        ),
        (
            'tokenizer(["one", "and two"], padding=True, return_tensors="pt")',
            '(tokenizer(["one", "and two"], padding=True) if flag else other.batch)',
        ),
    ],
)
def test_is_silent_where_the_batch_may_be_another(report_of, old, new):
    assert report_of(CODE, "HF103").findings
    assert not report_of(CODE.replace(old, new), "HF103").findings


@pytest.mark.parametrize(("line", "count"), [("", 1), ("if training:\n    ", 0)])
def test_a_side_that_is_set_on_one_branch_only_is_not_certain(report_of, line, count):
    code = CODE.replace(
        '"Qwen/Qwen2.5-7B")\nmodel',
        f'"Qwen/Qwen2.5-7B", padding_side="left")\n{line}tokenizer.padding_side = "right"\nmodel',
    )
    assert len(report_of(code, "HF103").findings) == count
