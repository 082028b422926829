"""The nodes are the same from `ast` and from libcst, and stand where libcst says."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libcst.metadata import MetadataWrapper, PositionProvider

from hflint.files import Source, read_source
from hflint.semantics import tree
from hflint.semantics.choice import outline_and_nodes
from hflint.semantics.lines import split_lines
from hflint.semantics.module import Module
from hflint.semantics.tree import concrete, reading

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "hflint").rglob("*.py")), *sorted((ROOT / "fixtures").rglob("*.py"))]
ODD = [
    "x = 1; y = 2\n",
    "if x: a; b\nelif y:\n    c\nelse: d\n",
    "if x:\n    a\nelse:\n    if y:\n        b\n",
    "def f(a, /, b: int = 1, *c, d, e=2, **g) -> str: return a\n",
    "def f(*, a): ...\n",
    "f(a, *b, c=1, *d, **e)\n",
    "f(x for x in y)\n",
    "x[1, 2:3, ...]\nx[(1, 2)]\nx[a,]\nx[()]\nx[:]\n",
    "x = 'a' 'b' f'{c!r:>{d}}' 'e'\n",
    "x = f'a\\n{{b}}' rf'\\d{c}'\n",
    "x = b'a' b'\\x00'\n",
    "x = f'{y=} {y=!s} {y=:>3}'\n",
    "x = 'ä' + f'ü{ö}'\n",
    "x = 0x10 + 1_000 + 1e3 + 2j + 10**30\n",
    "x = a and b and c or not d\nx = (a and b) and c\nx = 1 < a <= b is not None not in d\n",
    "x: int\nx: int = 1\nx += 1\nx |= y\nx @= y\n",
    "del a, b[0]\ndel (a)\nglobal q\nassert (a, b), c\nraise E from e\n",
    "import a.b.c as d, e\nfrom ..a import (b, c as d,)\nfrom . import x\nfrom a import *\n",
    "with a as b, c() as (d, e): pass\n",
    "try:\n    a\nexcept (A, B) as e:\n    b\nexcept:\n    c\nelse:\n    d\nfinally:\n    e\n",
    "try: a\nexcept* A: b\n",
    "match a:\n    case 'x' | 1 if b: pass\n    case [y, *_] as z: pass\n    case None: pass\n    case _: pass\n",
    "@a.b(1)\n# why\n@c\nasync def f():\n    async for x in await y:\n        yield x\n    return\n",
    "class A(B, *C, metaclass=D, **e):\n    'doc'\n    x = lambda a, *b, c=1: (yield from a)\n",
    "x = [a for b in c if d if e for f in g]\ny = {**a, 'b': c, **d}\nz = {a: b for a, b in c}\n",
    "for *a, b in c, *d: break\nelse: pass\nwhile a: continue\n",
    "if x:\n\ty = (\n 1,\n # c\n)\n",
    "x = (\n    a\n    .b()\n)  # end\n",
    "x = 1\r\ny = 2\r\n",
    "x = 1\ry = 2",
    "if (n := f(a)) > 1: print(n)\n",
]


def nodes_of(text):
    lines = split_lines(text)
    return reading.read_module(text, lambda number: lines[number - 1])


def shape(node):
    """A node as plain data."""
    if isinstance(node, tree.Node):
        return type(node).__name__, [(name, shape(getattr(node, name))) for name in node.fields()]
    return [shape(one) for one in node] if isinstance(node, list) else node


def every(node):
    """A node and all below it, operators left out: they are shared."""
    yield node
    for child in node.children:
        if not isinstance(child, tree.Operator):
            yield from every(child)


@pytest.mark.parametrize("text", ODD)
def test_odd_syntax_is_the_same_from_both(text):
    assert shape(nodes_of(text)) == shape(concrete.read_module(text))


@pytest.mark.parametrize("path", FILES[::7], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_are_the_same_from_both(path):
    text = read_source(path).text
    assert shape(nodes_of(text)) == shape(concrete.read_module(text))


@pytest.mark.parametrize("path", FILES[::5], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nodes_made_with_the_choice_are_those_of_the_chosen_lines(path):
    source = read_source(path)
    found, nodes = outline_and_nodes(source.text)
    again = Module(source, found.selection).tree
    assert nodes is not None
    assert (shape(nodes), nodes.lines) == (shape(again), again.lines)


def test_statements_that_share_a_line_are_read_from_it():
    assert outline_and_nodes("from transformers import AutoModel; m = AutoModel.from_pretrained('gpt2')\n")[1] is None


METHODS = '''\
class A(B):
    x = f(1)  # c

    @d(
        1,
    )
    def first(self, y=g(2)):
        """text
at the margin"""
        h(\\
    3)
# at the margin
        return k(4)

    async def second(self): return k(5)
    z = f(6)'''


@pytest.mark.parametrize(
    "text",
    [
        *ODD,
        METHODS,
        METHODS.replace("    ", "\t"),
        "x = 1\n\n\ndef f():\n    return (g(a, b=(1)), )  # c\n\n\ny = f(x)",
    ],
)
def test_calls_names_and_statements_stand_where_libcst_says(text):
    module = Module(Source(Path("a.py"), "a.py", text))
    wrapper = MetadataWrapper(concrete.parse(text), unsafe_skip_copy=True)
    places = wrapper.resolve(PositionProvider)
    starts = [0]
    for line in split_lines(text):
        starts.append(starts[-1] + len(line))
    there = {
        (
            type(node).__name__,
            starts[place.start.line - 1] + place.start.column,
            starts[place.end.line - 1] + place.end.column,
        )
        for node, place in places.items()
    }
    for statement in module.tree.body:
        for node in every(statement):
            if isinstance(node, tree.Call | tree.Name | tree.Attribute | tree.Arg | tree.SimpleStatementLine):
                span = module.span(node)
                assert (type(node).__name__, span.start, span.end) in there


NAMES = st.sampled_from(["a", "b.c", "f(x)", "'s'", "f'{a}'", "1", "[a, *b]", "{a: b}", "x[1:2]", "-a", "None"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAMES, NAMES, st.sampled_from(["+", "and", "<", "if a else", "or"])), min_size=1, max_size=6))
def test_expressions_are_the_same_from_both(parts):
    text = "".join(f"x = ({one}) {operator} {other}\n" for one, other, operator in parts)
    assert shape(nodes_of(text)) == shape(concrete.read_module(text))


def test_what_ast_does_not_know_is_read_by_libcst(monkeypatch):
    text = "from transformers import AutoModel\n\n\ndef f():\n    return AutoModel.from_pretrained('gpt2')\n"
    known = shape(nodes_of(text))

    def refuse(*_):
        raise SyntaxError("newer than this Python")

    monkeypatch.setattr("hflint.semantics.module.read_module", refuse)
    module = Module(Source(Path("a.py"), "a.py", text))
    assert shape(module.tree) == known
    call = next(node for node in every(module.tree.body[1]) if isinstance(node, tree.Call))
    assert module.code(call) == "AutoModel.from_pretrained('gpt2')"
