"""Probes: what a rule claims, read off the runs before and after its fix.

A probe names the phases that it needs, finds its evidence in an outcome (a sentence, or None where the claim does not
show), and says what the fix gained. A rule's page names its probe; without one the rule cannot be verified.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from hflint.verify.outcome import PHASES, Outcome, Plan, Verdict

CONFIRMED, IMPROVED, NOT_REPRODUCED = "confirmed", "improved", "not reproduced"
FIX_FAILS, CANNOT_TELL = "fix fails", "cannot tell"
VERDICTS = (CONFIRMED, IMPROVED, NOT_REPRODUCED, FIX_FAILS, CANNOT_TELL)
NEEDS_GPU = "needs a GPU"

_UNREAD = 8.0  # nats a token: a model that knows the language stays below, ids that mean something else go above

Evidence = Callable[[Outcome], "str | None"]
Gain = Callable[[Outcome, Outcome], "str | None"]


@dataclass(frozen=True)
class Probe:
    """How one claim is verified.

    Attributes:
        name: of the rule that it serves, or of the claim.
        phases: those of `outcome.PHASES` that a run needs.
        shows: the claim's evidence in an outcome, or None.
        gain: a figure of after against before; a claim with one is `improved`, one without is `confirmed`.
        pretrained: whether the twin has to know something.
        compare_alone: whether each row of a batch is generated alone too.
        gpu: whether only a CUDA device can decide.
        until_bound: whether a signature that refuses or takes the call decides, and nothing else has to be run.
    """

    name: str
    phases: tuple[str, ...]
    shows: Evidence
    gain: Gain | None = None
    pretrained: bool = False
    compare_alone: bool = False
    gpu: bool = False
    until_bound: bool = False

    def plan(self, base: Plan) -> Plan:
        """`base` with what this probe needs of a run."""
        return replace(
            base,
            phases=self.phases,
            pretrained=self.pretrained,
            compare_alone=self.compare_alone,
            until_bound=self.until_bound,
        )


def judge(probe: Probe, before: Outcome, after: Outcome | None) -> Verdict:
    """The verdict of `probe` on a pair of runs; `after` is None where the finding has no fix."""
    shown = probe.shows(before)
    if shown is None:
        if probe.gpu and not before.device.startswith("cuda"):  # some of these show on a CPU as well
            return Verdict(CANNOT_TELL, reason=NEEDS_GPU)
        if before.status == "ok":
            taken = _unknown_calls(before)
            if taken:
                return Verdict(CANNOT_TELL, reason=taken)
            return Verdict(NOT_REPRODUCED, reason="what the rule claims did not show")
        return Verdict(CANNOT_TELL, reason=f"the program as it is could not be run: {before.reason or before.status}")
    if after is None:
        return Verdict(CONFIRMED, figure=shown, reason="there is no fix to verify")
    if after.status in ("missing", "unavailable", "timeout", "memory", "killed"):
        return Verdict(CANNOT_TELL, figure=shown, reason=f"the fixed program could not be run: {after.reason}")
    still = probe.shows(after)
    if still is not None:
        return Verdict(FIX_FAILS, figure=shown, reason=f"the fixed program shows it too: {still}")
    if after.status != "ok":
        return Verdict(FIX_FAILS, figure=shown, reason=f"the fixed program raises {after.reason}")
    if probe.gain is None:
        return Verdict(CONFIRMED, figure=shown)
    gained = probe.gain(before, after)
    if gained is None:
        return Verdict(FIX_FAILS, figure=shown, reason="the fix gains nothing")
    return Verdict(IMPROVED, figure=gained, reason=shown)


def find_probe(name: str) -> Probe | None:
    """The probe of that name, or None."""
    return PROBES.get(name)


def default_probe() -> Probe:
    """What a setup without a rule is run for: everything it has, and whether it raises."""
    return Probe("runs", PHASES, lambda outcome: outcome.reason if outcome.status == "raised" else None)


def _unknown_calls(outcome: Outcome) -> str:
    open_ended = [str(b["text"]) for b in outcome.bindings if b.get("ok") is None]
    return f"the call is taken: {open_ended[0]}, which something reads" if open_ended else ""


def raises(pattern: str) -> Evidence:
    """Evidence: an exception whose type or text matches."""
    compiled = re.compile(pattern, re.IGNORECASE)

    def shows(outcome: Outcome) -> str | None:
        raised = outcome.raised
        if raised and compiled.search(f"{raised.type}: {raised.text}"):
            return outcome.reason
        return None

    return shows


def _refused_call(outcome: Outcome) -> str | None:
    """A name that is gone, a call that the signature refuses, or a load that refuses a keyword."""
    for binding in outcome.bindings:
        if binding.get("ok") is False:
            return str(binding["text"])
    names = {str(name) for binding in outcome.bindings for name in binding.get("names", ())}
    text = outcome.raised.text if outcome.raised else ""
    if not any(re.search(rf"\b{re.escape(name)}\b", text) for name in names):
        return None  # something else's defect
    return raises(
        r"unexpected keyword argument|cannot import name|has no attribute|Unknown task|KeyError|not expected"
    )(outcome)


def _removed_argument(outcome: Outcome) -> str | None:
    """As `_refused_call`; or a keyword that is taken and that nothing reads."""
    return _refused_call(outcome) or next((str(b["unread"]) for b in outcome.bindings if b.get("unread")), None)


def _renamed_argument(outcome: Outcome) -> str | None:
    """As `_refused_call`; or a warning that calls one of the keywords deprecated."""
    names = [str(name) for binding in outcome.bindings for name in binding.get("names", ())]
    warned = (
        warning.text
        for warning in outcome.warnings
        if "deprecat" in warning.text and any(re.search(rf"\b{re.escape(name)}\b", warning.text) for name in names)
    )
    return _refused_call(outcome) or next(warned, None)


def _smaller(before: int | None, after: int | None, what: str) -> str | None:
    if not before or not after or after >= before:
        return None
    return f"{what} {before / after:.1f}x smaller ({_size(before)} to {_size(after)})"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError  # the loop ends at GiB


def _vocabulary_mismatch(outcome: Outcome) -> str | None:
    if outcome.raised and re.search("index out of range|device-side assert", outcome.raised.text):
        return outcome.reason
    if outcome.outside:
        return f"{outcome.outside} token ids of the tokenizer have no embedding"
    real = outcome.model.startswith("real")  # a twin that has learned nothing reads nothing
    if real and outcome.text_loss is not None and outcome.text_loss > _UNREAD:
        return f"loss {outcome.text_loss:.2f} on plain sentences: the model does not read this tokenizer's ids"
    return None


def _full_precision(outcome: Outcome) -> str | None:
    total = sum(outcome.weights.values())
    full = outcome.weights.get("torch.float32", 0)
    return f"{full * 100 // total}% of the weights are float32" if total and full * 2 > total else None


def _weights_gain(before: Outcome, after: Outcome) -> str | None:
    return _smaller(sum(before.weights.values()), sum(after.weights.values()), "weights")


def _activations_gain(before: Outcome, after: Outcome) -> str | None:
    key = "activations"
    if before.estimate.get(key) and after.estimate.get(key):
        full = _smaller(before.estimate[key], after.estimate[key], "activations of the full model")
        if full:
            return full
    return _smaller(before.saved_bytes, after.saved_bytes, "saved activations")


def _no_checkpointing(outcome: Outcome) -> str | None:
    if outcome.checkpointing is not False or not outcome.saved_bytes:
        return None
    return f"no checkpointing: {_size(outcome.saved_bytes)} kept for backward by the run"


def _rows_differ(outcome: Outcome) -> str | None:
    different = sum(a != b for a, b in zip(outcome.outputs, outcome.alone, strict=False))
    if outcome.alone and different:
        return f"{different} of {len(outcome.alone)} rows differ from the same prompt alone"
    return None


def _unprepared(outcome: Outcome) -> str | None:
    if outcome.raised:
        return outcome.reason if re.search("grad", outcome.raised.text) else None
    if outcome.gradients and not any(outcome.gradients.values()):
        return "no gradient reaches the first layer"
    if outcome.norm_dtype in ("torch.float16", "torch.bfloat16"):
        return f"norms stay {outcome.norm_dtype.removeprefix('torch.')}"
    return None


def _scaler_fails(outcome: Outcome) -> str | None:
    """Arguments that contradict each other, a scaler that meets 16-bit weights, or 4-bit layers that compute in another type."""
    refused = next((str(b["text"]) for b in outcome.bindings if b.get("ok") is False and "16" in str(b["text"])), None)
    raised = raises(
        r"unscale FP16|not implemented for 'BFloat16'|expected (scalar type|m1 and m2)|same dtype|dtype mismatch|fp16 and bf16"
    )(outcome)
    if refused or raised:
        return refused or raised
    computed, mode = outcome.compute_dtype, {"fp16": "float16", "bf16": "bfloat16"}.get(outcome.mixed_precision or "")
    if outcome.device.startswith("cuda") and computed and mode and computed not in (mode, "float32"):
        return f"trains in {mode}, the 4-bit layers compute in {computed}"
    return None


def _on_the_cpu(outcome: Outcome) -> str | None:
    """The model stays on the CPU of a machine that has a GPU."""
    if not outcome.device.startswith("cuda") or outcome.model_device != "cpu":
        return None
    return "the model runs on the CPU beside an idle GPU"


def _little_quantized(outcome: Outcome) -> str | None:
    share = outcome.quantized_share
    return f"{share:.1%} of the parameters are quantized" if share is not None and share < 0.5 else None


def _quantized_gain(before: Outcome, after: Outcome) -> str | None:
    first, then = before.quantized_share or 0.0, after.quantized_share
    return None if then is None or then <= first else f"{first:.1%} to {then:.1%} of the parameters quantized"


PROBES = {
    probe.name: probe
    for probe in (
        Probe("missing-pad-token", ("load", "tokenize", "train", "pipeline"), raises(r"pad(ding)?[ _]token")),
        Probe("tokenizer-model-mismatch", ("load", "tokenize"), _vocabulary_mismatch),
        Probe("fp32-inference", ("load", "pipeline"), _full_precision, _weights_gain),
        Probe(
            "missing-gradient-checkpointing",
            ("load", "train", "estimate"),
            _no_checkpointing,
            _activations_gain,
        ),
        Probe("missing-device-map", ("load", "generate", "pipeline"), _on_the_cpu, gpu=True),
        Probe("removed-argument", ("bind", "load", "tokenize", "pipeline"), _removed_argument, until_bound=True),
        Probe("renamed-argument", ("bind", "load", "tokenize", "train", "pipeline"), _renamed_argument),
        Probe("removed-import", ("bind",), _refused_call),
        Probe("removed-pipeline-task", ("bind",), _refused_call),
        Probe("removed-method", ("bind",), _refused_call),
        Probe(
            "right-padding-for-generation",
            ("load", "generate", "pipeline"),
            _rows_differ,
            pretrained=True,
            compare_alone=True,
        ),
        Probe("missing-kbit-preparation", ("load", "train"), _unprepared),
        Probe("mixed-precision-mismatch", ("bind", "load", "train"), _scaler_fails, gpu=True),
        Probe("nothing-quantized", ("load",), _little_quantized, _quantized_gain),
    )
}
