"""HF702: code of a hub repository is run at whatever commit it stands today."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.facts.model_names import is_model_id
from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import needs_none
from hflint.semantics.objects import LibraryCall, Load, PipelineLoad
from hflint.semantics.values import ABSENT, MISSING, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context

_COMMIT = re.compile(r"[0-9a-f]{40}")
_OTHERS = ("SentenceTransformer", "CrossEncoder", "SparseEncoder")  # of sentence_transformers: the id comes first
_REVISIONS = ("revision", "code_revision")


@rule("HF702", "unpinned-remote-code", Severity.WARNING)
def check(load: LibraryCall, context: Context) -> Iterator[Finding]:
    """A load of a known hub id with `trust_remote_code=True` and no commit."""
    if load.argument("trust_remote_code").constant is not True or load.custom_class is not None:
        return
    model_id = _model_id(load).constant
    if not isinstance(model_id, str) or "/" not in model_id or not is_model_id(model_id):
        return
    if _may_be_pinned(load) or _is_native(model_id, load, context) or _is_written_here(model_id, context):
        return
    revision = next((text for text in (load.argument(name).constant for name in _REVISIONS) if text), None)
    yield context.finding(
        load.argument_span("trust_remote_code"),
        f"whatever Python code `{model_id}` holds on the day of a download is run: {_not_pinned_by(revision)}",
        label="runs the repository's code",
        no_fix="which commit was read and trusted is not in the code; copy its hash from the repository's history into `revision=`",
    )


def _model_id(load: LibraryCall) -> Value:
    """What is loaded; absent for a class that does not run the code of repositories."""
    if isinstance(load, PipelineLoad):
        return load.argument("model")
    if isinstance(load, Load):
        return load.id if load.name.startswith("Auto") else ABSENT
    if load.library == "sentence_transformers" and load.name in _OTHERS:
        return load.extra[0] if load.extra else load.argument("model_name_or_path", "model_name")
    return ABSENT


def _may_be_pinned(load: LibraryCall) -> bool:
    """Whether a commit is given, or something that may be one."""
    if load.open:
        return True
    given = [load.argument(name) for name in _REVISIONS]
    return any(
        value is not ABSENT
        and (value.constant is MISSING or (isinstance(value.constant, str) and bool(_COMMIT.fullmatch(value.constant))))
        for value in given
    )


def _not_pinned_by(revision: object) -> str:
    if isinstance(revision, str) and revision is not MISSING:
        return f"`{revision}` is no commit, and can be moved to other code"
    return "no `revision` pins it to a commit that somebody has read"


def _is_native(model_id: str, load: LibraryCall, context: Context) -> bool:
    """Whether the model needs none of its repository's code: unnecessary-remote-code says so then, and the flag is to go."""
    facts = context.model(model_id)
    if facts is None or not isinstance(load, Load | PipelineLoad):
        return False
    return facts.remote_code is False or needs_none(facts, load, context) is not None


def _is_written_here(model_id: str, context: Context) -> bool:
    """Whether the program writes there itself: then it is a folder."""
    return any(
        model_id in [value.constant for value in call.arguments.values()]
        for call in context.program.all(LibraryCall)
        if call.given("save_directory", "output_dir", "local_dir")
    )
