"""What one wheel says, as plain data: names, modules, callables, pipeline tasks, model types, LoRA targets, variables, requirements."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from declared import dotted
from release import Release, Taking

if TYPE_CHECKING:
    from source import ClassFacts

PRIVATE = re.compile(r"(^|\.)_")
WORD = re.compile(r"""["']([A-Z][A-Z0-9_]{3,})["']""")
MODELS = "transformers.models."


def extract(release: Release) -> dict[str, Any]:
    """All facts of a release."""
    package = release.package
    facts: dict[str, Any] = {
        "names": names(release),
        "aliases": renamed_classes(release),
        "modules": sorted(module for module in release.every_module() if not PRIVATE.search(module)),
        "callables": callables(release),
        "environment": sorted({one for module in release.files for one in (release.module(module).environment)}),  # type: ignore[union-attr]
        "words": words(release),
        "requires": release.requirements(),
        "members": {kind: members(release, classes) for kind, classes in KINDS.get(package, {}).items()},
    }
    if package == "transformers":
        facts["tasks"], facts["task aliases"] = pipeline_tasks(release)
        facts["callables"] |= task_calls(release)
        facts["types"] = model_types(release)
        facts["within"] = {module: release.bound(module) for module in SUBMODULES if module in release.files}
        facts["loading"] = loading(release)
        facts["stand-ins"] = stand_ins(release)
    if package == "peft":
        facts["lora"] = lora_targets(release)
    return facts


# --- names ------------------------------------------------------------------------------------------------------------

# Objects that rules know by kind: the classes that they may be of. What one of these has, the kind has.
KINDS = {
    "transformers": {
        "tokenizer": [
            "PreTrainedTokenizerBase",
            "PreTrainedTokenizer",
            "PreTrainedTokenizerFast",
            "TokenizersBackend",
            "PythonBackend",
        ],
        "batch-encoding": ["BatchEncoding"],
        "model": ["PreTrainedModel", "GenerationMixin"],
        "trainer": ["Trainer", "Seq2SeqTrainer"],
        "cache": ["Cache", "DynamicCache", "StaticCache", "EncoderDecoderCache", "QuantizedCache"],
        "config": ["PretrainedConfig", "PreTrainedConfig"],
    },
    "datasets": {"dataset": ["Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict"]},
    "sentence_transformers": {"sentence-transformer": ["SentenceTransformer"]},
}


def names(release: Release) -> dict[str, str]:
    """The names of the top level, each with the file that defines it ("" where that is not known)."""
    found = {}
    for name in sorted(release.public(release.package)):
        module, _ = release.find(release.package, name) or ("", "")
        found[name] = module.partition(".")[2].replace(".", "/") if module.startswith(f"{release.package}.") else ""
    return found


def renamed_classes(release: Release) -> dict[str, str]:
    """Names of the top level that are another one's class and nothing more: an empty subclass, one that only warns, an assignment."""
    public, found = release.public(release.package), {}
    for name in public:
        module, original = release.find(release.package, name) or ("", "")
        facts = release.module(module) if module else None
        cls = facts.classes.get(original) if facts else None
        if cls and cls.is_alias and original == name:
            original = cls.bases[0].rpartition(".")[2]
        if original and original != name and original in public:
            found[name] = original
    return found


def words(release: Release) -> list[str]:
    """Texts that may be the names of variables of the environment."""
    texts = (release.text(module) for module in release.files if not module.startswith(MODELS))
    return sorted({word for text in texts for word in WORD.findall(text)})


def members(release: Release, classes: list[str]) -> dict[str, bool]:
    """What objects of some of these classes have; True for what is no method."""
    found: dict[str, bool] = {}
    for name in classes:
        where = release.find(release.package, name)
        for member, is_value in release.members(*where).items() if where and where[1] else ():
            if not member.startswith("_") or member == "__getattr__":
                found[member] = found.get(member, True) and is_value
    return found


# --- callables --------------------------------------------------------------------------------------------------------


def callables(release: Release) -> dict[str, Any]:
    """What each public class, function and method takes, by its name; with where it can be imported from."""
    exported = {
        name: where for name in release.public(release.package) if (where := release.find(release.package, name))
    }
    found = {
        name: (module, original)
        for name, (module, original) in exported.items()
        if original and module.split(".")[0] == release.package
    }
    ambiguous: set[str] = set()
    for module in release.files:
        facts = release.module(module)
        if facts is None or module.startswith(MODELS) or _is_internal(release.package, module):
            continue
        for name in (*facts.classes, *facts.functions):
            if name.startswith("_") or name in exported:
                continue
            if name in found:
                ambiguous.add(name)
            found[name] = module, name
    whole = Release(release.path, release.package, release.memory, whole=True)
    found = {name: whole.find(*where) or where for name, where in found.items()}
    public = {where: name for name, where in found.items()}
    result: dict[str, Any] = {}
    for name, (module, original) in found.items():
        if name in ambiguous:
            continue
        result |= _callable(whole, name, module, original, public)
    return result


def _is_internal(package: str, module: str) -> bool:
    """Whether people import nothing from it."""
    inner = {
        "diffusers": r"diffusers\.(models|loaders|pipelines|schedulers|quantizers|hooks|modular_pipelines|guiders)\b"
    }
    return bool(re.search(inner.get(package, r"^$"), module))


def _callable(
    release: Release, name: str, module: str, original: str, public: dict[tuple[str, str], str]
) -> dict[str, Any]:
    facts = release.module(module)
    if facts is None:
        return {}
    if "." in original:  # a method of an object that the module made, such as `api.create_repo`
        owner, _, method = original.partition(".")
        cls = release.dotted(module, facts.aliases.get(owner, "?").removesuffix("()"))
        made = release.method(*cls, method) if cls and cls[1] else None
        return {name: _plain(made, module)} if made else {}
    if original in facts.functions:
        made = release.function(module, original)
        return {name: _plain(made, module)} if made else {}
    if original not in facts.classes:
        return {}
    line = release.classes(module, original)
    bases = [public[one[:2]] for one in line[1:] if one[:2] in public]
    made = release.construction(module, original)
    result = {name: {**_plain(made, module), "bases": bases}} if made else {}
    for method in _methods(release.package, module, line):
        owner = next(one for one in line if one[2] and method in one[2].methods)
        if owner is line[0] or owner[:2] not in public:
            made = release.method(module, original, method)
            if made:
                result[f"{name}.{method}"] = _plain(made, module)
    return result


def _methods(package: str, module: str, line: list[tuple[str, str, ClassFacts | None]]) -> list[str]:
    if module.startswith(MODELS):
        return []
    if package == "diffusers":
        return (
            ["__call__"]
            if line[0][1].endswith("Pipeline") and any(one and "__call__" in one.methods for _, _, one in line)
            else []
        )
    names = dict.fromkeys(name for _, _, facts in line if facts for name in facts.methods)
    return [name for name in names if not name.startswith("_") or name == "__call__"]


def _plain(made: Taking, module: str) -> dict[str, Any]:
    return {
        "names": made.names,
        "rest": made.rest,
        "parents": made.parents,
        "old": made.old,
        "from": module,
        "source": made.source,
        "declared": made.declared,
        "deprecated": made.is_deprecated,
    }


# --- transformers -----------------------------------------------------------------------------------------------------

_SUBMODULES = """
activations cache_utils configuration_utils data.data_collator file_utils generation generation.utils image_utils integrations
modeling_attn_mask_utils modeling_outputs modeling_utils models.bert.modeling_bert models.gpt2.modeling_gpt2
models.llama.modeling_llama models.t5.modeling_t5 optimization
pytorch_utils tokenization_utils_base trainer trainer_callback trainer_pt_utils trainer_utils training_args utils utils.generic
utils.hub utils.import_utils
"""
SUBMODULES = [f"transformers.{name}" for name in _SUBMODULES.split()]  # whose names people import


def pipeline_tasks(release: Release) -> tuple[list[str], dict[str, str]]:
    """The tasks of pipeline() and their aliases."""
    module = "transformers.pipelines"
    tasks, aliases = release.constant(module, "SUPPORTED_TASKS"), release.constant(module, "TASK_ALIASES")
    known = ast.literal_eval(aliases) if aliases else {}
    names = [key.value for key in tasks.keys if isinstance(key, ast.Constant)] if isinstance(tasks, ast.Dict) else []
    return sorted(names), known


def model_types(release: Release) -> dict[str, dict[str, str]]:
    """Model types, each with the class that every Auto mapping has for it; "CONFIG" for the configuration."""
    found: dict[str, dict[str, str]] = {}
    auto = f"{MODELS}auto"
    for file, suffix in (
        ("modeling_auto", "_MAPPING_NAMES"),
        ("auto_mappings", "_MAPPING_NAMES"),
        ("configuration_auto", "CONFIG_MAPPING_NAMES"),
    ):
        text = release.text(f"{auto}.{file}")
        for node in ast.parse(text).body:
            target = (
                node.targets[0]
                if isinstance(node, ast.Assign)
                else node.target
                if isinstance(node, ast.AnnAssign)
                else None
            )
            if not isinstance(target, ast.Name) or not target.id.endswith(suffix) or node.value is None:  # type: ignore[union-attr]
                continue
            if re.match(r"TF_|FLAX_", target.id):
                continue
            task = target.id.removesuffix("_MAPPING_NAMES").removeprefix("MODEL_FOR_")
            for key, value in _pairs(node.value):  # type: ignore[union-attr]
                found.setdefault(key, {})[task] = value
    return found


def _pairs(node: ast.expr) -> list[tuple[str, str]]:
    """The entries of `OrderedDict([(key, value), ...])` or of a dict, with constant keys."""
    if isinstance(node, ast.Call) and node.args:
        return _pairs(node.args[0])
    if isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.List):
        pairs = [(one.elts[0], one.elts[1]) for one in node.elts if isinstance(one, ast.Tuple) and len(one.elts) == 2]
    else:
        return []
    found = []
    for key, value in pairs:
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            first = value.elts[0] if isinstance(value, ast.Tuple | ast.List) and value.elts else value
            found.append(
                (key.value, first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "")
            )
    return found


def task_calls(release: Release) -> dict[str, Any]:
    """What pipeline() takes for each task: what it takes itself, and what the task's class takes and sorts."""
    module = "transformers.pipelines"
    node = release.constant(module, "SUPPORTED_TASKS")
    made = release.function(module, "pipeline")
    found: dict[str, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) and made else ():
        given = (
            {one.value: of for one, of in zip(value.keys, value.values, strict=True)}
            if isinstance(value, ast.Dict)
            else {}
        )
        impl = given.get("impl")
        name = impl.value if isinstance(impl, ast.Constant) else dotted(impl)
        where = release.find(module, name.rpartition(".")[2])
        init = release.construction(*where) if where else None
        sorts = release.method(*where, "_sanitize_parameters") if where else None
        if init and sorts and isinstance(key, ast.Constant):
            # What `__init__` does not name it hands to `_sanitize_parameters`; so does every class of a pipeline.
            taken = {**made.names, **init.names, **sorts.names}
            found[f"pipeline.{key.value}"] = _plain(Taking(taken, sorts.rest, sorts.source), module)
    return found


def stand_ins(release: Release) -> dict[str, Any]:
    """What transformers 5 finds for names and modules that it no longer has: endings that may go, converters of tokenizers, modules."""
    lazy, top = release.text("transformers.utils.import_utils"), release.text("transformers")
    table = release.constant("transformers.convert_slow_tokenizer", "SLOW_TO_FAST_CONVERTERS")
    pairs = zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ()
    legacy = re.search(r"_LEGACY_MODULE_ALIASES = \{([^}]*)\}", top)
    return {
        "endings": [
            one
            for one in ("TokenizerFast", "ImageProcessorFast")
            if "fallback_name = name[:-4]" in lazy and f'name.endswith("{one}")' in lazy
        ],
        "converters": {key.value: dotted(value) for key, value in pairs if isinstance(key, ast.Constant)}
        if "SLOW_TO_FAST_CONVERTERS" in lazy
        else {},
        "modules": [
            *re.findall(r"""_create_\w*alias\(f"\{__name__\}\.(\w+)\"""", top),
            *(re.findall(r"""["'](\w+)["']:""", legacy[1]) if legacy else ()),
        ],
    }


def loading(release: Release) -> list[str]:
    """The keywords that loading a model reads itself; others are the configuration's or the model's own."""
    names: set[str] = set()
    for module in ("modeling_utils", "models.auto.auto_factory", "configuration_utils", "utils.hub"):
        text = release.text(f"transformers.{module}")
        names |= set(re.findall(r"""kwargs\.(?:pop|get)\(\s*["'](\w+)["']""", text))
        names |= set(re.findall(r"""["'](\w+)["'] in (?:\w+_)?kwargs""", text))
        for block in re.findall(r"hub_kwargs_names = \[([^\]]*)\]", text):
            names |= set(re.findall(r"""["'](\w+)["']""", block))
    for owner in ("PreTrainedModel", "_BaseAutoModelClass"):
        made = release.method(
            f"transformers.{'modeling_utils' if owner[0] == 'P' else 'models.auto.auto_factory'}",
            owner,
            "from_pretrained",
        )
        names |= set(made.names if made else ())
    return sorted(names)


# --- peft -------------------------------------------------------------------------------------------------------------


def lora_targets(release: Release) -> dict[str, list[str]]:
    """peft's default LoRA targets by model type."""
    node = release.constant("peft.utils.constants", "TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING")
    return ast.literal_eval(node) if node else {}
