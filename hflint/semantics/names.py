"""What the expressions of `ast` name: roots, targets, and the names whose object a value may be."""

from __future__ import annotations

import ast
import re

# What a project's own module may offer that makes an object of a library; only decides whether the call is parsed.
LOCAL_MAKER = re.compile(
    r"^(?!_*(?:is|has|can|check|validate|verify|assert|test|supports?|count|print|log|register|disable|save|update|unwrap)_)"
    r".*(?:model|tokeni[sz]er|processor|pipe|trainer|peft|lora|quant|llm)"
    r"(?!.*(?:_ids?|_names?|_paths?|_types?|_dir|_available|_args|callback|mixin|error)$)",
    re.IGNORECASE,
)
# Builtin functions whose result is no object of a library, and holds none.
_PLAIN = frozenset(
    {"len", "str", "int", "float", "bool", "isinstance", "hasattr", "print", "repr", "range", "type", "max"}
)
# Calls whose result nothing can change, or nothing that hflint asks about.
_INERT = frozenset(
    {"torch", "logging", "os", "re", "pathlib", "Path", "getLogger", "get_logger", "time", "np", "typing"}
)


def root_of(node: ast.AST, me: str = "") -> str:
    """The name that an attribute, an item or a call hangs on; for the instance, its attribute as `.name`."""
    last = ""
    while isinstance(node, ast.Attribute | ast.Subscript):
        last = node.attr if isinstance(node, ast.Attribute) else last
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return f".{last}" if last and node.id == me else node.id


def names_in(node: ast.AST) -> set[str]:
    """Every name in an expression."""
    if isinstance(node, ast.Name):
        return {node.id}
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def targets_of(node: ast.AST, me: str) -> set[str]:
    """What an assignment binds: names, and attributes of the instance."""
    if isinstance(node, ast.Tuple | ast.List):
        return {name for one in node.elts for name in targets_of(one, me)}
    return {root_of(node.value if isinstance(node, ast.Starred) else node, me)}


def changed_by(node: ast.stmt) -> set[str]:
    """The names whose object a simple statement changes: `tokenizer.pad_token = ...`, `parser.add_argument(...)`."""
    if isinstance(node, ast.Assign):
        return {root_of(one) for one in node.targets if isinstance(one, ast.Attribute | ast.Subscript)} - {""}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return {root_of(node.value.func), *(root_of(one) for one in node.value.args)} - {""}
    return set()


def is_constant(node: ast.AST | None) -> bool:
    """Whether a value is nothing that can be changed in place."""
    if isinstance(node, ast.Tuple):
        return all(is_constant(one) for one in node.elts)
    if isinstance(node, ast.Call):
        return root_of(node.func) in _INERT | _PLAIN
    return isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.UnaryOp | ast.Compare)


def carriers(node: ast.AST | None, me: str) -> set[str]:
    """The names whose object an expression may be, or hold: a name, what a call is given, the branches of a choice."""
    found: set[str] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, ast.Name):
            found.add(one.id)
        elif isinstance(one, ast.Attribute):
            if (name := root_of(one, me)).startswith(".") or LOCAL_MAKER.search(one.attr):
                found.add(name)
        elif isinstance(one, ast.Call):
            if not (isinstance(one.func, ast.Name) and one.func.id in _PLAIN):
                found.add(root_of(one.func, me))
                stack += [*one.args, *(keyword.value for keyword in one.keywords)]
                stack += [one.func.value] if isinstance(one.func, ast.Attribute) else []
        elif isinstance(one, ast.Constant):
            pass  # most of the rest
        elif isinstance(one, ast.Await | ast.Starred | ast.NamedExpr | ast.Subscript):
            stack.append(one.value)
        elif isinstance(one, ast.IfExp):
            stack += [one.body, one.orelse]
        elif isinstance(one, ast.BoolOp | ast.Dict):
            stack += one.values
        elif isinstance(one, ast.Tuple | ast.List | ast.Set):
            stack += one.elts
        elif isinstance(one, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            stack += [one.elt, *(loop.iter for loop in one.generators)]
        elif isinstance(one, ast.DictComp):
            stack += [one.value, *(loop.iter for loop in one.generators)]
    return found


def parameters_of(arguments: ast.arguments) -> list[ast.arg]:
    """All parameters of a function."""
    splats = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *splats]
