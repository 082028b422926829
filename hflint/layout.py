"""Where comments and statements stand, read from tokens."""

from __future__ import annotations

import tokenize
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.findings import Span

if TYPE_CHECKING:
    from hflint.files import Source


@dataclass(frozen=True, slots=True)
class Layout:
    """The comments of a source, and the lines of its statements; a compound statement is its header alone."""

    comments: tuple[Span, ...]
    statements: tuple[range, ...]  # of lines from 1, in order, apart; decorators belong to what they decorate
    comment_lines: frozenset[int]  # with nothing but a comment

    def statement(self, line: int) -> range:
        """The lines of the statement that stands on a line; empty where there is none."""
        index = bisect_right(self.statements, line, key=lambda lines: lines.start) - 1
        return self.statements[index] if index >= 0 and line in self.statements[index] else range(0)

    def below(self, line: int) -> range:
        """The lines of the statement right below a line of comment, other such lines between them passed over."""
        while line in self.comment_lines:
            line += 1
        return self.statement(line)


def layout_of(source: Source) -> Layout:
    """The layout of a source; text that cannot be read has no comments and no statements.

    Where tokenize gives up, at syntax newer than the Python that runs, libcst is asked.
    """
    comments, ends = _by_tokens(source) or _by_tree(source) or ([], [])
    comment_lines = frozenset(
        place.line
        for place in (source.locate(comment.start) for comment in comments)
        if not source.line(place.line)[: place.column - 1].strip()
    )
    return Layout(tuple(comments), tuple(_statements(source, ends, comment_lines)), comment_lines)


def _statements(source: Source, ends: list[int], comment_lines: frozenset[int]) -> list[range]:
    """The lines of each statement, from the last lines of all logical lines."""
    statements: list[range] = []
    first, decorated = 1, 0
    for end in ends:
        while first < end and (first in comment_lines or not source.line(first).strip()):
            first += 1
        start = decorated or first
        decorated = start if source.line(first).lstrip().startswith("@") else 0
        if not decorated:
            statements.append(range(start, end + 1))
        first = end + 1
    return statements


def _by_tokens(source: Source) -> tuple[list[Span], list[int]] | None:
    """The comments, and the last line of each logical line; None if tokenize cannot read the source."""
    lines = [source.line(number) + "\n" for number in range(1, source.line_count + 1)]
    comments, ends = [], []
    feed = iter(lines)
    try:
        for token in tokenize.generate_tokens(lambda: next(feed, "")):
            if token.type == tokenize.COMMENT:
                start = source.offset(token.start[0], token.start[1] + 1)
                comments.append(Span(start, start + len(token.string)))
            elif token.type == tokenize.NEWLINE:
                ends.append(token.start[0])
            elif token.type == tokenize.ERRORTOKEN:
                return None
    except (tokenize.TokenError, SyntaxError):
        return None
    return comments, ends


def _by_tree(source: Source) -> tuple[list[Span], list[int]] | None:
    """The same from libcst: a logical line ends where white space trails a statement rather than a bracket."""
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider

    try:
        tree = cst.parse_module(source.text)
    except cst.ParserSyntaxError:
        return None
    places = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider)
    in_brackets = {id(node.first_line) for node in places if isinstance(node, cst.ParenthesizedWhitespace)}
    comments = []
    ends = {
        place.start.line
        for node, place in places.items()
        if isinstance(node, cst.TrailingWhitespace) and id(node) not in in_brackets
    }
    for node, place in places.items():
        if isinstance(node, cst.Comment):
            start = source.offset(place.start.line, place.start.column + 1)
            comments.append(Span(start, start + len(node.value)))
    return sorted(comments), sorted(ends)
