"""HF802: code that needs a package which nothing that the project declares brings along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.semantics.objects import (
    LibraryCall,
    ModelLoad,
    PipelineLoad,
    QuantizationConfig,
    TokenizerLoad,
    Trainer,
    TrainingArguments,
    quantization_of,
)
from hflint.semantics.values import MISSING, Items, Unknown, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.declared import Declared
    from hflint.facts.versions import Range

_BITSANDBYTES_OPTIMIZER = re.compile(
    r"(?:adamw|lion|rmsprop|ademamix)(?:_bnb)?_8bit|paged_\w+|lion_32bit|ademamix|rmsprop_bnb(?:_32bit)?"
)
_REPORTS = {  # `report_to`: the packages of which one is needed
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard", "tensorboardx"),
    "mlflow": ("mlflow", "mlflow-skinny"),
    "trackio": ("trackio",),
    "swanlab": ("swanlab",),
}
# Tokenizers that are made of sentencepiece's file only; the second group by transformers 4 only.
_SENTENCEPIECE = frozenset({"M2M100Tokenizer", "MarianTokenizer", "SpeechT5Tokenizer"})
_SENTENCEPIECE_BEFORE_5 = frozenset(
    f"{name}Tokenizer"
    for name in (
        *("Albert", "BigBird", "Camembert", "DebertaV2", "Gemma", "Llama", "MBart"),
        *("Nllb", "Pegasus", "T5", "XGLM", "XLMRoberta", "XLNet"),
    )
)
# Folders whose code is run with more than the project itself requires.
_ASIDE = re.compile(
    r"(?:tests?|testing|examples?|docs?|notebooks?|benchmarks?|scripts?|tools?|demos?|tutorials?|samples?|ci|\..+)$"
)


@dataclass(frozen=True, slots=True)
class Need:
    """A package that a call needs.

    Attributes:
        packages: names, of which one will do; the first is the one to speak of.
        argument: the argument that needs it; empty for the call itself.
        what: what needs it, for the message.
        raised: what happens without.
    """

    packages: tuple[str, ...]
    argument: str
    what: str
    raised: str


@rule("HF802", "missing-dependency", Severity.WARNING)
def check(call: LibraryCall, context: Context) -> Iterator[Finding]:
    """The first call of a file that needs a package."""
    declared = context.versions.declared
    if "transformers" not in declared.packages or _is_aside(declared, context):
        return
    told: set[tuple[str, ...]] = set()
    for need in _needs(call, context):
        if need.packages in told or not declared.lacks(*need.packages) or _is_told_before(need, call, context):
            continue
        told.add(need.packages)
        missing = need.packages[0]
        yield context.finding(
            call.argument_span(need.argument),
            f"{need.what} needs {missing}, and nothing that this project declares brings it ({declared.packages['transformers']}): "
            f"{need.raised} where just that is installed",
            no_fix="it is to be added where the dependencies are declared, and fixes change code only",
        )


def _is_told_before(need: Need, call: LibraryCall, context: Context) -> bool:
    """Whether an earlier call needs it as well, or the file says that it is to be installed."""
    if re.search(rf"install.*\b{need.packages[0]}\b", context.program.source.text):
        return True
    earlier = (one for one in context.program.all(LibraryCall) if one.where.order < call.where.order)
    return any(need.packages == other.packages for one in earlier for other in _needs(one, context))


def _is_aside(declared: Declared, context: Context) -> bool:
    """Whether the file is none that the declared packages have to suffice for: a test, an example, a notebook."""
    path = context.program.source.path.absolute()
    if declared.root is None:
        return False
    inside = path.relative_to(declared.root).parts if path.is_relative_to(declared.root) else path.parts[-1:]
    is_test = path.name.startswith(("test_", "conftest")) or path.suffix != ".py"
    return is_test or any(_ASIDE.match(part.lower()) for part in inside[:-1])


def _needs(call: LibraryCall, context: Context) -> Iterator[Need]:
    """What a call certainly needs, under the newest release of transformers that is allowed: the one that pip installs."""
    if call.where.guards or call.where.conditional or call.custom_class is not None or call.library != "transformers":
        return
    allowed = context.versions.installable.get("transformers")
    if allowed is None or not allowed.any(">=4.40"):
        return
    if isinstance(call, TrainingArguments | Trainer):
        yield Need(("accelerate",), "", f"`{call.name}`", "it raises an `ImportError`")
    if isinstance(call, TrainingArguments) and any(True for _ in context.program.users_of(call, Trainer)):
        yield from _needs_of_training(call)
    if isinstance(call, ModelLoad | PipelineLoad):
        yield from _needs_of_loading(call, allowed)
    if isinstance(call, TokenizerLoad) and call.callee.endswith("from_pretrained"):
        names = _SENTENCEPIECE if allowed.any(">=5") else _SENTENCEPIECE | _SENTENCEPIECE_BEFORE_5
        if call.name in names:
            yield Need(("sentencepiece",), "", f"`{call.name}`", "it raises an `ImportError`")


def _needs_of_training(args: TrainingArguments) -> Iterator[Need]:
    optimizer = args.argument("optim").constant
    if isinstance(optimizer, str) and _BITSANDBYTES_OPTIMIZER.fullmatch(optimizer):
        yield Need(("bitsandbytes",), "optim", f"the optimizer `{optimizer}`", "training raises")
    report = args.argument("report_to")
    listed = the(report, Items)
    for name in (listed.constants() or ()) if listed else (report.constant,):
        if isinstance(name, str) and name in _REPORTS:
            yield Need(_REPORTS[name], "report_to", f'`report_to="{name}"`', "the Trainer raises a `RuntimeError`")
    if args.argument("use_liger_kernel").constant is True:
        yield Need(("liger-kernel",), "use_liger_kernel", "`use_liger_kernel=True`", "training raises an `ImportError`")


def _needs_of_loading(load: ModelLoad | PipelineLoad, allowed: Range) -> Iterator[Need]:
    if load.given("device_map") and load.argument("device_map").every(
        lambda one: one.constant is not None and not isinstance(one, Unknown)
    ):
        yield Need(("accelerate",), "device_map", "`device_map`", "loading raises a `ValueError`")
    quantization = quantization_of(load)
    if (isinstance(quantization, QuantizationConfig) and quantization.bits) or (
        quantization.constant is True and not allowed.any(">=5")
    ):
        argument = next(name for name in ("quantization_config", "load_in_4bit", "load_in_8bit") if load.given(name))
        yield Need(("bitsandbytes",), argument, f"`{argument}`", "loading raises an `ImportError`")
        yield Need(("accelerate",), argument, f"`{argument}`", "loading raises an `ImportError`")
    if load.argument("attn_implementation").constant == "flash_attention_2":
        yield Need(
            ("flash-attn", "kernels"), "attn_implementation", "`flash_attention_2`", "loading raises an `ImportError`"
        )
    if (
        load.given("gguf_file")
        and load.argument("gguf_file").constant not in (None, MISSING)
        and not allowed.any(">=5")
    ):
        yield Need(("gguf",), "gguf_file", "`gguf_file`", "loading raises an `ImportError`")
