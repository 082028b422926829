"""HF204: a model that only its repository's code can load, without the consent to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts.architectures import native_since
from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import auto_load
from hflint.semantics.objects import LibraryCall, Load, PipelineLoad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context

_FLAG = "trust_remote_code"


@rule("HF204", "missing-remote-code", Severity.ERROR)
def check(load: Load | PipelineLoad, context: Context) -> Iterator[Finding]:
    """A load, by an Auto class or a pipeline, of a model that no allowed release has code for."""
    facts = auto_load(load, context)
    if facts is None or facts.remote_code is not True or not _refuses(load):
        return
    allowed = context.releases(load.where)
    since = native_since(facts.model_type)
    tries = any(guard.kind == "try" for guard in load.where.guards)
    if allowed is None or (since and allowed.any(f">={since}")) or tries or _registers(context):
        return
    yield context.finding(
        load.argument_span(_FLAG),
        f"only code of its repository can load `{facts.id}`: without `{_FLAG}=True` this asks on the terminal, and raises "
        "`ValueError` where nobody answers",
        label="refuses the code" if load.given(_FLAG) else f"no `{_FLAG}`",
        no_fix="whether to run the repository's code is yours to decide: read it, then pass the flag with a commit as `revision`",
    )


def _refuses(load: LibraryCall) -> bool:
    return load.lacks(_FLAG, "model_kwargs") or load.argument(_FLAG).constant in (False, None)


def _registers(context: Context) -> bool:
    """Whether the program brings its own classes for a model type."""
    return any(call.callee.endswith(".register") for call in context.program.all(LibraryCall))
