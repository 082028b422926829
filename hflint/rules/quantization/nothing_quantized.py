"""HF404: a 4-bit or 8-bit load of an architecture that bitsandbytes hardly reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.facts.architectures import architecture
from hflint.facts.estimate import NF4
from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import is_librarys_own
from hflint.semantics.objects import ModelLoad, QuantizationConfig, quantization_of
from hflint.semantics.values import the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.architectures import Architecture
    from hflint.facts.models import ModelFacts
    from hflint.facts.versions import Range

_LITTLE = 0.15  # of the parameters: below, a model takes at least nine tenths of the memory that it takes in 16 bits
_MOST = 0.5
_READ = ("4.57.6", "5.23.0")  # the releases in which architectures were counted
_FOUR = 4
# Their repositories bring no code: trust_remote_code does nothing.
_NO_CODE = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe")
# Models whose sizes are not the defaults of their architecture, by their parameters: counted by hflint.facts.shape.
_COUNTED = {
    140_630_071_296: (0.0351, 0.9971),  # Mixtral-8x22B
    30_532_122_624: (0.0297, 0.9792),  # Qwen3-30B-A3B
    235_093_634_560: (0.0285, 0.9945),  # Qwen3-235B-A22B
    41_303_293_952: (0.0, 0.9871),  # falcon-40b
}


@dataclass(frozen=True, slots=True)
class _Gap:
    """Since which release an architecture is hardly reached, and why; `until_then` whether it was before."""

    since: str
    why: str
    until_then: bool


@rule("HF404", "nothing-quantized", Severity.ERROR)
def check(load: ModelLoad, context: Context) -> Iterator[Finding]:
    """A load with bitsandbytes of a model whose weights are mostly no linear layers."""
    config = the(quantization_of(load), QuantizationConfig)
    facts = context.model(load.id.constant, load.argument("revision").constant)
    if config is None or config.name != "BitsAndBytesConfig" or not config.bits or facts is None or facts.quantized:
        return
    kind = architecture(facts.model_type)
    gap = _gap(kind) if kind is not None else None
    no_code = facts.custom_code is None and facts.model_type in _NO_CODE
    remote = not no_code and not is_librarys_own(load, facts)
    allowed = context.releases(load.where)
    if kind is None or gap is None or allowed is None or remote or load.custom_class or load.library != "transformers":
        return
    affected = allowed.narrowed(f">={gap.since}")
    if affected is None:
        return
    shares = _shares(facts, kind)
    yield context.finding(
        load.argument_span("quantization_config"),
        f"with {affected}{_also(affected, allowed)} {config.bits}-bit loading reaches {_share(shares)} of `{facts.id}`: {gap.why}, "
        f"which bitsandbytes leaves as it is{_memory(facts, shares, config.bits, gap)}",
        label="hardly anything is quantized",
        related=[(config.span, "asks for it")],
        no_fix=_advice(gap),
    )


def _gap(kind: Architecture) -> _Gap | None:
    """What bitsandbytes leaves out of an architecture; None where it reaches much of it, or that was not counted."""
    before, now = (kind.reached.get(release) for release in _READ)
    if now is None or now.exact >= _LITTLE:
        return None
    if now.derived >= _MOST:
        return _Gap("5.5", "its layers are of a class derived from `nn.Linear`", until_then=True)
    experts = "its experts are three-dimensional parameters, no linear layers"
    if before is not None and before.derived >= _MOST:
        return _Gap("5.0", experts, until_then=True)
    return _Gap(kind.since or "5.0", experts, until_then=False)


def _shares(facts: ModelFacts, kind: Architecture) -> tuple[float, float] | None:
    """The share of the parameters that is reached and the one that was, for sizes that were counted."""
    if facts.parameters in _COUNTED:
        return _COUNTED[facts.parameters]
    before, now = (kind.reached.get(release) for release in _READ)
    if now is None or now.parameters != facts.parameters:
        return None
    return now.exact, before.derived if before else now.exact


def _share(shares: tuple[float, float] | None) -> str:
    if shares is None:
        return "hardly anything"
    return f"{shares[0]:.1%}" if shares[0] else "nothing"


def _also(affected: Range, allowed: Range) -> str:
    return "" if affected is allowed else ", which this project allows,"


def _memory(facts: ModelFacts, shares: tuple[float, float] | None, bits: int, gap: _Gap) -> str:
    """The memory that the weights take, and that they took; empty for sizes that were not counted."""
    if shares is None or facts.parameters is None:
        return ""
    each = NF4 if bits == _FOUR else 1.0  # bytes a weight that is reached; the others have two
    now, then = (facts.parameters * (share * each + (1 - share) * 2) / 2**30 for share in shares)
    return f"; the weights take {now:.0f} GiB" + (f", not {then:.0f}" if gap.until_then else "")


def _advice(gap: _Gap) -> str:
    sixteen = "plan for its size in 16 bits"
    return f"transformers before {gap.since} quantizes it; from then on {sixteen}" if gap.until_then else sixteen
