"""Questions to the syntax alone: names, blocks and what they bind, as code spells them."""

from __future__ import annotations

from hflint.semantics import tree
from hflint.semantics.values import MISSING


def dotted(node: tree.Expression) -> str:
    """A dotted name as it is written; empty where the expression is something else."""
    if isinstance(node, tree.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, tree.Name) else ""


def same(one: tree.Expression, other: tree.Expression) -> bool:
    """Whether two expressions are the same name, or the same attribute of the same."""
    if isinstance(one, tree.Name) and isinstance(other, tree.Name):
        return one.value == other.value
    if not isinstance(one, tree.Attribute) or not isinstance(other, tree.Attribute):
        return False
    return one.attr.value == other.attr.value and same(one.value, other.value)


def is_never(node: tree.Expression) -> bool:
    """Whether a condition never holds."""
    return (isinstance(node, tree.Name) and node.value == "False") or (
        isinstance(node, tree.Integer) and not node.value
    )


def is_exit_stack(node: tree.Expression) -> bool:
    """Whether a call makes an `ExitStack`, which may enter any other context manager."""
    return isinstance(node, tree.Call) and dotted(node.func).endswith("ExitStack")


def is_main_guard(node: tree.Expression) -> bool:
    """Whether a condition asks for the name of the module."""
    return isinstance(node, tree.Comparison) and isinstance(node.left, tree.Name) and node.left.value == "__name__"


def is_type_checking(node: tree.Expression) -> bool:
    """Whether a condition holds for type checkers only."""
    return (isinstance(node, tree.Name) and node.value == "TYPE_CHECKING") or (
        isinstance(node, tree.Attribute) and node.attr.value == "TYPE_CHECKING"
    )


def handled(handler: tree.ExceptHandler) -> list[str]:
    """The last parts of the names of the exceptions that a handler catches."""
    if handler.type is None:
        return ["Exception"]
    types = [e.value for e in handler.type.elements] if isinstance(handler.type, tree.Tuple) else [handler.type]
    return [dotted(one).rpartition(".")[2] for one in types]


def assigned_in(suite: tree.Suite) -> set[str]:
    """The names that a block binds, nested blocks included, functions and classes not."""
    names: set[str] = set()
    stack: list[tree.Node] = list(suite.body)
    while stack:
        one = stack.pop()
        if isinstance(one, tree.SimpleStatementLine):
            stack.extend(one.body)
        elif isinstance(one, tree.Assign):
            names.update(name for target in one.targets for name in _names_in(target.target))
        elif isinstance(one, tree.AnnAssign | tree.AugAssign | tree.For):
            names.update(_names_in(one.target))
        if not isinstance(one, tree.FunctionDef | tree.ClassDef):
            stack.extend(_blocks_of(one))
    return names


def _names_in(target: tree.Expression) -> list[str]:
    if isinstance(target, tree.Tuple | tree.List):
        return [name for element in target.elements for name in _names_in(element.value)]
    return [target.value] if isinstance(target, tree.Name) else []


def _blocks_of(node: tree.Node) -> list[tree.Node]:
    """The statements in the blocks of a compound statement."""
    parts = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    parts += [*getattr(node, "handlers", ()), *getattr(node, "cases", ())]
    found: list[tree.Node] = []
    for part in parts:
        if isinstance(part, tree.If):
            found.append(part)
        elif part is not None:
            suite = part if isinstance(part, tree.Suite) else getattr(part, "body", None)
            found.extend(suite.body if isinstance(suite, tree.Suite) else ())
    return found


def breaks(suite: tree.Suite) -> bool:
    """Whether a loop's block can leave the loop."""
    return _has(suite, (tree.Break, tree.Return))


def leaves(suite: tree.Suite) -> bool:
    """Whether a loop's block can leave the loop, or skip a part of it."""
    return _has(suite, (tree.Break, tree.Return, tree.Continue))


def _has(suite: tree.Suite, kinds: tuple[type[tree.Node], ...]) -> bool:
    stack: list[tree.Node] = list(suite.body)
    while stack:
        one = stack.pop()
        if isinstance(one, tree.SimpleStatementLine):
            if any(isinstance(small, kinds) for small in one.body):
                return True
        elif isinstance(one, kinds):
            return True
        elif not isinstance(one, tree.For | tree.While | tree.FunctionDef | tree.ClassDef):
            stack.extend(_blocks_of(one))
    return False


def is_yield(statement: tree.Node) -> bool:
    """Whether a statement is a bare `yield`, or one of a value."""
    only = statement.body[0] if isinstance(statement, tree.SimpleStatementLine) else None
    return isinstance(only, tree.Expr) and isinstance(only.value, tree.Yield)


def filled_in(node: tree.If) -> tree.Name | tree.Attribute | None:
    """The target of `if target is None: target = ...` or `if not target: target = ...`."""
    test = node.test
    if isinstance(test, tree.UnaryOperation) and isinstance(test.operator, tree.Not):
        target = test.expression
    elif isinstance(test, tree.Comparison) and isinstance(test.comparisons[0].operator, tree.Is):
        target = test.left if dotted(test.comparisons[0].comparator) == "None" else test
    else:
        return None
    if node.orelse is not None or not isinstance(target, tree.Name | tree.Attribute):
        return None
    lines = [line for line in node.body.body if isinstance(line, tree.SimpleStatementLine)]
    ones = [one for line in lines for one in line.body if isinstance(one, tree.Assign)]
    return target if any(same(target, one.targets[0].target) for one in ones) else None


def chosen_case(node: tree.Match, subject: object) -> tree.MatchCase | None:
    """The case that a constant gets into, where the patterns are literals; None where that is not known."""
    for case in node.cases:
        pattern = case.pattern
        if subject is MISSING or case.guard is not None:
            return None
        if isinstance(pattern, tree.MatchAs) and pattern.pattern is None and pattern.name is None:
            return case
        if not isinstance(pattern, tree.MatchValue) or not isinstance(pattern.value, tree.SimpleString):
            return None
        if pattern.value.value == subject:
            return case
    return None
