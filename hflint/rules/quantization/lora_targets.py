"""HF405: target modules of an adapter that match nothing in the model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.facts.architectures import architecture, inner_names
from hflint.facts.histories import default_lora_targets
from hflint.findings import Finding, Fix, Safety, Severity
from hflint.rules import rule
from hflint.rules.loading._remote_code import is_librarys_own
from hflint.semantics.objects import Adapter, AdapterConfig, ModelLoad, Trainer, the_model
from hflint.semantics.values import Items, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.context import Context
    from hflint.facts.architectures import Architecture
    from hflint.semantics.values import Value

_ALL = "all-linear"
_ARGUMENT = "target_modules"
_WORDS = re.compile(r"[\w-]+(?:[ ,]+[\w-]+)*[ ,]*")  # no character that means more in a regular expression
_RAISES = "`Target modules ... not found in the base model`"
_COMMON = ("q_proj", "v_proj")  # of most models, where all linear layers are the better guess


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with the targets, what to write instead, and why that is unsafe."""

    message: str
    label: str
    code: str
    title: str
    unsafe: str = ""
    severity: Severity = Severity.ERROR


@rule("HF405", "lora-targets", Severity.ERROR)
def check(config: AdapterConfig, context: Context) -> Iterator[Finding]:
    """A peft configuration whose targets are a text that is no pattern, or names that the model does not have."""
    if config.library != "peft" or config.custom_class is not None or not config.given(_ARGUMENT):
        return
    bases = list(_bases(config, context))
    fault = _fault(config, bases, context)
    if fault is None:
        return
    edits = context.program.rewriter.set_argument(config, _ARGUMENT, fault.code)
    safety = Safety.UNSAFE if fault.unsafe else Safety.SAFE
    yield context.finding(
        config.argument_span(_ARGUMENT),
        fault.message,
        label=fault.label,
        related=[(load.span, "the model") for load in bases if load is not None][:1],
        fix=Fix(fault.title, edits, safety, fault.unsafe) if edits else None,
        no_fix="" if edits else "the names are not written in this call",
        severity=fault.severity,
    )


def _bases(config: AdapterConfig, context: Context) -> Iterator[ModelLoad | None]:
    """The models that the configuration is used on; None for one that is not known."""
    for user in context.program.users_of(config, Adapter):
        if user.config is config:
            yield the_model(user.base)
    for trainer in context.program.users_of(config, Trainer):
        if trainer.argument("peft_config") is config:
            yield the_model(trainer.model)


def _fault(config: AdapterConfig, bases: list[ModelLoad | None], context: Context) -> _Fault | None:
    targets = config.argument(_ARGUMENT)
    kinds = [_kind(base, context) for base in bases]
    known = [kind for kind in kinds if kind is not None]
    if isinstance(targets.constant, str):
        return _text(targets.constant, known, len(known) == len(kinds))
    names = _names(targets)
    if names is None:
        return None
    if any(name.lower() == _ALL for name in names):
        return _listed_all(names)
    if not known or len(known) != len(kinds) or not config.lacks("target_parameters"):
        return None
    if any(_has(kind, name) for kind in known for name in names):
        return None
    return _missing(names, known[0], bases)


def _kind(base: ModelLoad | None, context: Context) -> Architecture | None:
    """The architecture of a model that is certainly built by the library, where its modules were read."""
    if base is None or base.library != "transformers" or base.custom_class is not None:
        return None
    facts = context.model(base.id.constant, base.argument("revision").constant)
    kind = architecture(facts.model_type) if facts is not None and is_librarys_own(base, facts) else None
    return kind if kind is not None and kind.modules else None


def _names(targets: Value) -> list[str] | None:
    items = the(targets, Items)
    names = items.constants() if items is not None else None
    return names if names and all(isinstance(name, str) and name for name in names) else None


def _has(kind: Architecture, name: str) -> bool:
    """Whether a module may be called so; a number stands for one of several, which every architecture has."""
    last = name.rpartition(".")[2]
    return last.isdigit() or last in kind.linear or last in kind.modules


def _text(text: str, known: list[Architecture], all_known: bool) -> _Fault | None:
    """A text is a pattern for whole names, so a plain word is only that of a module at the top."""
    names = [name for name in re.split(r"[ ,]+", text) if name]
    if text.lower() == _ALL or not names or not _WORDS.fullmatch(text):
        return None
    if len(names) == 1 and names[0] == text:
        at_top = any(text in kind.top for kind in known)
        if at_top or not ((known and all_known) or text in inner_names()):
            return None
    quoted = ", ".join(f'"{name}"' for name in names)
    return _Fault(
        f"as a text, `{text}` is a regular expression for a module's whole name, such as `model.layers.0.self_attn.q_proj`, and matches none: "
        f"peft raises {_RAISES}",
        "matches no whole name",
        f"[{quoted}]",
        "make it a list of names",
    )


def _listed_all(names: list[str]) -> _Fault:
    """The word for all linear layers works on its own only; in a list it is the name of a module."""
    alone = len(names) == 1
    consequence = f"peft raises {_RAISES}" if alone else "only the other names are adapted"
    return _Fault(
        f'`"{_ALL}"` means all linear layers as a text only; in a list it is the name of a module, and there is none: {consequence}',
        "is taken for a module's name",
        f'"{_ALL}"',
        f'write `"{_ALL}"` without the list',
        "" if alone else "more layers are adapted than before",
        Severity.ERROR if alone else Severity.WARNING,
    )


def _missing(names: list[str], kind: Architecture, bases: list[ModelLoad | None]) -> _Fault:
    usual = _usual(kind)
    code = "[" + ", ".join(f'"{name}"' for name in usual) + "]" if usual else f'"{_ALL}"'
    has = ", ".join(f"`{name}`" for name in sorted(kind.linear))
    base = next(base for base in bases if base is not None)
    verb = "is no module" if len(names) == 1 else "are no modules"
    return _Fault(
        f"{_listed(names)} {verb} of `{base.id.constant}`: its linear layers are {has}; peft raises {_RAISES}",
        "not in this model",
        code,
        f"adapt `{code}`",
        "which layers to adapt is a choice; these are what peft adapts by default"
        if usual
        else "which layers to adapt is a choice",
    )


def _usual(kind: Architecture) -> tuple[str, ...]:
    """The layers that peft adapts where nothing is said; empty where these are the common two, or no plain names."""
    usual = default_lora_targets(kind.model_type)
    return usual if usual != _COMMON and kind.linear.issuperset(usual) else ()


def _listed(names: list[str]) -> str:
    *first, last = [f"`{name}`" for name in names]
    return f"{', '.join(first)} and {last}" if first else last
