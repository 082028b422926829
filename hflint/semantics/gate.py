"""What keeps hflint fast: bytes decide whether a file can matter, and `ast` which of its top-level statements libcst has to parse.

libcst takes 11 to 25 ms a file, `ast` about 2: most statements of most files have nothing to do with the libraries. The statements left out are
blanked rather than removed, so that every line and column stays where it is.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.facts.libraries import argument_changes, may_be_gone
from hflint.semantics.catalog import LIBRARIES, call_kind
from hflint.semantics.objects import LibraryCall, Trainer, TrainingArguments

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMES = "|".join(sorted(LIBRARIES))
_MENTION = re.compile(rf"\b(?:{_NAMES})\b|\bhf_[A-Za-z0-9]{{30,}}".encode())
TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")

# Attributes that change or read what rules ask about: a helper with one of them is followed where it is called.
_TELLING = frozenset(
    [
        "from_pretrained",
        "from_config",
        "generate",
        "apply_chat_template",
        "encode_plus",
        "batch_encode_plus",
        "as_target_tokenizer",
        "prepare_seq2seq_batch",
        "pad_token",
        "pad_token_id",
        "padding_side",
        "eos_token",
        "add_special_tokens",
        "add_tokens",
        "resize_token_embeddings",
        "gradient_checkpointing_enable",
        "enable_input_require_grads",
        "use_cache",
        "generation_config",
    ]
)
# Methods that newer versions lack: worth a look wherever an annotation says that the object is a library's.
_GONE = frozenset(
    ["encode_plus", "batch_encode_plus", "as_target_tokenizer", "prepare_seq2seq_batch", "additional_special_tokens"]
)
# Calls that may bind any name, or leave the program where a version does not fit.
_UPSETTING = frozenset(
    {"exec", "globals", "locals", "runpy", "require_version", "check_min_version", "Version", "parse_version"}
)
# Types that code subclasses, annotates with and tests for, and never calls to some effect.
_MUTE = re.compile(r"^(PreTrained|Pretrained|PeftConfig$)")
# What a project's own module may offer that makes an object of a library; only decides whether the call is parsed.
_LOCAL_MAKER = re.compile(r"(model|tokeni[sz]er|processor|pipe|trainer|peft|lora|quant|llm)", re.IGNORECASE)
# Packages that are not the project's own.
_ELSEWHERE = (
    LIBRARIES
    | sys.stdlib_module_names
    | frozenset({"torch", "numpy", "pandas", "tqdm", "sklearn", "scipy", "gradio", "streamlit", "fastapi"})
)
_LONGEST = 150  # lines of a definition of another module that is followed
_SMALL = 15  # lines of a helper that is followed in any case


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def mentions_library(data: bytes) -> bool:
    """Whether a file can hold anything that hflint speaks of."""
    return _MENTION.search(data) is not None


class TooDeepError(Exception):
    """Code nested so deeply that libcst would not survive it."""


def mask_tokens(text: str) -> str:
    """The text with every access token made unreadable, at its width."""
    return TOKEN.sub(lambda found: found[0][:5] + "*" * (len(found[0]) - 5), text) if "hf_" in text else text


def relevant_lines(text: str) -> list[int] | None:
    """The lines, from 1, of the top-level statements that can matter, without their blank and comment lines.

    None where `ast` does not know the syntax: all of them then.
    """
    try:
        body = ast.parse(text).body
    except (RecursionError, MemoryError):
        raise TooDeepError from None
    except (SyntaxError, ValueError) as error:
        if "too many nested" in str(error):
            raise TooDeepError from None
        return None
    return _lines_of([body[index] for index in sorted(_choose(body))], split_lines(text))


@dataclass(frozen=True, slots=True)
class Statement:
    """A top-level statement of a module that others import from: its lines, and the names that it binds or changes."""

    lines: tuple[int, ...]
    names: frozenset[str]
    followed: bool  # a long definition that speaks of no library is not; what it offers is unknown


def statements(text: str) -> tuple[list[Statement], list[str]]:
    """The top-level statements of a module that bind or change names, and the modules of its star imports, dots included.

    Nothing where `ast` does not know the syntax. What only happens when the module is the program itself is left out.
    """
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [], []
    lines = split_lines(text)
    found = []
    stars = []
    library_names: dict[str, set[str]] = {}
    for one in body:
        if isinstance(one, ast.ImportFrom) and one.names[0].name == "*":
            stars.append("." * one.level + (one.module or ""))
        read = _read(one, library_names)
        names = read.bound | _changed_names(one)
        if names and not (isinstance(one, ast.If) and "__name__" in ast.unparse(one.test)):
            speaks = (
                any(library_names.get(name) for name in read.called | read.bases) or "add_argument" in read.attributes
            )
            followed = (speaks or _is_followed(one, read, set())) and (one.end_lineno or 0) - one.lineno < _LONGEST
            found.append(Statement(tuple(_lines_of([one], lines)), frozenset(names), followed))
    return found, stars


def _changed_names(statement: ast.stmt) -> set[str]:
    """The names whose object a statement changes: `tokenizer.pad_token = ...`, `parser.add_argument(...)`."""
    if isinstance(statement, ast.Assign):
        return {_root(one) for one in statement.targets if isinstance(one, ast.Attribute | ast.Subscript)} - {""}
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return {_root(statement.value.func), *(_root(one) for one in statement.value.args)} - {""}
    return set()


class _Names:
    """The names that a top-level statement binds and uses, and how it speaks of the libraries."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.called: set[str] = set()  # by themselves or through an attribute
        self.bases: set[str] = set()
        self.annotated: set[str] = set()
        self.bound: set[str] = set()
        self.attributes: set[str] = set()
        self.imports = False
        self.secret = False


def _read(statement: ast.stmt, library_names: dict[str, set[str]]) -> _Names:
    found = _Names()
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            (found.used if isinstance(node.ctx, ast.Load) else found.bound).add(node.id)
            continue
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and "hf_" in node.value and TOKEN.search(node.value):
                found.secret = True
            continue
        if isinstance(node, ast.Attribute):
            found.attributes.add(node.attr)
        elif isinstance(node, ast.Call):
            found.called.add(_root(node.func))
        elif isinstance(node, ast.ClassDef):
            found.bound.add(node.name)
            found.bases.update(_root(base) for base in node.bases)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            _read_import(node, found, library_names, nested=isinstance(statement, _DEFINITIONS))
            continue
        elif isinstance(node, ast.arg):
            if node.annotation is not None:
                found.annotated.update(_annotation_names(node.annotation))
            continue
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.bound.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.bound.add(node.name)
        stack.extend(ast.iter_child_nodes(node))
    return found


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _annotation_names(node: ast.AST) -> Iterable[str]:
    return (child.id for child in ast.walk(node) if isinstance(child, ast.Name))


def _read_import(
    node: ast.Import | ast.ImportFrom, found: _Names, library_names: dict[str, set[str]], *, nested: bool
) -> None:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    relative = isinstance(node, ast.ImportFrom) and node.level > 0
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        found.bound.add(name)
        top = (module or alias.name).partition(".")[0]
        if relative or top not in _ELSEWHERE:
            if _LOCAL_MAKER.search(alias.name):
                library_names.setdefault(name, set()).add("call")
        elif top in LIBRARIES:
            roles = _roles(module, alias.name)
            library_names.setdefault(name, set()).update(roles)
            found.imports = found.imports or (nested and bool(roles)) or may_be_gone(module, alias.name)


def _roles(module: str, name: str) -> set[str]:
    """How an imported name makes something that rules are about: by a "call", or as the "base" of a class. A module may offer both."""
    kind = call_kind(f"{module}.{name}") if module else None
    if kind is None:
        return {"call", "base"}
    told = kind[0] is not LibraryCall or name in ("Accelerator", "HfApi") or bool(argument_changes(f"{module}.{name}"))
    called = told and not _MUTE.match(name)
    return ({"call"} if called else set()) | ({"base"} if issubclass(kind[0], Trainer | TrainingArguments) else set())


def _choose(body: list[ast.stmt]) -> set[int]:
    """The indices of the statements that matter: what speaks of a library, what that uses, and what uses that."""
    library_names: dict[str, set[str]] = {}
    names = [_read(statement, library_names) for statement in body]
    makers = {name for name, roles in library_names.items() if "call" in roles}
    parents = {name for name, roles in library_names.items() if "base" in roles}
    typed = library_names.keys()
    seeds = {
        i
        for i, found in enumerate(names)
        if found.imports
        or found.used & _UPSETTING
        or "__version__" in found.attributes
        or _is_star(body[i])
        or _changed_names(body[i]) & library_names.keys()
        or found.secret
        or found.called & makers
        or found.bases & parents
        or (found.annotated & typed and found.attributes & _GONE)
    }
    binders, users = _index(names)
    bases = set().union(*(found.bases for found in names)) if names else set()
    chosen, pending = set(seeds), list(seeds)
    while pending:
        i = pending.pop()
        used = names[i].used | names[i].annotated
        more = [
            j for name in used for j in binders.get(name, ()) if j in seeds or _is_followed(body[j], names[j], bases)
        ]
        if not names[i].imports or not isinstance(body[i], ast.Import | ast.ImportFrom):
            more += [j for name in names[i].bound for j in users.get(name, ())]
        for j in more:
            if j not in chosen:
                chosen.add(j)
                pending.append(j)
    return chosen


def _is_star(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"


def _index(names: list[_Names]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    binders: dict[str, list[int]] = {}
    users: dict[str, list[int]] = {}
    for i, found in enumerate(names):
        for name in found.bound:
            binders.setdefault(name, []).append(i)
        for name in found.used:
            users.setdefault(name, []).append(i)
    return binders, users


def _is_followed(statement: ast.stmt, found: _Names, bases: set[str]) -> bool:
    """Whether a statement that another one uses is worth parsing; a helper left out is unknown code, which silences what goes through it."""
    if not isinstance(statement, _DEFINITIONS):
        return True
    small = (statement.end_lineno or 0) - statement.lineno <= _SMALL
    return (
        small or bool(found.attributes & _TELLING) or (isinstance(statement, ast.ClassDef) and statement.name in bases)
    )


def pick(lines: list[str], numbers: list[int]) -> str:
    """The text of some lines."""
    return "".join(lines[number - 1] for number in numbers)


def _lines_of(statements: list[ast.stmt], lines: list[str]) -> list[int]:
    keep: set[int] = set()
    for statement in statements:
        keep.update(range(_first_line(statement), (statement.end_lineno or statement.lineno) + 1))
    whole = {number for statement in statements for number in _whole_lines(statement)}
    return [n for n in sorted(keep) if n in whole or not _EMPTY.match(lines[n - 1])]


def _whole_lines(statement: ast.stmt) -> Iterable[int]:
    """The lines of a statement in which a blank or a hash may be part of a string or an expression: simple statements and headers."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        blocks = [part for name in _BLOCKS for part in getattr(node, name, ())]
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            end = _first_line(body[0]) if body else (node.end_lineno or node.lineno) + 1
            yield from range(node.lineno, end)
        stack.extend(blocks)


def _first_line(node: ast.AST) -> int:
    start = node.pattern if isinstance(node, ast.match_case) else node
    lines: list[int] = [one.lineno for one in (start, *getattr(node, "decorator_list", ()))]
    return min(lines)


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_EMPTY = re.compile(r"[ \t\f]*(?:#.*)?[\r\n]*$")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def split_lines(text: str) -> list[str]:
    r"""Lines with their ends, at `\n`, `\r\n` and `\r` only, as Python's tokenizer and libcst count them."""
    return _LINE.findall(text)
