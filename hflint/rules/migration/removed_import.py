"""HF603: a name or module that some allowed version of its library no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.facts.libraries import removed_name
from hflint.findings import Edit, Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.migration._versions import allowed, gone_since, lacking, only_older, versions_at
from hflint.semantics.imports import Imports, Refused
from hflint.semantics.objects import Import, NameUse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range

Edits = tuple[Edit, ...]

_TORCH = "torch."  # what is there wherever transformers runs
# What the old name took and the new one does not (transformers 4.49.0 optimization.py).
_LOST = {"torch.optim.AdamW": {"correct_bias", "no_deprecation_warning"}}


@rule("HF603", "removed-import", Severity.ERROR)
def check(use: Import | NameUse, context: Context) -> Iterator[Finding]:
    """An import of such a name, or its use through its module."""
    change = removed_name(use.name)
    if change is None or not change.removed:
        return
    versions = versions_at(use, context)
    if versions is None or change.library not in versions or not change.gone_in(versions):
        return
    if not _is_told_here(use, change, context):
        return
    fix, no_fix = _mend(use, change, versions, context)
    module = change.kind == "module"
    effect = "ImportError" if isinstance(use, Import) else "AttributeError"
    what = f"the module `{change.owner}.{change.name}`" if module else f"`{change.name}`"
    yield context.finding(
        use.span,
        f"{what} was removed from {change.library}{'' if module or _at_top(change) else f' ({change.owner})'} in "
        f"{gone_since(change, versions)} ({effect}); {allowed(change, versions)}",
        label=f"in its place: {change.replacement}" if fix else "",
        fix=fix,
        no_fix=no_fix,
        severity=Severity.NOTE if only_older(change, versions) else Severity.ERROR,
    )


def _at_top(change: Change) -> bool:
    return "." not in change.owner


def _is_told_here(use: Import | NameUse, change: Change, context: Context) -> bool:
    """One finding for a name that is used through its module, and one for all that a statement imports from a module that is gone.

    An import at the top of a module, under a condition that is not understood, is taken for one that checks versions.
    """
    if isinstance(use, Import) and use.where.conditional and not use.where.guards and not use.where.function:
        return False
    if isinstance(use, NameUse):
        if not context.program.module.code(use.place.node).endswith(use.name.rpartition(".")[2]):
            return False  # getattr(module, "name", default)
        imported = change.kind == "module" and any(
            removed_name(one.name) == change for one in context.program.all(Import)
        )
        return use.name.rpartition(".")[2] == change.name and not imported
    if change.kind != "module":
        return True
    same = [one for one in context.program.all(Import) if one.where.statement is use.where.statement]
    return next(one for one in same if removed_name(one.name) == change) is use


def _mend(
    use: Import | NameUse, change: Change, versions: Mapping[str, Range], context: Context
) -> tuple[Fix | None, str]:
    """The fix that puts the replacement in its place, or why there is none."""
    new = change.replacement
    of_torch = bool(new) and new is not None and new.startswith(_TORCH)
    if new is None or not (change.certain or of_torch):
        return None, _advice(change)
    if not of_torch and not change.replaceable(versions):
        return None, lacking(change, versions) if change.replacement_since else _advice(change)
    try:
        edits = _edits(use, change, new, context)
    except Refused as why:
        return None, f"`{new}` takes its place, but {why}"
    unsafe = "" if change.certain else change.note
    return Fix(f"use `{new}`", edits, Safety.UNSAFE if unsafe else Safety.SAFE, unsafe), ""


def _advice(change: Change) -> str:
    if change.replacement:
        return f"`{change.replacement}` takes its place, but is not the same" + (
            f": {change.note}" if change.note else ""
        )
    return f"no single name takes its place: {change.note}" if change.note else "no replacement is known"


def _edits(use: Import | NameUse, change: Change, new: str, context: Context) -> Edits:
    imports = Imports(context.program.source)
    lost = imports.keywords_of(change.name) & _LOST.get(new, set())
    if lost:
        raise Refused(f"it does not take `{min(lost)}`, which a call here gives")
    if isinstance(use, NameUse):
        return _renamed_use(use, change, new, context)
    if change.kind == "module":
        return imports.move_module(imports.statement_at(use.span.start), _moved_module(imports, use, change, new))
    return imports.move(use.name, new)


def _moved_module(imports: Imports, use: Import, change: Change, new: str) -> str:
    """The module of the statement with the part that is gone replaced."""
    old, module = f"{change.owner}.{change.name}", imports.statement_at(use.span.start).module or ""
    if module != old and not module.startswith(f"{old}."):
        raise Refused("it is imported as a name of its package")
    return new + module.removeprefix(old)


def _renamed_use(use: NameUse, change: Change, new: str, context: Context) -> Edits:
    span, text = use.span, context.program.source.text
    owner, _, new_name = new.rpartition(".")
    if not text[span.start : span.end].endswith(change.name):
        raise Refused("it is written in an uncommon way")
    if owner == use.name.rpartition(".")[0]:
        return (Edit(span.end - len(change.name), span.end, new_name),)
    if not new.startswith(_TORCH):
        raise Refused("it is in another module")
    torch, added = context.program.rewriter.module_alias("torch")
    return (*added, Edit(span.start, span.end, torch + new.removeprefix("torch")))
