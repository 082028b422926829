"""HF703: weights loaded from pickle files by choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts.model_names import is_model_id
from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.semantics.objects import ModelLoad

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.context import Context
    from hflint.facts.versions import Range

_SAID = {  # what each argument does where it is False, and what becomes of a load without it
    "weights_only": (
        "any Python code in a `.bin` file can run when it is unpickled; by default only tensors are read from it",
        "a file that holds other objects than tensors is refused then",
    ),
    "use_safetensors": (
        "pickle files (`.bin`) are taken even where the repository has safetensors, which cannot hold code",
        "another file of the repository is loaded then, and its weights need not be the same",
    ),
}
_REFUSED = "; code in them is refused by default, as long as nobody adds `weights_only=False`"


@rule("HF703", "pickle-weights", Severity.WARNING)
def check(load: ModelLoad, context: Context) -> Iterator[Finding]:
    """A load of other people's weights with `weights_only=False` or `use_safetensors=False`."""
    path = load.id.constant
    if (
        load.library != "transformers"
        or load.custom_class is not None
        or (isinstance(path, str) and not is_model_id(path))
    ):
        return
    for name, (consequence, reason) in _SAID.items():
        if load.argument(name).constant is not False:
            continue
        edits = context.program.rewriter.remove_argument(load, name)
        refused = name == "use_safetensors" and load.argument("weights_only").constant is not False
        refused = refused and not _has_hole(context.versions_at(load.where) or {})
        yield context.finding(
            load.argument_span(name),
            f"with `{name}=False` {consequence}" + (_REFUSED if refused else ""),
            label="allows pickle",
            fix=Fix(f"remove `{name}`", edits, Safety.UNSAFE, reason) if edits else None,
            no_fix="" if edits else "the argument is not written in this call",
            severity=Severity.NOTE if refused else Severity.WARNING,
        )


def _has_hole(versions: Mapping[str, Range]) -> bool:
    """Whether code gets through `weights_only=True` in all allowed releases: before torch 2.6, which transformers refuses since 4.52."""
    torch, transformers = versions.get("torch"), versions.get("transformers")
    return bool(torch and transformers and torch.all("<2.6") and transformers.all("<4.52"))
