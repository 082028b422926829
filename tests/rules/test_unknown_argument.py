"""HF606: how much a keyword weighs, by which of the allowed releases do not take it."""

from __future__ import annotations

import pytest

from hflint.findings import Severity

CODE = "from transformers import TrainingArguments\nargs = TrainingArguments('out', eval_strategy='epoch')\n"


@pytest.mark.parametrize(
    ("allowed", "severity"),
    [
        ("==4.40.2", Severity.ERROR),
        (">=4.40,<4.41", Severity.ERROR),
        (">=4.40", Severity.NOTE),
        (">=4.40,<5", Severity.NOTE),
        (">=4.41", None),
    ],
)
def test_what_only_older_releases_refuse_is_a_note(report_of, allowed, severity):
    found = report_of(CODE, "HF606", transformers=allowed).findings
    assert [one.severity for one in found] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (">=4.35,<5", "of the releases that this project allows, 4.40.0 to 4.40.2 do not (target"),
        ("<=4.40.2,>=4.40", "this project allows 4.40.0 to 4.40.2 (target"),
    ],
)
def test_the_message_says_which_of_the_allowed_releases_refuse(report_of, allowed, said):
    (found,) = report_of(CODE, "HF606", transformers=allowed).findings
    assert f"since transformers 4.41.0 only (TypeError); {said}" in found.message
    assert found.no_fix_reason == "the first release that takes it is transformers 4.41.0: ask for that or a newer one"


def test_what_was_a_parameter_once_is_not_said_to_be_unknown(report_of):
    code = "from transformers import HqqConfig\nHqqConfig(quant_zero=True)\n"
    (found,) = report_of(code, "HF606", transformers="5.6").findings
    assert found.no_fix_reason == "releases before transformers 4.46.1 took it, and nothing is known to take its place"


def test_of_releases_whose_signature_is_open_nothing_is_said(report_of):
    code = "from sentence_transformers.models import Transformer\nTransformer('x', device='cpu')\n"
    (found,) = report_of(code, "HF606", **{"sentence-transformers": ">=3"}).findings
    assert "in sentence-transformers 3.0.0 to 5.3.0, and of newer ones it is not known (TypeError)" in found.message


@pytest.mark.parametrize(("allowed", "severity"), [("5.23", Severity.WARNING), ("4.57.6", Severity.ERROR)])
def test_what_the_newest_drops_is_a_warning_and_what_it_refuses_an_error(report_of, allowed, severity):
    code = "from transformers import AutoTokenizer\nAutoTokenizer.from_pretrained('x')('a', return_tensor='pt')\n"
    found = report_of(code, "HF606", transformers=allowed).findings
    assert [one.severity for one in found] == ([severity] if severity else [])


def test_a_tokenizers_call_is_called_so(report_of):
    code = "from transformers import AutoTokenizer\nAutoTokenizer.from_pretrained('x')('a', retuen_tensors='pt')\n"
    (found,) = report_of(code, "HF606", transformers="4.57.6").findings
    assert found.message.startswith("`tokenizer(...)` has no argument `retuen_tensors`")
    assert found.fix.reason == "that this was meant is a guess by the spelling"


def test_what_a_load_takes_besides_its_parameters(report_of):
    """Every attribute of the configuration is set by from_pretrained: run on transformers 4.57.6 and 5.23.0."""
    code = "from transformers import LlamaForCausalLM\nLlamaForCausalLM.from_pretrained('x', _attn_implementation='eager')\n"
    assert report_of(code, "HF606").findings == ()


def test_a_class_without_an_init_may_have_a_new(report_of):
    code = "from datasets import Sequence, Value, load_dataset\nload_dataset('x', y=Sequence(feature=Value('int64'), length=3))\n"
    assert [one for one in report_of(code, "HF606").findings if "Sequence" in one.message] == []


@pytest.mark.parametrize(("arguments", "count"), [("model=name", 1), ("'x', model=name", 0), ("model=name, **more", 0)])
def test_an_id_under_the_name_that_a_pipeline_has_for_it(report_of, arguments, count):
    findings = report_of(
        f"from transformers import AutoModel\nAutoModel.from_pretrained({arguments})\n", "HF606"
    ).findings
    assert len(findings) == count
    assert all("did you mean `pretrained_model_name_or_path`?" in one.message for one in findings)
    assert all(one.fix.reason == "that this was meant is a guess" for one in findings)


def test_a_class_that_inherits_from_another_library(report_of):
    code = "from trl import SFTConfig\nargs = SFTConfig(ouput_dir='x')\n"
    report = report_of(code, "HF606", transformers="5.23.0", trl="1.16.0")
    assert ["`output_dir`" in str(one) for one in report.findings] == [True]
    assert report.errors == ()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("BertModel(cofig=config)", ["`config`"]),
        ("BertModel(config, add_poling_layer=False)", ["`add_pooling_layer`"]),
        ("BertModel(config, add_pooling_layer=False)", []),
        ("transformers.models.bert.modeling_bert.BertForMaskedLM(cofig=config)", ["`config`"]),
        ("RagModel(cofig=config)", []),  # hands it on
        ("BertModel(config).save_pretrained('x', push_to_hb=True)", []),  # a model may have its own
        ("BertAttention(cofig=config)", []),  # not at the top level
    ],
)
@pytest.mark.parametrize("release", ["5.23.0", "4.57.6"])
def test_what_a_model_is_built_with(report_of, call, said, release):
    code = (
        "import transformers\nfrom transformers import BertModel, RagModel\n"
        f"from transformers.models.bert.modeling_bert import BertAttention\nmodel = {call}\n"
    )
    found = report_of(code, "HF606", transformers=release).findings
    assert [one.message.rpartition("did you mean ")[2].rstrip("?") for one in found] == said


def test_a_model_class_that_is_newer_than_what_is_allowed(report_of):
    code = "from transformers import ModernBertModel\nModernBertModel(cofig=1)\n"
    assert report_of(code, "HF606", transformers="4.40.0").findings == ()


def test_what_inference_takes(report_of):
    code = "from huggingface_hub import TextGenerationInput\nTextGenerationInput(inputs='x', paameters=None)\n"
    (found,) = report_of(code, "HF606", huggingface_hub="2.4.0").findings
    assert "did you mean `parameters`?" in found.message


def test_a_private_argument_is_nobody_s_to_judge(report_of):
    code = "from huggingface_hub import CommitOperationCopy\nCommitOperationCopy('a', 'b', _src_oid='x')\n"
    assert report_of(code, "HF606").findings == ()


@pytest.mark.parametrize(
    ("code", "allowed", "releases"),
    [
        ("VideoPrismVisionModel.from_pretrained(name, dtype='auto')", ">=4.40", None),  # the class is new in 5.13
        ("VideoPrismVisionModel.from_pretrained(name, dtype='auto')", ">=4.40,<4.55", None),
        ("Qwen3ForCausalLM.from_pretrained(name, dtype='auto')", ">=4.40", None),
        ("Qwen3ForCausalLM.from_pretrained(name, dtype='auto')", ">=4.51", "4.51.0 to 4.55.4"),
        ("Qwen3ForCausalLM.from_pretrained(name, dtype='auto')", ">=4.40,<4.52", "4.51.0 to 4.51.3"),
        ("AutoModel.from_pretrained('Qwen/Qwen3-8B', dtype='auto')", ">=4.40", None),
        ("AutoModel.from_pretrained('Qwen/Qwen3-8B', dtype='auto')", ">=4.51", "4.51.0 to 4.55.4"),
        ("AutoModel.from_pretrained('openai-community/gpt2', dtype='auto')", ">=4.40", "4.40.0 to 4.55.4"),
        ("AutoModel.from_pretrained(name, dtype='auto')", "==4.35.0", "allows 4.35.0"),
        ("AutoModel.from_pretrained(name, dtype='auto')", ">=4.35", "allows, 4.40.0 to 4.55.4"),
    ],
)
def test_a_release_without_the_class_or_the_model_refuses_nothing(report_of, code, allowed, releases):
    head = "from transformers import AutoModel, VideoPrismVisionModel\nfrom transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM\n"
    found = report_of(head + code + "\n", "HF606", transformers=allowed).findings
    assert [releases in one.message for one in found] == ([True] if releases else [])


@pytest.mark.parametrize(("allowed", "count"), [(">=0.21", 0), (">=0.30,<0.32.1", 1), (">=0.32", 1), ("0.32.0", 1)])
def test_a_function_that_the_lowest_release_has_not_got(report_of, allowed, count):
    code = "from accelerate.utils.memory import clear_device_cache\nclear_device_cache(garbage_collection=True)\n"
    assert len(report_of(code, "HF606", accelerate=allowed).findings) == count


def test_a_method_of_what_the_lowest_release_has_not_got(report_of):
    code = (
        "from transformers import AutoModelForCausalLM\n"
        "model = AutoModelForCausalLM.from_pretrained('{}')\nmodel.resize_token_embeddings(9, mean_resizing=False)\n"
    )
    counts = [
        len(report_of(code.format(name), "HF606", transformers=">=4.45").findings)
        for name in ("openai-community/gpt2", "Qwen/Qwen3-8B")
    ]
    assert counts == [1, 0]
