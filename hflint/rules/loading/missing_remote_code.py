"""HF204: a model that only its repository's code can load, without the consent to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from hflint.facts.architectures import native_since
from hflint.facts.histories import first_release
from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import FLAG, auto_load, is_of_known_revision
from hflint.semantics.objects import ConfigLoad, LibraryCall, Load, ModelLoad, PipelineLoad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.facts.versions import Range

_SECOND = Version("4.41")  # of the minor releases that were read: what the first has may be older
_ELSEWHERE = ("config", "subfolder", "gguf_file")  # with these, the repository's config.json does not decide


@rule("HF204", "missing-remote-code", Severity.ERROR)
def check(load: Load | PipelineLoad, context: Context) -> Iterator[Finding]:
    """A load, by an Auto class or a pipeline, of a model that no allowed release has code for."""
    facts = auto_load(load, context)
    allowed = context.releases(load.where) if facts is not None and _refuses(load) else None
    if facts is None or allowed is None or not (_needs_code(facts, allowed) or _needs_config(facts, load, allowed)):
        return
    if any(guard.kind == "try" for guard in load.where.guards) or _registers(context):
        return
    own = _own_since(facts.model_type)
    yield context.finding(
        load.argument_span(FLAG),
        f"only code of its repository can load `{facts.id}`{f' before transformers {own}' if own else ''}: without `{FLAG}=True` "
        "this asks on the terminal, and raises `ValueError` where nobody answers",
        label="refuses the code" if load.given(FLAG) else f"no `{FLAG}`",
        no_fix="whether to run the repository's code is yours to decide: read it, then pass the flag with a commit as `revision`",
    )


def _refuses(load: LibraryCall) -> bool:
    return load.lacks(FLAG, "model_kwargs") or load.argument(FLAG).constant in (False, None)


def _needs_code(facts: ModelFacts, allowed: Range) -> bool:
    """Whether neither the model nor its tokenizer can be loaded by the library's own code."""
    since = native_since(facts.model_type)
    return facts.remote_code is True and not (since and allowed.any(f">={since}"))


def _needs_config(facts: ModelFacts, load: Load | PipelineLoad, allowed: Range) -> bool:
    """Whether the configuration, which comes before the model, is of a type that no allowed release has, and the repository brings its class."""
    if not isinstance(load, ModelLoad | ConfigLoad | PipelineLoad) or facts.model_type is None:
        return False
    brings_it = facts.custom_code is True and facts.tokenizer_code is not True  # or the code may be the tokenizer's
    if not brings_it or not is_of_known_revision(load) or not load.lacks(*_ELSEWHERE):
        return False
    first = first_release(facts.model_type)
    own = _own_since(facts.model_type)
    return first is None or (own is not None and not allowed.any(f">={own}"))


def _own_since(model_type: str | None) -> Version | None:
    """The minor release that brought code for a type; None where none has, or that was before the oldest release that was read."""
    first = first_release(model_type) if model_type else None
    return Version(f"{first.major}.{first.minor}") if first and first >= _SECOND else None


def _registers(context: Context) -> bool:
    """Whether the program brings its own classes for a model type."""
    return any(call.callee.endswith(".register") for call in context.program.all(LibraryCall))
