"""HF205: a class for a task that the model's architecture has no head for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts.architectures import architecture
from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import is_librarys_own
from hflint.semantics.objects import LibraryCall, ModelLoad, Trainer
from hflint.semantics.trained import trained_model, trains

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.findings import Edit

_CLASSES = (
    "AutoModelForCausalLM",
    "AutoModelForSeq2SeqLM",
    "AutoModelForMaskedLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoModelForQuestionAnswering",
    "AutoModelForImageTextToText",
    "AutoModelForVision2Seq",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForCTC",
    "AutoModelForImageClassification",
)
# Classes of which one is meant for the other.
_TEXT = {"causal": "AutoModelForCausalLM", "seq2seq": "AutoModelForSeq2SeqLM"}
_LOSSLESS = ("causal", "seq2seq", "encoder", "embedding")  # without a head, these compute no loss; CLIP does
_NO_LOSS = "`ValueError: The model did not return a loss from the inputs`"
_REASON = "another class may have been meant, and what the model returns differs"


@rule("HF205", "wrong-head", Severity.ERROR)
def check(use: ModelLoad | Trainer, context: Context) -> Iterator[Finding]:
    """An Auto class that does not know the architecture, or a model without a head in a trainer."""
    if isinstance(use, Trainer):
        yield from _headless(use, context)
        return
    facts = _native(use, context)
    if facts is None or facts.custom_code:
        return  # the repository may bring the class that is asked for, and only lack the consent to run it
    kind = architecture(facts.model_type)
    if kind is None or use.name not in _CLASSES or not kind.heads or use.name in kind.heads:
        return
    if any(guard.kind == "try" for guard in use.where.guards) or _registers(context):
        return
    fitting = _TEXT.get(facts.head or "")
    wrong = fitting if use.name in _TEXT.values() and fitting in kind.heads else None
    edits = _edits(use, wrong, context) if wrong else None
    yield context.finding(
        context.program.rewriter.callee_span(use),
        f"`{use.name}` has no class for `{facts.id}`, a `{facts.model_type}` model: loading raises `ValueError: Unrecognized configuration class`",
        label="another task's class",
        fix=Fix(f"load it by `{wrong}`", edits, Safety.UNSAFE, _REASON) if edits else None,
        no_fix=""
        if edits
        else f"which one is meant is not in the code; it is known to {', '.join(f'`{name}`' for name in sorted(kind.heads))}",
    )


def _headless(trainer: Trainer, context: Context) -> Iterator[Finding]:
    """Transformers' own trainer takes the loss from the model's output."""
    trained = trained_model(trainer)
    ours = trainer.library == "transformers" and trainer.custom_class is None
    if trained is None or not ours or trained.load.name != "AutoModel" or not trains(trainer):
        return
    facts = _native(trained.load, context)
    replaced = not trainer.lacks("compute_loss_func") or trainer.changed("compute_loss", "compute_loss_func")
    if facts is None or facts.head not in _LOSSLESS or replaced or trained.escaped(trainer):
        return
    yield context.finding(
        trainer.argument_span("model"),
        f"`AutoModel` gives `{facts.id}` without a head, which computes no loss: training raises {_NO_LOSS}",
        label="has no head",
        related=[(trained.load.span, "loaded here, without a head")],
        no_fix="load it by the `AutoModelFor...` class of the task",
    )


def _native(load: ModelLoad, context: Context) -> ModelFacts | None:
    """What is known of a model that the library's own code loads by an Auto class."""
    if load.library != "transformers" or load.custom_class is not None or load.given("config"):
        return None
    facts = context.model(load.id.constant, load.argument("revision").constant)
    return facts if is_librarys_own(load, facts) else None


def _registers(context: Context) -> bool:
    """Whether the program adds classes to the Auto classes."""
    return any(call.callee.endswith(".register") for call in context.program.all(LibraryCall))


def _edits(load: ModelLoad, name: str, context: Context) -> tuple[Edit, ...] | None:
    rewriter = context.program.rewriter
    written = rewriter.callee_span(load)
    if written.file and written.file != context.program.source.name:
        return None
    code = context.program.source.text[written.start : written.end]
    if code != f"{load.name}.from_pretrained":
        return None
    new, imports = rewriter.imported_name("transformers", name)
    return (*imports, *rewriter.replace(written, f"{new}.from_pretrained"))
