import pytest

from hflint.verify.outcome import PHASES, Outcome, Plan, Raised
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


@pytest.mark.parametrize("name", ["missing-device-map", "mixed-precision-mismatch"])
def test_what_only_a_gpu_can_decide_says_so(name):
    assert judge(PROBES[name], Outcome(device="cpu"), Outcome()).reason == "needs a GPU"


def test_probes_ask_for_phases_that_exist():
    for name, probe in PROBES.items():
        assert probe.name == name
        assert set(probe.phases) <= set(PHASES)
        assert probe.plan(Plan(steps=7)).steps == 7
    assert find_probe("no-such-rule") is None
