"""Values of a program as the JSON of a `Setup`: known ones as they are, a default that a user may change marked, others absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hflint.semantics.objects import LibraryCall, Load, ModelBuild, ModelLoad, Object, Part, TokenizerLoad
from hflint.semantics.values import MISSING, Items, OneOf, Symbol, Table, Value, likely
from hflint.verify.setup import made_up

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_UPPER = ("TaskType", "PeftType")  # enums whose values are their names
_LOWER = ("IntervalStrategy", "SchedulerType", "PaddingStrategy")  # whose values are their names in small letters
_REFERENCES = ((TokenizerLoad, "tokenizer"), (ModelLoad, "model"), (ModelBuild, "model"))


class Plain:
    """Reads values for one setup; `assumed` names the places where a default was taken, or a value made up."""

    def __init__(self, calls: Sequence[Object] = (), asked: frozenset[str] = frozenset()) -> None:
        """With the calls in question, and those of their keywords that a load must be given, whatever their value."""
        self.assumed: list[str] = []
        self.calls = calls
        self.asked = asked

    def value(self, value: Value, place: str) -> Any:
        """The JSON of a value, or `MISSING` where it is not known."""
        if isinstance(value, OneOf):
            taken = likely(value)
            if taken is value or taken.constant is None:  # nobody runs an option whose default is to be absent
                return MISSING
            self.assumed.append(place)
            value = taken
        if isinstance(value, Symbol):
            return _symbol(value.name)
        if isinstance(value, Part):
            return self._reference(value)
        if isinstance(value, Items):
            items = [self.value(item, place) for item in value.items]
            return items if value.complete and MISSING not in items else MISSING
        if isinstance(value, Table):
            entries = {str(key): self.value(item, place) for key, item in value.entries.items()}
            return entries if value.complete and MISSING not in entries.values() else MISSING
        found = value.constant
        return found if found is None or isinstance(found, str | int | float) else MISSING

    def text(self, value: Value, place: str) -> str | None:
        """The string that a value is, or None."""
        found = self.value(value, place)
        return found if isinstance(found, str) else None

    def arguments(self, call: LibraryCall, place: str, leave: Collection[str] = ()) -> dict[str, Any]:
        """The arguments of a call whose values are known."""
        found = {
            name: self.value(value, f"{place}.{name}") for name, value in call.arguments.items() if name not in leave
        }
        if isinstance(call, Load) and any(one is call for one in self.calls):
            for name in self.asked & found.keys():
                if found[name] is MISSING and (value := made_up(name)) is not None:
                    found[name] = value
                    self.assumed.append(f"{place}.{name}")
        return {name: value for name, value in found.items() if value is not MISSING}

    @staticmethod
    def _reference(part: Part) -> Any:
        """`tokenizer.eos_token`, to be read off what the run loads."""
        for kind, root in _REFERENCES:
            if isinstance(part.of, kind) and all(name.isidentifier() for name in part.path.split(".")):
                return {"$ref": f"{root}.{part.path}"}
        return MISSING


def _symbol(name: str) -> Any:
    if name.startswith("torch."):
        return name
    owner, _, last = name.rpartition(".")
    if owner.endswith(_UPPER):
        return last
    return last.lower() if owner.endswith(_LOWER) else MISSING
