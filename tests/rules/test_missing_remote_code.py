"""HF204: who refuses the code of a repository that cannot do without."""

from __future__ import annotations

import pytest

CODE = "from transformers import AutoModel, pipeline\n{setup}\n"
LOAD = "model = AutoModel.from_pretrained('THUDM/chatglm3-6b', {})"


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        (LOAD.format(""), 1),
        (LOAD.format("trust_remote_code=False"), 1),
        (LOAD.format("trust_remote_code=None"), 1),
        (LOAD.format("trust_remote_code=True"), 0),
        (LOAD.format("trust_remote_code=wanted"), 0),
        (LOAD.format("**options"), 0),
        ("pipe = pipeline('text-generation', model='THUDM/chatglm3-6b')", 1),
        ("pipe = pipeline('text-generation', model='THUDM/chatglm3-6b', model_kwargs=options)", 0),
        ("AutoModel.register(Config, Model)\n" + LOAD.format(""), 0),
        ("try:\n    " + LOAD.format("") + "\nexcept ValueError:\n    model = None", 0),
    ],
)
def test_only_a_certain_refusal_counts(report_of, setup, expected):
    assert len(report_of(CODE.format(setup=setup), "HF204").findings) == expected
