"""HF403: a quantization asked for a checkpoint that is stored quantized."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import ModelLoad, QuantizationConfig, quantization_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.facts.versions import Range

_STORED = {  # how a checkpoint is stored: the configuration classes that may go with it
    "gptq": ("GPTQConfig", "AutoRoundConfig"),
    "awq": ("AwqConfig", "AutoRoundConfig"),
    "bitsandbytes": ("BitsAndBytesConfig",),
    "aqlm": ("AqlmConfig",),
    "hqq": ("HqqConfig",),
    "compressed-tensors": ("CompressedTensorsConfig",),
    "fp8": ("FineGrainedFP8Config", "FbgemmFp8Config", "CompressedTensorsConfig"),
    "mxfp4": ("Mxfp4Config",),
}
# Before 4.56 nothing compares the classes, but since these releases the given one is asked for its arguments about loading.
_ASKED_SINCE = {"gptq": "4.40", "awq": "4.40", "compressed-tensors": "4.48", "mxfp4": "4.55"}
_HAVE_THEM = (
    "GPTQConfig",
    "AwqConfig",
    "AutoRoundConfig",
    "CompressedTensorsConfig",
    "FbgemmFp8Config",
    "Mxfp4Config",
)
_BITSANDBYTES = "BitsAndBytesConfig"
# In a name.
_OTHERWISE = re.compile(r"lora|adapter|peft|merged|dequant|(?<![a-z0-9])(?:bf16|fp16|16bit)", re.IGNORECASE)
_KEYWORDS = ("quantization_config", "load_in_4bit", "load_in_8bit")


@rule("HF403", "already-quantized", Severity.WARNING)
def check(load: ModelLoad, context: Context) -> Iterator[Finding]:
    """A load with a quantization of its own of a checkpoint known to be quantized, or named so."""
    facts = context.model(load.id.constant, load.argument("revision").constant)
    asked = _asked(load)
    if facts is None or facts.quantized not in _STORED or asked is None or load.library != "transformers":
        return
    named = facts.origin == "name"
    if load.custom_class is not None or (named and _OTHERWISE.search(facts.id)):
        return
    same = asked in _STORED[facts.quantized]
    if same and asked != _BITSANDBYTES:
        return  # these have arguments that are about loading, which are taken over
    allowed = context.releases(load.where)
    if allowed is None:
        return
    raises = None if same else _refusal(asked, facts.quantized, allowed)
    if raises is None and facts.quantized == "mxfp4":
        return  # no release ignores a configuration with a warning here
    how = f"{facts.quantized}, going by its name" if named else facts.quantized
    keyword = next(name for name in _KEYWORDS if load.given(name))
    edits = context.program.rewriter.remove_argument(load, keyword)
    reason = _unsafe_because(facts, same)
    yield context.finding(
        load.argument_span(keyword),
        f"`{facts.id}` is stored quantized already ({how}): {_consequence(asked, allowed, raises)}",
        label="the checkpoint brings its own",
        fix=Fix(f"remove `{keyword}`", edits, Safety.UNSAFE if reason else Safety.SAFE, reason) if edits else None,
        no_fix="" if edits else "the argument is not written in this call",
        severity=Severity.ERROR if raises is not None and not named else None,
    )


def _asked(load: ModelLoad) -> str | None:
    """The class of the configuration that a load is certainly given; the old keywords stand for that of bitsandbytes."""
    asked = quantization_of(load)
    if isinstance(asked, QuantizationConfig):  # not one of it and None: the program may look at the checkpoint first
        return asked.name
    return _BITSANDBYTES if asked.constant is True else None


def _refusal(asked: str, stored: str, allowed: Range) -> tuple[Range, str] | None:
    """The allowed releases that refuse a configuration of another kind, and what they raise."""
    if (refuse := allowed.narrowed(">=4.56")) is not None:
        return refuse, "ValueError"
    since = _ASKED_SINCE.get(stored)
    if since is None or asked in _HAVE_THEM or (refuse := allowed.narrowed(f">={since}")) is None:
        return None
    return refuse, "AttributeError"


def _consequence(asked: str, allowed: Range, raises: tuple[Range, str] | None) -> str:
    """What becomes of the configuration; `raises` are the allowed releases that refuse it, and how."""
    if raises is None:
        return f"its own configuration is used, and the {asked} is ignored with a warning"
    refuse, error = raises
    also = "" if refuse is allowed else ", which this project allows,"
    return f"{refuse}{also} {'raises' if len(refuse.releases) == 1 else 'raise'} `{error}` for a {asked} here"


def _unsafe_because(facts: ModelFacts, same: bool) -> str:
    if facts.origin == "name":
        return "the checkpoint was not looked at: if its name is wrong, the model is loaded in full"
    return "" if same else "the checkpoint's own quantization may not be the one that was meant"
