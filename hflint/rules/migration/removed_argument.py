"""HF601: a keyword argument that some allowed version no longer takes, or silently drops."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from hflint.facts.libraries import argument_changes, removed_name
from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.migration._arguments import SWALLOWED, changed_arguments, changed_in_dict, mend, subject
from hflint.rules.migration._versions import allowed, gone_since, only_older, versions_at
from hflint.semantics.objects import LibraryCall, TrainingArguments
from hflint.semantics.values import MISSING, the

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.versions import Range

_BITS = ("load_in_4bit", "load_in_8bit")
_CONFIG, _CONFIG_SINCE = "BitsAndBytesConfig", "4.27"  # wheels 4.26.1 and 4.27.0: older than the tables reach
_MOVED = "an argument of "


@rule("HF601", "removed-argument", Severity.ERROR)
def check(call: LibraryCall, context: Context) -> Iterator[Finding]:
    """A call that gives such a keyword, or a dict with one."""
    versions = None
    for name, change in (*((None, one) for one in changed_arguments(call, context)), *changed_in_dict(call, context)):
        versions = versions or versions_at(call, context)
        if versions is None or change.library not in versions or not change.gone_in(versions):
            continue
        whole = removed_name(call.callee)
        if whole is not None and whole.library in versions and whole.always_gone(versions):
            return  # the class itself is gone: that is removed-import's to say
        severity = _severity(call, change, versions, context)
        if severity is not None:
            fix, no_fix = _mend(call, change, versions, context) if name is None else (None, _in_dict(change))
            yield context.finding(
                call.argument_span(name or change.name),
                _message(call, change, name, versions),
                label=_label(change, fix.reason if fix else no_fix),
                fix=fix,
                no_fix=no_fix,
                severity=severity,
            )


def _severity(call: LibraryCall, change: Change, versions: Mapping[str, Range], context: Context) -> Severity | None:
    """None where nothing is lost by dropping it, but an older version that the project allows too still reads it."""
    if change.effect not in SWALLOWED:
        return Severity.NOTE if only_older(change, versions) else Severity.ERROR
    if not _is_harmless(call, change, context):
        return Severity.WARNING
    return Severity.NOTE if change.always_gone(versions) else None


def _is_harmless(call: LibraryCall, change: Change, context: Context) -> bool:
    """Whether what it asks for happens in any case, or may be that."""
    if change.delete or not change.values:
        return change.delete
    code = context.program.rewriter.argument_code(call, change.name) or ""
    open_value = bool(change.values) and call.argument(change.name).constant is MISSING
    return open_value or change.mended(code) == ""


def _message(call: LibraryCall, change: Change, name: str | None, versions: Mapping[str, Range]) -> str:
    release = f"{change.library} {gone_since(change, versions)}"
    if (
        change.library == "datasets"
        and change.name == "trust_remote_code"
        and call.argument(change.name).constant is not False
    ):
        text = f"`{change.name}` of `{call.name}` is no longer supported: datasets logs an error and ignores it since {release}"
    elif change.effect in SWALLOWED:
        how = "silently ignored" if change.effect == "ignored" else "ignored, with a warning,"
        text = f"`{change.name}` of {subject(call, change).rstrip(',')} does nothing: it is {how} since {release}"
    elif name:
        text = f"`{change.name}` in `{name}` was removed from `from_pretrained` in {release} ({change.effect})"
    else:
        text = f"`{change.name}` was removed from {subject(call, change)} in {release} ({change.effect})"
    return f"{text}; {allowed(change, versions)}"


def _label(change: Change, said: str) -> str:
    """What the tables note of it, unless the fix's line says that."""
    return "" if change.note in said or change.name in _BITS else change.note


def _in_dict(change: Change) -> str:
    return f"it is in a dict: {change.note or f'write `{change.replacement}` there'}"


def _mend(call: LibraryCall, change: Change, versions: Mapping[str, Range], context: Context) -> tuple[Fix | None, str]:
    if change.name in _BITS and call.argument(change.name).constant is not False:
        return _quantization(call, change, versions, context)
    if change.note.startswith(_MOVED):
        return _moved(call, change, versions, context)
    return mend(call, change, versions, context)


def _quantization(
    call: LibraryCall, change: Change, versions: Mapping[str, Range], context: Context
) -> tuple[Fix | None, str]:
    """`load_in_4bit=True` as a BitsAndBytesConfig; a value that is not known decides whether there is one."""
    rewriter, name = context.program.rewriter, change.name
    code = rewriter.argument_code(call, name)
    if code is None:
        return None, f"it comes from a dict: {change.note}"
    other = _BITS[1 - _BITS.index(name)]
    beside = [one for one in ("quantization_config", *call.arguments) if call.given(one) and one != name]
    taken = [one for one in beside if one.startswith(("quantization_config", "bnb_4bit_", "llm_int8_"))]
    if call.given(other) and call.argument(other).constant is not False:
        taken.append(other)
    if taken or call.open:
        return (
            None,
            f"{f'`{taken[0]}`' if taken else 'what `**` brings'} belongs to the same quantization: {change.note}",
        )
    if not versions["transformers"].all(f">={_CONFIG_SINCE}"):
        oldest = versions["transformers"].lowest
        return None, f"`{_CONFIG}` is there since transformers {_CONFIG_SINCE} only, and this project allows {oldest}"
    known = call.argument(name).constant is True
    if not known and not re.fullmatch(r"[\w.]+", code):
        return None, f"whether it quantizes depends on `{code}`: {change.note}"
    config, imports = rewriter.imported_name("transformers", _CONFIG)
    value = f"{config}({name}=True)" + ("" if known else f" if {code} else None")
    edits = rewriter.replace_argument(call, name, f"quantization_config={value}")
    if edits is None:
        return None, change.note
    reason = "it keeps what the flag meant, with every option at its default" + (
        ", which is seldom the best: fp4 and float32 compute" if name == "load_in_4bit" else ""
    )
    return Fix(f"write `quantization_config={value}`", (*imports, *edits), Safety.UNSAFE, reason), ""


def _moved(
    call: LibraryCall, change: Change, versions: Mapping[str, Range], context: Context
) -> tuple[Fix | None, str]:
    """A trainer's argument that its config takes now."""
    rewriter, name = context.program.rewriter, change.name
    config_class = change.note.removeprefix(_MOVED)
    code = rewriter.argument_code(call, name)
    config = the(call.argument("args"), TrainingArguments)
    if code is None or config is None or config.place.module is not call.place.module:
        return None, f"`{name}` is {change.note}, and that is not made in this file"
    if config.name != config_class or config.custom_class is not None:
        return None, f"`{name}` is {change.note}, and `args` is a `{config.name}`"
    inside = call.span.start <= config.span.start and config.span.end <= call.span.end
    if not inside and not _is_literal(code):
        return None, f"`{name}` is {change.note}; `{code}` may not be known yet where that is made"
    new = _name_in(f"{config.library}.{config_class}", name, versions)
    if new is None or config.given(new):
        return None, f"`{name}` is {change.note}, which takes it under another name, or has it already"
    added, removed = rewriter.set_argument(config, new, code), rewriter.remove_argument(call, name)
    if added is None or removed is None:
        return None, f"`{name}` is {change.note}"
    title = f"move it into `{config_class}`" + (f" as `{new}`" if new != name else "")
    return Fix(title, (*added, *removed), Safety.UNSAFE, "the config may be used for more than this trainer"), ""


def _name_in(owner: str, name: str, versions: Mapping[str, Range]) -> str | None:
    """What an argument is called there in all allowed versions."""
    change = argument_changes(owner).get(name)
    if change is None:
        return name
    if change.replaceable(versions) and change.certain:
        return change.replacement
    return None if change.gone_in(versions) or change.not_yet_in(versions) else name


def _is_literal(code: str) -> bool:
    try:
        ast.literal_eval(code)
    except (ValueError, SyntaxError):
        return False
    return True
