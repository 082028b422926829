"""What a call calls, as the tables of signatures know it; None wherever a keyword could mean something to code that they do not show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hflint.facts.libraries import argument_changes
from hflint.facts.signatures import model_settings, signature
from hflint.rules.loading._shared import first_with
from hflint.semantics.objects import (
    Adapter,
    ChatTemplateCall,
    DatasetLoad,
    ForwardCall,
    GenerateCall,
    LibraryCall,
    Load,
    MethodCall,
    ModelLoad,
    Move,
    Part,
    PipelineCall,
    PipelineLoad,
    Save,
    TokenizerCall,
    TokenizerLoad,
    the_model,
)
from hflint.semantics.values import the

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.version import Version

    from hflint.context import Context
    from hflint.facts.libraries import Change
    from hflint.facts.signatures import Refusal, Signature
    from hflint.facts.versions import Range
    from hflint.semantics.values import Value

_DATASETS = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
_STILL_DATASETS = frozenset(
    [
        "map",
        "filter",
        "shuffle",
        "select",
        "rename_column",
        "rename_columns",
        "remove_columns",
        "cast_column",
        "with_format",
    ]
)
_SPLITS = frozenset(["train", "test", "validation", "dev", *(f"{method}()" for method in _STILL_DATASETS)])
_TOKENIZER = "transformers.PreTrainedTokenizerBase"
_MODEL = "transformers.PreTrainedModel"
_UNSPECIFIC = (
    "AutoTokenizer",
    "PreTrainedTokenizerFast",
    "LlamaTokenizerFast",
    "GPT2TokenizerFast",
    "BertTokenizerFast",
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is called.

    Attributes:
        name: for messages.
        signatures: of which one takes the call; a keyword that any takes is taken.
        spelling: whether only a misspelt name is certain to be unknown, for others may mean something to the model, the tokenizer or the task.
        error: what is raised.
        keeping: what becomes of a keyword that is not dropped at once.
    """

    name: str
    signatures: tuple[Signature, ...]
    spelling: bool = False
    error: str = "TypeError"
    keeping: str = "keeps it as an attribute that nothing reads"

    @property
    def library(self) -> str:
        """Whose releases decide."""
        return self.signatures[0].library

    def refusal(self, name: str, versions: Mapping[str, Range]) -> Refusal | None:
        """What all signatures refuse; None where one takes the keyword."""
        found = [one.refusal(name, versions) for one in self.signatures]
        refused = [one for one in found if one is not None]
        if len(refused) < len(found) or (self.spelling and self._means_something(name)):
            return None
        releases = tuple(one for one in refused[0].releases if all(one in other.releases for other in refused))
        at_those = {**versions, self.library: replace(versions[self.library], releases=releases)}
        if not releases or self._takes_nothing(at_those):
            return None
        return replace(refused[0], releases=releases)

    def _means_something(self, name: str) -> bool:
        """Whether some release or some model takes it; a model takes every attribute of its configuration, those with an underscore too."""
        return name.startswith("_") or name in model_settings() or any(one.knows(name) for one in self.signatures)

    def _takes_nothing(self, versions: Mapping[str, Range]) -> bool:
        """Whether it is a class that has no `__init__` there, as far as the tables say: then they miss how it is made."""
        makes = self.name.rpartition(".")[2][:1].isupper()
        return makes and not self.parameters(versions)

    def changes(self) -> dict[str, Change]:
        """What the tables of changes say of its arguments."""
        names = (f"{one.library.replace('-', '_')}.{one.name}" for one in self.signatures)
        return {name: change for owner in names for name, change in argument_changes(owner).items()}

    def needs_near(self, refusal: Refusal) -> bool:
        """Whether only a name that is nearly that of a parameter is worth a word: others may be kept on purpose, or for older releases."""
        makes = self.name.rpartition(".")[2][:1].isupper()
        return self.spelling or refusal.fates == {"keeps"} or (refusal.fates == {"drops"} and not makes)

    def parameters(self, versions: Mapping[str, Range]) -> list[str]:
        """What it takes in all allowed releases."""
        return [name for one in self.signatures for name in one.parameters(versions)]


def called(call: LibraryCall) -> Target | None:
    """What a call calls."""
    if call.custom_class is not None or not any(node.keyword is not None for node in call.nodes.values()):
        return None
    if isinstance(call, MethodCall):
        return _method(call)
    if isinstance(call, PipelineLoad):
        known = "transformers.GenerationConfig", "transformers.Pipeline"
        return (
            _target("pipeline", call.callee, *known, spelling=True)
            if call.lacks("pipeline_class", "trust_remote_code")
            else None
        )
    if isinstance(call, ModelLoad) and call.library == "transformers":
        return (
            _target(f"{call.name}.from_pretrained", f"{_MODEL}.from_pretrained", spelling=True)
            if _is_native(call)
            else None
        )
    if isinstance(call, Load) and call.callee.endswith(".from_pretrained"):
        return None
    return _target(call.name, call.callee)


def callee_since(call: LibraryCall, context: Context) -> Version | None:
    """The first release of its library with what a call calls, and with the object that it is a method of; None where all read have them."""
    owner = the(call.receiver, LibraryCall) if isinstance(call, MethodCall) else None
    return max((first for one in (call, owner) if one and (first := first_with(one, context))), default=None)


def _method(call: MethodCall) -> Target | None:
    if isinstance(call, ForwardCall | Move | Save | PipelineCall):
        return None
    dataset = _dataset(call.receiver)
    if dataset:
        return _target(f"Dataset.{call.method}", *(f"datasets.{one}.{call.method}" for one in _DATASETS))
    owner = the(call.receiver, LibraryCall)
    if owner is None or owner.custom_class is not None or isinstance(owner, MethodCall):
        return None
    if isinstance(call, TokenizerCall | ChatTemplateCall):
        return _tokenizer(call, owner)
    if isinstance(call, GenerateCall):
        return _generate(call)
    if isinstance(owner, ModelLoad):
        known = owner.library == "transformers" and _is_native(owner)
        return _target(call.method, f"{_MODEL}.{call.method}") if known else None
    if isinstance(owner, Adapter):
        return _target(call.method, f"peft.PeftModel.{call.method}")
    if isinstance(owner, Load):
        return None
    return _target(f"{owner.name}.{call.method}", f"{owner.callee}.{call.method}") if owner.name[:1].isupper() else None


def _tokenizer(call: TokenizerCall | ChatTemplateCall, owner: LibraryCall) -> Target | None:
    if not isinstance(owner, TokenizerLoad) or owner.name not in _UNSPECIFIC or not owner.lacks("trust_remote_code"):
        return None
    name = "tokenizer(...)" if call.method == "__call__" else f"tokenizer.{call.method}"
    qualified = f"{_TOKENIZER}.{call.method}"
    if isinstance(call, ChatTemplateCall):
        return _target(name, qualified, spelling=True, keeping="hands it to the template as a variable")
    if call.method == "pad":
        return _target(name, qualified)
    return _target(name, qualified, spelling=True) if call.method == "__call__" else None


def _generate(call: GenerateCall) -> Target | None:
    load = the_model(call.receiver)
    if load is None or not _is_native(load) or not call.lacks("custom_generate", "trust_remote_code"):
        return None
    return _target(
        "generate",
        "transformers.GenerationMixin.generate",
        "transformers.GenerationConfig",
        spelling=True,
        error="ValueError",
    )


def _is_native(load: LibraryCall) -> bool:
    """Whether the model's code is the library's own."""
    return load.argument("trust_remote_code").constant is False or load.lacks("trust_remote_code")


def _dataset(value: Value) -> bool:
    """Whether it is what load_dataset gave, or a split of that, or what a method made of it."""
    if isinstance(value, Part):
        return isinstance(value.of, DatasetLoad) and all(step in _SPLITS for step in value.path.split("."))
    one = the(value, LibraryCall)
    if isinstance(one, MethodCall):
        return one.method in _STILL_DATASETS and _dataset(one.receiver)
    return isinstance(one, DatasetLoad)


def _target(
    name: str, *qualified: str, spelling: bool = False, error: str = "TypeError", keeping: str = ""
) -> Target | None:
    """A target with all of these signatures that there are; None without the first."""
    found = [signature(one) for one in qualified]
    if found[0] is None:
        return None
    target = Target(name, tuple(one for one in found if one is not None), spelling, error)
    return Target(name, target.signatures, spelling, error, keeping) if keeping else target
