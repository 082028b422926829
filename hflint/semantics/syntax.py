"""Questions to the syntax alone: names, blocks and what they bind, as code spells them."""

from __future__ import annotations

import libcst as cst

from hflint.semantics.values import MISSING


def dotted(node: cst.BaseExpression) -> str:
    """A dotted name as it is written; empty where the expression is something else."""
    if isinstance(node, cst.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def is_never(node: cst.BaseExpression) -> bool:
    """Whether a condition never holds."""
    return isinstance(node, cst.Name | cst.Integer) and node.value in ("False", "0")


def is_exit_stack(node: cst.BaseExpression) -> bool:
    """Whether a call makes an `ExitStack`, which may enter any other context manager."""
    return isinstance(node, cst.Call) and dotted(node.func).endswith("ExitStack")


def is_main_guard(node: cst.BaseExpression) -> bool:
    """Whether a condition asks for the name of the module."""
    return isinstance(node, cst.Comparison) and isinstance(node.left, cst.Name) and node.left.value == "__name__"


def is_type_checking(node: cst.BaseExpression) -> bool:
    """Whether a condition holds for type checkers only."""
    return (isinstance(node, cst.Name) and node.value == "TYPE_CHECKING") or (
        isinstance(node, cst.Attribute) and node.attr.value == "TYPE_CHECKING"
    )


def handled(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> list[str]:
    """The last parts of the names of the exceptions that a handler catches."""
    if handler.type is None:
        return ["Exception"]
    types = [e.value for e in handler.type.elements] if isinstance(handler.type, cst.Tuple) else [handler.type]
    return [dotted(one).rpartition(".")[2] for one in types]


def assigned_in(suite: cst.BaseSuite) -> set[str]:
    """The names that a block binds, nested blocks included, functions and classes not."""
    names: set[str] = set()
    stack: list[cst.CSTNode] = list(suite.body)
    while stack:
        one = stack.pop()
        if isinstance(one, cst.SimpleStatementLine):
            stack.extend(one.body)
        elif isinstance(one, cst.Assign):
            names.update(name for target in one.targets for name in _names_in(target.target))
        elif isinstance(one, cst.AnnAssign | cst.AugAssign | cst.For):
            names.update(_names_in(one.target))
        if not isinstance(one, cst.FunctionDef | cst.ClassDef):
            stack.extend(_blocks_of(one))
    return names


def _names_in(target: cst.BaseExpression) -> list[str]:
    if isinstance(target, cst.Tuple | cst.List):
        return [name for element in target.elements for name in _names_in(element.value)]
    return [target.value] if isinstance(target, cst.Name) else []


def _blocks_of(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The statements in the blocks of a compound statement."""
    parts = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    parts += [*getattr(node, "handlers", ()), *getattr(node, "cases", ())]
    found: list[cst.CSTNode] = []
    for part in parts:
        if isinstance(part, cst.If):
            found.append(part)
        elif part is not None:
            suite = part if isinstance(part, cst.BaseSuite) else getattr(part, "body", None)
            found.extend(suite.body if isinstance(suite, cst.BaseSuite) else ())
    return found


def breaks(suite: cst.BaseSuite) -> bool:
    """Whether a loop's block can leave the loop."""
    return _has(suite, (cst.Break, cst.Return))


def leaves(suite: cst.BaseSuite) -> bool:
    """Whether a loop's block can leave the loop, or skip a part of it."""
    return _has(suite, (cst.Break, cst.Return, cst.Continue))


def _has(suite: cst.BaseSuite, kinds: tuple[type[cst.CSTNode], ...]) -> bool:
    stack: list[cst.CSTNode] = list(suite.body)
    while stack:
        one = stack.pop()
        if isinstance(one, cst.SimpleStatementLine):
            if any(isinstance(small, kinds) for small in one.body):
                return True
        elif isinstance(one, kinds):
            return True
        elif not isinstance(one, cst.For | cst.While | cst.FunctionDef | cst.ClassDef):
            stack.extend(_blocks_of(one))
    return False


def is_yield(statement: cst.CSTNode) -> bool:
    """Whether a statement is a bare `yield`, or one of a value."""
    only = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    return isinstance(only, cst.Expr) and isinstance(only.value, cst.Yield)


def filled_in(node: cst.If) -> cst.Name | cst.Attribute | None:
    """The target of `if target is None: target = ...` or `if not target: target = ...`."""
    test = node.test
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        target = test.expression
    elif isinstance(test, cst.Comparison) and isinstance(test.comparisons[0].operator, cst.Is):
        target = test.left if dotted(test.comparisons[0].comparator) == "None" else test
    else:
        return None
    if node.orelse is not None or not isinstance(target, cst.Name | cst.Attribute):
        return None
    lines = [line for line in node.body.body if isinstance(line, cst.SimpleStatementLine)]
    ones = [one for line in lines for one in line.body if isinstance(one, cst.Assign)]
    return target if any(target.deep_equals(one.targets[0].target) for one in ones) else None


def chosen_case(node: cst.Match, subject: object) -> cst.MatchCase | None:
    """The case that a constant gets into, where the patterns are literals; None where that is not known."""
    for case in node.cases:
        pattern = case.pattern
        if subject is MISSING or case.guard is not None:
            return None
        if isinstance(pattern, cst.MatchAs) and pattern.pattern is None and pattern.name is None:
            return case
        if not isinstance(pattern, cst.MatchValue) or not isinstance(pattern.value, cst.SimpleString):
            return None
        if pattern.value.evaluated_value == subject:
            return case
    return None
