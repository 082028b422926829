import pytest

from hflint.verify.outcome import PHASES, Outcome, Plan, Raised, Warned
from hflint.verify.probes import PROBES, find_probe, judge

NO_PAD = "Asking to pad but the tokenizer does not have a padding token."


def raised(text, kind="ValueError", phase="tokenize"):
    return Outcome(status="raised", reason=f"{kind}: {text}", raised=Raised(kind, text, phase), device="cpu")


PAD_PROBE = PROBES["missing-pad-token"]


@pytest.mark.parametrize(
    ("before", "after", "verdict", "reason"),
    [
        (raised(NO_PAD), Outcome(), "confirmed", ""),
        (raised(NO_PAD), None, "confirmed", "no fix"),
        (raised(NO_PAD), raised(NO_PAD), "fix fails", "shows it too"),
        (raised(NO_PAD), raised("index out of range in self", "IndexError"), "fix fails", "IndexError"),
        (raised(NO_PAD), Outcome(status="timeout", reason="timed out after 9 s"), "cannot tell", "timed out"),
        (Outcome(), Outcome(), "not reproduced", "did not show"),
        (raised("something else"), Outcome(), "cannot tell", "something else"),
        (Outcome(status="missing", reason="peft is not installed"), None, "cannot tell", "peft is not installed"),
        (Outcome(status="unavailable", reason="acme/x is gated"), None, "cannot tell", "gated"),
        (Outcome(status="memory", reason="took more than 8 GiB of memory"), None, "cannot tell", "8 GiB"),
        (Outcome(status="killed", reason="the run was killed by SIGKILL"), None, "cannot tell", "SIGKILL"),
    ],
)
def test_every_pair_of_runs_ends_as_a_verdict(before, after, verdict, reason):
    found = judge(PAD_PROBE, before, after)
    assert found.verdict == verdict
    assert reason in found.reason


@pytest.mark.parametrize(
    ("name", "before", "after", "verdict", "figure"),
    [
        (
            "fp32-inference",
            {"weights": {"torch.float32": 400}},
            {"weights": {"torch.bfloat16": 200}},
            "improved",
            "2.0x smaller",
        ),
        (
            "fp32-inference",
            {"weights": {"torch.bfloat16": 200}},
            {"weights": {"torch.bfloat16": 200}},
            "not reproduced",
            "",
        ),
        (
            "fp32-inference",
            {"weights": {"torch.float32": 400}},
            {"weights": {"torch.float32": 400}},
            "fix fails",
            "100%",
        ),
        (
            "missing-gradient-checkpointing",
            {"saved_bytes": 4096, "checkpointing": False},
            {"saved_bytes": 1024, "checkpointing": True},
            "improved",
            "4.0x smaller (4.0 KiB to 1.0 KiB)",
        ),
        (
            "missing-gradient-checkpointing",
            {"saved_bytes": 1024, "checkpointing": True},
            {"saved_bytes": 1024, "checkpointing": True},
            "not reproduced",
            "",
        ),
        (
            "right-padding-for-generation",
            {"outputs": ("a", "x"), "alone": ("a", "b")},
            {"outputs": ("a", "b"), "alone": ("a", "b")},
            "confirmed",
            "1 of 2 rows",
        ),
        ("missing-kbit-preparation", {"gradients": {"a": 0.0}}, {"gradients": {"a": 1.0}}, "confirmed", "no gradient"),
        ("tokenizer-model-mismatch", {"outside": 70}, {"outside": 0}, "confirmed", "70 token ids"),
        ("nothing-quantized", {"quantized_share": 0.029}, {"quantized_share": 0.87}, "improved", "2.9% to 87.0%"),
        (
            "missing-chat-template",
            {"chat": {"given": "<s>hello", "before": "<s><|user|>", "after": "<|assistant|>"}},
            {"chat": {"given": "<s><|user|>hello<|assistant|>", "before": "<s><|user|>", "after": "<|assistant|>"}},
            "confirmed",
            "is given '<s>hello', without the template's '<s><|user|>' and '<|assistant|>'",
        ),
        ("missing-chat-template", {}, {}, "cannot tell", ""),
        (
            "max-length-beyond-model",
            {"longest": 1024, "positions": 512},
            {"longest": 512, "positions": 512},
            "confirmed",
            "1024 tokens for a model of 512 positions",
        ),
        ("max-length-beyond-model", {"longest": 9}, {}, "cannot tell", ""),
        ("unnecessary-remote-code", {"own_code": ("OwnModel",)}, {}, "confirmed", "OwnModel runs"),
        ("unnecessary-remote-code", {}, {}, "not reproduced", ""),
        (
            "tokenizer-model-mismatch",
            {"text_loss": 9.0, "own_text_loss": 0.01},
            {"text_loss": 0.01, "same_tokens": 1.0},
            "confirmed",
            "(loss 0.01) it no longer reads: 9.00",
        ),
        ("tokenizer-model-mismatch", {"text_loss": 9.0, "own_text_loss": 8.9}, {}, "cannot tell", ""),
        ("tokenizer-model-mismatch", {"same_tokens": 0.02}, {"same_tokens": 1.0}, "confirmed", "2% of the ids"),
        ("lora-targets", {"unmatched": ("all-linear",)}, {}, "confirmed", "no module is called 'all-linear'"),
        ("lora-targets", {"unmatched": ("c_attn",)}, {}, "not reproduced", ""),
        ("pickle-weights", {"ran_pickle": True}, {"ran_pickle": False}, "confirmed", "code in a pickle"),
        (
            "pickle-weights",
            {"ran_pickle": True, "pickles": ("a.bin",), "bindings": ({"names": ["weights_only"]},)},
            {"pickles": ("a.bin",), "bindings": ({"names": []},)},
            "confirmed",
            "code in a pickle",
        ),
        (
            "pickle-weights",
            {"ran_pickle": True, "pickles": ("a.bin",), "bindings": ({"names": ["use_safetensors"]},)},
            {"pickles": ("a.bin",), "bindings": ({"names": []},)},
            "fix fails",
            "a.bin was read",
        ),
        (
            "removed-argument",
            {"bindings": ({"what": "f", "ok": False, "text": "TypeError: no 'x'"},)},
            {"bindings": ({"what": "f", "ok": True, "text": ""},)},
            "confirmed",
            "TypeError: no 'x'",
        ),
        (
            "removed-argument",
            {"bindings": ({"what": "f", "ok": None, "text": "its signature takes any keyword"},)},
            {},
            "cannot tell",
            "",
        ),
    ],
)
def test_a_probe_reads_its_claim(name, before, after, verdict, figure):
    found = judge(PROBES[name], Outcome(**before), Outcome(**after))
    assert found.verdict == verdict, found
    assert figure in found.figure


def test_where_a_twin_lies_is_not_evidence():
    text = "The repository /tmp/hflint-verify-x1/worker-0/twin-ab needs trust_remote_code"
    assert "hflint-verify" not in judge(PROBES["missing-remote-code"], raised(text), None).figure


@pytest.mark.parametrize("name", ["missing-device-map", "mixed-precision-mismatch", "memory-exceeds-device"])
def test_what_only_a_gpu_can_decide_says_so(name):
    assert judge(PROBES[name], Outcome(device="cpu"), Outcome()).reason == "needs a GPU"
    slow = Outcome(status="timeout", reason="timed out after 9 s", device="cpu")
    assert judge(PROBES[name], slow, None).reason.endswith("timed out after 9 s")


def test_memory_is_exceeded_by_a_real_model_on_a_gpu_of_that_size():
    probe, gpu = PROBES["memory-exceeds-device"], {"device": "cuda: X1", "model": "real acme/7b"}
    error = Raised("OutOfMemoryError", "CUDA out of memory. Tried to allocate 1 GiB.", "load")
    full = Outcome(status="memory", reason=f"OutOfMemoryError: {error.text}", raised=error, **gpu)
    assert (judge(probe, full, Outcome(**gpu)).verdict, judge(probe, full, full).verdict) == (
        "confirmed",
        "cannot tell",
    )
    fits = judge(probe, Outcome(**gpu), None)
    assert (fits.verdict, fits.reason.partition(":")[0]) == ("cannot tell", "real acme/7b fits this GPU")
    host = Outcome(status="memory", reason="took more than 8 GiB of memory", **gpu)
    assert judge(probe, host, None).verdict == "cannot tell"


DEPRECATED = Warned("transformers warning", "`torch_dtype` is deprecated! Use `dtype` instead!", "load")
RENAMED = {"what": "transformers.AutoModel.from_pretrained", "ok": None, "text": "", "names": ["torch_dtype"]}


@pytest.mark.parametrize(
    ("after", "verdict", "reason"),
    [
        (
            raised("got 'warmup_ratio'", "TypeError", "train"),
            "cannot tell",
            "with and without the fix it raises TypeErr",
        ),
        (raised("got 'fp16'", "TypeError", "train"), "fix fails", "the fixed program raises TypeError: got 'fp16'"),
        (raised("got 'warmup_ratio'", "TypeError", "load"), "fix fails", "the fixed program raises"),
        (Outcome(), "confirmed", ""),
    ],
)
def test_an_exception_that_was_there_before_is_not_the_fixs(after, verdict, reason):
    before = raised("got 'warmup_ratio'", "TypeError", "train")
    before.warnings, before.bindings = (DEPRECATED,), (RENAMED,)
    found = judge(PROBES["renamed-argument"], before, after)
    assert (found.verdict, found.figure) == (verdict, DEPRECATED.text)
    assert found.reason.startswith(reason)


def bound(outcome, ok, *names, what="transformers.AutoModel.from_pretrained"):
    unread = f"nothing reads {names[0]}" if names and ok is None else ""
    outcome.bindings = ({"what": what, "ok": ok, "text": "refused", "names": names, "unread": unread},)
    return outcome


LATER = ("no encode_plus", "AttributeError", "tokenize")


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (bound(Outcome(), False, "old"), bound(raised(*LATER), True), "confirmed"),
        (bound(raised(*LATER), None, "old"), bound(raised(*LATER), None), "confirmed"),
        (bound(raised(*LATER), None, "old"), bound(raised("x", phase="load"), None), "fix fails"),
        (bound(Outcome(), None, "old"), bound(raised(*LATER), None), "fix fails"),
        (bound(Outcome(), False, "old"), bound(raised(*LATER), None, what="tokenizer.encode"), "fix fails"),
        (bound(raised(*LATER), None, "old"), bound(raised(*LATER), None, what="tokenizer.encode"), "cannot tell"),
        (bound(Outcome(), False, "old"), bound(raised(*LATER), False, "new"), "fix fails"),
    ],
)
def test_a_call_that_is_taken_decides_whatever_another_raises(before, after, verdict):
    assert judge(PROBES["removed-argument"], before, after).verdict == verdict


def test_probes_ask_for_phases_that_exist():
    for name, probe in PROBES.items():
        assert probe.name == name
        assert set(probe.phases) <= set(PHASES)
        assert probe.plan(Plan(steps=7)).steps == 7
    assert find_probe("no-such-rule") is None
