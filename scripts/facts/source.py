"""What one module of a library says, read by its syntax tree: imports, classes, functions, signatures. Nothing is imported or run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

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
    """

    names: dict[str, str]
    rest: str
    taken: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    decorators: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ClassFacts:
    """A class: bases, dataclass fields with their defaults, methods."""

    bases: list[str]
    decorators: list[str]
    fields: dict[str, str]
    methods: dict[str, Signature]
    makes_dataclasses: bool = False  # its __init_subclass__ makes dataclasses of all subclasses, which take any keyword
    metaclass: bool = False


@dataclass(slots=True)
class ModuleFacts:
    """A module.

    Attributes:
        imports: local name to (module, name); name "" for a module, module with leading dots where relative.
        stars: modules all of whose names are imported.
        aliases: name to dotted source of what it was set to.
        exported: `__all__`, None where there is none.
        environment: variables of the environment that it reads.
        tables: names of constants to their source, for those asked for.
    """

    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    classes: dict[str, ClassFacts] = field(default_factory=dict)
    functions: dict[str, Signature] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    exported: list[str] | None = None
    environment: list[str] = field(default_factory=list)


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
    return facts


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


def dotted(node: ast.expr) -> str:
    """A dotted name, of a call its function's; "" for anything else."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            owner = dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        case ast.Call():
            return dotted(node.func)
        case ast.Subscript():
            return dotted(node.value)
    return ""


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
                facts.methods[one.name] = _signature(one, method=True)
            if one.name == "__init_subclass__":
                facts.makes_dataclasses = "dataclass(" in ast.unparse(one)
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            kind = ast.unparse(one.annotation)
            default = _default(one.value)
            if "ClassVar" not in kind and "init=False" not in default.replace(" ", ""):
                facts.fields[one.target.id] = default
        elif isinstance(one, ast.Assign) and isinstance(one.value, ast.Name) and isinstance(one.targets[0], ast.Name):
            known = facts.methods.get(one.value.id)
            if known:
                facts.methods[one.targets[0].id] = known
    return facts


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


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool) -> Signature:
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
    renamed = dict(pair for one in node.decorator_list for pair in _renames(one))
    return Signature(names, rest, taken, renamed, decorators)


def _renames(decorator: ast.expr) -> list[tuple[str, str]]:
    """Old and new names of parameters that a decorator still takes under the old one."""
    if not isinstance(decorator, ast.Call):
        return []
    given = {one.arg: one.value for one in decorator.keywords}
    if dotted(decorator).endswith("deprecated_kwargs"):
        return [(old or "", new.value) for old, new in given.items() if isinstance(new, ast.Constant)]
    if not dotted(decorator).endswith("deprecate_kwarg"):
        return []
    old, new = (
        (*decorator.args, given.get("old_name"))[0],
        given.get("new_name", (*decorator.args, None, None, None)[2]),
    )
    return [(old.value, new.value if isinstance(new, ast.Constant) else "")] if isinstance(old, ast.Constant) else []


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
