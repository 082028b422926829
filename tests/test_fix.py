"""Edits, many fixes to one source, and text to its file."""

import ast
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflint.files import FileError, Source, read_source, source_from_bytes
from hflint.findings import Edit, Finding, Fix, Safety, Severity, Span
from hflint.fix import apply_edits, fix_source, select_fixes, write_source

Check = Callable[[Source], list[Finding]]


def source(text: str) -> Source:
    return Source(Path("a.py"), "a.py", text)


def finding(start: int, *edits: Edit, code: str = "HF101", message: str = "m", safety: Safety = Safety.SAFE) -> Finding:
    fix = Fix("mend", edits, safety, "" if safety is Safety.SAFE else "a test")
    return Finding(code, "a-rule", Severity.ERROR, message, Span(start, start + 1), fix=fix)


def words(**replacements: str) -> Check:
    """A check that finds each word of the keys, with a fix that writes the value; words of capitals are unsafe."""

    def check(one: Source) -> list[Finding]:
        found = []
        for number, (word, text) in enumerate(replacements.items()):
            safety = Safety.UNSAFE if word.isupper() else Safety.SAFE
            for match in re.finditer(rf"\b{word}\b", one.text):
                edit = Edit(match.start(), match.end(), text)
                found.append(finding(match.start(), edit, code=f"HF10{number}", message=word, safety=safety))
        return found

    return check


# --- edits ---------------------------------------------------------------------------------------------------------


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    text = draw(st.text(st.sampled_from("ab\r\né"), max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return text, [Edit(start, end, draw(st.sampled_from(["", "x", "\r\n"]))) for start, end in pairs]


@given(edited(), st.randoms())
def test_what_is_outside_of_edits_stays_in_any_order(case: tuple[str, list[Edit]], random: object) -> None:
    text, edits = case
    kept, done = [], 0
    for edit in edits:
        kept.append(text[done : edit.start])
        done = edit.end
    kept.append(text[done:])
    expected = "".join(part for pair in zip(kept, [*(e.text for e in edits), ""], strict=True) for part in pair)
    assert apply_edits(text, edits) == expected
    if len({(edit.start, edit.end) for edit in edits}) == len(edits):
        random.shuffle(edits)
        assert apply_edits(text, edits) == expected


def test_insertions_at_one_place_keep_their_order() -> None:
    assert apply_edits("ab", [Edit(1, 2, "B"), Edit(1, 1, "1"), Edit(1, 1, "2"), Edit(2, 2, "3")]) == "a12B3"


@pytest.mark.parametrize(
    "edits",
    [
        [Edit(0, 4, "")],
        [Edit(-1, 1, "")],
        [Edit(2, 1, "")],
        [Edit(0, 2, ""), Edit(1, 3, "")],
        [Edit(0, 2, ""), Edit(1, 1, "x")],
        [Edit(0, 1, ""), Edit(0, 1, "")],
    ],
)
def test_edits_that_cannot_be(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="edit"):
        apply_edits("abc", edits)


# --- selection -----------------------------------------------------------------------------------------------------


def test_fixes_that_overlap_wait_and_place_decides_then_code() -> None:
    later = finding(0, Edit(2, 5, "x"), code="HF100")
    first = finding(9, Edit(1, 3, "y"), code="HF200")
    same_place = finding(1, Edit(1, 3, "z"), code="HF199")
    apart = finding(5, Edit(5, 6, "w"))
    chosen = select_fixes([later, first, same_place, apart], unsafe=False)
    assert chosen == [same_place, apart]
    assert select_fixes([apart, same_place, later, first], unsafe=False) == chosen


def test_insertions_do_not_overlap_each_other_but_what_they_touch() -> None:
    here = finding(0, Edit(3, 3, "x"))
    there = finding(1, Edit(3, 3, "y"))
    touching = finding(2, Edit(3, 5, "z"))
    assert select_fixes([here, there, touching], unsafe=False) == [here, there]


def test_fixes_may_share_an_edit() -> None:
    one = finding(0, Edit(0, 2, "x"), Edit(4, 5, "y"))
    other = finding(1, Edit(0, 2, "x"), Edit(7, 8, "z"))
    assert select_fixes([one, other], unsafe=False) == [one, other]
    fixed = fix_source(source("ab; c; d\n"), lambda now: [one, other] if "ab" in now.text else [], unsafe=False)
    assert fixed.text == "x; y; z\n"


def test_unsafe_fixes_are_chosen_only_if_asked_for() -> None:
    risky = finding(0, Edit(0, 1, "x"), safety=Safety.UNSAFE)
    without = Finding("HF101", "a-rule", Severity.ERROR, "m", Span(0, 1), no_fix_reason="none")
    assert select_fixes([risky, without], unsafe=False) == []
    assert select_fixes([risky, without], unsafe=True) == [risky]


# --- rounds --------------------------------------------------------------------------------------------------------


def test_fixes_are_applied_until_nothing_changes() -> None:
    fixed = fix_source(source("a(a, b)\n"), words(a="b", b="c", c="d"), unsafe=False)
    assert fixed.text == "d(d, d)\n"
    assert [each.message for each in fixed.applied] == ["a", "a", "b", "b", "b", "c", "c", "c"]
    assert fixed.refused == []


def test_the_same_import_is_added_once() -> None:
    def check(one: Source) -> list[Finding]:
        imports = Edit(0, 0, "import torch\n")
        edits = [(m.start(), Edit(m.start(), m.end(), "torch.bfloat16")) for m in re.finditer("half|full", one.text)]
        extra = [Edit(0, 0, "import os\n")] if "torch" not in one.text else []
        return [finding(start, imports, *extra, edit, message=str(edit.start)) for start, edit in edits]

    assert fix_source(source("f(half, full)\n"), check, unsafe=False).text == (
        "import torch\nimport os\nf(torch.bfloat16, torch.bfloat16)\n"
    )


def test_a_finding_can_be_left_alone_wherever_it_moves_and_whatever_it_says() -> None:
    def check(one: Source) -> list[Finding]:
        count = one.text.count("x")
        return [
            finding(m.start(), Edit(m.start(), m.end(), "yyy"), message=f"{count} of them")
            for m in re.finditer("x", one.text)
        ]

    text = "x; x; x\n"
    second = check(source(text))[1]
    fixed = fix_source(source(text), check, unsafe=False, leave=second)
    assert fixed.text == "yyy; x; yyy\n"
    assert fixed.left is not None
    assert (fixed.left.span.start, fixed.left.message) == (5, "1 of them")
    assert fix_source(source(text), check, unsafe=False).left is None


def test_what_the_same_edits_mend_is_left_alone_too() -> None:
    edit = Edit(0, 1, "b")
    found = [finding(0, edit, message="here"), finding(2, edit, message="there"), finding(4, Edit(4, 5, "d"))]
    fixed = fix_source(
        source("a;c;e\n"), lambda one: found if "e" in one.text else found[:2], unsafe=False, leave=found[1]
    )
    assert fixed.text == "a;c;d\n"


def test_a_fix_that_breaks_the_code_is_refused_and_the_others_go_on() -> None:
    fixed = fix_source(source("a = b\nc = d\n"), words(a="x", b="(", d="y"), unsafe=False)
    assert fixed.text == "x = b\nc = y\n"
    assert fixed.refused == ["HF101 a-rule on line 1: the fixed code does not parse"]
    assert sorted(each.message for each in fixed.applied) == ["a", "d"]


def test_fixes_that_are_good_alone_and_bad_together_are_applied_one_by_one() -> None:
    def check(one: Source) -> list[Finding]:
        if "@" in one.text or "!" in one.text:
            return []
        places = ((one.text.index("a"), "a@x"), (one.text.index("b"), "="))
        return [finding(start, Edit(start, start + 1, text), message=text) for start, text in places]

    fixed = fix_source(source("a - b\n".replace("-", "if y else")), check, unsafe=False)
    assert ast.parse(fixed.text)
    assert [each.message for each in fixed.applied] == ["a@x"]


def test_a_finding_that_stays_is_refused() -> None:
    def check(one: Source) -> list[Finding]:
        at = one.text.index("a")
        return [finding(at, Edit(0, 0, "# x\n"))]

    fixed = fix_source(source("a\n"), check, unsafe=False)
    assert fixed.text == "a\n"
    assert fixed.refused == ["HF101 a-rule on line 1: the finding is still there after its fix"]


def test_one_of_two_alike_may_move_to_the_place_of_the_other() -> None:
    def check(one: Source) -> list[Finding]:
        return [finding(m.start(), Edit(m.start(), m.end(), "")) for m in re.finditer("a\n", one.text)]

    fixed = fix_source(source("a\na\nb\n"), check, unsafe=False)
    assert (fixed.text, fixed.refused) == ("b\n", [])


def test_a_fix_that_changes_nothing_is_refused() -> None:
    fixed = fix_source(source("a\n"), words(a="a"), unsafe=False)
    assert fixed.refused == ["HF100 a-rule on line 1: its fix changes nothing, or takes back another"]


def test_fixes_that_take_each_other_back_come_to_an_end() -> None:
    fixed = fix_source(source("a\n"), words(a="b", b="a"), unsafe=False)
    assert fixed.text == "b\n"
    assert fixed.refused == ["HF101 a-rule on line 1: its fix changes nothing, or takes back another"]


def test_fixes_without_end_are_not_kept_and_the_others_are() -> None:
    def check(one: Source) -> list[Finding]:
        grown = finding(0, Edit(0, 0, "x\n"), code="HF300", message=f"{one.text.count('x')} x")
        return [*words(a="b")(one), grown]

    fixed = fix_source(source("a\n"), check, unsafe=False)
    assert fixed.text == "b\n"
    assert fixed.refused == ["HF300 a-rule: its fixes do not come to an end"]


def test_a_fix_whose_edits_overlap_is_refused() -> None:
    bad = finding(0, Edit(0, 2, "x"), Edit(1, 3, "y"))
    fixed = fix_source(source("abc\n"), lambda _: [bad], unsafe=False)
    assert fixed.refused == ["HF101 a-rule on line 1: edit 1-3 overlaps one that ends at 2"]


def test_a_fix_that_the_encoding_cannot_hold_is_refused() -> None:
    one = source_from_bytes(b"# coding: latin-1\nx = a\n", Path("a.py"), "a.py")
    fixed = fix_source(one, words(a="'中'"), unsafe=False)
    assert fixed.refused == ["HF100 a-rule on line 2: its encoding, iso-8859-1, cannot hold '中'"]


def test_a_fix_that_moves_the_encoding_cookie_away_is_refused() -> None:
    one = source_from_bytes(b"#!python\n# coding: latin-1\nx = '\xe9'\n", Path("a.py"), "a.py")
    fixed = fix_source(one, lambda _: [finding(0, Edit(0, 0, "import os\n"))], unsafe=False)
    assert fixed.text == one.text
    assert len(fixed.refused) == 1


def test_code_newer_than_this_python_can_be_fixed() -> None:
    text = 's = f"{d["{"]}"\na\n'
    assert fix_source(source(text), words(a="b"), unsafe=False).text == text.replace("\na", "\nb")


NAMES = ["a", "b", "c", "D", "e"]
PROGRAMS = st.lists(
    st.sampled_from(["a = b", "f(a, D)", "# a é", "if c:\n    a", "x = 'b'", "pass", "e(e(a))"]), max_size=6
)


@given(
    PROGRAMS,
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, "x.y", "(", "1", "a(b)", "''"]), max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_any_fixes_leave_code_that_parses_and_fixing_again_changes_nothing(
    lines: list[str], replacements: dict[str, str], newline: str, unsafe: bool
) -> None:
    text = "".join(line + "\n" for line in lines).replace("\n", newline)
    check = words(**replacements)
    fixed = fix_source(source(text), check, unsafe=unsafe)
    ast.parse(fixed.text)
    assert len(re.findall(r"\r\n?|\n", fixed.text)) == len(re.findall(r"\r\n?|\n", text))
    assert not fixed.applied or fixed.text != text
    assert bool(fixed.applied) == (fixed.text != text)
    if not fixed.refused:
        again = fix_source(source(fixed.text), check, unsafe=unsafe)
        assert (again.text, again.applied) == (fixed.text, [])
        assert select_fixes(check(source(fixed.text)), unsafe) == []


# --- the file ------------------------------------------------------------------------------------------------------


@given(
    st.text(st.sampled_from("aé\r\n"), max_size=20),
    st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_the_rest_of_the_file_is_kept_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str, newline: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "kept.py"
    head = f"# coding: {encoding}{newline}" if encoding == "latin-1" else ""
    path.write_bytes(f"{head}old{newline}{text}".encode(encoding))
    one = read_source(path)
    start = one.text.index("old")
    write_source(one, apply_edits(one.text, [Edit(start, start + 3, "new")]))
    assert path.read_bytes() == f"{head}new{newline}{text}".encode(encoding)


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real.py"
    real.write_text("a\n")
    real.chmod(0o751)
    link = tmp_path / "link.py"
    link.symlink_to("real.py")
    write_source(read_source(link), "b\n")
    assert link.is_symlink()
    assert real.read_text() == "b\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o751
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.py", "real.py"]


def test_the_same_text_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("a\n")
    before = path.stat()
    write_source(read_source(path), "a\n")
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("a\n")
    one = read_source(path)
    path.write_text("b\n")
    with pytest.raises(FileError, match="has changed since it was read"):
        write_source(one, "c\n")
    assert path.read_text() == "b\n"


@pytest.mark.parametrize("broken", ["replace", "chmod"])
def test_a_failed_write_leaves_the_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.py"
    path.write_text("a\n")
    monkeypatch.setattr(Path, broken, fail)
    with pytest.raises(FileError, match="cannot be written: No space left on device"):
        write_source(read_source(path), "b\n")
    assert path.read_text() == "a\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_text("a\n")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(FileError, match="cannot be written: it is read-only"):
        write_source(read_source(path), "b\n")
    assert path.read_text() == "a\n"


def test_text_that_the_encoding_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"# coding: latin-1\n")
    with pytest.raises(FileError, match="cannot hold"):
        write_source(read_source(path), "# coding: latin-1\n中")
    assert path.read_bytes() == b"# coding: latin-1\n"
