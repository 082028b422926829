"""Which files to read, and bytes to `Source`: decoded text that knows its lines and can be written back to the byte."""

from __future__ import annotations

import errno
import os
import re
import stat
import tokenize
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pathspec import GitIgnoreSpec

    from hflint.settings import Settings

MAX_BYTES = 4 * 1024 * 1024  # a larger .py file is data or generated code
SUFFIXES = (".py", ".pyi")

_LINE_END = re.compile(r"\r\n?|\n")
_TWO_LINES = re.compile(rb"([^\r\n]*)(?:\r\n?|\n)?([^\r\n]*)")
_BOM = b"\xef\xbb\xbf"


class FileError(Exception):
    """A file that hflint cannot read or write; `message` is one line."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(path, message)  # both, so that it crosses processes
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path.as_posix()}: {self.message}"


@dataclass(frozen=True, slots=True)
class Location:
    """A place as people count it: line and column from 1, columns in characters; the cell of a notebook from 1."""

    line: int
    column: int
    cell: int | None = None


@dataclass(frozen=True)
class Source:
    r"""One file's text. Lines end at `\n`, `\r\n` or `\r` only, as Python and libcst count them."""

    path: Path
    name: str  # what is shown: relative where it can be, with /
    text: str  # decoded, without a byte order mark, line ends as they are in the file
    encoding: str = "utf-8"
    bom: bool = False

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(end.end() for end in _LINE_END.finditer(self.text))]

    @property
    def line_count(self) -> int:
        """How many lines there are; text that ends in a line end has an empty last line."""
        return len(self._starts)

    @cached_property
    def newline(self) -> str:
        r"""The file's first line end, for code that is added; `\n` where there is none."""
        first = _LINE_END.search(self.text)
        return first.group() if first else "\n"

    def locate(self, offset: int) -> Location:
        """The line and column of a character offset, 0 to `len(text)`."""
        line = bisect_right(self._starts, offset)
        return Location(line, offset - self._starts[line - 1] + 1)

    def offset(self, line: int, column: int) -> int:
        """The character offset of a line and column, both from 1; raises IndexError for a line that is not there."""
        if line < 1:
            raise IndexError(line)
        return self._starts[line - 1] + column - 1

    def line(self, number: int) -> str:
        """The text of line `number`, from 1, without its line end."""
        return self.whole_line(number).rstrip("\r\n")

    def whole_line(self, number: int) -> str:
        """The text of line `number`, from 1, with its line end."""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self.offset(number, 1) : end]

    def encode(self, text: str) -> bytes:
        """`text` as this file's bytes: its encoding, its byte order mark.

        Raises:
            FileError: the encoding has no bytes for a character.
        """
        try:
            data = text.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = text[error.start]
            raise FileError(self.path, f"its encoding, {self.encoding}, cannot hold {character!r}") from None
        return _BOM + data if self.bom else data


# --- reading ---------------------------------------------------------------------------------------------------------


def read_bytes(path: Path) -> bytes:
    """A file's bytes, at most `MAX_BYTES` of them.

    Raises:
        FileError: it is missing, a folder, unreadable or too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(path, _why(error)) from None
    if len(data) > MAX_BYTES:
        raise FileError(path, f"is larger than the {MAX_BYTES // 2**20} MiB that hflint reads")
    return data


def read_source(path: Path, name: str | None = None) -> Source:
    """Read and decode a file; `name` is what to show for it, `display_name(path)` where it is None.

    Raises:
        FileError: it cannot be read or decoded.
    """
    return source_from_bytes(read_bytes(path), path, display_name(path) if name is None else name)


def source_from_bytes(data: bytes, path: Path, name: str) -> Source:
    """Decode bytes as Python does: a byte order mark, an encoding cookie in the first two lines, else UTF-8 (PEP 263).

    Raises:
        FileError: null bytes, an unknown encoding, or bytes that are not in it.
    """
    if b"\0" in data:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise FileError(path, "is UTF-16, which is not Python" if utf16 else "contains null bytes, which is not Python")
    bom = data.startswith(_BOM)
    encoding = _encoding(data, path)
    try:
        text = data[len(_BOM) * bom :].decode(encoding)
    except UnicodeDecodeError as error:
        line = len(_LINE_END.findall(data[: error.start].decode("latin-1"))) + 1
        byte = f"byte 0x{error.object[error.start]:02x} on line {line}"
        raise FileError(path, f"is not valid {encoding}: {byte}") from None
    except (LookupError, UnicodeError, ValueError):  # a codec that makes no text, such as rot13
        raise FileError(path, f"its encoding, {encoding}, is not one for text") from None
    return Source(path, name, text, encoding, bom)


def display_name(path: Path) -> str:
    """What to show for a path: relative to the current folder where it lies inside, with /."""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_posix()


def _encoding(data: bytes, path: Path) -> str:
    head = _TWO_LINES.match(data)
    if head is None or b"coding" not in head.group():
        return "utf-8"
    lines = iter([line + b"\n" for line in head.groups()])  # tokenize itself knows no lone \r
    try:
        encoding, _ = tokenize.detect_encoding(lambda: next(lines, b""))
    except SyntaxError as error:
        raise FileError(path, str(error.msg)) from None
    return "utf-8" if encoding == "utf-8-sig" else encoding


def _why(error: OSError) -> str:
    plain = {
        errno.ENOENT: "no such file or folder",
        errno.ELOOP: "is a loop of symbolic links",
        errno.EISDIR: "is a folder",
    }
    return plain.get(error.errno or 0) or f"cannot be read: {error.strerror or error}"


# --- finding ---------------------------------------------------------------------------------------------------------


def find_files(paths: Sequence[Path], settings: Settings) -> tuple[list[Path], list[FileError]]:
    """The files to check, sorted, each once, and what could not be looked at.

    A file that is named is taken whatever it is called, unless `force-exclude` is set and it is excluded. A folder is
    walked for Python files; `exclude`, `extend-exclude` and every `.gitignore` up to the repository's root count, but
    none that speaks of the named folder itself. Symbolic links to folders are not followed within a walk.
    """
    found = _Found()
    excludes = _Excludes.of(settings)
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            found.errors.append(FileError(path, _why(error)))
            continue
        real = os.path.realpath(path)
        if settings.force_exclude and excludes.cover(real):
            continue
        if is_folder:
            _walk(str(path), real, excludes.without(real), found)
        else:
            found.add(str(path), real, link=path.is_symlink())
    return sorted(Path(shown) for shown, _ in found.files.values()), found.errors


@dataclass(slots=True)
class _Found:
    files: dict[str, tuple[str, bool]] = field(default_factory=dict)  # by real path: what to show, is it a link
    errors: list[FileError] = field(default_factory=list)

    def add(self, shown: str, real: str, *, link: bool) -> None:
        """Keep a file once; under its own name rather than a link's."""
        if real not in self.files or (self.files[real][1] and not link):
            self.files[real] = (shown, link)


def _walk(shown: str, real: str, excludes: _Excludes, found: _Found) -> None:
    """Add the Python files below a folder, whose real path is `real`."""
    folders = [(shown, real, _outer_ignores(real, excludes.root))]
    while folders:
        shown, real, ignores = folders.pop()
        try:
            with os.scandir(real) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            found.errors.append(FileError(Path(shown), _why(error)))
            continue
        if any(entry.name == ".gitignore" for entry in entries):
            ignores = (*ignores, *_ignore_layer(real))
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not entry.name.endswith(SUFFIXES):
                continue
            if excludes.hit(entry.name, entry.path, is_folder) or _ignored(ignores, entry.path, is_folder):
                continue
            inner = os.path.join(shown, entry.name)  # noqa: PTH118 - thousands of times
            if is_folder:
                folders.append((inner, entry.path, ignores))
            elif entry.is_symlink():
                _add_link(inner, entry, found)
            elif entry.is_file():
                found.add(inner, entry.path, link=False)


def _add_link(shown: str, entry: os.DirEntry[str], found: _Found) -> None:
    """Add what a link leads to; a dangling one (an editor's lock file) and one to a folder are passed over."""
    try:
        if entry.is_file():
            found.add(shown, os.path.realpath(entry.path), link=True)
    except OSError as error:
        found.errors.append(FileError(Path(shown), _why(error)))


@dataclass(frozen=True, slots=True)
class _Layer:
    """The patterns of one folder, in the meaning of gitignore."""

    folder: str  # its real path, with a separator at the end
    spec: GitIgnoreSpec
    some: re.Pattern[str]  # matches where any pattern does: most paths need no more, and it is six times faster

    @classmethod
    def of(cls, folder: str, spec: GitIgnoreSpec) -> _Layer:
        """The layer of a folder, given without a separator at its end."""
        patterns = [pattern.regex.pattern for pattern in spec.patterns if pattern.regex]
        some = re.compile("|".join(re.sub(r"\(\?P<\w+>", "(?:", pattern) for pattern in patterns))
        return cls(folder.rstrip(os.sep) + os.sep, spec, some)

    def verdict(self, real: str, *, is_folder: bool) -> bool | None:
        """True: left out; False: taken in again; None: nothing is said of it."""
        if not real.startswith(self.folder):
            return None
        inside = real[len(self.folder) :].replace(os.sep, "/") + "/" * is_folder
        return self.spec.check_file(inside).include if self.some.match(inside) else None

    def without(self, real: str) -> Iterator[_Layer]:
        """This layer less the patterns that leave out the folder `real`; nothing where no pattern is left."""
        spec = type(self.spec)
        alone = [(pattern, _Layer.of(self.folder, spec([pattern]))) for pattern in self.spec.patterns]
        kept = [pattern for pattern, layer in alone if not layer.verdict(real, is_folder=True)]
        if kept:
            yield _Layer.of(self.folder, spec(kept))


def _ignored(layers: tuple[_Layer, ...], real: str, is_folder: bool) -> bool:
    verdicts = (layer.verdict(real, is_folder=is_folder) for layer in reversed(layers))
    return next((verdict for verdict in verdicts if verdict is not None), False)


def _outer_ignores(real: str, root: str) -> tuple[_Layer, ...]:
    """The layers of the folders above `real`, up to the repository's root, or the settings' where there is none."""
    above = Path(real).parents
    repository = next((folder for folder in (Path(real), *above) if (folder / ".git").exists()), Path(root))
    if not Path(real).is_relative_to(repository):
        return ()
    inside = [folder for folder in reversed(above) if folder.is_relative_to(repository)]
    layers = [layer for folder in inside for layer in _ignore_layer(str(folder))]
    return tuple(kept for layer in layers for kept in layer.without(real))


def _ignore_layer(folder: str) -> Iterator[_Layer]:
    """The layer of a folder's .gitignore, if it has one that can be read and says anything."""
    try:
        data = Path(folder, ".gitignore").read_bytes()
    except OSError:
        return
    spec = _spec(data.decode("utf-8-sig", errors="replace").splitlines())
    if spec.patterns:
        yield _Layer.of(folder, spec)


def _spec(lines: Sequence[str]) -> GitIgnoreSpec:
    """A spec of pattern lines; one that git would not understand is passed over, as git does."""
    from pathspec import GitIgnoreSpec  # loaded only where there are patterns

    try:
        made = GitIgnoreSpec.from_lines(lines)
    except ValueError:
        made = GitIgnoreSpec([])
        for line in lines:
            with suppress(ValueError):
                made += GitIgnoreSpec.from_lines([line])
    return GitIgnoreSpec([pattern for pattern in made.patterns if pattern.include is not None])


@dataclass(frozen=True, slots=True)
class _Excludes:
    """The settings' excludes: plain names by a set, the rest as gitignore patterns relative to the settings' root."""

    root: str
    names: frozenset[str]
    layer: tuple[_Layer, ...]  # one or none

    @classmethod
    def of(cls, settings: Settings) -> _Excludes:
        """The excludes of a project; pathspec is loaded only if one is more than a name."""
        patterns = [re.sub(r"^\./", "/", pattern) for pattern in (*settings.exclude, *settings.extend_exclude)]
        plain = not any(pattern.startswith("!") for pattern in patterns)  # the order counts where one takes in again
        names = frozenset(p for p in patterns if plain and not set(p.rstrip("/")) & set("/*?[]\\! #"))
        rest = [pattern for pattern in patterns if pattern not in names]
        root = os.path.realpath(settings.root)
        layer = (_Layer.of(root, _spec(rest)),) if rest else ()
        return cls(root, names, layer)

    def hit(self, name: str, real: str, is_folder: bool) -> bool:
        """Is this entry, met in a walk, left out? What its folders are called does not matter here."""
        return name in self.names or (is_folder and name + "/" in self.names) or _ignored(self.layer, real, is_folder)

    def cover(self, real: str) -> bool:
        """Is this path, or a folder above it within the root, left out?"""
        if not Path(real).is_relative_to(self.root):
            return self.hit(Path(real).name, real, Path(real).is_dir())
        path, root = Path(real), Path(self.root)
        inside = [path, *(folder for folder in path.parents if folder.is_relative_to(root) and folder != root)]
        return any(self.hit(each.name, str(each), each != path or path.is_dir()) for each in inside if each != root)

    def without(self, real: str) -> _Excludes:
        """These excludes, less the patterns that leave out the folder `real`, which the user named."""
        return _Excludes(self.root, self.names, tuple(kept for layer in self.layer for kept in layer.without(real)))
