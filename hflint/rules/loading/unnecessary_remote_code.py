"""HF203: code of a repository is allowed to run for a model that the library has code for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import FLAG, auto_load, brings_none, may_be_pinned, needs_none
from hflint.semantics.objects import ConfigLoad, Load, PipelineLoad, TokenizerLoad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context

_REASON = "a repository that still holds code of its own runs that code with the flag, and the library's without it"


@rule("HF203", "unnecessary-remote-code", Severity.WARNING)
def check(load: Load | PipelineLoad, context: Context) -> Iterator[Finding]:
    """A load with `trust_remote_code=True` of a model that every allowed release knows."""
    if load.argument(FLAG).constant is not True or may_be_pinned(load):
        return
    facts = auto_load(load, context)
    allowed = needs_none(facts, load, context) if facts is not None else None
    if facts is None or allowed is None:
        return
    what = f"`{facts.model_type}` models" if facts.model_type else "this model"
    edits = context.program.rewriter.remove_argument(load, FLAG)
    # A model may have a `generate` of its own beside the files that are read, a pipeline its own class.
    does_nothing = isinstance(load, TokenizerLoad | ConfigLoad) and brings_none(facts, load)
    safety, reason = (Safety.SAFE, "") if does_nothing else (Safety.UNSAFE, _REASON)
    yield context.finding(
        load.argument_span(FLAG),
        f"`{facts.id}` needs none of it: {allowed} has its own code for {what}, and the flag lets whoever can write to the "
        "repository run theirs here",
        label="not needed",
        fix=Fix(f"remove `{FLAG}`", edits, safety, reason) if edits else None,
        no_fix="" if edits else "the argument is not written in this call",
    )
