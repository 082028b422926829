"""Deprecations that source declares: by a decorator, by a warning under a condition, by the help of a dataclass field. Nothing is run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
WARNING = re.compile(r"(^|\.)(warn|warning|warning_once|warning_advice|warn_once|deprecate)$")
SAYS_SO = re.compile(r"deprecat|will be removed", re.IGNORECASE)
HELP_SAYS_SO = r"^\W*(?:this (?:argument|parameter|option|flag|field) is )?deprecated\b|\b{0}\W+(?:argument |parameter )?is deprecated\b"
INSTEAD = re.compile(
    r"(?:\buse\b|\bwith\b|\bby\b|favou?r of|renamed to|replaced by|set)\s+(?:the |an? |argument |parameter |instead )*"
    r"[`'\"]*(?:\w+\.)*(\w+)(?![\w-])",
    re.IGNORECASE,
)
WHOLE = re.compile(r"(^|\.)_?(deprecated|deprecate_method|future_deprecated)$")


def dotted(node: ast.expr | None) -> str:
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


def renames(decorator: ast.expr) -> list[tuple[str, str]]:
    """Old and new names of parameters that a decorator still takes under the old one; the new one "" where there is none."""
    if not isinstance(decorator, ast.Call):
        return []
    given = {one.arg: one.value for one in decorator.keywords}
    name = dotted(decorator)
    if name.endswith("deprecated_kwargs"):
        return [(old or "", new.value) for old, new in given.items() if isinstance(new, ast.Constant)]
    if name.endswith("_deprecate_arguments"):
        old = given.get("deprecated_args")
        listed = (
            old.elts
            if isinstance(old, ast.List | ast.Set | ast.Tuple)
            else old.keys
            if isinstance(old, ast.Dict)
            else []
        )
        return [(one.value, "") for one in listed if isinstance(one, ast.Constant)]
    if not name.endswith("deprecate_kwarg"):
        return []
    old = (*decorator.args, given.get("old_name"))[0]
    new = given.get("new_name", (*decorator.args, None, None, None)[2])
    return [(old.value, new.value if isinstance(new, ast.Constant) else "")] if isinstance(old, ast.Constant) else []


def declared(node: Function, parameters: Collection[str]) -> dict[str, str]:
    """The parameters that a function calls deprecated, with what to use instead ("" where that is no parameter)."""
    found = {old: new for one in node.decorator_list for old, new in renames(one)}
    for test, text in _warnings(node.body, None):
        asked = _mentioned(test) if test is not None else set()
        for name in parameters:
            if name in asked and re.search(rf"\b{name}\b", text):
                found.setdefault(name, _instead(text, name, parameters))
    return found


def is_deprecated(node: Function, name: str) -> bool:
    """Whether a function, or the class whose `__init__` it is, is deprecated as a whole: by a decorator, or by its first statements."""
    if any(WHOLE.search(dotted(one)) for one in node.decorator_list):
        return True
    texts = [text for one in node.body[:3] if isinstance(one, ast.Expr) for text in _of_call(one.value)]
    return any(re.search(rf"\b{name}\b|this (class|function|method)", text, re.IGNORECASE) for text in texts)


def help_says_so(value: ast.expr | None, name: str) -> str | None:
    """What to use instead of a dataclass field whose help calls it deprecated, "" for nothing; None for other fields."""
    if not isinstance(value, ast.Call):
        return None
    meta = next((one.value for one in value.keywords if one.arg == "metadata"), None)
    for key, text in zip(meta.keys, meta.values, strict=True) if isinstance(meta, ast.Dict) else ():
        if isinstance(key, ast.Constant) and key.value == "help":
            said = _text(text)
            return _instead(said, name, None) if re.search(HELP_SAYS_SO.format(name), said, re.IGNORECASE) else None
    return None


def _instead(text: str, name: str, known: Collection[str] | None) -> str:
    for match in INSTEAD.finditer(text):
        if match[1] != name and (match[1] in known if known is not None else "_" in match[1]):
            return match[1]
    return ""


def _warnings(body: list[ast.stmt], test: ast.expr | None) -> Iterator[tuple[ast.expr | None, str]]:
    """The texts of warnings about deprecations, each with the innermost condition around it."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _warnings(node.body, node.test)
            yield from _warnings(node.orelse, test)
        elif isinstance(node, ast.For | ast.While | ast.With | ast.Try):
            yield from _warnings(node.body, test)
        elif isinstance(node, ast.Expr):
            yield from ((test, text) for text in _of_call(node.value))


def _of_call(node: ast.expr) -> list[str]:
    if not isinstance(node, ast.Call) or not WARNING.search(dotted(node.func)):
        return []
    if dotted(node.func).endswith("deprecate"):  # diffusers: deprecate(name, version, message)
        return [f"{' '.join(map(_text, node.args))} is deprecated"]
    text = _text(node.args[0]) if node.args else ""
    is_deprecation = SAYS_SO.search(text) or any("Deprecat" in dotted(one) for one in node.args[1:])
    return [text] if is_deprecation else []


def _mentioned(test: ast.expr) -> set[str]:
    """What a condition asks to be given: not what it compares with a text, or what type it asks for, for then a value is deprecated."""
    if isinstance(test, ast.BoolOp):
        return set().union(*map(_mentioned, test.values))
    nodes = [*ast.walk(test)]
    if any(isinstance(one, ast.Call) and dotted(one.func) == "isinstance" for one in nodes) or _is_of_value(test):
        return set()
    names = {one.id for one in nodes if isinstance(one, ast.Name)}
    names |= {one.attr for one in nodes if isinstance(one, ast.Attribute)}
    return names | {one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def _is_of_value(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq | ast.In | ast.Is):
        return False
    right = test.comparators[0]
    return not dotted(right).endswith("kwargs") and isinstance(right, ast.Constant | ast.List | ast.Tuple | ast.Set)


def _text(node: ast.expr) -> str:
    """The text of a string expression, with gaps where it is computed."""
    match node:
        case ast.Constant(value=str()):
            return node.value
        case ast.JoinedStr():
            return "".join(map(_text, node.values))
        case ast.BinOp():
            return _text(node.left) + _text(node.right)
        case ast.Call(func=ast.Attribute(attr="format")):
            return _text(node.func.value)
        case ast.FormattedValue(value=ast.Attribute(attr="__name__")):
            return "this class"
    return ""
