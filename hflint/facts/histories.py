"""What else the wheels say of each release: model types, peft's default LoRA targets, requirements, variables of the environment.

The tables are made by scripts/facts from the published wheels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from hflint.facts.shipped import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping


def first_release(model_type: str) -> Version | None:
    """The first release of transformers, of those read, that has a model type; None for a type that none has."""
    entry = read_table("transformers", "history").get("types", {}).get(model_type)
    return None if entry is None else Version(read_table("transformers", "history")["read"][_first(entry["in"])])


def came_later(model_type: str) -> Version | None:
    """The first release of transformers that has a model type, where older ones that were read lack it; else None."""
    first, read = first_release(model_type), read_table("transformers", "history")["read"]
    return first if first and first > Version(read[0]) else None


def dated(library: str, release: str) -> str:
    """A first release as people should read it: the oldest of those that were read stands for all before it too, "4.40 or earlier"."""
    read = read_table(library, "name").get("read", ())
    return f"{release} or earlier" if read and Version(release) <= Version(read[0]) else release


def auto_classes(model_type: str) -> Mapping[str, str]:
    """The classes that the Auto mappings have for a model type in the newest release with it: {"CAUSAL_LM": "LlamaForCausalLM"}."""
    entry = read_table("transformers", "history").get("types", {}).get(model_type, {})
    return {task: name for task, name in entry.items() if task != "in"}


def default_lora_targets(model_type: str) -> tuple[str, ...]:
    """The modules that peft's newest release adapts where `target_modules` is not given; empty where it would ask for them."""
    modules = read_table("peft", "history").get("lora", {}).get(model_type, {}).get("modules", ())
    return (modules,) if isinstance(modules, str) else tuple(modules)


def required(library: str, release: Version) -> Mapping[str, str]:
    """What a release wants: {"python": ">=3.10", "torch": ">=2.4"}; empty for releases before those read."""
    found: Mapping[str, str] = {}
    for first, wanted in read_table(library, "history").get("requires", ()):
        if Version(first) <= release:
            found = wanted
    return found


def reads_variable(library: str, variable: str) -> bool:
    """Whether some release of a library reads a variable of the environment by that name."""
    return variable in read_table(library, "history").get("environment", {})


def _first(spans: str) -> int:
    return int(spans.replace(",", "-").split("-")[0] or 0)
