"""What the callables of the libraries take, in which release: which keywords are accepted, and what becomes of others.

The tables are made by scripts/facts from the published wheels, read without importing. What they do not say is unknown,
and nothing is said of it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from hflint.facts.shipped import LIBRARIES, table_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.facts.versions import Range

_KINDS = {"transformers": ("signatures", "model-signatures", "model-class-signatures")}
_REFUSED = ("raises", "drops", "keeps")
_SHARED = ("PreTrainedConfig", "PretrainedConfig")  # what every configuration takes as well; one class under two names


@dataclass(frozen=True, slots=True)
class Refusal:
    """A keyword that some allowed release does not take.

    Attributes:
        library: whose releases they are.
        releases: those, ascending; each was read, or lies between two that were and agree.
        everywhere: that no allowed release takes it, as far as is known.
        fates: what becomes of it there: "raises", "drops" or "keeps" (as an attribute or a variable that nobody reads).
        since: the first release that takes it, where that is newer than the refusing ones.
        until: the first release that no longer takes it, where that is older.
    """

    library: str
    releases: tuple[Version, ...]
    everywhere: bool
    fates: frozenset[str]
    since: Version | None = None
    until: Version | None = None


@dataclass(frozen=True)
class Signature:
    """A callable over the releases of its library.

    Attributes:
        library: as `Versions` names it.
        name: "TrainingArguments", "Trainer.train", "snapshot_download".
        read: the releases that were read, ascending.
        entry: its entry in the table.
    """

    library: str
    name: str
    read: tuple[Version, ...]
    entry: Mapping[str, Any]

    def parameters(self, versions: Mapping[str, Range]) -> list[str]:
        """What a keyword can give in every allowed release that was read."""
        indexes = [one for one in self._indexes(versions[self.library]) if self._has(one)]
        some = self.entry.get("some", {})
        own = [*self._always, *(name for name, where in some.items() if all(_holds(where, one) for one in indexes))]
        for parent in self._parents():
            own += parent.parameters(versions)
        return list(dict.fromkeys(own))

    def default(self, keyword: str, versions: Mapping[str, Range]) -> str | None:
        """The source of an argument's default, the same in all allowed releases; "" where it must be given, None where it is not known.

        Those of the callables of single models are not kept; a default that is long is not known.
        """
        indexes = self._indexes(versions[self.library])
        if not indexes or not all(self._takes(keyword, one) for one in indexes):
            return next((one.default(keyword, versions) for one in self._parents()), None)
        found = _defaults(self.library, self.name)
        if found is None:
            return None
        value = found.get(keyword, "None")
        if not isinstance(value, str):
            held = {of for of, where in value.items() if any(_holds(where, one) for one in indexes)}
            value = held.pop() if len(held) == 1 else "..."
        return {"!": "", "...": None}.get(value, value)

    def _takes(self, keyword: str, index: int) -> bool:
        where = self.entry.get("some", {}).get(keyword)
        return self._has(index) and (keyword in self._always or (where is not None and _holds(where, index)))

    def knows(self, keyword: str) -> bool:
        """Whether some release that was read takes it."""
        return (
            keyword in self._always
            or keyword in self.entry.get("some", {})
            or any(one.knows(keyword) for one in self._parents())
        )

    def lacks(self, release: Version) -> bool:
        """Whether a release has no such callable; one older than those read is taken to be as the oldest of these."""
        return self._state("", max(release, self.read[0])) == "absent"

    def refusal(self, keyword: str, versions: Mapping[str, Range]) -> Refusal | None:
        """What the allowed releases make of a keyword that they do not take; None where all take it, or that is not known.

        A keyword that another library's class takes, from which this one inherits, counts as taken where any allowed release of that does.
        Names with an underscore before them are not in the tables.
        """
        if keyword.startswith("_") or keyword in self._always:
            return None
        allowed = versions[self.library]
        states = [(release, self._state(keyword, release)) for release in allowed.releases]
        refusing = tuple(release for release, state in states if state in _REFUSED)
        if not refusing:
            return None
        parents = [parent.refusal(keyword, versions) for parent in self._parents()]
        if len(parents) < len(self.entry.get("parents", "").split()) or any(
            one is None or not one.everywhere for one in parents
        ):
            return None
        taking = [release for release, state in states if state not in (*_REFUSED, "absent", "unread")]
        first = next((one for one in self.read if one > refusing[0] and self._state(keyword, one) == "taken"), None)
        last = next(
            (one for one in reversed(self.read) if one < refusing[-1] and self._state(keyword, one) == "taken"), None
        )
        return Refusal(
            allowed.library,
            refusing,
            not taking,
            frozenset(state for _, state in states if state in _REFUSED),
            first if first and first > refusing[-1] else None,
            next((one for one in self.read if last and one > last), None),
        )

    def _state(self, keyword: str, release: Version) -> str:
        """Whether it is "taken", "absent" (the callable is), "unread", "open", or what becomes of the keyword."""
        at = bisect_left(self.read, release)
        near = {at} if at < len(self.read) and self.read[at] == release else {at - 1, at}
        if not near <= set(range(len(self.read))):
            return "unread"
        states = {self._state_at(keyword, index) for index in near}
        return states.pop() if len(states) == 1 else "unread"

    def _state_at(self, keyword: str, index: int) -> str:
        if not self._has(index):
            return "absent"
        where = self.entry.get("some", {}).get(keyword)
        if where is not None and _holds(where, index):
            return "taken"
        rest = self.entry.get("rest", "raises")
        return (
            rest
            if isinstance(rest, str)
            else next((how for how, spans in rest.items() if _holds(spans, index)), "open")
        )

    def _has(self, index: int) -> bool:
        return _holds(self.entry.get("in", ""), index)

    def _indexes(self, allowed: Range) -> list[int]:
        return [bisect_left(self.read, one) for one in allowed.releases if one in self.read]

    @property
    def _always(self) -> tuple[str, ...]:
        own = self.entry.get("takes", "").split()
        is_configuration = not {*_SHARED}.isdisjoint(_line(self.library, self.entry))
        return (*own, *(one for name in _SHARED for one in _shared(name) if is_configuration))

    def _parents(self) -> Iterator[Signature]:
        for parent in self.entry.get("parents", "").split():
            found = signature(parent)
            if found:
                yield found


@cache
def signature(qualified: str) -> Signature | None:
    """The callable of a dotted name as it is imported, for example "transformers.TrainingArguments" or "huggingface_hub.HfApi.create_repo".

    None where the tables have none of that name and place.
    """
    package, *path = qualified.split(".")
    library = LIBRARIES.get(package)
    if library is None or not path:
        return None
    for length in (1, 2):
        name, module = ".".join(path[-length:]), ".".join(path[:-length])
        found = _entry(library, name)
        if found and len(path) >= length and _is_from(module, found):
            return found
    return _inherited(library, path) if len(path) > 1 else None


def _inherited(library: str, path: list[str]) -> Signature | None:
    """A method that a public base of the class defines; not of the classes of single models, whose own methods were not read."""
    owner = _entry(library, path[-2], "signatures")
    if owner is None or not _is_from(".".join(path[:-2]), owner):
        return None
    names = (f"{base}.{path[-1]}" for base in _line(library, owner.entry))
    return next((found for name in names if (found := _entry(library, name, "signatures"))), None)


def _line(library: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The public classes that a class inherits from, each with all that it inherits from itself."""
    if "line" in entry:
        return tuple(entry["line"].split())
    found: dict[str, None] = {}
    for base in entry.get("bases", "").split():
        above = _entry(library, base)
        found |= dict.fromkeys((base, *(_line(library, above.entry) if above else ())))
    return tuple(found)


def _is_from(module: str, found: Signature) -> bool:
    """Whether that is where it is defined, or a package around that, which may offer it as well."""
    if not module:
        return True
    owner = None if "from" in found.entry else _entry(found.library, found.name.rpartition(".")[0])
    places = (owner or found).entry["from"].split()
    return any(f"{_module(one)}.".startswith(f"{module}.") for one in places)


def _module(place: str) -> str:
    """A module written out: "albert/modeling" is models.albert.modeling_albert."""
    model, _, kind = place.partition("/")
    return f"models.{model}.{kind}_{model}" if kind else place


@cache
def _entry(library: str, name: str, *kinds: str) -> Signature | None:
    """What the tables of a library say of a callable; of some kinds of tables only."""
    for kind in kinds or _KINDS.get(library, ("signatures",)):
        lines, read = _table(library, kind)
        if name in lines:
            return Signature(library, name, read, json.loads(lines[name]))
    return None


@cache
def _defaults(library: str, name: str) -> Mapping[str, Any] | None:
    """The defaults of a callable that are not None; None where they were not kept."""
    if _entry(library, name, "signatures") is None:
        return None
    lines, _ = _table(library, "defaults")
    return json.loads(lines[name]) if name in lines else {}


@cache
def model_settings() -> frozenset[str]:
    """Every name that the configuration, tokenizer or processor of some model of transformers takes in some release."""
    lines, _ = _table("transformers", "model-signatures")
    entries = map(json.loads, {*lines.values()})
    return frozenset(name for one in entries for name in (*one.get("takes", "").split(), *one.get("some", ())))


@cache
def _shared(name: str) -> tuple[str, ...]:
    found = _entry("transformers", name)
    return (*found.entry["takes"].split(), *found.entry.get("some", ())) if found else ()


def _holds(spans: str, index: int) -> bool:
    """Whether an index lies in spans such as "0-4,7,12-"; all do where there are none."""
    if not spans:
        return True
    for run in spans.split(","):
        first, dash, last = run.partition("-")
        if int(first) <= index and (index <= int(last) if last else bool(dash) or index == int(first)):
            return True
    return False


@cache
def _table(library: str, kind: str) -> tuple[Mapping[str, str], tuple[Version, ...]]:
    """The entries of a table, as text, by name, and the releases that were read; only the entries asked for are parsed."""
    head, _, text = table_text(library, kind).partition('"callables":{\n')
    lines = (line.rstrip(",").partition('":') for line in text.splitlines()[:-1])
    entries = {name: entry for names, _, entry in lines for name in names[1:].split()}
    return entries, tuple(map(Version, json.loads(f"{head.rstrip(',')}}}")["read"])) if head else ()
