"""Methods of the libraries' objects: what a call of one makes, gives back and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics import tree
from hflint.semantics.catalog import CHAT_TEMPLATE, FLUENT, GENERATE, MOVES, PIPELINE_CALL, SAVES, TOKENIZER_METHODS
from hflint.semantics.hooks import map_rows
from hflint.semantics.objects import (
    Adapter,
    ChatTemplateCall,
    DatasetLoad,
    EncoderLoad,
    ForwardCall,
    GenerateCall,
    LibraryCall,
    MethodCall,
    ModelBuild,
    ModelLoad,
    Move,
    Part,
    PipelineCall,
    PipelineLoad,
    ProcessorLoad,
    Save,
    TokenizerCall,
    TokenizerLoad,
)
from hflint.semantics.values import UNKNOWN, Items, Value, bare, join

if TYPE_CHECKING:
    from hflint.semantics.arguments import Arguments
    from hflint.semantics.calls import Calls

MODELS = (ModelLoad, ModelBuild, Adapter)
TOKENIZERS = (TokenizerLoad, ProcessorLoad)
ENCODINGS = (TokenizerCall, ChatTemplateCall)

# Attributes that are an object of their own: `processor.tokenizer(...)`, `pipe.tokenizer`, `pipe.model.generate(...)`.
_TOKENIZER_PATHS = ("tokenizer", "processing_class")
_MODEL_PATHS = ("model", "base_model", "module")


def method_object(
    run: Calls, receiver: Value, method: str, given: Arguments, node: tree.Node, *, through: Part | None = None
) -> Value:
    """The value of a method call on an object of a library.

    `receiver` may be one of several objects; what is made is one object for the call, whose receiver is that value. `through` is the attribute
    that the method was taken from, as in `model.config.update(...)`, where `method` is the whole path.
    """
    choices = bare(receiver).alternatives
    owners = [one for one in choices if isinstance(one, LibraryCall)]
    path, _, name = method.rpartition(".")
    owner = owners[0]
    if any(one.changed(method, kind="set") for one in owners):  # the program put a method of its own there
        run.escape([receiver, *given.all()], method, node)
        return UNKNOWN
    if len(owners) < len(choices):  # what else it may be, may do anything with what it is given
        run.escape(given.all(), method, node)
    if method in _TOKENIZER_PATHS and isinstance(owner, (ProcessorLoad, PipelineLoad)):  # an object, which is called
        path, name, method = method, "__call__", f"{method}.__call__"
    kind, parameters = _kind(owner, path, name)
    source: Value = receiver
    if path:
        place = through.place if through else None
        source = join(*(Part(one, path, place) if isinstance(one, LibraryCall) else UNKNOWN for one in choices))
    made = run.make(kind, f"{type(owner).__name__}.{method}", parameters, given, node)
    assert isinstance(made, MethodCall)  # noqa: S101 - every kind of _kind is one
    made.receiver, made.method = source, name
    if isinstance(made, GenerateCall):
        made.spread = list(given.spread)
    kept = run.keep(made)
    with run.guarded(conditional=len(choices) > 1):
        for one in owners:
            run.change(one, "call", method, kept, node)
    if name in ("map", "filter") and owner.library == "datasets" and isinstance(node, tree.Call):
        map_rows(run, given, node)
    if name == "prepare" and owner.callee == "accelerate.Accelerator":
        return _prepared(run, given, node) if len(choices) == 1 else UNKNOWN
    if name == "unwrap_model" and owner.callee == "accelerate.Accelerator":
        return given.first if len(choices) == 1 else UNKNOWN
    if name == "merge_and_unload" and isinstance(owner, Adapter):
        return join(*(one.base if isinstance(one, Adapter) else UNKNOWN for one in choices))
    if name in FLUENT and (isinstance(kept, Move) or isinstance(owner, (*MODELS, EncoderLoad))):
        return source
    if kind is not MethodCall or isinstance(owner, DatasetLoad):
        return kept
    place = run.place(node)
    return join(*(Part(one, f"{method}()", place) if isinstance(one, LibraryCall) else UNKNOWN for one in choices))


def _kind(owner: LibraryCall, path: str, name: str) -> tuple[type[MethodCall], tuple[str, ...]]:
    last = path.rpartition(".")[2]
    tokenizes = (isinstance(owner, TOKENIZERS) and not path) or last in _TOKENIZER_PATHS
    models = (isinstance(owner, MODELS) and not path) or last in _MODEL_PATHS
    if tokenizes and name == "apply_chat_template":
        return ChatTemplateCall, CHAT_TEMPLATE
    if tokenizes and name in TOKENIZER_METHODS:
        return TokenizerCall, TOKENIZER_METHODS[name]
    if models and name == "generate":
        return GenerateCall, GENERATE
    if isinstance(owner, MODELS) and not path and name == "__call__":
        return ForwardCall, ("input_ids", "attention_mask")
    if isinstance(owner, PipelineLoad) and not path and name == "__call__":
        return PipelineCall, PIPELINE_CALL
    if name in MOVES and (models or isinstance(owner, ENCODINGS)):
        return Move, ("device",)
    if name in SAVES:
        return Save, ("save_directory",) if name == "save_pretrained" else ("repo_id",)
    return MethodCall, ()


def _prepared(run: Calls, given: Arguments, node: tree.Node) -> Value:
    """`accelerator.prepare(a, b)` hands back what it was given."""
    for value in given.positional:
        for one in value.alternatives:
            if isinstance(one, LibraryCall):
                run.change(one, "call", "accelerate.prepare", UNKNOWN, node)
    return (
        given.positional[0] if len(given.positional) == 1 else Items(tuple(given.positional), "tuple", not given.open)
    )
