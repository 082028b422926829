"""Comments that silence: which findings they reach, and which of them are reported themselves."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflint import rules, selectors
from hflint.files import Source
from hflint.findings import Finding, Safety, Severity, Span
from hflint.fix import apply_edits
from hflint.rules import Rule
from hflint.suppress import Suppressed, apply_suppressions

RULES = [
    Rule("HF101", "missing-pad-token", Severity.ERROR, "inference", object, iter),
    Rule("HF102", "fp32-inference", Severity.WARNING, "inference", object, iter),
    Rule("HF901", "hand-written-loop", Severity.NOTE, "production", object, iter, default=False),
]
DEFAULT = frozenset({"HF001", "HF002", "HF101", "HF102"})


@pytest.fixture(autouse=True, scope="module")
def known_rules() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "all_rules", lambda: {rule.code: rule for rule in RULES})
        yield


def source(text: str) -> Source:
    return Source(Path("a.py"), "a.py", text)


def findings(text: str) -> list[Finding]:
    """A finding at every bad (HF101), slow (HF102) and loop (HF901), which may be numbered."""
    codes = {"bad": RULES[0], "slow": RULES[1], "loop": RULES[2]}
    return [
        Finding(rule.code, rule.name, rule.severity, word[0], Span(*word.span()), no_fix_reason="a test")
        for word in re.finditer(r"\b(bad|slow|loop)\d*\b", text)
        for rule in [codes[word[1]]]
    ]


def run(text: str, active: frozenset[str] = DEFAULT) -> Suppressed:
    return apply_suppressions(source(text), findings(text), active)


def silenced(text: str) -> list[str]:
    return [finding.message for finding in run(text).silenced]


def mended(text: str, active: frozenset[str] = DEFAULT) -> str:
    """The text with the fixes of all unused directives applied."""
    for _ in range(5):
        fixes = [finding.fix for finding in run(text, active).unused if finding.fix]
        if not fixes:
            return text
        assert fixes[0].safety is Safety.SAFE
        text = apply_edits(text, fixes[0].edits)
    raise AssertionError(text)


# --- reach ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bad()  # hflint: ignore[missing-pad-token] it is tested\nbad2()", ["bad"]),
        ("bad(slow)  # hflint: ignore[HF102]", ["slow"]),
        ("bad(slow)  # hflint: ignore[ hf101,fp32-inference, ]", ["bad", "slow"]),
        ("bad(slow, loop)  #hflint:ignore[inference]", ["bad", "slow"]),
        ("bad(slow, loop)  # hflint: ignore", ["bad", "slow", "loop"]),
        ("bad(slow)  # hflint: ignore[HF1]", ["bad", "slow"]),
        ("bad(slow)  # hflint: ignore[ALL]", ["bad", "slow"]),
        ("bad(slow)  # type: ignore  # hflint: ignore[HF102] why  # fmt: skip", ["slow"]),
        ("bad(slow)  # hflint: ignore[HF102] # hflint: ignore[HF101]", ["bad", "slow"]),
        ("bad(\n    1,  # hflint: ignore\n    slow,\n)\nbad2()", ["bad", "slow"]),
        ("bad(\n    # hflint: ignore\n    slow,\n)\nbad2()", ["bad", "slow"]),
        ("bad(\n    slow,\n)  # hflint: ignore\nbad2()", ["bad", "slow"]),
        ("x = '''\nbad\n'''  # hflint: ignore\nbad2()", ["bad"]),
        ("bad(); slow()  # hflint: ignore\nbad2()", ["bad", "slow"]),
        ("# hflint: ignore\nbad()\nbad2()", ["bad"]),
        ("# hflint: ignore[HF101]\n# hflint: ignore[HF102]\n# a note\nbad(slow)\nbad2()", ["bad", "slow"]),
        ("# hflint: ignore\n\nbad()", []),
        ("x = 1  # hflint: ignore\nbad()", []),
        ("# hflint: ignore\n@bad\n# a note\n@slow(\n  1)\ndef f(x=bad2): pass\nbad3()", ["bad", "slow", "bad2"]),
        ("@bad\ndef f(x=bad2):  # hflint: ignore\n    return bad3", ["bad", "bad2"]),
        ("@bad  # hflint: ignore\nclass A(bad2):\n    x = bad3", ["bad", "bad2"]),
        ("if (bad and\n    slow):  # hflint: ignore\n    bad2()\nelse:\n    bad3()", ["bad", "slow"]),
        ("if x:\n    # hflint: ignore\n    bad()\n    bad2()", ["bad"]),
        ("if x:\n    pass\n    # hflint: ignore\nbad()", ["bad"]),
        ("x = 1 + \\\n  bad  # hflint: ignore\nbad2()", ["bad"]),
        ("# hflint: ignore-file[HF102]\nbad(slow)\nslow2()", ["slow", "slow2"]),
        ("bad(slow)\n# hflint: ignore-file generated", ["bad", "slow"]),
        ("bad(slow, loop)  # noqa", ["bad", "slow", "loop"]),
        ("bad(slow)  # NOQA : E501,HF101 W291", ["bad"]),
        ("bad(\n  slow)  # noqa: HF102", ["slow"]),
        ("bad()  # noqa: E501", []),
        ("bad()  # noqa: see below", []),
        ("# noqa\nbad()", []),
        ("bad()  # see # hflint: ignore", ["bad"]),
        ("bad()  # write `# hflint: ignore`", []),
        ('bad(\'# hflint: ignore\', """\n# noqa\n# hflint: ignore-file\n""")', []),
        ("bad()  # hflint: ignroe", []),
        ("\tif x:\n bad()  # hflint: ignore", []),
        ("bad(  # hflint: ignore", []),
    ],
)
def test_reach(text: str, expected: list[str]) -> None:
    for newline in ("\n", "\r\n", "\r"):
        written = text.replace("\n", newline)
        assert silenced(written) == expected
        result = run(written)
        assert sorted([*result.kept, *result.silenced], key=lambda each: each.span) == findings(written)


def test_syntax_that_this_python_may_not_know() -> None:
    lines = [
        's = f"{d["{"]} # hflint: ignore-file"',
        "@bad  # hflint: ignore",
        "def f(",
        "    x=bad2):",
        "    # hflint: ignore[HF102]",
        "    slow(",
        "        slow2)",
        "if slow3: slow4()  # noqa",
        "match slow5:  # hflint: ignore",
        "    case slow6: bad3()",
    ]
    assert silenced("\n".join(lines)) == ["bad", "bad2", "slow", "slow2", "slow3", "slow4", "slow5"]


def test_nothing_is_read_where_no_comment_can_be_of_use() -> None:
    text = "'unterminated\nx = 1  # noqa"
    assert run(text) == Suppressed([], [], [])


# --- any program ---------------------------------------------------------------------------------------------------
# Blocks of lines with a mark: `+` where a comment may stand behind the line, `-` where it may not.

DIRECTIVES = ["# hflint: ignore", "# hflint: ignore[HF101] why", "# hflint: ignore[inference]"]
SIMPLE = [
    ["+{}()"],
    ["+x = f(", "+    {},", "+", "+    {}, '# hflint: ignore'", "+)"],
    ['-x = """', "-# hflint: ignore", '+""" + {}'],
    ["-x = 1 + \\", "+    {}"],
    ["+{}; {}"],
    ["+del {}, [", "+    # a note", "+]"],
]
COMPOUND = [
    ["+if {}:"],
    ["+@{}", "+@f(", "+    {})", "+def f(a={},", "+      b=1):"],
    ["+while (", "+    {}):"],
    ["+async def f(*, a={}):"],
    ["+class A({}):"],
    ["+for x in [", "+    {}]:"],
]


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Marked lines, each with the number of its statement; the findings of statement 3 are called bad3."""
    lines: list[tuple[str, int]] = []

    def add(block: list[str], indent: str) -> None:
        number = lines[-1][1] + 1 if lines else 0
        lines.extend((line[0] + indent + line[1:].replace("{}", f"bad{number}"), number) for line in block)

    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            add(draw(st.sampled_from(SIMPLE)), "")
        else:
            add(draw(st.sampled_from(COMPOUND)), "")
            for _ in range(draw(st.integers(1, 2))):
                add(draw(st.sampled_from(SIMPLE)), "    ")
    return lines


@given(st.data(), programs(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_directive_silences_its_statement_and_nothing_else(
    data: st.DataObject, lines: list[tuple[str, int]], newline: str
) -> None:
    texts = [line[1:] for line, _ in lines]
    at = data.draw(st.sampled_from([index for index, (line, _) in enumerate(lines) if line[0] == "+"]))
    number = lines[at][1]
    directive = data.draw(st.sampled_from(DIRECTIVES))
    if data.draw(st.booleans()):
        texts[at] += "  " + data.draw(st.sampled_from(["", "# noqa: E501 "])) + directive
    else:
        first = next(index for index, line in enumerate(lines) if line[1] == number)
        indent = texts[first][: len(texts[first]) - len(texts[first].lstrip())]
        texts[first:first] = [indent + directive, *data.draw(st.sampled_from([[], ["# a note"]]))]
    text = newline.join(texts)
    marked = [finding.message for finding in findings(text) if finding.message == f"bad{number}"]
    result = run(text)
    assert [finding.message for finding in result.silenced] == marked
    assert len(result.unused) == (not marked)


@given(programs(), st.sampled_from(["# hflint: ignore", "# noqa", "# hflint: ignore-file"]))
def test_a_comment_in_a_string_silences_nothing(lines: list[tuple[str, int]], directive: str) -> None:
    text = "\n".join([f"'{directive}'", f'r"""\n{directive}\n"""', *(line[1:] for line, _ in lines)])
    assert run(text) == Suppressed(findings(text), [], [])


# --- unused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "after"),
    [
        ("x = 1  # hflint: ignore why", "this comment silences nothing", "x = 1"),
        ("x = 1\n# hflint: ignore[HF101] why\ny = 1\n", 'this comment silences nothing with "HF101"', "x = 1\ny = 1\n"),
        ("if x:\n    # hflint: ignore\n    f()", "this comment silences nothing", "if x:\n    f()"),
        ("# hflint: ignore-file", "this comment silences nothing", ""),
        ("x  # hflint: ignore[HF101] see #12  # noqa", 'this comment silences nothing with "HF101"', "x  # noqa"),
        ("x  # noqa # hflint: ignore", "this comment silences nothing", "x  # noqa"),
        ("x  # note # hflint: ignore # fmt: off", "this comment silences nothing", "x  # note # fmt: off"),
        (
            "bad()  # hflint: ignore[fp32-inference, HF101] why",
            'this comment silences nothing with "fp32-inference"',
            "bad()  # hflint: ignore[HF101] why",
        ),
        (
            "bad()  # hflint: ignore[HF101,zzz, hf10]",
            'this comment silences nothing with "zzz", an unknown rule',
            "bad()  # hflint: ignore[HF101, hf10]",
        ),
        (
            "f()  # hflint: ignore[missing-pad-tokn]",
            'this comment silences nothing with "missing-pad-tokn", an unknown rule, did you mean "missing-pad-token"?',
            "f()",
        ),
        ("f()  # noqa: HF101", 'this comment silences nothing with "HF101"', "f()"),
        ("f()  # noqa: E501 HF101, W291", 'this comment silences nothing with "HF101"', "f()  # noqa: E501, W291"),
    ],
)
def test_unused(text: str, message: str, after: str) -> None:
    for newline in ("\n", "\r\n", "\r"):
        written = text.replace("\n", newline)
        (finding,) = run(written).unused
        assert (finding.code, finding.name, finding.severity) == ("HF001", "unused-ignore", Severity.WARNING)
        assert finding.message == message
        assert mended(written) == after.replace("\n", newline)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: E501, HFX1",
        "x = 1  # hflint: ignore[HF901]",
        "x = 1  # hflint: ignore[hand-written-loop]",
        "x = 1  # hflint: ignore[unused-ignore]",
        "bad()  # hflint: ignore[HF101, HF901]",
        "bad()  # hflint: ignore[missing-pad-token, HF101]",
        "bad()  # hflint: ignore[HF101]  # hflint: ignore",
        "# hflint: ignore-file[HF001]\nx = 1  # hflint: ignore",
        "'# hflint: ignore'",
    ],
)
def test_not_unused(text: str) -> None:
    assert run(text).unused == []


def test_only_rules_that_ran_are_judged() -> None:
    text = "x = 1  # hflint: ignore[HF101]\ny = 1  # hflint: ignore[inference]\nz = 1  # hflint: ignore"
    assert len(run(text).unused) == 3
    assert len(run(text, DEFAULT - {"HF102"}).unused) == 1
    assert len(run(text, DEFAULT - {"HF002"}).unused) == 3
    assert run(text, DEFAULT - {"HF001"}).unused == []


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        ("# hflint: ignroe", '"ignroe" is not a directive; did you mean "ignore"?'),
        ("# hflint: off", '"off" is not a directive'),
        ("# hflint:", "no directive follows"),
        ("# hflint: ignore[HF101 why", "its bracket is not closed"),
        ("# hflint: ignore[ ]", "its brackets name no rule"),
        ("# hflint: ignore HF101", "rules are named in brackets, as in ignore[HF101]"),
        ("# hflint: ignore missing-pad-token", "rules are named in brackets, as in ignore[missing-pad-token]"),
        ("# hflint: ignore: HF101", "rules are named in brackets, as in ignore[missing-pad-token]"),
        ("# hflint: ignore-file", "ignore-file stands alone on a top-level line"),
    ],
)
def test_what_is_not_understood(comment: str, problem: str) -> None:
    result = run(f"bad()  {comment}")
    assert not result.silenced
    (finding,) = result.unused
    assert (finding.code, finding.name) == ("HF002", "bad-directive")
    assert finding.message == f"this comment silences nothing: {problem}"
    assert finding.fix is None
    assert finding.no_fix_reason
    assert run(f"bad()  {comment}", DEFAULT - {"HF002"}).unused == []


def test_hflints_own_codes_are_known() -> None:
    assert [entry.code for entry in selectors.BUILT_IN] == ["HF001", "HF002"]
    assert selectors.codes("directives") == {"HF001", "HF002"}
