"""HF603: names that are gone, where their import is edited and where that would be a guess."""

from __future__ import annotations

import pytest

USE = "AutoModelForVision2Seq.from_pretrained('x')\n"
NEW_USE = "AutoModelForImageTextToText.from_pretrained('x')\n"


def mended(report_of, code):
    return report_of(code, "HF603", fix=True).located.text


FORMS = {
    "alone": (
        "from transformers import AutoModelForVision2Seq\n" + USE,
        "from transformers import AutoModelForImageTextToText\n" + NEW_USE,
    ),
    "in lines": (
        "from transformers import (\n    AutoModel,\n    AutoModelForVision2Seq,  # vision\n)\n" + USE,
        "from transformers import (\n    AutoModel,\n    AutoModelForImageTextToText,  # vision\n)\n" + NEW_USE,
    ),
    "aliased": (
        "from transformers import AutoModelForVision2Seq as Vision\nVision.from_pretrained('x')\n",
        "from transformers import AutoModelForImageTextToText as Vision\nVision.from_pretrained('x')\n",
    ),
    "beside the new name": (
        "from transformers import AutoModelForImageTextToText, AutoModelForVision2Seq\n" + USE,
        "from transformers import AutoModelForImageTextToText\n" + NEW_USE,
    ),
    "before the new name": (
        "from transformers import AutoModelForVision2Seq, AutoModelForImageTextToText\n" + USE,
        "from transformers import AutoModelForImageTextToText\n" + NEW_USE,
    ),
    "through the module": (
        "import transformers\ntransformers." + USE,
        "import transformers\ntransformers." + NEW_USE,
    ),
    "in a function": (
        "def load():\n    from transformers import AutoModelForVision2Seq\n\n    return " + USE,
        "def load():\n    from transformers import AutoModelForImageTextToText\n\n    return " + NEW_USE,
    ),
    "elsewhere, of several": (
        "def train(model):\n    from transformers import AdamW, Trainer\n    Trainer(model, optimizers=AdamW(model))\n",
        (
            "def train(model):\n    from transformers import Trainer\n    from torch.optim import AdamW\n"
            "    Trainer(model, optimizers=AdamW(model))\n"
        ),
    ),
    "elsewhere, aliased": (
        "def train(model):\n    from transformers import AdamW as A\n    from transformers import Trainer\n    Trainer(A(model))\n",
        "def train(model):\n    from torch.optim import AdamW as A\n    from transformers import Trainer\n    Trainer(A(model))\n",
    ),
    "elsewhere, through the module": (
        "import transformers\noptimizer = transformers.AdamW(parameters)\n",
        "import transformers\nimport torch\noptimizer = torch.optim.AdamW(parameters)\n",
    ),
    "a module": (
        "def f():\n    from transformers.deepspeed import (\n        HfDeepSpeedConfig,\n        is_deepspeed_zero3_enabled,\n    )\n",
        (
            "def f():\n    from transformers.integrations.deepspeed import (\n        HfDeepSpeedConfig,\n"
            "        is_deepspeed_zero3_enabled,\n    )\n"
        ),
    ),
}


@pytest.mark.parametrize(("before", "after"), FORMS.values(), ids=FORMS)
def test_the_import_and_its_uses_are_edited(report_of, before, after):
    assert mended(report_of, before) == after


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "from transformers import AutoModelForVision2Seq\n" + USE + "AutoModelForVision2Seq = None\n",
            "means something else",
        ),
        (
            "from transformers import AutoModelForVision2Seq\n__all__ = ['AutoModelForVision2Seq']\n" + USE,
            "means something else",
        ),
        (
            "from transformers import AutoModelForVision2Seq\nfrom ours import AutoModelForImageTextToText\n" + USE,
            "`AutoModelForImageTextToText` means something else",
        ),
        ("import transformers\ntransformers.AdamW(p, correct_bias=False)\n", "`correct_bias`, which a call here gives"),
        ("import transformers\ntransformers.AutoModelWithLMHead.from_pretrained('x')\n", "choose by architecture"),
        (
            "import transformers\ntransformers.TFBertModel.from_pretrained('x')\n",
            "`transformers.BertModel` takes its place, but",
        ),
    ],
)
def test_why_there_is_no_fix(report_of, code, reason):
    first = report_of(code, "HF603").findings[0]
    assert first.fix is None
    assert reason in first.no_fix_reason


@pytest.mark.parametrize(
    "code",
    [
        "if is_new():\n    from transformers import AutoModelForVision2Seq\n    " + USE,
        "try:\n    from transformers import AutoModelForVision2Seq\nexcept ImportError:\n    AutoModelForVision2Seq = None\n"
        + USE,
        "import transformers\nmodel = getattr(transformers, 'AutoModelForVision2Seq', None)\ntransformers.AutoModel.from_pretrained('x')\n",
        "from transformers import BertTokenizerFast, PretrainedConfig\nBertTokenizerFast.from_pretrained('x')\n",
        "from elsewhere import AutoModelForVision2Seq\n" + USE,
        "from .transformers import AutoModelForVision2Seq\n" + USE,
    ],
)
def test_what_may_be_right_stays(report_of, code):
    assert report_of(code, "HF603").findings == ()


def test_a_module_that_is_gone_is_told_once_a_statement(report_of):
    code = "def f():\n    from transformers.deepspeed import HfDeepSpeedConfig, is_deepspeed_zero3_enabled\n    import transformers.onnx\n"
    messages = [one.message for one in report_of(code, "HF603").findings]
    assert [message.partition(" in ")[0] for message in messages] == [
        "the module `transformers.deepspeed` was removed from transformers",
        "the module `transformers.onnx` was removed from transformers",
    ]


@pytest.mark.parametrize(
    ("name", "target", "severity", "said"),
    [
        (
            "utils.is_flash_attn_greater_or_equal_2_10",
            ">=4.44",
            "note",
            "of the releases that this project allows, 5.4.0 lacks it",
        ),
        (
            "pytorch_utils.is_torch_greater_or_equal_than_1_13",
            ">=4.44,<6",
            "note",
            "of the releases that this project allows, 4.48.0 to 4.48.2 lack it",
        ),
        ("generation.utils.StaticCache", ">=4.44", "note", "allows, 4.45.0 to 4.45.2, 4.52.1 to 4.55.4 lack it"),
        ("generation.utils.StaticCache", ">=4.44,<4.55", "error", "this project allows up to 4.54.1"),
        ("utils.is_flash_attn_greater_or_equal_2_10", "5.4.0", "error", "this project allows 5.4.0"),
    ],
)
def test_what_the_newest_allowed_release_has_again_is_a_note(report_of, name, target, severity, said):
    module, _, name = f"transformers.{name}".rpartition(".")
    (finding,) = report_of(f"from {module} import {name}\n", "HF603", transformers=target).findings
    assert finding.severity.value == severity
    assert f"{said} (target" in finding.message


def test_a_replacement_that_some_allowed_version_lacks_is_not_written(report_of):
    code = "from transformers import AutoModelForVision2Seq\n" + USE
    found = report_of(code, "HF603", transformers=">=4.45").findings
    assert [one.no_fix_reason for one in found] == [
        "`transformers.AutoModelForImageTextToText` takes its place since transformers 4.46 only, and this project allows 4.45.0"
    ]
    assert report_of(code, "HF603", transformers="4.57.6").findings == ()


def test_the_name_is_still_there_in_another_module_of_newer_releases(report_of):
    (finding,) = report_of("from trl import ORPOTrainer\n", "HF603", trl=">=0.19").findings
    assert finding.no_fix_reason == (
        "`trl.experimental.orpo.ORPOTrainer` takes its place since trl 0.26 only, and this project allows 0.19.0"
    )


def test_whether_an_older_release_than_those_read_has_the_replacement_is_not_known(report_of):
    code = "from transformers import CLIPFeatureExtractor\n"
    reasons = [one.no_fix_reason for one in report_of(code, "HF603", transformers=">=4.30").findings]
    assert reasons == ["this project allows transformers 4.30.0, and what releases before 4.40 have was not read"]
    assert report_of(code, "HF603", transformers=">=4.40").findings[0].fix


def test_a_library_that_is_not_named_is_not_newer_than_transformers_allows(report_of):
    use = "import huggingface_hub\nfrom transformers import Trainer\nTrainer(huggingface_hub.HfFolder())\n"
    assert len(report_of(use, "HF603").findings) == 1
    assert len(report_of(use, "HF603", transformers=">=4.57").findings) == 1
    assert report_of(use, "HF603", transformers="4.57.6").findings == ()
    assert (
        report_of(use, "HF603", transformers="4.57.6", huggingface_hub=">=0.34").findings == ()
    )  # pip takes one below 1.0


COPY = """
from huggingface_hub import Repository
from . import __version__
from .modeling_utils import PreTrainedModel
from .trainer_callback import TrainerCallback
{third}
Repository("x", PreTrainedModel, TrainerCallback, __version__)
"""


def test_a_copy_of_a_file_of_transformers_goes_with_the_release_that_it_is_from(report_of, tmp_path):
    code = COPY.format(third="from .training_args import TrainingArguments")
    assert report_of(code, "HF603").findings == ()
    assert len(report_of(COPY.format(third=""), "HF603").findings) == 1  # two neighbours may be the program's own
    (tmp_path / "training_args.py").touch()
    assert len(report_of(code, "HF603").findings) == 1


def test_a_name_without_a_known_replacement_may_have_one(report_of):
    (finding,) = report_of(
        "from transformers import file_utils\nfrom datasets import load_metric\nload_metric('f1')\n", "HF603"
    ).findings
    assert "nothing takes its place" not in finding.no_fix_reason


@pytest.mark.parametrize(
    ("code", "target", "said"),
    [
        (
            "from trl import is_vllm_available\nis_vllm_available()\n",
            ">=0.9,<0.20",
            "`is_vllm_available` was removed from trl in 0.17, back in 0.26 (ImportError)",
        ),
        (
            "from trl import is_vllm_available\nis_vllm_available()\n",
            ">=0.26",
            "`is_vllm_available` was removed from trl in 0.27 (ImportError)",
        ),
    ],
)
def test_a_message_names_the_release_that_an_allowed_one_is_concerned_by(report_of, code, target, said):
    (finding,) = report_of(code, "HF603", trl=target).findings
    assert finding.message.startswith(f"{said}; this project allows up to ")
