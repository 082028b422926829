"""HF601: which calls give an argument that is gone, how bad that is, and what takes its place."""

from __future__ import annotations

import pytest

IMPORTS = """\
from datasets import load_dataset
from huggingface_hub import HfApi, hf_hub_download
from packaging import version
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, Seq2SeqTrainer, Trainer, TrainingArguments, pipeline
from trl import DPOTrainer, SFTConfig, SFTTrainer
import transformers
"""


def found(report_of, code, **target):
    """The severity and the argument of each finding."""
    findings = report_of(IMPORTS + code, "HF601", **target).findings
    return [(one.severity.value, one.message.split("`")[1]) for one in findings]


def mended(report_of, code, **target):
    """The code after all fixes, without the imports."""
    return report_of(IMPORTS + code, "HF601", fix=True, **target).located.text.removeprefix(IMPORTS)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("TrainingArguments('out', evaluation_strategy='no')", [("error", "evaluation_strategy")]),
        ("TrainingArguments('out', **dict(evaluation_strategy='no'))", [("error", "evaluation_strategy")]),
        ("SFTConfig('out', evaluation_strategy='no')", [("error", "evaluation_strategy")]),
        ("Seq2SeqTrainer(tokenizer=t)", [("error", "tokenizer")]),
        ("AutoModel.from_pretrained('x', load_in_8bit=flag)", [("error", "load_in_8bit")]),
        ("AutoPeftModelForCausalLM.from_pretrained('x', load_in_8bit=True)", [("error", "load_in_8bit")]),
        ("AutoPeftModelForCausalLM.from_pretrained('x', low_cpu_mem_usage=True)", []),
        ("AutoTokenizer.from_pretrained('x', use_auth_token=True)", [("warning", "use_auth_token")]),
        ("AutoTokenizer.from_pretrained('x', use_fast=True)", [("note", "use_fast")]),
        ("AutoTokenizer.from_pretrained('x', use_fast=fast)", [("note", "use_fast")]),
        ("AutoTokenizer.from_pretrained('x', use_fast=False)", [("warning", "use_fast")]),
        ("AutoTokenizer.from_pretrained('x')('a', pad_to_max_length=True)", [("error", "pad_to_max_length")]),
        (
            "AutoModel.from_pretrained('x').save_pretrained('y', safe_serialization=False)",
            [("warning", "safe_serialization")],
        ),
        ("AutoModel.from_pretrained('x').push_to_hub('y', use_auth_token=True)", [("error", "use_auth_token")]),
        ("PeftModel.from_pretrained(model, 'x').save_pretrained('y', safe_serialization=False)", []),
        ("pipeline('ner', grouped_entities=True)", [("error", "grouped_entities")]),
        ("pipeline('ner')(text, grouped_entities=True)", [("error", "grouped_entities")]),
        ("pipeline('ner', pipeline_class=Ours, grouped_entities=True)", []),
        ("pipeline('fill-mask', framework='pt')", [("error", "framework")]),
        ("pipeline('sentiment-analysis', framework='pt', use_auth_token=t)", []),
        ("pipeline('automatic-speech-recognition', framework='pt')", []),
        ("pipeline('image-text-to-text', framework='pt')", []),
        ("pipeline('text-generation', framework='pt')", [("error", "framework")]),
        ("pipeline(task, framework='pt')", []),
        ("pipeline(model='dslim/bert-base-NER', grouped_entities=True)", [("error", "grouped_entities")]),
        ("pipeline('text-generation', model_kwargs={'load_in_4bit': True})", [("error", "load_in_4bit")]),
        ("pipeline('text-generation', model_kwargs={'low_cpu_mem_usage': True})", []),
        ("SFTConfig('out', model_init_kwargs={'load_in_8bit': True})", [("error", "load_in_8bit")]),
        ("load_dataset('x').push_to_hub('y', branch='main')", [("error", "branch")]),
        ("TrainingArguments('out', **settings)", []),
    ],
)
def test_what_a_call_gives_that_is_gone(report_of, code, expected):
    assert found(report_of, code) == expected


def test_a_class_that_may_be_another_librarys_may_take_it(report_of):
    code = "def load(small):\n    cls = AutoModel if small else PeftModel\n    Trainer(cls.from_pretrained('x', load_in_8bit=True))\n"
    assert found(report_of, code) == []


def test_the_message_says_when_what_happens_and_what_the_project_allows(report_of):
    code = IMPORTS + "TrainingArguments('out', evaluation_strategy='no')"
    report = report_of(code, "HF601", transformers=">=4.40,<5")
    assert report.findings[0].message == (
        "`evaluation_strategy` was removed from `TrainingArguments` in transformers 4.51 (TypeError); "
        "this project allows up to 4.57.6 (target transformers >=4.40,<5)"
    )


@pytest.mark.parametrize(
    ("code", "target", "expected"),
    [
        ("Trainer(tokenizer=t)", "4.57.6", []),
        ("Trainer(tokenizer=t)", ">=4.57", [("error", "tokenizer")]),
        ("AutoModel.from_pretrained('x', low_cpu_mem_usage=True)", ">=4.50", []),
        ("AutoModel.from_pretrained('x', low_cpu_mem_usage=True)", ">=4.51", [("note", "low_cpu_mem_usage")]),
        ("AutoModel.from_pretrained('x', use_auth_token=True)", ">=4.57", [("error", "use_auth_token")]),
    ],
)
def test_versions_decide(report_of, code, target, expected):
    assert found(report_of, code, transformers=target) == expected


@pytest.mark.parametrize(
    ("code", "target", "expected"),
    [
        ("pipeline('question-answering', framework='pt')", "5.2.0", []),
        ("pipeline('vqa', framework='pt')", "5.2.0", []),
        ("pipeline('image-to-image', framework='pt')", "5.2.0", []),
        ("pipeline('ner', framework='pt')", "5.2.0", [("error", "framework")]),
        ("pipeline('ner', framework='pt')", "4.57.6", []),
        ("pipeline('fill-mask', use_auth_token=t)", "4.57.6", [("error", "use_auth_token")]),
        ("pipeline('text2text-generation', use_auth_token=t)", "4.57.6", [("error", "use_auth_token")]),
        ("pipeline('question-answering', use_auth_token=t)", "4.57.6", []),
        ("pipeline('fill-mask', use_auth_token=t)", "4.31.0", []),
    ],
)
def test_what_a_pipeline_takes_depends_on_its_task(report_of, code, target, expected):
    assert found(report_of, code, transformers=target) == expected


def test_an_argument_that_one_release_forgot_is_said_to_be_gone_there(report_of):
    code = "from trl import KTOTrainer\nKTOTrainer(model=m, tokenizer=t)\n"
    (finding,) = report_of(code, "HF601", trl="0.12.0").findings
    assert "in trl 0.12, back in 0.12.1 (TypeError); this project allows 0.12.0 (" in finding.message
    (finding,) = report_of(code, "HF601", trl=">=0.11,<0.13").findings
    assert finding.severity.value == "note"
    assert "of the releases that this project allows, 0.12.0 lacks it (" in finding.message


@pytest.mark.parametrize(
    ("header", "silent"),
    [
        ("if version.parse(transformers.__version__) < version.parse('5'):", True),
        ("if version.parse(transformers.__version__) >= version.parse('4.50'):", False),
        ("if torch_is_new:", False),
        ("try:", True),
    ],
)
def test_a_version_check_narrows_what_is_run(report_of, header, silent):
    rest = "except TypeError:\n    pass\n" if header == "try:" else ""
    assert (found(report_of, f"{header}\n    Trainer(tokenizer=t)\n{rest}") == []) is silent


@pytest.mark.parametrize(
    ("body", "silent"),
    [
        ("    def __init__(self, tokenizer, **kwargs):\n        super().__init__(**kwargs)", True),
        (
            "    def __init__(self, **kwargs):\n        self.t = kwargs.pop('tokenizer')\n        super().__init__(**kwargs)",
            True,
        ),
        ("    def __init__(self, **kwargs):\n        super().__init__(**kwargs)", False),
        ("    def compute_loss(self, *args):\n        return 0", False),
    ],
)
def test_the_programs_own_class_may_take_it(report_of, body, silent):
    assert (found(report_of, f"class Ours(Trainer):\n{body}\n\nOurs(tokenizer=t)\n") == []) is silent


def test_a_base_that_is_not_known_may_take_it(report_of):
    code = "from elsewhere import Mixin\nclass Ours(Mixin, Trainer):\n    pass\nOurs(tokenizer=t)\n"
    assert found(report_of, code) == []


def test_unsloth_puts_its_own_classes_in_the_place_of_trls(report_of):
    code = "SFTTrainer(model=m, tokenizer=t)\nTrainingArguments('out', no_cuda=True)\n"
    assert len(found(report_of, code)) == 2
    assert found(report_of, "import unsloth\n" + code) == []
    assert found(report_of, "import unsloth\n" + code, transformers="5.10") == [("error", "no_cuda")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("TrainingArguments('out', evaluation_strategy=s)", "TrainingArguments('out', eval_strategy=s)"),
        ("TrainingArguments('out', adafactor=True)", "TrainingArguments('out', optim=\"adafactor\")"),
        ("TrainingArguments('out', adafactor=False)", "TrainingArguments('out')"),
        ("TrainingArguments('out', half_precision_backend='auto')", "TrainingArguments('out')"),
        ("TrainingArguments('out', warmup_ratio=ratio)", "TrainingArguments('out', warmup_steps=ratio)"),
        (
            "TrainingArguments(\n    'out',\n    no_cuda=True,  # why\n)",
            "TrainingArguments(\n    'out',\n    use_cpu=True,  # why\n)",
        ),
        ("AutoModel.from_pretrained('x', use_flash_attention_2=False)", "AutoModel.from_pretrained('x')"),
        ("AutoTokenizer.from_pretrained('x', use_fast=fast)", "AutoTokenizer.from_pretrained('x')"),
        (
            "AutoModel.from_pretrained('x', load_in_8bit=self.flag)",
            "AutoModel.from_pretrained('x', quantization_config=BitsAndBytesConfig(load_in_8bit=True) if self.flag else None)",
        ),
        (
            "AutoModel.from_pretrained('x', load_in_8bit=False, load_in_4bit=True)",
            "AutoModel.from_pretrained('x', quantization_config=BitsAndBytesConfig(load_in_4bit=True))",
        ),
        (
            "SFTTrainer(model, args=SFTConfig('out'), max_seq_length=n, packing=True)",
            "SFTTrainer(model, args=SFTConfig('out', max_length=n, packing=True))",
        ),
    ],
)
def test_what_takes_its_place(report_of, before, after):
    assert mended(report_of, before) == after


@pytest.mark.parametrize(
    ("value", "safety", "said"),
    [
        ("True", "safe", ""),
        ("fast", "unsafe", "where it is not True, that hides what is not done: tokenizers are always fast"),
        ("not args.slow", "unsafe", "where it is not True, that hides what is not done: tokenizers are always fast"),
        (
            "False if args.slow else True",
            None,
            "deleting it would hide that it is not done: tokenizers are always fast",
        ),
        ("False", None, "deleting it would hide that it is not done: tokenizers are always fast"),
    ],
)
def test_what_may_ask_for_something_else_is_not_deleted_safely(report_of, value, safety, said):
    code = IMPORTS + f"AutoTokenizer.from_pretrained('x', use_fast={value})"
    (finding,) = report_of(code, "HF601").findings
    assert (finding.fix and finding.fix.safety) == safety
    assert (finding.fix.reason if finding.fix else finding.no_fix_reason) == said


@pytest.mark.parametrize(
    ("code", "target", "reason"),
    [
        (
            "TrainingArguments('out', evaluation_strategy='no', eval_strategy='no')",
            {},
            "`eval_strategy` is given beside it",
        ),
        ("TrainingArguments('out', **{'no_cuda': True})", {}, "it comes from a dict"),
        ("TrainingArguments('out', logging_dir='logs')", {}, "TENSORBOARD_LOGGING_DIR"),
        ("TrainingArguments('out', group_by_length=wanted)", {}, "depends on the program"),
        ("TrainingArguments('out', warmup_ratio=1.0)", {}, "number of steps"),
        (
            "TrainingArguments('out', warmup_ratio=0.1)",
            {"transformers": ">=4.57"},
            "`warmup_steps` takes its place since transformers 5.0 only, and this project allows 4.57",
        ),
        ("pipeline('ner', grouped_entities=True, ignore_subwords=s)", {}, "`ignore_subwords` beside it"),
        (
            "AutoModel.from_pretrained('x', load_in_4bit=True, bnb_4bit_quant_type='nf4')",
            {},
            "`bnb_4bit_quant_type` belongs to",
        ),
        (
            "AutoModel.from_pretrained('x', load_in_8bit=True)",
            {"transformers": ">=4.1"},
            "`BitsAndBytesConfig` is there since transformers 4.27 only, and this project allows 4.1.0",
        ),
        ("AutoModel.from_pretrained('x', load_in_4bit=a, load_in_8bit=b)", {}, "`load_in_8bit` belongs to"),
        ("AutoModel.from_pretrained('x', load_in_4bit=f(x))", {}, "depends on `f(x)`"),
        ("AutoModel.from_pretrained('x', load_in_4bit=True, **settings)", {}, "what `**` brings"),
        ("SFTTrainer(model, packing=True)", {}, "is not made in this file"),
        ("SFTTrainer(model, args=TrainingArguments('out'), packing=True)", {}, "`args` is a `TrainingArguments`"),
        ("args = SFTConfig('out')\nSFTTrainer(model, args=args, max_seq_length=n)", {}, "`n` may not be known yet"),
        ("args = SFTConfig('out', max_length=5)\nSFTTrainer(model, args=args, max_seq_length=7)", {}, "has it already"),
        ("DPOTrainer(model, args=SFTConfig('out'), beta=0.1)", {}, "an argument of DPOConfig"),
    ],
)
def test_why_there_is_no_fix(report_of, code, target, reason):
    first = report_of(IMPORTS + code, "HF601", **target).findings[0]
    assert first.fix is None
    assert reason in first.no_fix_reason


def test_a_class_that_is_older_than_the_tables_is_written(report_of):
    code = f"{IMPORTS}AutoModel.from_pretrained('x', load_in_8bit=True)"
    assert report_of(code, "HF601", transformers=">=4.28").findings[0].fix is not None


def test_a_class_that_is_gone_itself_is_reported_once_by_its_import(report_of):
    code = "from trl import PPOConfig, PPOTrainer\nPPOTrainer(config=PPOConfig(steps=1), model=m, tokenizer=t)\n"
    assert report_of(code, "HF601").findings == ()
    assert len(report_of(code, "HF601", trl=">=0.12,<0.20").findings) == 4


def test_values_that_nothing_reads_are_no_matter(report_of):
    head = "from datasets import load_dataset\nfrom transformers import AutoModel\n"
    assert report_of(head + "load_dataset('allenai/c4', use_auth_token=None)\n", "HF601").findings == ()
    (finding,) = report_of(head + "load_dataset('allenai/c4', use_auth_token=True)\n", "HF601").findings
    assert finding.severity.value == "error"


@pytest.mark.parametrize(
    ("value", "errors"), [("True if flag else None", 0), ("token", 0), ("True if flag else False", 1), ("'hf_x'", 1)]
)
def test_a_value_that_may_be_none_need_not_crash(report_of, value, errors):
    code = f"from datasets import load_dataset\nload_dataset('allenai/c4', use_auth_token={value})\n"
    assert [one.severity.value for one in report_of(code, "HF601").findings] == ["error"] * errors


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("True", "no longer supported: datasets logs an error"),
        ("False", "silently ignored"),
        ("x", "no longer supported"),
    ],
)
def test_an_error_in_the_log_is_not_silence(report_of, value, words):
    code = f"from datasets import load_dataset\nload_dataset('google/boolq', trust_remote_code={value})\n"
    (finding,) = report_of(code, "HF601").findings
    assert words in finding.message


@pytest.mark.parametrize(("flag", "is_of_4_bits"), [("load_in_8bit", False), ("load_in_4bit", True)])
def test_the_defaults_that_the_fix_keeps_are_those_of_its_flag(report_of, flag, is_of_4_bits):
    (finding,) = report_of(IMPORTS + f"AutoModel.from_pretrained('x', {flag}=True)", "HF601").findings
    assert ("fp4" in finding.fix.reason) is is_of_4_bits


def test_a_tokenizers_call_is_called_so(report_of):
    code = IMPORTS + "AutoTokenizer.from_pretrained('x')('a', pad_to_max_length=True)"
    (finding,) = report_of(code, "HF601").findings
    assert "was removed from the call of a tokenizer in" in finding.message


def test_only_auto_tokenizer_ever_read_use_fast(report_of):
    code = "from transformers import {0}\n{0}.from_pretrained('google-t5/t5-small', use_fast=False)\n"
    assert report_of(code.format("T5Tokenizer"), "HF601").findings == ()
    assert len(report_of(code.format("AutoTokenizer"), "HF601").findings) == 1
