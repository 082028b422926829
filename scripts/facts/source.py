"""What one module of a library says, read by its syntax tree: imports, classes, functions, signatures. Nothing is imported or run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from declared import declared, dotted, help_says_so, is_deprecated, renames

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_DEFAULT = 60  # characters of a default's source; a longer one is not compared between releases


@dataclass(slots=True)
class Signature:
    """The parameters of a function, and what becomes of keywords that it does not name.

    Attributes:
        names: parameters that a keyword can give, self and cls not among them: name to source of the default, "" for none.
        rest: what happens to other keywords: "raises" (no **), "drops", "forwards" (to the same method of super) or "open".
        taken: names that the body takes out of its ** by itself.
        renamed: parameters that a decorator still takes under an old name: old to new.
        decorators: dotted names.
        declared: parameters that the source calls deprecated: name to what to use instead, "" for nothing.
        is_deprecated: whether the source calls the whole function, or the class that it makes, deprecated.
    """

    names: dict[str, str]
    rest: str
    taken: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    decorators: list[str] = field(default_factory=list)
    declared: dict[str, str] = field(default_factory=dict)
    is_deprecated: bool = False


@dataclass(slots=True)
class ClassFacts:
    """A class: bases, dataclass fields with their defaults, methods; `members`: all that an object of it has."""

    bases: list[str]
    decorators: list[str]
    fields: dict[str, str]
    methods: dict[str, Signature]
    makes_dataclasses: bool = False  # its __init_subclass__ makes dataclasses of all subclasses, which take any keyword
    metaclass: bool = False
    members: list[str] = field(default_factory=list)
    properties: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)  # keys of its attribute_map: a configuration takes them as well
    declared: dict[str, str] = field(default_factory=dict)  # deprecated fields: name to what to use instead
    is_alias: bool = False  # nothing but another name for its base: the body is empty, or warns


@dataclass(slots=True)
class ModuleFacts:
    """A module.

    Attributes:
        imports: local name to (module, name); name "" for a module, module with leading dots where relative.
        stars: modules all of whose names are imported.
        aliases: name to dotted source of what it was set to.
        exported: `__all__`, None where there is none.
        environment: variables of the environment that it reads.
        structure: the names of a lazy package: name to the module of the package that has it.
        scans: whether the package finds more names in the `__all__` of the files below it.
        answers: names that a `__getattr__` of the module answers to.
    """

    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    classes: dict[str, ClassFacts] = field(default_factory=dict)
    functions: dict[str, Signature] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    exported: list[str] | None = None
    environment: list[str] = field(default_factory=list)
    structure: dict[str, str] = field(default_factory=dict)
    scans: bool = False
    answers: list[str] = field(default_factory=list)


def read_module(text: str) -> ModuleFacts:
    """The facts of a module's source.

    Raises:
        SyntaxError: it is not Python of this interpreter.
    """
    tree = ast.parse(text)
    facts = ModuleFacts()
    _read_body(tree.body, facts)
    if "environ" in text or "getenv" in text:
        facts.environment = sorted(_environment(tree))
    if "_import_structure" in text:
        facts.structure = dict(_structure(tree.body))
        facts.scans = "define_import_structure(Path(__file__)" in text
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            facts.answers = [one for one in texts if isinstance(one, str) and one.isidentifier()]
    return facts


def _structure(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """The names that a lazy package lists in `_import_structure`, each with its module."""
    for node in body:
        match node:
            case ast.If() | ast.Try():
                for part in ("body", "orelse"):
                    yield from _structure(getattr(node, part))
            case ast.Assign(targets=[ast.Name(id="_import_structure")], value=ast.Dict() as table):
                for key, value in zip(table.keys, table.values, strict=True):
                    yield from _listed(key, value)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id="_import_structure")) as target], value=value):
                yield from _listed(target.slice, value)
            case ast.AugAssign(target=ast.Subscript(value=ast.Name(id="_import_structure")) as target, value=value):
                yield from _listed(target.slice, value)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Subscript() as target), args=[value])):
                yield from _listed(target.slice, value) if dotted(target) == "_import_structure" else ()


def _listed(key: ast.expr | None, value: ast.expr) -> Iterator[tuple[str, str]]:
    names = value.elts if isinstance(value, ast.List) else [value]
    for one in names if isinstance(key, ast.Constant) else ():
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value, key.value  # type: ignore[union-attr]


def _read_body(body: list[ast.stmt], facts: ModuleFacts) -> None:
    """The statements of a module, those under `if` and `try` as well."""
    for node in body:
        match node:
            case ast.ClassDef():
                facts.classes[node.name] = _class(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if "overload" not in " ".join(map(dotted, node.decorator_list)):
                    facts.functions.setdefault(node.name, _signature(node, method=False))
            case ast.Import():
                for alias in node.names:
                    facts.imports[alias.asname or alias.name.partition(".")[0]] = (alias.name, "")
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    if alias.name == "*":
                        facts.stars.append(module)
                    else:
                        facts.imports[alias.asname or alias.name] = (module, alias.name)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                _assignment(node, facts)
            case ast.If() | ast.Try() | ast.With():
                for part in ("body", "handlers", "orelse", "finalbody"):
                    for one in getattr(node, part, []):
                        _read_body(one.body if isinstance(one, ast.ExceptHandler) else [one], facts)


def _assignment(node: ast.Assign | ast.AnnAssign | ast.AugAssign, facts: ModuleFacts) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        if not isinstance(target, ast.Name):
            continue
        if target.id == "__all__" and isinstance(node.value, ast.List | ast.Tuple):
            names = [one.value for one in node.value.elts if isinstance(one, ast.Constant)]
            facts.exported = (facts.exported or []) + names
        elif isinstance(node.value, ast.Call):
            facts.aliases[target.id] = dotted(node.value.func) + "()"
        elif node.value is not None and dotted(node.value):
            facts.aliases[target.id] = dotted(node.value)
        if target.id not in facts.constants:
            facts.constants.append(target.id)


# --- classes ----------------------------------------------------------------------------------------------------------


def _class(node: ast.ClassDef) -> ClassFacts:
    facts = ClassFacts(
        [dotted(base) or "?" for base in node.bases],
        [_decorator(one) for one in node.decorator_list],
        {},
        {},
        metaclass=any(one.arg == "metaclass" and "ABCMeta" not in dotted(one.value) for one in node.keywords),
    )
    for one in _flat(node.body):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [dotted(decorator) for decorator in one.decorator_list]
            if not any(name.endswith(("overload", ".setter", ".deleter", "property")) for name in names):
                facts.methods[one.name] = _signature(one, method=True, name=node.name if one.name == "__init__" else "")
            if one.name == "__init_subclass__":
                facts.makes_dataclasses = "dataclass(" in ast.unparse(one)
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            kind = ast.unparse(one.annotation)
            default = _default(one.value)
            if (instead := help_says_so(one.value, one.target.id)) is not None:
                facts.declared[one.target.id] = instead
            if "ClassVar" not in kind and "init=False" not in default.replace(" ", ""):
                facts.fields[one.target.id] = default
        elif isinstance(one, ast.Assign) and isinstance(one.value, ast.Name) and isinstance(one.targets[0], ast.Name):
            known = facts.methods.get(one.value.id)
            if known:
                facts.methods[one.targets[0].id] = known
    _complete(node, facts)
    return facts


def _complete(node: ast.ClassDef, facts: ClassFacts) -> None:
    """What the fields' deprecations, the members and the settings of a class are."""
    body = _flat(node.body)
    functions = [one for one in body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    for one in functions:
        if one.name in {"__post_init__", "__init__"}:
            facts.declared |= declared(one, facts.fields)
    names = {one.name: None for one in functions}
    names |= {
        alias.asname or alias.name: None for one in body if isinstance(one, ast.ImportFrom) for alias in one.names
    }
    facts.properties = [
        one.name for one in functions if any(dotted(decorator).endswith("property") for decorator in one.decorator_list)
    ]
    for one in body:
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
        named = [target.id for target in targets if isinstance(target, ast.Name)]
        names |= dict.fromkeys(named)
        facts.properties += named
        if named == ["attribute_map"] and isinstance(one.value, ast.Dict):  # type: ignore[union-attr]
            facts.settings = [key.value for key in one.value.keys if isinstance(key, ast.Constant)]  # type: ignore[union-attr]
    kept = [name for function in functions for name in _kept(function.body)]
    facts.members = [*(names | dict.fromkeys(kept))]
    facts.properties += kept
    facts.is_alias = _is_alias(node, functions)


def _kept(body: list[ast.stmt]) -> list[str]:
    """The names of `self.name = ...` among statements."""
    found = []
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found += [one.attr for one in targets if isinstance(one, ast.Attribute) and dotted(one.value) == "self"]
        for part in ("body", "orelse", "finalbody"):
            found += _kept(getattr(node, part, []))
    return found


def _is_alias(node: ast.ClassDef, functions: list[ast.FunctionDef | ast.AsyncFunctionDef]) -> bool:
    """Whether a class is its base under another name: it adds nothing, or an `__init__` that warns and hands on."""
    rest = [one for one in node.body if not isinstance(one, ast.Pass | ast.Expr)]
    if len(node.bases) != 1 or node.keywords or rest != functions:
        return False
    if not functions:
        return True
    warned = [one.name for one in functions] == ["__init__"] and is_deprecated(functions[0], node.name)
    return warned and [ast.unparse(one) for one in functions[0].body[1:]] == ["super().__init__(*args, **kwargs)"]


def _flat(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a class, those under `if` as well."""
    return [
        one
        for node in body
        for one in ([*_flat(node.body), *_flat(node.orelse)] if isinstance(node, ast.If) else [node])
    ]


def _decorator(node: ast.expr) -> str:
    """A decorator with its keywords, which matter for dataclasses."""
    if isinstance(node, ast.Call) and node.keywords:
        return f"{dotted(node)}({', '.join(ast.unparse(one) for one in node.keywords)})"
    return dotted(node)


def _default(node: ast.expr | None) -> str:
    """The source of a default, of a dataclass field's `field(default=...)` that."""
    if node is None:
        return ""
    if isinstance(node, ast.Call) and dotted(node).split(".")[-1] in {"field", "interval", "choice"}:
        given = {one.arg: one.value for one in node.keywords}
        if isinstance(given.get("init"), ast.Constant) and given["init"].value is False:
            return "init=False"
        return _default(given.get("default") or given.get("default_factory"))
    text = ast.unparse(node)
    return text if len(text) <= LONGEST_DEFAULT else "..."


# --- signatures -------------------------------------------------------------------------------------------------------


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool, name: str = "") -> Signature:
    decorators = [dotted(one) for one in node.decorator_list]
    arguments = node.args
    by_position = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(by_position) - len(arguments.defaults)) + list(arguments.defaults)
    names = {one.arg: _default(default) for one, default in zip(by_position, defaults, strict=True)}
    for one in arguments.posonlyargs:
        del names[one.arg]
    if method and "staticmethod" not in decorators and arguments.args and not arguments.posonlyargs:
        del names[arguments.args[0].arg]
    names |= {one.arg: _default(value) for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
    rest, taken = _rest(node) if arguments.kwarg else ("raises", [])
    renamed = dict(pair for one in node.decorator_list for pair in renames(one))
    deprecated = declared(node, [*names, *taken])
    return Signature(names, rest, taken, renamed, decorators, deprecated, is_deprecated(node, name or node.name))


def _rest(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, list[str]]:
    """What a body does with its `**kwargs`, and the names that it takes out of them."""
    assert node.args.kwarg is not None
    uses = _Uses(node.args.kwarg.arg, node.name)
    for statement in node.body:
        uses.visit(statement)
    if uses.open or (uses.forwards and uses.raises):
        return "open", uses.taken
    return "forwards" if uses.forwards else "raises" if uses.raises else "drops", uses.taken


class _Uses(ast.NodeVisitor):
    """How a function's `**kwargs` are used."""

    def __init__(self, name: str, function: str) -> None:
        self.name, self.function = name, function
        self.taken: list[str] = []
        self.forwards = self.raises = self.open = False

    def _is_it(self, node: ast.expr | None) -> bool:
        return isinstance(node, ast.Name) and node.id == self.name

    def visit_Name(self, node: ast.Name) -> None:
        self.open = self.open or node.id == self.name

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self._is_it(node.value) and isinstance(node.slice, ast.Constant):
            self.taken.append(str(node.slice.value))
        else:
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.comparators) == 1 and self._is_it(node.comparators[0]) and isinstance(node.left, ast.Constant):
            self.taken.append(str(node.left.value))
        elif self._is_it(node.left) and isinstance(node.comparators[0], ast.Constant | ast.Dict):
            pass
        else:
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """`if kwargs: raise`, `if kwargs: log`, `if len(kwargs) > 0: raise`."""
        text = ast.unparse(node.test)
        if text in {self.name, f"len({self.name})", f"len({self.name}) > 0", f"len({self.name}) != 0"}:
            if any(isinstance(one, ast.Raise) for one in node.body):
                self.raises = True
                return
            for one in (*node.body, *node.orelse):
                self.visit(one)
            return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = dotted(node.func)
        if isinstance(node.func, ast.Attribute) and self._is_it(node.func.value):
            if node.func.attr in {"pop", "get", "setdefault"} and node.args and isinstance(node.args[0], ast.Constant):
                self.taken.append(str(node.args[0].value))
                for one in node.args[1:]:
                    self.visit(one)
            elif node.func.attr == "update":
                for one in (*node.args, *(k.value for k in node.keywords)):
                    self.visit(one)
            else:
                self.open = True
            return
        if function.startswith(("logger.", "warnings.warn", "logging.")):
            return
        above = ast.unparse(node.func) == f"super().{self.function}"
        for one in node.args:
            self.visit(one)
        for keyword in node.keywords:
            if keyword.arg is None and self._is_it(keyword.value) and above:
                self.forwards = True
            else:
                self.visit(keyword.value)
        if not isinstance(node.func, ast.Name):
            self.visit(node.func)


def _environment(tree: ast.Module) -> set[str]:
    """Environment variables whose names are written out where they are read."""
    found: set[str] = set()
    for node in ast.walk(tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Call) and node.args:
            if dotted(node.func).endswith(("environ.get", "getenv", "environ.pop", "parse_flag_from_env")):
                key = node.args[0]
        elif isinstance(node, ast.Subscript) and dotted(node.value).endswith("environ"):
            key = node.slice if isinstance(node.ctx, ast.Load) else None
        elif (
            isinstance(node, ast.Compare)
            and len(node.comparators) == 1
            and dotted(node.comparators[0]).endswith("environ")
        ):
            key = node.left
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            found.add(key.value)
    return found
