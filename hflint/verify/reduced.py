"""What of a setup a claim about one call needs: the rest of the program may have defects of its own, which are not in question."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hflint.semantics.objects import (
    Adapter,
    AttributeUse,
    ChatTemplateCall,
    GenerateCall,
    MethodCall,
    ModelBuild,
    ModelLoad,
    PipelineCall,
    PipelineLoad,
    QuantizationConfig,
    TokenizerCall,
    TokenizerLoad,
    Trainer,
)
from hflint.verify.setup import Model, Setup, Tokenizer
from hflint.verify.setup import TokenizerCall as Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hflint.semantics.objects import Object

Part = TypeVar("Part", Model, Tokenizer)
# Calls that take what the program has made before.
_TAKING = (
    AttributeUse, ChatTemplateCall, GenerateCall, MethodCall, PipelineCall, PipelineLoad, TokenizerCall, Trainer
)  # fmt: skip


def around(setup: Setup, anchors: Sequence[Object]) -> Setup:
    """What is made by the calls in question, without what the program does with it later; the whole for one that takes more."""
    if any(isinstance(one, _TAKING) for one in anchors):
        return setup
    model = any(isinstance(one, ModelLoad | ModelBuild | Adapter | QuantizationConfig) for one in anchors)
    tokenizer = any(isinstance(one, TokenizerLoad) for one in anchors)
    asked = {name for binding in setup.bindings for name in binding.kwargs}
    return Setup(
        model=_bare(setup.model, asked) if setup.model and model else None,
        quantization=setup.quantization if model and "quantization_config" in asked else None,
        adapter=setup.adapter if any(isinstance(one, Adapter) for one in anchors) else None,
        tokenizer=_bare(setup.tokenizer, asked) if setup.tokenizer and tokenizer else None,
        tokenizer_calls=(Call(),) if tokenizer else (),
        bindings=setup.bindings,
        imports=setup.imports,
        assumed=setup.assumed,
    )


def _bare(part: Part, asked: set[str]) -> Part:
    """A model or tokenizer, loaded with nothing but the keywords in question, and `revision`, which says which one it is."""
    kwargs = {name: value for name, value in part.kwargs.items() if name in asked or name == "revision"}
    named = {name: getattr(part, name) for name in ("id", "loader", "constructor", "facts") if hasattr(part, name)}
    return type(part)(**named, kwargs=kwargs)
