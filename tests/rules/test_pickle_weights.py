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
