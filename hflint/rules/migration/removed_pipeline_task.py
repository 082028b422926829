"""HF604: a pipeline task that some allowed version of transformers no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts.libraries import task_change
from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.rules.migration._versions import allowed, gone_since, only_older, versions_at
from hflint.semantics.objects import PipelineLoad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context

_REGISTRY = "PIPELINE_REGISTRY"  # by it a program adds tasks of its own


@rule("HF604", "removed-pipeline-task", Severity.ERROR)
def check(load: PipelineLoad, context: Context) -> Iterator[Finding]:
    """A `pipeline` for such a task."""
    task = load.argument("task").constant
    change = task_change(task) if isinstance(task, str) else None
    versions = versions_at(load, context) if change else None
    if change is None or versions is None or not change.gone_in(versions) or _REGISTRY in context.program.source.text:
        return
    release = f"{change.library} {gone_since(change, versions)}"
    yield context.finding(
        load.argument_span("task"),
        f"the pipeline task `{task}` was removed in {release} ({change.effect}); {allowed(change, versions)}",
        no_fix="what takes its place takes and gives other things: "
        + (f"`{change.replacement}`" if change.replacement else change.note or "there is none"),
        severity=Severity.NOTE if only_older(change, versions) else Severity.ERROR,
    )
