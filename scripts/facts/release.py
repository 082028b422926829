"""One release of a library, read from its wheel: which names it offers, where they are defined, what its callables take."""

from __future__ import annotations

import ast
import re
import zipfile
from dataclasses import dataclass, field
from email.parser import Parser
from typing import TYPE_CHECKING

from source import ClassFacts, ModuleFacts, Signature, read_module

if TYPE_CHECKING:
    from pathlib import Path

# Read by their `__all__` alone where names are asked for: what else they define and import is nobody's.
LIGHT = re.compile(r"/models/[^/]+/(modeling|modular|generation|loss)_\w+\.py$")
SKIPPED = re.compile(
    r"/(convert_(?!slow_tokenizer\.)\w+|testing_utils|models/[^/]+/modular_\w+)\.py$|/(commands|cli|utils/dummy_\w+|kernels|onnx)(/|\.py$)"
)
ALL = re.compile(r"^__all__(?:: [^=]+)? = (\[[^\]]*\])", re.MULTILINE)
DEFINED = re.compile(r"^(?:class|def) (\w+)", re.MULTILINE)
BENIGN = {
    "PushToHubMixin",
    "object",
    "ABC",
    "abc.ABC",
    "Generic",
    "Protocol",
    "typing.Generic",
}  # bases that bring no __init__ of their own
FIELDLESS = BENIGN | {"CardData"}  # bases of dataclasses that are none: their __init__ is not called
DATACLASS = re.compile(r"(^|\.)(dataclass(_with_extra)?|strict)\b")
PASSING = re.compile(  # decorators that leave what a function takes as it is
    r"(^|\.)(staticmethod|classmethod|abstractmethod|property|wraps|no_grad|inference_mode|contextmanager|lru_cache|cache|retry|requires"
    r"|(add|replace)_\w*docstrings?\w*|auto_docstring|validate_hf_hub_args|deprecated?|deprecate_kwarg|deprecated_kwargs|_deprecate_\w+"
    r"|deprecate_method|transmit_\w+|fingerprint_transform|is_documented_by|on_main_process|experimental|future_compatible|flag_as_download_call"
    r"|profiling_decorator|can_return_tuple|torch_only_method|require_\w+|_requires_keras_2_model|final|override|disable|register_to_config"
    r"|_compiler_disable|deepspeed_required|torchao_required|peft_wrapper|apply_forward_hook|apply_lora_scale)$"
)
# Decorators of sentence-transformers that take keywords under old names.
RENAMING = re.compile(r"(^|\.)\w+_args_decorator$")
Key = tuple[str, int, int, bool]


@dataclass(slots=True)
class Taking:
    """What a callable takes.

    Attributes:
        names: parameters that a keyword can give, with their defaults' source: "" for none, "?" for those that a ** brings.
        rest: what happens to other keywords: "raises", "drops", "keeps" (as attributes) or "open".
        parents: callables of other libraries that take the remaining keywords.
        source: the file of its definition.
        old: parameters that it takes under a deprecated name.
        declared: parameters that the source calls deprecated: name to what to use instead, "" for nothing.
        is_deprecated: whether the source calls the whole callable deprecated.
    """

    names: dict[str, str]
    rest: str
    source: str
    parents: list[str] = field(default_factory=list)
    old: dict[str, str] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    is_deprecated: bool = False


class Release:
    """The modules of a wheel; `memory` keeps what was read of a file for the releases that have the same.

    With `whole`, the files of models are read to the end, for what their classes take.
    """

    def __init__(self, wheel: Path, package: str, memory: dict[Key, ModuleFacts], *, whole: bool = False) -> None:
        self.path, self.package, self.whole = wheel, package, whole
        self.archive = zipfile.ZipFile(wheel)
        self.memory = memory
        self.files = {
            _module(name): info
            for info in self.archive.infolist()
            if (name := info.filename).startswith(f"{package}/") and name.endswith(".py") and not SKIPPED.search(name)
        }
        self._found: dict[tuple[str, str], tuple[str, str] | None] = {}
        self._public: dict[str, dict[str, None]] = {}
        self._stars: dict[str, dict[str, list[str]]] = {}
        self._structures: dict[str, dict[str, str]] = {}
        self._lines: dict[tuple[str, str], list[tuple[str, str, ClassFacts | None]]] = {}

    # --- modules

    def text(self, module: str) -> str:
        """The source of a module; "" for none."""
        info = self.files.get(module)
        return self.archive.read(info).decode("utf-8") if info else ""

    def module(self, module: str) -> ModuleFacts | None:
        """The facts of a module."""
        info = self.files.get(module)
        if info is None:
            return None
        light = not self.whole and bool(LIGHT.search(info.filename))
        key = (module, info.CRC, info.file_size, light)
        if key not in self.memory:
            text = self.archive.read(info).decode("utf-8")
            try:
                self.memory[key] = _light(text) if light else read_module(text)
            except SyntaxError:
                self.memory[key] = ModuleFacts()
        return self.memory[key]

    def every_module(self) -> set[str]:
        """The modules that the wheel has, those as well that are not read."""
        names = (info.filename for info in self.archive.infolist() if info.filename.startswith(f"{self.package}/"))
        return {_module(name) for name in names if name.endswith(".py")}

    def is_package(self, module: str) -> bool:
        """Whether a module is a folder."""
        info = self.files.get(module)
        return info is not None and info.filename.endswith("/__init__.py")

    def absolute(self, module: str, name: str) -> str:
        """A module named in an import statement of another, without leading dots."""
        dots = len(name) - len(name.lstrip("."))
        if not dots:
            return name
        parts = module.split(".")
        parts = parts[: len(parts) - dots + self.is_package(module)]
        return ".".join([*parts, *filter(None, [name.lstrip(".")])])

    # --- names

    def find(self, module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> tuple[str, str] | None:
        """Where a name of a module is defined: (module, name); the module may be of another library."""
        key = (module, name)
        if key in self._found:
            return self._found[key]
        if key in seen:
            return None
        found = self._find(module, name, seen | {key})
        self._found[key] = found
        return found

    def _find(self, module: str, name: str, seen: frozenset[tuple[str, str]]) -> tuple[str, str] | None:
        facts = self.module(module)
        if facts is None:
            return (module, name) if not module.startswith(f"{self.package}.") and module != self.package else None
        if name in facts.classes or name in facts.functions:
            return module, name
        if name in facts.imports:
            origin, original = facts.imports[name]
            origin = self.absolute(module, origin)
            return self.find(origin, original, seen) if original else (origin, "")
        if name in facts.aliases and facts.aliases[name] != name:
            target = facts.aliases[name].removesuffix("()")
            return self.dotted(module, target, seen) if not facts.aliases[name].endswith("()") else (module, name)
        if name in facts.constants:
            return module, name
        if name in (structure := self._structure(module)):
            return self.find(structure[name], name, seen)
        for origin in self._starred(module).get(name, ()):
            if found := self.find(origin, name, seen):
                return found
        if f"{module}.{name}" in self.files:
            return f"{module}.{name}", ""
        return None

    def _starred(self, module: str) -> dict[str, list[str]]:
        """The names that a module imports by stars, with the modules that offer them."""
        facts = self.module(module)
        if module not in self._stars and facts:
            self._stars[module] = {}
            for origin in [self.absolute(module, star) for star in facts.stars]:
                for name in self.public(origin):
                    self._stars[module].setdefault(name, []).append(origin)
        return self._stars.get(module, {})

    def dotted(self, module: str, path: str, seen: frozenset[tuple[str, str]] = frozenset()) -> tuple[str, str] | None:
        """Where a dotted name as written in a module is defined; for a method "Class.method"."""
        first, *rest = path.split(".")
        found = self.find(module, first, seen)
        while found and rest:
            origin, name = found
            if name:
                return (origin, ".".join([name, *rest]))
            found = self.find(origin, rest.pop(0), seen)
        return found

    def public(self, module: str) -> dict[str, None]:
        """The names that a module offers."""
        if module not in self._public:
            self._public[module] = {}  # two modules may import everything of each other
            self._public[module] = self._offered(module)
        return self._public[module]

    def _offered(self, module: str) -> dict[str, None]:
        facts = self.module(module)
        if facts is None:
            return {}
        names: dict[str, None] = dict.fromkeys(facts.exported or ())
        if facts.exported is None or self.is_package(module):
            names |= dict.fromkeys([*facts.classes, *facts.functions, *facts.constants, *facts.imports])
        for star in facts.stars:
            names |= dict.fromkeys(self.public(self.absolute(module, star)))
        names |= dict.fromkeys(self._structure(module))
        return {name: None for name in names if not name.startswith("_")}

    def _structure(self, module: str) -> dict[str, str]:
        """The names that a lazy package lists or finds, each with the module that has it."""
        facts = self.module(module)
        if facts is None or not facts.structure:
            return {}
        if module not in self._structures:
            found = {name: f"{module}.{where}" for name, where in facts.structure.items()}
            below = [one for one in self.files if facts.scans and one.startswith(f"{module}.models.")]
            for one in below:
                inner = self.module(one)
                for name in inner.exported or () if inner else ():
                    found.setdefault(name, one)
            self._structures[module] = found
        return self._structures[module]

    def bound(self, module: str) -> list[str] | None:
        """The names that can be imported from a module, whoever made them; None where it answers for more than it holds."""
        facts = self.module(module)
        if facts is not None and LIGHT.search(self.files[module].filename):
            facts = read_module(self.text(module))
        if facts is None or ("__getattr__" in facts.functions and not facts.answers):
            return None
        names = dict.fromkeys(
            [*facts.classes, *facts.functions, *facts.constants, *facts.imports, *(facts.exported or ())]
        )
        for star in facts.stars:
            names |= dict.fromkeys(self.public(self.absolute(module, star)))
        names |= dict.fromkeys([*facts.structure, *facts.answers])
        return sorted(name for name in names if not name.startswith("_"))

    # --- callables

    def members(self, module: str, name: str) -> dict[str, bool]:
        """What objects of a class have, by the library's own code; False for methods, which no `__getattr__` stands in for."""
        found: dict[str, bool] = {}
        for _, _, facts in self.classes(module, name):
            for member in facts.members if facts else ():
                found.setdefault(member, member in facts.properties)  # type: ignore[union-attr]
        return found

    def classes(self, module: str, name: str) -> list[tuple[str, str, ClassFacts | None]]:
        """A class and its bases in the order in which Python looks for methods; None for one of another library."""
        if (module, name) not in self._lines:
            self._lines[module, name] = self._line(module, name)
        return self._lines[module, name]

    def _line(self, module: str, name: str) -> list[tuple[str, str, ClassFacts | None]]:
        found = self.module(module)
        facts = found.classes.get(name) if found else None
        if facts is None:
            return [(module, name, None)]
        chains = []
        for base in facts.bases:
            where = self.dotted(module, base)
            if where is None:
                where = ("", base)
            chains.append(self.classes(*where) if where != (module, name) else [])
        return [(module, name, facts), *_merged(chains)]

    def function(self, module: str, name: str) -> Taking | None:
        """What a function of a module takes."""
        facts = self.module(module)
        signature = facts.functions.get(name) if facts else None
        return self._made(signature, module) if signature else None

    def construction(self, module: str, name: str) -> Taking | None:
        """What calling a class takes."""
        line = self.classes(module, name)
        if line[0][2] is None:
            return None
        if any(
            facts and (facts.metaclass or ("__call__" in facts.methods and "type" in facts.bases))
            for _, _, facts in line
        ):
            return Taking({}, "open", _file(module))
        made = self._inherited(line, "__new__" if _is_made_by_new(line) else "__init__")
        for _, _, facts in line:
            made.names |= {name: "?" for name in facts.settings if name not in made.names} if facts else {}
            made.declared = {**facts.declared, **made.declared} if facts else made.declared
        return made

    def method(self, module: str, name: str, method: str) -> Taking | None:
        """What a method of a class takes."""
        line = self.classes(module, name)
        if any(facts and method in facts.methods for _, _, facts in line):
            return self._inherited(line, method)
        return None

    def _inherited(self, line: list[tuple[str, str, ClassFacts | None]], method: str) -> Taking:
        names: dict[str, str] = {}
        old: dict[str, str] = {}
        told: dict[str, str] = {}
        makes = any(facts and facts.makes_dataclasses for _, _, facts in line[1:])
        for position, (module, name, facts) in enumerate(line):
            if facts is None:
                if f"{module}.{name}".lstrip(".") in BENIGN or name in BENIGN:
                    continue
                known = module.split(".")[0] in OTHERS and method == "__init__"
                rest = "raises" if known else "open"
                return Taking(names, rest, _file(line[0][0]), [f"{module}.{name}"] if known else [], old, told)
            if (
                method == "__init__"
                and method not in facts.methods
                and (makes or any(map(DATACLASS.search, facts.decorators)))
            ):
                return self._record(
                    line[position:], names, old, keeps=makes or "accept_kwargs=True" in str(facts.decorators)
                )
            if method in facts.methods:
                made = self._made(facts.methods[method], module)
                names = {**made.names, **names}
                old |= made.old
                told = {**made.declared, **told}
                if made.rest != "forwards":
                    source = _file(line[0][0] if method == "__init__" else module)
                    whole = position == 0 and made.is_deprecated
                    return Taking(names, made.rest, source, made.parents, old, told, whole)
        return Taking(names, "raises", _file(line[0][0]), [], old, told)

    def _record(
        self, line: list[tuple[str, str, ClassFacts | None]], names: dict[str, str], old: dict[str, str], *, keeps: bool
    ) -> Taking:
        """The `__init__` that dataclasses.dataclass makes."""
        fields: dict[str, str] = {}
        parents, rest = [], "keeps" if keeps else "raises"
        for module, name, facts in reversed(line):
            if facts is None:
                if module.split(".")[0] in OTHERS:
                    parents += [f"{module}.{name}"] if name not in FIELDLESS else []
                elif name not in BENIGN and f"{module}.{name}" not in BENIGN and name != "?":
                    rest = "open" if name not in {"Enum", "dict", "Dict", "OrderedDict"} else rest
            elif keeps or any(map(DATACLASS.search, facts.decorators)):
                fields |= {field: default for field, default in facts.fields.items() if default != "init=False"}
        return Taking({**fields, **names}, rest, _file(line[0][0]), parents, old)

    def _made(self, signature: Signature, module: str) -> Taking:
        renaming = [one for one in signature.decorators if RENAMING.search(one)]
        changed = [one for one in signature.decorators if not PASSING.search(one) and one not in renaming]
        rest = "open" if changed else signature.rest
        is_forgiving = any(one.endswith("validate_hf_hub_args") for one in signature.decorators)
        brought = [*signature.taken, *signature.renamed, *(self._forgiven() if is_forgiving else ())]
        brought += [name for one in renaming for name in self._spoken(module, one)]
        names = {**dict(signature.names), **{one: "?" for one in brought if one not in signature.names}}
        return Taking(
            names, rest, _file(module), [], dict(signature.renamed), signature.declared, signature.is_deprecated
        )

    def _spoken(self, module: str, decorator: str) -> list[str]:
        """The names that a decorator writes out: what it may take out of the keywords, and perhaps more."""
        origin, name = self.dotted(module, decorator) or ("", "")
        made = [
            one for one in ast.parse(self.text(origin)).body if isinstance(one, ast.FunctionDef) and one.name == name
        ]
        texts = [one.value for function in made for one in ast.walk(function) if isinstance(one, ast.Constant)]
        return [one for one in dict.fromkeys(texts) if isinstance(one, str) and one.isidentifier()]

    def _forgiven(self) -> list[str]:
        """What huggingface_hub's decorator takes out of the keywords of what it decorates."""
        text = self.text("huggingface_hub.utils._validators")
        names = re.findall(r"""kwargs\.pop\(["'](\w+)["']""", text)
        return (
            names
            if self.package == "huggingface_hub"
            else ["use_auth_token", "proxies", "resume_download", "local_dir_use_symlinks"]
        )

    # --- metadata

    def requirements(self) -> dict[str, str]:
        """Which Python and torch it wants: {"python": ">=3.10", "torch": ">=2.4"}; a torch of its extras counts."""
        name = next(one for one in self.archive.namelist() if one.endswith(".dist-info/METADATA"))
        head = Parser().parsestr(self.archive.read(name).decode("utf-8"), headersonly=True)
        found = {"python": head.get("Requires-Python", "")}
        for line in head.get_all("Requires-Dist", []):
            match = re.match(
                r"(torch|transformers|accelerate|peft|datasets|huggingface[-_]hub|tokenizers)\s*\(?([<>=!~][^;)]*)",
                line,
            )
            if match and (";" not in line or match[1] == "torch"):
                found.setdefault(match[1].replace("_", "-"), match[2].strip())
        return {library: spec for library, spec in found.items() if spec}

    def constant(self, module: str, name: str) -> ast.expr | None:
        """The value that a module gives a name at its top level, as syntax."""
        text = self.text(module)
        for node in ast.parse(text).body if name in text else ():
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return node.value
        return None


OTHERS = {
    "transformers",
    "peft",
    "trl",
    "accelerate",
    "datasets",
    "huggingface_hub",
    "sentence_transformers",
    "diffusers",
}


def _light(text: str) -> ModuleFacts:
    match = ALL.search(text)
    names = re.findall(r"""["'](\w+)["']""", match[1]) if match else []
    return ModuleFacts(constants=[*dict.fromkeys([*names, *DEFINED.findall(text)])], exported=names if match else None)


def _module(file: str) -> str:
    return file.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")


def _file(module: str) -> str:
    return module.partition(".")[2].replace(".", "/")


def _is_made_by_new(line: list[tuple[str, str, ClassFacts | None]]) -> bool:
    """Whether a class has no `__init__`, but a `__new__`: datasets.Sequence since 4.0."""
    known = [facts for _, name, facts in line if name not in BENIGN]
    own = [facts for facts in known if facts is not None]
    initialized = any(
        "__init__" in facts.methods or facts.makes_dataclasses or any(map(DATACLASS.search, facts.decorators))
        for facts in own
    )
    return len(own) == len(known) and not initialized and any("__new__" in facts.methods for facts in own)


def _merged(chains: list[list[tuple[str, str, ClassFacts | None]]]) -> list[tuple[str, str, ClassFacts | None]]:
    """The lines of the bases merged as Python merges them (C3); one after the other where that has no answer."""
    chains = [chain for chain in chains if chain]
    heads = [*chains, [chain[0] for chain in chains]]
    merged: list[tuple[str, str, ClassFacts | None]] = []
    while heads := [chain for chain in heads if chain]:
        for chain in heads:
            first = chain[0][:2]
            if not any(first in [one[:2] for one in other[1:]] for other in heads):
                break
        else:
            first = heads[0][0][:2]
        merged.append(next(chain[0] for chain in heads if chain[0][:2] == first))
        heads = [[one for one in chain if one[:2] != first] for chain in heads]
    return merged
