"""HF703: whose pickle files a load takes."""

from __future__ import annotations

import pytest

CODE = "from transformers import AutoModel\nmodel = AutoModel.from_pretrained({model}, {arguments})\n"


@pytest.mark.parametrize(
    ("model", "arguments", "expected"),
    [
        ("'my-org/my-model'", "use_safetensors=False", 1),
        ("'my-org/my-model'", "weights_only=False, use_safetensors=False", 2),
        ("given", "weights_only=False", 1),
        ("'./model'", "weights_only=False", 0),
        ("'checkpoints/last'", "use_safetensors=False", 0),
        ("'my-org/my-model'", "use_safetensors=None", 0),
        ("'my-org/my-model'", "use_safetensors=wanted", 0),
    ],
)
def test_counts_what_is_certain(report_of, model, arguments, expected):
    assert len(report_of(CODE.format(model=model, arguments=arguments), "HF703").findings) == expected


@pytest.mark.parametrize(
    ("arguments", "target", "expected"),
    [
        ("use_safetensors=False", {}, ["note"]),  # `weights_only=True` is the default, and refuses code
        ("use_safetensors=False, weights_only=False", {}, ["warning", "warning"]),
        ("use_safetensors=False", {"transformers": "==4.51.3", "torch": "==2.5.1"}, ["warning"]),  # code gets through
        ("use_safetensors=False", {"transformers": "==4.51.3"}, ["note"]),
        ("use_safetensors=False", {"transformers": "==4.57.6", "torch": "==2.5.1"}, ["note"]),  # refuses such a torch
    ],
)
def test_what_refuses_code_is_a_note(report_of, arguments, target, expected):
    findings = report_of(CODE.format(model="given", arguments=arguments), "HF703", **target).findings
    assert [str(one.severity.value) for one in findings] == expected
