"""HF801: versions that the project allows and that cannot be installed together, or do not work together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.facts.pairs import broken, refused
from hflint.findings import Finding, Severity
from hflint.rules import rule
from hflint.semantics.objects import (
    Import,
    LibraryCall,
    ModelBuild,
    ModelLoad,
    NameUse,
    Object,
    PipelineLoad,
    QuantizationConfig,
    Trainer,
    TrainingArguments,
    quantization_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.pairs import Conflict
    from hflint.facts.versions import Range

_INSTALLS = re.compile(r"\b(?:pip3?|uv|conda|mamba)\b.*\b(?:install|add)\b")  # the file brings versions of its own
_KINDS = {
    "load": ModelLoad | ModelBuild | PipelineLoad,
    "training": Trainer | TrainingArguments,
}


@rule("HF801", "dependency-range", Severity.ERROR)
def check(use: Import | NameUse | LibraryCall, context: Context) -> Iterator[Finding]:
    """The first use of a library in a file stands for the file."""
    uses = (one for one in context.program.objects if _is_use(one))
    if use is not next(uses, None) or _INSTALLS.search(context.program.source.text):
        return
    told: set[frozenset[str]] = set()
    for conflict in (*refused(context.versions), *broken(context.versions)):
        place = next((one for one in context.program.objects if _is_use(one) and _is_hit(one, conflict)), None)
        both = frozenset({conflict.library.library, conflict.other.library})
        if place is not None and both not in told:
            told.add(both)
            yield context.finding(
                place.span,
                _message(conflict),
                no_fix="fixes change code only, and which versions to allow is the project's to decide",
            )


def _is_use(one: Object) -> bool:
    return not one.where.guards and isinstance(one, (Import, NameUse, LibraryCall))


def _is_hit(use: Object, conflict: Conflict) -> bool:
    """Whether a use of a library is one that fails."""
    wanted = conflict.pair.used if conflict.pair else "import"
    name = use.callee if isinstance(use, LibraryCall) else use.name if isinstance(use, Import | NameUse) else ""
    package = name.partition(".")[0].replace("_", "-")
    if wanted == "import":
        return package == conflict.library.library.replace("_", "-")
    if wanted == "quantized":
        quantization = quantization_of(use) if isinstance(use, ModelLoad) else None
        return isinstance(quantization, QuantizationConfig) and quantization.bits is not None
    if wanted in _KINDS:
        return isinstance(use, _KINDS[wanted]) and package == "transformers"
    return package == conflict.library.library and wanted in name.split(".")


# --- words ------------------------------------------------------------------------------------------------------------


def _message(conflict: Conflict) -> str:
    library, other = conflict.library, conflict.other
    if conflict.pair is None:
        return (
            f"{library} requires {other.library} {conflict.needs}, and this project allows {other} only: "
            f"pip cannot install them together{_said(library, other)}"
        )
    return f"{library} does not work with {other}: {conflict.pair.raised}{_said(library, other)}"


def _said(*ranges: Range) -> str:
    """Where the versions stand, for the end of a message."""
    origins = [one.origin for one in ranges if one.stated]
    return f" ({'; '.join(dict.fromkeys(origins))})"
