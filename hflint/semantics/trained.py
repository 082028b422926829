"""What a trainer trains: a model load, the adapters around it, and what is done to them before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.semantics.objects import Adapter, AdapterConfig, MethodCall, ModelLoad, Trainer, TrainingArguments
from hflint.semantics.values import ABSENT, bare, the

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.semantics.objects import Change, Object
    from hflint.semantics.program import Program
    from hflint.semantics.values import Value

_ADDING = ("add_adapter", "load_adapter")

Chain = tuple[ModelLoad, tuple[Adapter, ...]]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that is trained; `adapted` is None where it depends on something that is not known.

    `inside` where transformers puts adapters into the model itself (`model.add_adapter`), in the dtype of its weights: it stays what it was.
    """

    load: ModelLoad
    adapters: tuple[Adapter, ...]
    adapted: bool | None
    inside: bool = False

    def changes(self, before: Object | None = None) -> list[Change]:
        """What is done to the model and its adapters, in that order; before an object is made, or at any time."""
        every = [change for made in (self.load, *self.adapters) for change in made.changes]
        some = [change for change in every if before is None or change.where.order < before.where.order]
        return sorted(some, key=lambda change: change.where.order)

    def escaped(self, before: Object) -> bool:
        """Whether unknown code had it in its hands before."""
        return any(change.kind == "escape" for change in self.changes(before))


def trained_model(trainer: Trainer) -> Trained | None:
    """The model that a trainer trains, where all that it may be is the same load under adapters."""
    chains = list(_chains(trainer.model))
    known = [chain for chain in chains if chain is not None]
    if len(known) != len(chains) or len({id(load) for load, _ in known}) != 1:
        return None
    load = known[0][0]
    adapters = tuple(dict.fromkeys(adapter for _, found in known for adapter in found))
    wrapped = {bool(found) for _, found in known}
    adapted = wrapped.pop() if len(wrapped) == 1 else None
    if adapted is False and any(_adds_trainable(change, trainer) for change in load.changed(*_ADDING)):
        return Trained(load, (), adapted=True, inside=True)
    return Trained(load, adapters, adapted or _adapted_otherwise(trainer, load, adapted))


def _chains(value: Value) -> Iterator[Chain | None]:
    """The load and the adapters, outermost first, behind each alternative; None for what is neither."""
    for one in bare(value).alternatives:
        if isinstance(one, ModelLoad):
            yield one, ()
        elif isinstance(one, Adapter):
            yield from ((found[0], (one, *found[1])) if found else None for found in _chains(one.base))
        else:
            yield None


def _adapted_otherwise(trainer: Trainer, load: ModelLoad, adapted: bool | None) -> bool | None:
    """Adapters that are not around the model: TRL's `peft_config`, and those that transformers adds to the model itself."""
    config = trainer.argument("peft_config") if trainer.library == "trl" else ABSENT
    if isinstance(config, AdapterConfig):  # one of it and None does not count
        return True
    if (config is not ABSENT and config.constant is not None) or load.changed(*_ADDING):
        return None
    return adapted


def _adds_trainable(change: Change, trainer: Trainer) -> bool:
    """Whether transformers certainly puts adapters into the model before, and trains them and nothing else: prompts it does not take."""
    call = the(change.value, MethodCall)
    if call is None or not change.certain or change.where.order > trainer.where.order:
        return False
    if change.name == "load_adapter":
        return call.argument("is_trainable").constant is True
    given = call.extra[0] if call.extra else call.argument("adapter_config")
    return isinstance(given, AdapterConfig) and given.argument("inference_mode").constant is not True


def trainers_with(args: TrainingArguments, program: Program) -> Iterator[Trainer]:
    """The trainers that certainly take these arguments, and train."""
    for trainer in program.users_of(args, Trainer):
        if the(trainer.args, TrainingArguments) is args and trains(trainer):
            yield trainer


def trains(trainer: Trainer) -> bool:
    """Whether a trainer certainly trains: it has data for that, or is told to."""
    has_data = trainer.given("train_dataset") and trainer.argument("train_dataset").constant is not None
    return has_data or bool(trainer.changed("train"))
