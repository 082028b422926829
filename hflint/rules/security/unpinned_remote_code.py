"""HF702: code of a hub repository is run at whatever commit it stands today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts.histories import dated
from hflint.facts.model_names import is_model_id
from hflint.facts.repository import COMMIT, MAIN
from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import needs_none, own_code_since
from hflint.semantics.objects import LibraryCall, Load, PipelineLoad
from hflint.semantics.values import ABSENT, MISSING, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.models import ModelFacts

_OTHERS = ("SentenceTransformer", "CrossEncoder", "SparseEncoder")  # of sentence_transformers: the id comes first
_DROP = "drop `trust_remote_code` and ask for transformers {} or newer: then there is nothing to pin"
_DROP_IT = "drop `trust_remote_code`: then there is nothing to pin"
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
    name = next((name for name in reversed(_REVISIONS) if isinstance(load.argument(name).constant, str)), "revision")
    revision = load.argument(name).constant
    facts = context.models.find(model_id, revision if isinstance(revision, str) else None)
    own = _own_code(model_id, load, context)
    why_not = _why_not(facts, revision)
    if own:
        why_not = _DROP_IT if _is_old(own) else _DROP.format(own)
    edits = None if why_not or facts is None else context.program.rewriter.set_argument(load, name, f'"{facts.commit}"')
    yield context.finding(
        load.argument_span("trust_remote_code"),
        f"whatever Python code `{model_id}` holds on the day of a download is run: {_not_pinned_by(revision)}"
        + (f"; {_who_needs_none(own)} none of it" if own else ""),
        label="runs the repository's code",
        fix=Fix("pin it to the locked commit", edits, Safety.SAFE) if edits else None,
        no_fix="" if edits else why_not or "the call cannot be changed without guessing",
    )


def _own_code(model_id: str, load: LibraryCall, context: Context) -> str | None:
    """From which of the allowed releases on the library has its own code for the model; None where none has."""
    facts = context.model(model_id, load.argument("revision").constant)
    since = own_code_since(facts) if facts and isinstance(load, Load | PipelineLoad) else None
    allowed = context.releases(load.where)
    return since if since and allowed and allowed.any(f">={since}") else None


def _is_old(since: str) -> bool:
    """Whether it is dated to the oldest release that was read, and may have come before."""
    return dated("transformers", since) != since


def _who_needs_none(since: str) -> str:
    if _is_old(since):
        return f"transformers has its own code for it, since {dated('transformers', since)}, and needs"
    return f"transformers {since} and newer, which this project allows, need"


def _why_not(facts: ModelFacts | None, revision: object) -> str:
    """Why the commit to pin is not known; empty where the lock says it."""
    if facts is not None and facts.code_repository:
        return f"the code stands in `{facts.code_repository}`: read it there, and give that commit as `code_revision`"
    asked = revision if isinstance(revision, str) and revision != MAIN else None
    if (
        facts is not None
        and facts.origin == "lock"
        and facts.revision == asked
        and COMMIT.fullmatch(facts.commit or "")
    ):
        return ""
    return "no `hflint.lock` names the commit: `hflint lock` writes it down, then `--fix` pins it; read the code at that commit first"


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
        and (value.constant is MISSING or (isinstance(value.constant, str) and bool(COMMIT.fullmatch(value.constant))))
        for value in given
    )


def _not_pinned_by(revision: object) -> str:
    if isinstance(revision, str) and revision is not MISSING:
        return f"`{revision}` is no commit, and can be moved to other code"
    return "no `revision` pins it to a commit that somebody has read"


def _is_native(model_id: str, load: LibraryCall, context: Context) -> bool:
    """Whether the model needs none of its repository's code: unnecessary-remote-code says so then, and the flag is to go."""
    facts = context.model(model_id, load.argument("revision").constant)
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
