"""What the rules on loading a model ask alike: what is known of it, and what the program does with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hflint.facts.histories import came_later
from hflint.facts.libraries import came
from hflint.semantics.objects import (
    Adapter,
    GenerateCall,
    KbitPreparation,
    LibraryCall,
    Load,
    ModelLoad,
    PipelineLoad,
    Save,
    Trainer,
    TrainingArguments,
    model_loads,
    quantization_of,
)
from hflint.semantics.values import ABSENT

if TYPE_CHECKING:
    from packaging.version import Version

    from hflint.context import Context
    from hflint.facts.models import ModelFacts

LARGE = 1_000_000_000  # parameters; below, the wrong precision or device costs little
_TRAINS = re.compile(r"\.backward\(|\boptim(?:izers?)?\b|\bOptimizer\b|\bTrainer\b")
_TRAINED = ("train", "gradient_checkpointing_enable", "enable_input_require_grads", "accelerate.prepare")


def facts_of(load: ModelLoad | PipelineLoad, context: Context) -> ModelFacts | None:
    """What is known of the model that is loaded as it is: unquantized, by a class of transformers."""
    if load.custom_class is not None or load.library != "transformers" or quantization_of(load) is not ABSENT:
        return None
    model_id = (load.id if isinstance(load, ModelLoad) else load.argument("model")).constant
    facts = context.model(model_id, load.argument("revision").constant)
    return facts if facts and facts.parameters is not None and facts.quantized is None else None


def first_with(call: LibraryCall, context: Context) -> Version | None:
    """The first release of its library that has what is called and, of transformers, the architecture of the model; None where all read have."""
    model_id = (
        call.id if isinstance(call, Load) else call.argument("model") if isinstance(call, PipelineLoad) else ABSENT
    )
    facts = (
        context.model(model_id.constant, call.argument("revision").constant) if call.library == "transformers" else None
    )
    since = (came(call.callee), came_later(facts.model_type) if facts and facts.model_type else None)
    return max((one for one in since if one), default=None)


def gibibytes(facts: ModelFacts, bytes_each: int) -> float:
    """The memory of its weights, in GiB."""
    return (facts.parameters or 0) * bytes_each / 2**30


def infers(load: ModelLoad | PipelineLoad, context: Context) -> bool:
    """Whether the program certainly uses the model to infer, and nothing in it trains or converts one.

    A function that only loads may do so for a trainer in another file.
    """
    if load.escaped or trains(load, context):
        return False
    if isinstance(load, PipelineLoad) or any(True for _ in uses(load, context)):
        return True
    saved = any(load in save.receiver.alternatives for save in context.program.all(Save))
    return not load.where.function and not saved


def trains(load: LibraryCall, context: Context) -> bool:
    """Whether the program trains a model, or may."""
    kinds = Trainer | TrainingArguments | KbitPreparation
    return (
        bool(load.changed(*_TRAINED, kind="call"))
        or any(isinstance(one, kinds) or _is_new_adapter(one) for one in context.program.objects)
        or _TRAINS.search(context.program.source.text) is not None
    )


def _is_new_adapter(one: object) -> bool:
    return isinstance(one, Adapter) and one.callee.endswith("get_peft_model")


def uses(load: LibraryCall, context: Context) -> list[LibraryCall]:
    """The calls that run the model."""
    runs = [call for call in context.program.all(GenerateCall) if load in [*model_loads(call.model)]]
    pipelines = [pipe for pipe in context.program.all(PipelineLoad) if load in [*model_loads(pipe.argument("model"))]]
    return [*runs, *pipelines]


def is_one_of_several(load: ModelLoad | PipelineLoad, context: Context) -> bool:
    """Whether it is one branch of a choice between ways to load the same model, such as for a GPU and for none."""
    return load.where.conditional and any(
        other is not load and other.where.function == load.where.function and other.callee == load.callee
        for other in context.program.all(type(load))
    )
