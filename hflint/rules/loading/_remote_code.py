"""Whose code a load runs: the library's own, or that of the model's repository. Shared by the rules on `trust_remote_code`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.facts.architectures import native_since
from hflint.semantics.objects import Load, PipelineLoad
from hflint.semantics.values import MISSING

if TYPE_CHECKING:
    from hflint.context import Context
    from hflint.facts.models import ModelFacts
    from hflint.facts.versions import Range
    from hflint.semantics.objects import LibraryCall

FLAG = "trust_remote_code"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LATER = {"phi-4-mini": "4.49"}  # families whose architecture is native, but in this form only from that release on


def auto_load(load: Load | PipelineLoad, context: Context) -> ModelFacts | None:
    """What is known of the model that an Auto class or a pipeline loads: only these run code of repositories."""
    if load.library != "transformers" or load.custom_class is not None:
        return None
    if isinstance(load, PipelineLoad):
        model_id = load.argument("model").constant
    elif load.name.startswith("Auto"):
        model_id = load.id.constant
    else:
        return None
    return context.model(model_id, load.argument("revision").constant)


def is_librarys_own(load: LibraryCall, facts: ModelFacts | None) -> bool:
    """Whether none of a repository's code can have a part in what is loaded: it is not asked for, or is known not to be there."""
    asked = not load.lacks(FLAG) and load.argument(FLAG).constant not in (False, None)
    return not asked or (facts is not None and brings_none(facts, load))


def brings_none(facts: ModelFacts, load: LibraryCall) -> bool:
    """Whether a lock or the local cache says, of the very revision that is loaded, that the model's and the tokenizer's files name no code."""
    return facts.custom_code is False and is_of_known_revision(load)


def is_of_known_revision(load: LibraryCall) -> bool:
    """Whether facts that were asked for with the load's revision are those of what is loaded."""
    return load.lacks("revision") or isinstance(load.argument("revision").constant, str | None)


def needs_none(facts: ModelFacts, load: Load | PipelineLoad, context: Context) -> Range | None:
    """The allowed releases of transformers, where every one has code of its own for the model; else None."""
    allowed = context.releases(load.where)
    if allowed is None or facts.remote_code is True:
        return None
    if facts.model_type is None:
        return allowed if facts.remote_code is False else None
    since = own_code_since(facts)
    return allowed if since is not None and allowed.all(f">={since}") else None


def own_code_since(facts: ModelFacts) -> str | None:
    """The first release of transformers, of those read, that needs none of the repository's code for a model; None where that is not known."""
    if facts.remote_code is True or (facts.remote_code is None and facts.origin != "catalogue"):
        return None  # the type may be native, but the repository brings its own variant of it, or may
    return _LATER.get(facts.family or "") or native_since(facts.model_type)


def may_be_pinned(load: Load | PipelineLoad) -> bool:
    """Whether a commit is given for the code, or something that may be one."""
    given = [load.arguments[name].constant for name in ("revision", "code_revision") if load.given(name)]
    return any(one is MISSING or (isinstance(one, str) and _COMMIT.fullmatch(one) is not None) for one in given)
