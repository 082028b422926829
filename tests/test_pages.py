"""Every rule has its page, and every page bears out what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hflint.examples import check_block, mend_block
from hflint.pages import (
    EXAMPLE,
    FIXED,
    SECTIONS,
    SILENT,
    Expected,
    PageError,
    all_pages,
    page_paths,
    page_url,
    parse_page,
    read_page,
)
from hflint.selectors import known

PAGES = {page.name: page for page in all_pages()}
CODES = {entry.code: entry for entry in known()}


def blocks(heading):
    """Each block of a section of each page, as parameters named by page and line."""
    return [
        pytest.param(page, block, id=f"{page.name}:{block.line}")
        for page in PAGES.values()
        for block in page.blocks.get(heading, ())
    ]


def shown(report):
    """The findings of a report as a page announces them."""
    source = report.located
    return sorted(
        (Expected(source.locate(found.span.start).line, found.severity.value, found.name) for found in report.findings),
        key=lambda expected: (expected.line, expected.name),
    )


# --- each rule and its page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_every_rule_has_a_page_that_agrees_with_it(code):
    rule = CODES[code]
    page = read_page(code)
    assert page.path.name == f"{rule.code}-{rule.name}.md"
    assert (page.code, page.name) == (rule.code, rule.name)
    assert page.severity.split()[0].strip(",;") == rule.severity.value
    assert page.summary
    assert page.fix in {"safe", "unsafe", "safe, unsafe", "none"}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_a_rule_and_its_sections_in_order(name):
    page = PAGES[name]
    assert page.code in CODES
    assert page.body.startswith(f"# {name}\n")
    headings = [heading for heading in page.sections if heading]
    assert headings == [heading for heading in SECTIONS if heading in headings]
    assert {"What it finds", "Why it matters", EXAMPLE, SILENT} <= set(headings)
    assert page.examples
    assert page.silent


@pytest.mark.parametrize(("page", "block"), blocks(EXAMPLE))
def test_examples_yield_what_they_are_marked_with(page, block):
    report = check_block(block, page)
    assert not report.errors
    assert shown(report) == sorted(block.expected, key=lambda expected: (expected.line, expected.name))
    assert any(expected.name == page.name for expected in block.expected)


@pytest.mark.parametrize("name", PAGES)
def test_use_instead_is_what_fixes_make_of_the_examples(name):
    page = PAGES[name]
    if page.fix == "none":
        assert all(found.name != name for block in page.fixed for found in check_block(block, page).findings)
        return
    assert len(page.fixed) == len(page.examples)
    for example, fixed in zip(page.examples, page.fixed, strict=True):
        report = mend_block(example, page)
        assert not report.errors
        assert report.located.text == fixed.code
        again = mend_block(replace(example, code=fixed.code), page)
        assert again.before is None
        assert again.located.text == fixed.code


@pytest.mark.parametrize(("page", "block"), blocks(SILENT))
def test_what_is_to_stay_silent_does(page, block):
    report = check_block(block, page)
    assert not report.errors
    assert [found.message for found in report.findings if found.name == page.name] == []


# --- the reader -------------------------------------------------------------------------------------------------------

FRONT = (
    "---\ncode: HF998\nname: a-rule\nsummary: It finds: this.\nseverity: note\nversions: all\nfix: none\nprobe: no\n"
)
PAGE = f"""{FRONT}sources: one.py, two.py
---

# a-rule

## Example

Text.

```toml
version = 1
```

```python target="transformers>=4.50,<6" target=peft=0.17 target-gpu="T4" filename="train.py" lock pedantic unsafe-fixes
# error: this is no marker
a = 1  # error: [a-rule]
b = 2  # why # note: [a-rule, other-rule]
```

```text
c = 3  # error: [a-rule]
```

````python
## not a heading
```
````

## Use instead

```python
b = 2
```
"""


def test_a_page_is_read_as_written():
    page = parse_page(PAGE, Path("HF998-a-rule.md"))
    first, second = page.examples
    assert first.code == "# error: this is no marker\na = 1\nb = 2  # why\n"
    assert first.expected == (
        Expected(2, "error", "a-rule"),
        Expected(3, "note", "a-rule"),
        Expected(3, "note", "other-rule"),
    )
    assert first.target == ("transformers>=4.50,<6", "peft=0.17")
    assert (first.filename, first.pedantic, first.unsafe_fixes) == ("train.py", True, True)
    assert (first.target_gpu, first.lock) == ("T4", "version = 1\n")
    assert (second.target_gpu, second.lock) == ("", "")
    assert PAGE.splitlines()[first.line - 1].startswith("```python")
    assert second.code == "## not a heading\n```\n"
    assert [block.code for block in page.fixed] == ["b = 2\n"]
    assert page.silent == ()
    assert page.summary == "It finds: this."
    assert page.sources == ("one.py", "two.py")
    assert page.sections[FIXED].startswith("```python")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a-rule\n", "no front matter"),
        (FRONT, "is not closed"),
        (f"{FRONT}---\n", "has no sources"),
        ("---\ncode HF998\n---\n", ":2: not a `key: value` line"),
        (PAGE.replace("pedantic", "pedantik"), "unknown word 'pedantik'"),
        (PAGE + "```python\n", "the block is not closed"),
    ],
)
def test_a_page_that_cannot_be_read_says_why(text, message):
    with pytest.raises(PageError, match=r"HF998-a-rule\.md"):
        parse_page(text, Path("HF998-a-rule.md"))
    with pytest.raises(PageError) as raised:
        parse_page(text, Path("HF998-a-rule.md"))
    assert message in str(raised.value)


def test_pages_are_found_by_name_and_code():
    assert read_page("HF001") == read_page(" hf001 ")
    assert read_page("unused-ignore").code == "HF001"
    with pytest.raises(PageError, match='no rule is called "unused-ignored"; did you mean "unused-ignore"'):
        read_page("unused-ignored")


def test_addresses_are_made_of_code_and_name():
    assert page_url("HF001", "unused-ignore").endswith("/HF001-unused-ignore/")
    assert list(page_paths()) == sorted(page_paths())
