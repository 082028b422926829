"""HF201: the figures, the versions and the keyword of the message, and casts."""

from __future__ import annotations

import pytest

LOAD = """\
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("{id}")
model.generate()
"""


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        ("==4.57.6", "without `dtype`, transformers 4.57.6 loads"),
        ("==4.55.4", "without `torch_dtype`, transformers 4.55.4 loads"),
        (">=4.50,<6", "without `torch_dtype`, transformers 4.50.0 to 4.57.6, which this project allows, load"),
        (">=4.57,<6", "without `dtype`, transformers 4.57.1 to 4.57.6, which this project allows, load"),
    ],
)
def test_names_the_versions_that_do_it_and_the_keyword_that_all_accept(report_of, allowed, said):
    (finding,) = report_of(LOAD.format(id="meta-llama/Llama-2-7b-hf"), "HF201", transformers=allowed).findings
    assert finding.message.startswith(said)
    assert "25.1 GiB, where the stored float16 takes 12.6" in finding.message


@pytest.mark.parametrize(
    ("load", "allowed", "said"),
    [
        ("Qwen3VLModel.from_pretrained('our/thing-13b')", ">=4.40,<6", "`dtype`, transformers 4.57.1 to 4.57.6, which"),
        (
            "AutoModel.from_pretrained('Qwen/Qwen3-8B')",
            ">=4.40,<6",
            "`torch_dtype`, transformers 4.51.0 to 4.57.6, which",
        ),
        (
            "AutoModel.from_pretrained('Qwen/Qwen3-8B')",
            ">=4.40,<5",
            "`torch_dtype`, transformers 4.51.0 to 4.57.6 load",
        ),
        ("AutoModel.from_pretrained('Qwen/Qwen3-8B')", ">=4.40,<4.50", None),
    ],
)
def test_only_releases_that_have_the_model_are_spoken_of(report_of, load, allowed, said):
    code = f"from transformers import AutoModel\nfrom transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLModel\nmodel = {load}\n"
    found = report_of(code, "HF201", transformers=allowed).findings
    assert [said in one.message for one in found] == ([True] if said else [])


@pytest.mark.parametrize(("allowed", "severity"), [(">=4.50,<5", "warning"), (">=4.50,<6", "note")])
def test_what_only_older_releases_do_is_a_note(report_of, allowed, severity):
    (finding,) = report_of(LOAD.format(id="meta-llama/Llama-2-7b-hf"), "HF201", transformers=allowed).findings
    assert finding.severity.value == severity


def test_is_silent_where_no_allowed_version_does_it(report_of):
    assert not report_of(LOAD.format(id="meta-llama/Llama-2-7b-hf"), "HF201", transformers=">=5,<6").findings


def test_admits_a_size_that_is_only_in_the_name_and_offers_no_fix(report_of):
    (finding,) = report_of(LOAD.format(id="our-company/thing-13b"), "HF201", transformers="==4.57.6").findings
    assert "going by its name" in finding.message
    assert "where 16 bits would take" in finding.message
    assert finding.fix is None


def test_says_a_cast_once_at_the_cast(report_of):
    code = """\
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-2-7b-hf").float().to("cuda")
    model.generate()
    """
    for version in ("==4.57.6", "==5.23.0"):
        report = report_of(code, "HF201", transformers=version)
        assert [report.source.text[f.span.start : f.span.end] for f in report.findings] == ["float"]


def test_keeps_the_keyword_that_is_written(report_of):
    code = """\
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-7B", torch_dtype=torch.float32)
    model.generate()
    """
    report = report_of(code, "HF201", fix=True, transformers="==5.23.0")
    assert 'from_pretrained("Qwen/Qwen2.5-7B", torch_dtype="auto")' in report.source.text


@pytest.mark.parametrize(
    "line",
    [
        "torch.set_default_dtype(torch.bfloat16)",
        "optimizer = torch.optim.SGD(model.parameters())",
        "loss.backward()",
        "model.to(dtype=args.dtype)",
        "model = other.shrink(model)",
    ],
)
def test_is_silent_where_the_program_may_train_or_cast(report_of, line):
    code = f"import other, torch\n{LOAD.format(id='meta-llama/Llama-2-7b-hf')}{line}\n"
    assert not report_of(code, "HF201", transformers="==4.57.6").findings


def test_pipelines_follow_the_checkpoint_since_4_53(report_of):
    code = """\
    from transformers import pipeline
    generate = pipeline("text-generation", model="mistralai/Mistral-7B-v0.1")
    """
    (finding,) = report_of(code, "HF201", transformers=">=4.50,<4.58").findings
    assert "transformers 4.50.0 to 4.52.4" in finding.message
    assert not report_of(code, "HF201", transformers=">=4.53,<4.58").findings
