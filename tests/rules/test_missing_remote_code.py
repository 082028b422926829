"""HF204: who refuses the code of a repository that cannot do without."""

from __future__ import annotations

import pytest

from hflint.facts.record import ModelRecord

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


OWN = ModelRecord(model_type="acme", custom_code=True, tokenizer_code=False)
LATER = ModelRecord(model_type="qwen3", custom_code=True)
AUTO = "from transformers import AutoConfig, AutoModel, AutoTokenizer, pipeline\nmade = {}\n"


@pytest.mark.parametrize(
    ("load", "record", "transformers", "expected"),
    [
        ("AutoModel.from_pretrained('acme/own')", OWN, "5.23", 1),
        ("AutoConfig.from_pretrained('acme/own')", OWN, "5.23", 1),
        ("pipeline('text-generation', model='acme/own')", OWN, "5.23", 1),
        ("AutoTokenizer.from_pretrained('acme/own')", OWN, "5.23", 0),  # its class may be the library's
        ("AutoModel.from_pretrained('acme/own', trust_remote_code=True)", OWN, "5.23", 0),
        ("AutoModel.from_pretrained('acme/own', revision=wanted)", OWN, "5.23", 0),
        ("AutoModel.from_pretrained('acme/own', config=config)", OWN, "5.23", 0),
        ("AutoModel.from_pretrained('acme/own')", ModelRecord(model_type="acme", custom_code=False), "5.23", 0),
        ("AutoModel.from_pretrained('acme/own')", ModelRecord(custom_code=True), "5.23", 0),
        (
            "AutoModel.from_pretrained('acme/own')",
            ModelRecord(model_type="bert", custom_code=True, tokenizer_code=True),
            "4.40",
            0,
        ),
        ("AutoModel.from_pretrained('acme/own')", LATER, "<4.51", 1),
        ("AutoModel.from_pretrained('acme/own')", LATER, ">=4.50", 0),
        ("AutoModel.from_pretrained('acme/own')", ModelRecord(model_type="falcon", custom_code=True), "4.30.2", 0),
    ],
)
def test_a_lock_says_which_repositories_bring_code(report_of, load, record, transformers, expected):
    report = report_of(AUTO.format(load), "HF204", lock={"acme/own": record}, transformers=transformers)
    assert len(report.findings) == expected


def test_the_message_names_the_release_that_can_do_without(report_of):
    code = AUTO.format("AutoModel.from_pretrained('acme/own')")
    (finding,) = report_of(code, "HF204", lock={"acme/own": LATER}, transformers="4.50.3").findings
    assert finding.message.startswith("only code of its repository can load `acme/own` before transformers 4.51: ")
