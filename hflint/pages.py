"""The pages of the rules: one reader for the tests, `hflint rule`, the editor and the site.

A page is `rules/HFnnn-name.md`: a front matter of `key: value` lines between `---`, then sections headed by `##`.
Python blocks of the section *Example* end their wrong lines in `# error: [rule-name]` (or `warning`, `note`); *Use
instead* holds, block for block, what the fixes make of it; the blocks of *Stays silent* yield nothing. A block's info
string may say under what it is to be checked:
```` ```python target="transformers=4.57" target-gpu="T4" filename="train.py" pedantic unsafe-fixes ````.
A `lock` there gives it the hflint.lock that the last TOML block before it shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SITE = "https://hflint.readthedocs.io/en/latest/rules"
EXAMPLE, FIXED, SILENT, EVIDENCE = "Example", "Use instead", "Stays silent", "Evidence"
SECTIONS = ("What it finds", "Why it matters", EXAMPLE, FIXED, SILENT, EVIDENCE, "Limits")

_FENCE = re.compile(r"^(`{3,})(.*)$")
_MARKER = re.compile(r"[ \t]*# (error|warning|note): \[([a-z0-9, -]+)\][ \t]*$")
_FILE_NAME = re.compile(r"(HF\d{3})-([a-z0-9-]+)\.md")


class PageError(Exception):
    """A page that cannot be read; one line."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A finding that an example announces: its line from 1, its severity and its rule's name."""

    line: int
    severity: str
    name: str


@dataclass(frozen=True, slots=True)
class Block:
    """One Python block of a page, without its markers, and under what it is to be checked."""

    code: str
    line: int  # in the page, of the opening fence
    expected: tuple[Expected, ...] = ()
    target: tuple[str, ...] = ()  # versions, each as `--target` takes it
    target_gpu: str = ""
    lock: str = ""  # the content of a hflint.lock
    filename: str = "example.py"
    pedantic: bool = False
    unsafe_fixes: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says."""

    path: Path
    code: str
    name: str
    summary: str
    severity: str
    versions: str
    fix: str  # safe, unsafe, `safe, unsafe` or none
    probe: str
    sources: tuple[str, ...]
    body: str  # Markdown after the front matter
    sections: dict[str, str]  # Markdown by heading
    blocks: dict[str, tuple[Block, ...]]  # Python blocks by heading

    @property
    def url(self) -> str:
        """Where the page can be read on the web."""
        return page_url(self.code, self.name)

    @property
    def examples(self) -> tuple[Block, ...]:
        """Code with findings."""
        return self.blocks.get(EXAMPLE, ())

    @property
    def fixed(self) -> tuple[Block, ...]:
        """What the fixes make of the examples, block for block."""
        return self.blocks.get(FIXED, ())

    @property
    def silent(self) -> tuple[Block, ...]:
        """Code that yields nothing."""
        return self.blocks.get(SILENT, ())


def page_url(code: str, name: str) -> str:
    """Where the page of a rule can be read on the web."""
    return f"{SITE}/{code}-{name}/"


@cache
def page_paths() -> dict[str, Path]:
    """The file of every page by its rule's code, in the order of codes."""
    here = Path(__file__).parent
    shipped = here / "pages"  # in a wheel; a checkout has them beside the package
    folder = shipped if shipped.is_dir() else here.parent / "rules"
    return {match[1]: path for path in sorted(folder.glob("HF*.md")) if (match := _FILE_NAME.fullmatch(path.name))}


def page_names() -> dict[str, str]:
    """The name of every rule that has a page, by its code."""
    return {code: path.stem.partition("-")[2] for code, path in page_paths().items()}


@cache
def read_page(name_or_code: str) -> Page:
    """The page of a rule.

    Raises:
        PageError: no page is called that (the message suggests the nearest), or the page cannot be read.
    """
    wanted = name_or_code.strip()
    for code, name in page_names().items():
        if wanted.upper() == code or wanted.lower() == name:
            return _read(page_paths()[code])
    from difflib import get_close_matches  # for an error only

    near = get_close_matches(wanted.lower(), page_names().values(), 1) or get_close_matches(
        wanted.upper(), page_names(), 1
    )
    raise PageError(f'no rule is called "{wanted}"' + (f'; did you mean "{near[0]}"?' if near else ""))


def all_pages() -> list[Page]:
    """Every page, in the order of codes."""
    return [read_page(code) for code in page_paths()]


def _read(path: Path) -> Page:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PageError(f"{path.name}: {error}") from error
    return parse_page(_with_evidence(text, path), path)


def _with_evidence(text: str, path: Path) -> str:
    """The page with what was recorded for its rule, as a section before *Limits*, or at the end."""
    from hflint.evidence import evidence_section  # for those who read pages only

    section = evidence_section(path.stem.partition("-")[2])
    if not section or f"\n## {EVIDENCE}\n" in text:
        return text
    head, limits, rest = text.partition("\n## Limits\n")
    return f"{head.rstrip()}\n\n## {EVIDENCE}\n\n{section}\n{limits}{rest}"


def parse_page(text: str, path: Path) -> Page:
    """The page that a Markdown text is.

    Raises:
        PageError: the front matter lacks a field, or a block is not closed.
    """
    fields, body, first = _front_matter(text, path)
    sections, blocks = _sections(body, first, path)
    try:
        return Page(
            path=path,
            sources=tuple(part.strip() for part in fields["sources"].split(",") if part.strip()),
            body=body,
            sections=sections,
            blocks=blocks,
            **{key: fields[key] for key in ("code", "name", "summary", "severity", "versions", "fix", "probe")},
        )
    except KeyError as error:
        raise PageError(f"{path.name}: the front matter has no {error.args[0]}") from error


def _front_matter(text: str, path: Path) -> tuple[dict[str, str], str, int]:
    """The fields, what follows them, and the line at which that begins."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].strip() != "---":
        raise PageError(f"{path.name}: no front matter")
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        if line.strip() == "---":
            return fields, "".join(lines[number:]).lstrip("\n"), number + 1 + _leading_blank(lines[number:])
        key, colon, value = line.partition(":")
        if not colon:
            raise PageError(f"{path.name}:{number}: not a `key: value` line")
        fields[key.strip()] = value.strip()
    raise PageError(f"{path.name}: the front matter is not closed")


def _leading_blank(lines: list[str]) -> int:
    return next((n for n, line in enumerate(lines) if line != "\n"), len(lines))


def _sections(body: str, first: int, path: Path) -> tuple[dict[str, str], dict[str, tuple[Block, ...]]]:
    """Text and Python blocks by heading; `first` is the page's line at which the body begins."""
    texts: dict[str, list[str]] = {}
    blocks: dict[str, list[Block]] = {}
    heading, fence, info, opened, code, lock = "", "", "", 0, list[str](), ""
    for number, line in enumerate(body.splitlines(keepends=True), start=first):
        mark = _FENCE.match(line.rstrip())
        if not fence and line.startswith("## "):
            heading = line[3:].strip()
            continue
        texts.setdefault(heading, []).append(line)
        if not fence and mark:
            fence, info, opened, code = mark[1], mark[2].strip(), number, []
        elif fence and mark and mark[0] == fence:
            if info.split(" ")[0] == "python":
                blocks.setdefault(heading, []).append(_block("".join(code), info, opened, path, lock))
            elif info == "toml":
                lock = "".join(code)
            fence = ""
        elif fence:
            code.append(line)
    if fence:
        raise PageError(f"{path.name}:{opened}: the block is not closed")
    return (
        {name: "".join(lines).strip() for name, lines in texts.items()},
        {name: tuple(found) for name, found in blocks.items()},
    )


def _block(code: str, info: str, line: int, path: Path, lock: str) -> Block:
    """The block with its markers taken out of the code and read, and its info string read; `lock` is what `lock` stands for."""
    import shlex  # the command line needs no more of the pages than their names

    lines, expected = [], []
    for number, text in enumerate(code.splitlines(), start=1):
        marker = _MARKER.search(text)
        lines.append(_MARKER.sub("", text))
        if marker:
            expected += [Expected(number, marker[1], name.strip()) for name in marker[2].split(",")]
    options: dict[str, str] = {}
    targets: list[str] = []
    for word in shlex.split(info)[1:]:
        key, _, value = word.partition("=")
        if key == "target":
            targets.append(value)
        elif key in {"filename", "lock", "pedantic", "target-gpu", "unsafe-fixes"}:
            options[key] = value
        else:
            raise PageError(f"{path.name}:{line}: unknown word '{word}' after ```python")
    return Block(
        code="".join(f"{text}\n" for text in lines),
        line=line,
        expected=tuple(expected),
        target=tuple(targets),
        target_gpu=options.get("target-gpu", ""),
        lock=lock if "lock" in options else "",
        filename=options.get("filename", "example.py"),
        pedantic="pedantic" in options,
        unsafe_fixes="unsafe-fixes" in options,
    )
