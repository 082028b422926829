"""HF801: which ranges exclude each other, and where the finding stands."""

from __future__ import annotations

import pytest

LOAD = "from transformers import AutoModel\nmodel = AutoModel.from_pretrained('x')\n"
TRAIN = "from transformers import TrainingArguments\nargs = TrainingArguments('out')\n"
QUANTIZED = (
    "from transformers import AutoModel, BitsAndBytesConfig\n"
    "model = AutoModel.from_pretrained('x', quantization_config=BitsAndBytesConfig(load_in_4bit=True))\n"
)
PEFT = "from peft import LoraConfig\nconfig = LoraConfig()\n"
DPO = "import trl\ntrainer = trl.DPOTrainer('x')\n"


def messages(report_of, code, **target):
    return [one.message for one in report_of(code, "HF801", **target).findings]


def script(code, *needs):
    return f"# /// script\n# dependencies = {list(needs)}\n# ///\n{code}"


@pytest.mark.parametrize(
    ("code", "target", "said"),
    [
        (LOAD, {"torch": "2.3.1", "transformers": "5.23.0"}, "as if there was no torch"),
        (LOAD, {"torch": "2.1.2", "transformers": ">=5"}, "as if there was no torch"),
        (TRAIN, {"accelerate": "0.34.2", "transformers": "5.23.0"}, "`TrainingArguments` raises"),
        (QUANTIZED, {"bitsandbytes": "0.45.5", "transformers": "5.0.0"}, "asks for bitsandbytes 0.46.1"),
        (PEFT, {"peft": "0.17.1", "transformers": ">=5"}, "'HybridCache'"),
        (DPO, {"trl": "0.21.0", "transformers": "5.23.0"}, "MODEL_FOR_VISION_2_SEQ_MAPPING_NAMES"),
        (LOAD, {"huggingface_hub": "0.36.0", "transformers": ">=5"}, "pip cannot install them together"),
        (PEFT, {"peft": "0.21.2", "python": "3.8"}, "peft 0.21.2 requires python >=3.10"),
    ],
)
def test_versions_that_do_not_go_together(report_of, code, target, said):
    (message,) = messages(report_of, code, **target)
    assert said in message
    assert "target" in message  # where the versions stand


@pytest.mark.parametrize(
    ("code", "target"),
    [
        (LOAD, {"torch": "2.6.0", "transformers": "5.23.0"}),
        (LOAD, {"torch": "2.3.1", "transformers": "4.57.6"}),
        (LOAD, {"torch": ">=2.0", "transformers": "5.23.0"}),
        (LOAD, {"torch": "2.3.1", "transformers": ">=5.0"}),  # 5.0 takes it
        (LOAD, {"torch": "2.3.1", "transformers": ">=4.50"}),  # what is installed beside them is not known here
        (LOAD, {"accelerate": "0.34.2", "transformers": "5.23.0"}),
        (LOAD, {"bitsandbytes": "0.45.5", "transformers": "5.0.0"}),
        (PEFT, {"peft": "0.15.2", "transformers": "5.23.0"}),
        ("from trl import SFTTrainer\nSFTTrainer('x')\n", {"trl": "0.21.0", "transformers": "5.23.0"}),
        (LOAD, {"huggingface_hub": ">=0.30", "transformers": ">=4.50"}),
        (LOAD, {}),
    ],
)
def test_versions_that_do(report_of, code, target):
    assert messages(report_of, code, **target) == []


def test_of_what_is_open_the_newest_counts(report_of):
    (message,) = messages(report_of, script(PEFT, "peft==0.17.1", "transformers>=4.40"))
    assert "peft 0.17.1 does not work with transformers 5" in message


@pytest.mark.parametrize(
    "needs",
    [
        ("peft==0.17.1", "transformers<5"),
        ("peft>=0.17.1", "transformers"),
        ("peft==0.17.1", "transformers", "huggingface_hub<1"),
        ("peft==0.17.1", "transformers", "some-package-of-ours"),
        ("peft==0.17.1", "transformers[torch]"),
        ("peft==0.17.1", "transformers", "transformers<5"),
    ],
)
def test_what_may_hold_back_the_newest_is_silent(report_of, needs):
    assert messages(report_of, script(PEFT, *needs)) == []


def test_each_two_libraries_are_said_once_where_they_are_used_first(report_of):
    report = report_of(
        "import os\nimport trl\nfrom transformers import AutoModel\ntrl.SFTTrainer('x')\ntrl.SFTTrainer('y')\nAutoModel.from_pretrained('x')\n",
        "HF801",
        trl="0.24.0",
        transformers="4.50.3",
    )
    (found,) = report.findings
    assert report.located.locate(found.span.start).line == 2
    assert found.fix is None


def test_a_target_is_not_held_against_what_the_project_declares(report_of):
    assert messages(report_of, script(LOAD, "torch==2.1.2", "huggingface_hub<1"), transformers="5.23.0") == []
    assert messages(report_of, script(LOAD, "torch==2.1.2", "huggingface_hub<1", "transformers>=5")) != []
