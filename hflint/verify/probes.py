"""Probes: what a rule claims, read off the runs before and after its fix.

A probe names the phases that it needs, finds its evidence in an outcome (a sentence, or None where the claim does not
show), and says what the fix gained. A rule's page names its probe; without one the rule cannot be verified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hflint.verify import signs
from hflint.verify.outcome import PHASES, Outcome, Plan, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.verify.signs import Gain, Sign

CONFIRMED, IMPROVED, NOT_REPRODUCED = "confirmed", "improved", "not reproduced"
FIX_FAILS, CANNOT_TELL = "fix fails", "cannot tell"
VERDICTS = (CONFIRMED, IMPROVED, NOT_REPRODUCED, FIX_FAILS, CANNOT_TELL)
NEEDS_GPU = "needs a GPU"


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
        repository: what a twin's repository has for it, as in `outcome.Plan`.
        sized: whether its figure is one of size or speed, which a twin cannot give.
        still: of before and after, what shows in after of what showed before; `shows` of after, where this is not given.
        alike: of before and after, what they show together where before does not alone.
        silence: why a run that showed nothing proves nothing, or None where it does.
        alone: whether the claim is about a call, whatever the program does with what it makes.
        until_bound: whether a signature that refuses or takes the call decides, and nothing else has to be run; where it
            takes any keyword, the call is repeated without those in question.
    """

    name: str
    phases: tuple[str, ...]
    shows: Sign
    gain: Gain | None = None
    pretrained: bool = False
    compare_alone: bool = False
    gpu: bool = False
    repository: str = ""
    sized: bool = False
    still: Gain | None = None
    alike: Gain | None = None
    silence: Sign | None = None
    alone: bool = False
    until_bound: bool = False

    def plan(self, base: Plan, *, fixed: bool = False) -> Plan:
        """`base` with what this probe needs of a run of the program as it is, or `fixed`."""
        return replace(
            base,
            phases=self.phases,
            pretrained=self.pretrained,
            compare_alone=self.compare_alone,
            repository=self.repository,
            sized=base.sized and self.sized,
            repeated=self.until_bound and (not fixed or self.alike is not None),
            until_bound=self.until_bound,
        )


def judge(probe: Probe, before: Outcome, after: Outcome | None) -> Verdict:
    """The verdict of `probe` on a pair of runs; `after` is None where the finding has no fix."""
    shown = probe.shows(before)
    if shown is None and probe.alike and after is not None:
        shown = probe.alike(before, after)
    if shown is None:
        cut = before.status in ("missing", "timeout", "memory", "killed")
        if probe.gpu and not cut and not before.device.startswith("cuda"):  # some of these show on a CPU as well
            return Verdict(CANNOT_TELL, reason=NEEDS_GPU)
        if before.status == "ok":
            unsaid = probe.silence(before) if probe.silence else None
            if unsaid := unsaid or ("" if probe.repository else _unknown_calls(before)):
                return Verdict(CANNOT_TELL, reason=unsaid)
            return Verdict(NOT_REPRODUCED, reason="what the rule claims did not show")
        return Verdict(CANNOT_TELL, reason=f"the program as it is could not be run: {before.reason or before.status}")
    if after is None:
        return Verdict(CONFIRMED, figure=shown, reason="there is no fix to verify")
    if after.status in ("missing", "unavailable", "timeout", "memory", "killed"):
        return Verdict(CANNOT_TELL, figure=shown, reason=f"the fixed program could not be run: {after.reason}")
    still = probe.still(before, after) if probe.still else probe.shows(after)
    if still is not None:
        return Verdict(FIX_FAILS, figure=shown, reason=f"the fixed program shows it too: {still}")
    same = signs.same_exception(before, after)
    if probe.until_bound and after.raised and (same or _is_refused(before)) and _is_taken(after):
        return Verdict(CONFIRMED, figure=shown, reason=f"in another call it raises {after.reason}")
    if same:  # what the fix does may lie behind it
        return Verdict(CANNOT_TELL, figure=shown, reason=f"with and without the fix it raises {after.reason}")
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


def _is_refused(outcome: Outcome) -> bool:
    return any(binding.get("ok") is False for binding in outcome.bindings)


def _is_taken(outcome: Outcome) -> bool:
    """Whether the calls in question were taken before anything was raised: by their signatures or, where one takes any keyword, by the load."""
    loaded = outcome.raised is not None and outcome.raised.phase not in ("bind", "load")
    return bool(outcome.bindings) and all(
        binding.get("ok") or (loaded and binding.get("ok") is None and _is_load(binding))
        for binding in outcome.bindings
    )


def _is_load(binding: Mapping[str, Any]) -> bool:
    return str(binding["what"]).endswith(".from_pretrained")


def _unknown_calls(outcome: Outcome) -> str:
    open_ended = [str(b["text"]) for b in outcome.bindings if b.get("ok") is None]
    return f"the call is taken: {open_ended[0]}" if open_ended else ""


def _of_keyword(name: str, phases: tuple[str, ...], shows: Sign, alike: Gain | None = None) -> Probe:
    """A claim about a keyword of a call."""
    return Probe(name, phases, shows, alike=alike, alone=True, until_bound=True)


PROBES = {
    probe.name: probe
    for probe in (
        Probe("missing-pad-token", ("load", "tokenize", "train", "pipeline"), signs.raises(r"pad(ding)?[ _]token")),
        Probe(
            "tokenizer-model-mismatch",
            ("load", "tokenize"),
            signs.vocabulary_mismatch,
            pretrained=True,
            silence=signs.unread,
        ),
        Probe("missing-chat-template", ("load", "generate", "pipeline"), signs.bare_message, silence=signs.no_template),
        Probe(
            "max-length-beyond-model",
            ("load", "tokenize"),
            signs.past_the_last_position,
            repository="positions",
            silence=signs.no_positions,
        ),
        Probe("fp32-inference", ("load", "pipeline"), signs.full_precision, signs.weights_gain, sized=True),
        Probe(
            "missing-gradient-checkpointing",
            ("load", "train", "estimate"),
            signs.no_checkpointing,
            signs.activations_gain,
            sized=True,
        ),
        Probe(
            "missing-device-map",
            ("load", "generate", "pipeline"),
            signs.on_the_cpu,
            signs.speed_gain,
            gpu=True,
            sized=True,
        ),
        Probe(
            "unnecessary-remote-code",
            ("bind", "load", "tokenize", "pipeline"),
            signs.foreign_code,
            repository="code",
            alone=True,
        ),
        Probe(
            "missing-remote-code",
            ("bind", "load", "tokenize", "pipeline"),
            signs.raises(r"trust_remote_code"),
            repository="code",
            alone=True,
        ),
        Probe("wrong-head", ("load", "train"), signs.raises(r"Unrecognized configuration class|did not return a loss")),
        _of_keyword("removed-argument", ("bind", "load", "tokenize", "pipeline"), signs.removed_argument),
        _of_keyword(
            "renamed-argument",
            ("bind", "load", "tokenize", "train", "pipeline"),
            signs.renamed_argument,
            alike=signs.both_names,
        ),
        _of_keyword("unknown-argument", ("bind", "load", "tokenize", "pipeline"), signs.unknown_argument),
        Probe("removed-import", ("bind",), signs.refused_call),
        Probe("removed-pipeline-task", ("bind",), signs.refused_call),
        Probe("removed-method", ("bind",), signs.refused_call),
        Probe(
            "right-padding-for-generation",
            ("load", "generate", "pipeline"),
            signs.rows_differ,
            pretrained=True,
            compare_alone=True,
        ),
        Probe("missing-kbit-preparation", ("load", "train"), signs.unprepared),
        Probe("memory-exceeds-device", ("load", "train"), signs.out_of_memory, gpu=True, silence=signs.fits_here),
        Probe("mixed-precision-mismatch", ("bind", "load", "train"), signs.scaler_fails, gpu=True),
        Probe("already-quantized", ("load",), signs.ignored_quantization),
        Probe("lora-targets", ("load", "train"), signs.unmatched_targets),
        Probe(
            "pickle-weights",
            ("bind", "load"),
            signs.pickled,
            repository="pickle",
            still=signs.still_pickled,
            alone=True,
        ),
        Probe("nothing-quantized", ("load",), signs.little_quantized, signs.quantized_gain),
    )
}
