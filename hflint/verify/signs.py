"""Signs of what rules claim, in the outcome of a run: each finds one, as a sentence, or None; and what a fix gained, as a figure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from hflint.verify.outcome import Outcome

Sign = Callable[[Outcome], "str | None"]
Gain = Callable[[Outcome, Outcome], "str | None"]

_READ, _UNREAD = 1.0, 3.0  # nats a token: what was learned by heart stays below; ids that mean other tokens cost more
_ALIKE = 0.9  # of the ids of some sentences: vocabularies that share less are two
_FOLDER = re.compile(r"\S*hflint-verify-\S*")  # where a twin lies
_QUOTED = 60  # characters of what a model was given


def size(count: float) -> str:
    """Bytes for a reader, "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def raises(pattern: str) -> Sign:
    """Evidence: an exception whose type or text matches."""
    compiled = re.compile(pattern, re.IGNORECASE)

    def shows(outcome: Outcome) -> str | None:
        raised = outcome.raised
        if raised and compiled.search(f"{raised.type}: {raised.text}"):
            return _FOLDER.sub("[...]", outcome.reason)
        return None

    return shows


def same_exception(one: Outcome, other: Outcome) -> bool:
    """Whether both runs raised the same in the same phase, be it of twins in two folders."""
    first, second = (
        (run.raised.type, _FOLDER.sub("", run.raised.text), run.raised.phase) if run.raised else None
        for run in (one, other)
    )
    return first is not None and first == second


def refused_call(outcome: Outcome) -> str | None:
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


def removed_argument(outcome: Outcome) -> str | None:
    """As `refused_call`; or a keyword that is taken and that nothing reads."""
    return refused_call(outcome) or next((str(b["unread"]) for b in outcome.bindings if b.get("unread")), None)


def renamed_argument(outcome: Outcome) -> str | None:
    """As `refused_call`; or a warning that calls one of the keywords deprecated."""
    names = [str(name) for binding in outcome.bindings for name in binding.get("names", ())]
    warned = (
        warning.text
        for warning in outcome.warnings
        if "deprecat" in warning.text and any(re.search(rf"\b{re.escape(name)}\b", warning.text) for name in names)
    )
    return refused_call(outcome) or next(warned, None)


def both_names(before: Outcome, after: Outcome) -> str | None:
    """The call makes something else with the keyword than without, and the same by its new name."""
    for old, new in zip(before.bindings, after.bindings, strict=False):
        if old.get("made") and old["made"] == new.get("made"):
            names = " and ".join(f"`{name}`" for one in (old, new) for name in one["names"])
            return f"nothing warns of it yet: {old['what']} makes the same with {names}"
    return None


def _smaller(before: int | None, after: int | None, what: str) -> str | None:
    if not before or not after or after >= before:
        return None
    return f"{what} {before / after:.1f}x smaller ({size(before)} to {size(after)})"


def vocabulary_mismatch(outcome: Outcome) -> str | None:
    """Ids without an embedding; or ids that mean something else, by what the tokens are or what the model reads."""
    if outcome.raised and re.search("index out of range|device-side assert", outcome.raised.text):
        return outcome.reason
    if outcome.outside:
        return f"{outcome.outside} token ids of the tokenizer have no embedding"
    if outcome.same_tokens is not None:
        differ = outcome.same_tokens < _ALIKE
        return f"{outcome.same_tokens:.0%} of the ids mean the same token to the model" if differ else None
    own, given = outcome.own_text_loss, outcome.text_loss
    if own is not None and given is not None and own < _READ and given > own + _UNREAD:
        return f"every id is taken, and the sentences that the model knows by heart (loss {own:.2f}) it no longer reads: {given:.2f}"
    return None


def unread(outcome: Outcome) -> str | None:
    """A model that says nothing of what it reads cannot tell one vocabulary from another."""
    if outcome.same_tokens is not None or (outcome.own_text_loss is not None and outcome.own_text_loss < _READ):
        return None
    return (
        "every id has an embedding, so nothing is raised, and only a language model shows that it reads other words: "
        "it takes both tokenizers in the local cache to compare what their ids mean"
    )


def full_precision(outcome: Outcome) -> str | None:
    """Most of the weights are float32."""
    total = sum(outcome.weights.values())
    full = outcome.weights.get("torch.float32", 0)
    return f"{full * 100 // total}% of the weights are float32" if total and full * 2 > total else None


def weights_gain(before: Outcome, after: Outcome) -> str | None:
    """How much smaller the weights are."""
    return _smaller(sum(before.weights.values()), sum(after.weights.values()), "weights")


def activations_gain(before: Outcome, after: Outcome) -> str | None:
    """How much less training takes: the accelerator's memory, else what backward keeps."""
    if (
        before.peak_bytes
        and after.peak_bytes
        and (less := _smaller(before.peak_bytes, after.peak_bytes, "peak memory"))
    ):
        return less
    key = "activations"
    if before.estimate.get(key) and after.estimate.get(key):
        full = _smaller(before.estimate[key], after.estimate[key], "activations of the full model")
        if full:
            return full
    return _smaller(before.saved_bytes, after.saved_bytes, "saved activations")


def no_checkpointing(outcome: Outcome) -> str | None:
    """Backward keeps everything."""
    if outcome.checkpointing is not False or not outcome.saved_bytes:
        return None
    return f"no checkpointing: {size(outcome.saved_bytes)} kept for backward by the run"


def rows_differ(outcome: Outcome) -> str | None:
    """Rows of a batch differ from the same prompts alone."""
    different = sum(a != b for a, b in zip(outcome.outputs, outcome.alone, strict=False))
    if outcome.alone and different:
        return f"{different} of {len(outcome.alone)} rows differ from the same prompt alone"
    return None


def unprepared(outcome: Outcome) -> str | None:
    """No gradient gets through, or the norms stay in 16 bits."""
    if outcome.raised:
        return outcome.reason if re.search("grad", outcome.raised.text) else None
    if outcome.gradients and not any(outcome.gradients.values()):
        return "no gradient reaches the first layer"
    if outcome.norm_dtype in ("torch.float16", "torch.bfloat16"):
        return f"norms stay {outcome.norm_dtype.removeprefix('torch.')}"
    return None


def scaler_fails(outcome: Outcome) -> str | None:
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


def out_of_memory(outcome: Outcome) -> str | None:
    """The GPU has too little memory; what the host lacks is another matter."""
    return outcome.reason if outcome.raised and "CUDA out of memory" in outcome.raised.text else None


def fits_here(outcome: Outcome) -> str:
    """What fits this GPU may yet be too much for the one that is meant."""
    return f"{outcome.model or 'the model'} fits this GPU: that of `target-gpu` is smaller, or only the real model is too large"


def on_the_cpu(outcome: Outcome) -> str | None:
    """The model stays on the CPU of a machine that has a GPU."""
    if not outcome.device.startswith("cuda") or outcome.model_device != "cpu":
        return None
    return "the model runs on the CPU beside an idle GPU"


def speed_gain(before: Outcome, after: Outcome) -> str | None:
    """How much faster it generates; on the GPU, but not by how much, where nothing was generated."""
    if after.model_device == "cpu":
        return None
    first, then = before.tokens_per_second, after.tokens_per_second
    if not first or not then:
        return "on the GPU"
    return f"{then / first:.1f}x as fast ({first:.1f} to {then:.1f} tokens a second)" if then > first else None


def little_quantized(outcome: Outcome) -> str | None:
    """Less than half of the parameters are quantized."""
    share = outcome.quantized_share
    return f"{share:.1%} of the parameters are quantized" if share is not None and share < 0.5 else None


def quantized_gain(before: Outcome, after: Outcome) -> str | None:
    """How many more parameters are quantized."""
    first, then = before.quantized_share or 0.0, after.quantized_share
    return None if then is None or then <= first else f"{first:.1%} to {then:.1%} of the parameters quantized"


def bare_message(outcome: Outcome) -> str | None:
    """What is generated from has nothing of what the chat template puts around a message."""
    form = {name: "".join(str(text).split()) for name, text in outcome.chat.items()}
    given, around = form.get("given"), [form.get("before", ""), form.get("after", "")]
    if given is None or not any(around) or all(part in given for part in around):
        return None
    written = " and ".join(repr(str(outcome.chat[name])) for name in ("before", "after") if form.get(name))
    return f"the model is given {_quoted(outcome.chat['given'])}, without the template's {_quoted(written, bare=True)}"


def no_template(outcome: Outcome) -> str | None:
    """Without a chat template there is nothing to compare."""
    return None if outcome.chat else "the tokenizer has no chat template"


def _quoted(text: str, *, bare: bool = False) -> str:
    cut = text if len(text) <= _QUOTED else f"{text[: _QUOTED - 4]} ..."
    return cut if bare else repr(cut)


def past_the_last_position(outcome: Outcome) -> str | None:
    """The model raises beyond its last position, or is given more tokens than it is for."""
    raised = raises(r"index out of range|must match|device-side assert")(outcome)
    if raised and outcome.raised and outcome.raised.phase == "tokenize":
        return raised
    if outcome.longest and outcome.positions and outcome.longest > outcome.positions:
        return f"{outcome.longest} tokens for a model of {outcome.positions} positions, and nothing is raised"
    return None


def no_positions(outcome: Outcome) -> str | None:
    """Without a number of positions there is nothing to compare."""
    return None if outcome.positions and outcome.longest else "the model's configuration names no number of positions"


def foreign_code(outcome: Outcome) -> str | None:
    """A class of the repository is what was loaded."""
    if not outcome.own_code:
        return None
    return f"the repository's {', '.join(outcome.own_code)} runs in place of the library's class"


def ignored_quantization(outcome: Outcome) -> str | None:
    """The load refuses the configuration, or says that it takes another."""
    warned = next((w.text for w in outcome.warnings if "already has a `quantization_config`" in w.text), None)
    return raises(r"quantized with \w+ but you are passing")(outcome) or (
        f"the library warns: {_quoted(warned.partition('. ')[2] or warned)}" if warned else None
    )


def unmatched_targets(outcome: Outcome) -> str | None:
    """An exception; or the word for all layers in a list, as a name that nothing has. Other lists are long on purpose."""
    lost = [name for name in outcome.unmatched if name.lower() == "all-linear"]
    missed = f"no module is called {lost[0]!r}: {_share(outcome)} of the parameters train" if lost else None
    return (
        raises(r"target[_ ]modules? .*not found|no modules were targeted|not found in the base model")(outcome)
        or missed
    )


def _share(outcome: Outcome) -> str:
    return f"{outcome.trainable_share or 0:.2%}"


def unknown_argument(outcome: Outcome) -> str | None:
    """As `removed_argument`; or a log record that says of the keyword that it was not taken."""
    names = [str(name) for binding in outcome.bindings for name in binding.get("names", ())]
    said = (
        one.text
        for one in outcome.warnings
        if re.search("not recognized|not valid|[Uu]nused", one.text) and any(repr(name) in one.text for name in names)
    )
    return removed_argument(outcome) or next(said, None)


def _pickles(outcome: Outcome) -> dict[str, str]:
    """What each argument that lets pickles in did, by its name."""
    found = {}
    if outcome.ran_pickle:
        found["weights_only"] = (
            "code in a pickle of weights, whose config.json names no dtype, ran when it was loaded like this"
        )
    if outcome.pickles:
        found["use_safetensors"] = f"{outcome.pickles[0]} was read, beside the same weights as safetensors"
    return found


def pickled(outcome: Outcome) -> str | None:
    """A pickle was read, or code in one ran, by the argument that is in question."""
    asked = {str(name) for binding in outcome.bindings for name in binding.get("names", ())}
    return next((text for name, text in _pickles(outcome).items() if not asked or name in asked), None)


def still_pickled(before: Outcome, after: Outcome) -> str | None:
    """What the argument in question did, and still does; it is no longer written in `after`."""
    return pickled(replace(after, bindings=before.bindings))
