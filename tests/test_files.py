"""Which files are found, and bytes to text and back."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflint.files import MAX_BYTES, FileError, Location, Source, find_files, read_source, source_from_bytes
from hflint.settings import Settings

TEXTS = st.text(st.sampled_from("ab é中\t\f\x1c\u2028\r\n"), max_size=60)
ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "cp1252", "shift_jis")


def source(text: str) -> Source:
    return Source(Path("a.py"), "a.py", text)


def plant(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")


def found(root: Path, *paths: str, **settings: object) -> list[str]:
    files, errors = find_files([root / path for path in paths or ("",)], Settings(root=root, **settings))
    assert not errors
    return [file.relative_to(root).as_posix() for file in files]


# --- lines -----------------------------------------------------------------------------------------------------------


@given(TEXTS)
def test_every_offset_has_a_place_and_comes_back(text: str) -> None:
    one = source(text)
    for offset in range(len(text) + 1):
        place = one.locate(offset)
        assert one.offset(place.line, place.column) == offset
        assert text[one.offset(place.line, 1) :].startswith(one.line(place.line))


@given(TEXTS)
def test_lines_end_only_where_python_ends_them(text: str) -> None:
    one = source(text)
    lines = [one.line(number) for number in range(1, one.line_count + 1)]
    assert lines == text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def test_columns_count_characters() -> None:
    assert source("é\r\n中 = 1").locate(6) == Location(2, 4)


# --- decoding --------------------------------------------------------------------------------------------------------


@given(
    TEXTS,
    st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "cp1252", "shift_jis"]),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_bytes_come_back(text: str, encoding: str, newline: str) -> None:
    cookie = "" if encoding.startswith("utf") else f"#!/usr/bin/python{newline}# -*- coding: {encoding} -*-{newline}"
    data = (cookie + text).encode(encoding, errors="replace")
    one = source_from_bytes(data, Path("a.py"), "a.py")
    assert one.encode(one.text) == data
    assert one.text == data.decode(encoding)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x = 1\0", "contains null bytes, which is not Python"),
        ("x = 1".encode("utf-16"), "is UTF-16, which is not Python"),
        (b"# 1\r\n\r# coding later\nx = '\xe9'", "is not valid utf-8: byte 0xe9 on line 4"),
        (b"# coding: klingon\n", "unknown encoding: klingon"),
        (b"#\r# coding: klingon\r", "unknown encoding: klingon"),
        (b"# coding: rot13\n", "its encoding, rot13, is not one for text"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "encoding problem: utf-8"),
        (b"# coding: utf-8\n# \xff\n", "is not valid utf-8: byte 0xff on line 2"),
    ],
)
def test_what_is_not_python_is_one_line(data: bytes, message: str) -> None:
    with pytest.raises(FileError) as caught:
        source_from_bytes(data, Path("a.py"), "a.py")
    assert caught.value.message == message


def test_a_cookie_on_the_third_line_is_a_comment() -> None:
    assert source_from_bytes(b"#\n#\n# coding: latin-1\n", Path("a.py"), "a.py").encoding == "utf-8"


def test_a_character_the_encoding_lacks() -> None:
    one = source_from_bytes(b"# coding: latin-1\n", Path("a.py"), "a.py")
    with pytest.raises(FileError, match=r"a\.py: its encoding, iso-8859-1, cannot hold '中'"):
        one.encode("中")


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "large.py").write_bytes(b"#" * (MAX_BYTES + 1))
    messages = {}
    for name in ("missing.py", "loop.py", "large.py", ""):
        with pytest.raises(FileError) as caught:
            read_source(tmp_path / name)
        messages[name] = caught.value.message
    assert messages == {
        "missing.py": "no such file or folder",
        "loop.py": "is a loop of symbolic links",
        "large.py": "is larger than the 4 MiB that hflint reads",
        "": "is a folder",
    }


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(FileError, match="cannot be read: Permission denied"):
        read_source(tmp_path / "a.py")


def test_names_are_relative_with_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "src/a.py")
    monkeypatch.chdir(tmp_path)
    assert read_source(tmp_path / "src" / "a.py").name == "src/a.py"
    assert read_source(tmp_path / "src" / "a.py", "shown").name == "shown"


def test_sources_and_errors_cross_processes() -> None:
    one = source("a\nb")
    assert one.locate(2) == pickle.loads(pickle.dumps(one)).locate(2)
    error = pickle.loads(pickle.dumps(FileError(Path("a.py"), "is a folder")))
    assert (error.path, error.message) == (Path("a.py"), "is a folder")


# --- finding ---------------------------------------------------------------------------------------------------------


def test_a_folder_gives_its_python_files_in_order(tmp_path: Path) -> None:
    plant(tmp_path, "b.py", "a.pyi", "c.txt", "sub/d.py", ".venv/e.py", "node_modules/f.py", "build/g.py", "build.py")
    assert found(tmp_path) == ["a.pyi", "b.py", "build.py", "sub/d.py"]


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    plant(tmp_path, "train", "build/a.py", "b.py")
    assert found(tmp_path, "train", "build/a.py", "b.py", "./b.py") == ["b.py", "build/a.py", "train"]


def test_force_exclude_holds_for_named_files(tmp_path: Path) -> None:
    plant(tmp_path, "build/a.py", "docs/b.py", "docs/keep/c.py", "d.py")
    names = ("build/a.py", "docs/b.py", "docs", "d.py")
    assert found(tmp_path, *names, force_exclude=True, extend_exclude=("docs/*.py",)) == ["d.py", "docs/keep/c.py"]


def test_exclude_replaces_and_extend_exclude_adds(tmp_path: Path) -> None:
    plant(tmp_path, "build/a.py", "gen/b.py", "src/gen/c.py", "src/x_pb2.py", "src/d.py", "tests/data/e.py")
    assert found(tmp_path, exclude=("gen",)) == ["build/a.py", "src/d.py", "src/x_pb2.py", "tests/data/e.py"]
    patterns = ("./gen/", "*_pb2.py", "tests/data")
    assert found(tmp_path, extend_exclude=patterns) == ["src/d.py", "src/gen/c.py"]


def test_a_pattern_can_take_in_again(tmp_path: Path) -> None:
    plant(tmp_path, "gen/a.py", "gen/b.py")
    assert found(tmp_path, exclude=("gen/*", "!b.py")) == ["gen/b.py"]


def test_a_named_folder_is_walked_though_it_is_excluded(tmp_path: Path) -> None:
    plant(tmp_path, "docs/a.py", "docs/b_pb2.py", "build/c.py", "build/lib/build/d.py")
    (tmp_path / ".gitignore").write_text("docs/\n*_pb2.py\nbuild\n")
    assert found(tmp_path, "docs", extend_exclude=("docs/**",)) == ["docs/a.py"]
    assert found(tmp_path, "build") == ["build/c.py"]
    assert found(tmp_path) == []


def test_links(tmp_path: Path) -> None:
    plant(tmp_path, "z.py", "sub/a.py")
    (tmp_path / "a_link.py").symlink_to("z.py")
    (tmp_path / "sub" / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / ".#lock.py").symlink_to("nowhere")
    assert found(tmp_path) == ["sub/a.py", "z.py"]
    assert found(tmp_path, "a_link.py") == ["a_link.py"]
    assert found(tmp_path, "sub/up") == ["sub/up/sub/a.py", "sub/up/z.py"]


def test_what_cannot_be_looked_at_is_reported(tmp_path: Path) -> None:
    plant(tmp_path, "a.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "dangling").symlink_to("nowhere")
    paths = [tmp_path / "missing", tmp_path / "loop.py", tmp_path / "dangling", tmp_path]
    files, errors = find_files(paths, Settings(root=tmp_path))
    assert files == [tmp_path / "a.py"]
    assert [(error.path.name, error.message) for error in errors] == [
        ("missing", "no such file or folder"),
        ("loop.py", "is a loop of symbolic links"),
        ("dangling", "no such file or folder"),
        ("loop.py", "is a loop of symbolic links"),
    ]


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> object:
        if folder.endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    scandir = os.scandir
    plant(tmp_path, "a.py", "secret/b.py")
    monkeypatch.setattr(os, "scandir", refuse)  # root may list everything
    files, errors = find_files([tmp_path], Settings(root=tmp_path))
    assert files == [tmp_path / "a.py"]
    assert [(error.path.name, error.message) for error in errors] == [("secret", "cannot be read: Permission denied")]


def test_paths_are_shown_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "src/a.py")
    monkeypatch.chdir(tmp_path)
    assert find_files([Path()], Settings())[0] == [Path("src/a.py")]
    monkeypatch.chdir(tmp_path / "src")
    assert find_files([Path("..")], Settings())[0] == [Path("../src/a.py")]


FILES = ("a.py", "b.py", "keep.py", "out/a.py", "out/keep.py", "src/a.py", "src/out/b.py", "src/gen/keep.py", "é/a.py")
IGNORES = {
    "names": {"": "out\n# a comment\n\n"},
    "folders only": {"": "out/\na.py/\n"},
    "anchored": {"": "/a.py\nsrc/out\n"},
    "globs": {"": "**/gen/*\n[ab].py\n!/b.py\n"},
    "nested again": {"": "*.py\n", "src": "!a.py\n"},
    "a parent left out stays so": {"": "src/\n", "src": "!a.py\n"},
    "all but": {"": "/*\n!/src\n/src/*\n!/src/gen\n"},
    "bad lines": {"": "!\n\\\n[a\nout \n"},
    "escapes": {"": "\\#x\n\\!x\né\n"},
    "byte order mark": {"": "\ufeffout\n"},
    "carriage returns": {"": "out\r\nsrc/gen/\r\n"},
    "deepest wins": {"": "keep.py\n", "src": "!keep.py\n", "src/gen": "keep.py\n"},
}


@pytest.mark.parametrize("ignores", IGNORES.values(), ids=IGNORES)
def test_gitignore_as_git_reads_it(tmp_path: Path, ignores: dict[str, str]) -> None:
    plant(tmp_path, *FILES)
    for folder, text in ignores.items():
        (tmp_path / folder / ".gitignore").write_bytes(text.encode())
    outside = found(tmp_path, exclude=())
    git = ["git", "-c", "core.excludesFile=", "-c", "core.quotePath=false", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    listed = subprocess.run([*git, "ls-files", "-o", "--exclude-standard", "*.py"], check=True, capture_output=True)
    assert found(tmp_path) == sorted(listed.stdout.decode().split()) == outside


def test_gitignores_above_count_up_to_the_repository(tmp_path: Path) -> None:
    plant(tmp_path, "repo/src/a.py", "repo/src/b.py", "repo/src/c.py")
    (tmp_path / ".gitignore").write_text("c.py\n")
    (tmp_path / "repo" / ".gitignore").write_text("b.py\n")
    (tmp_path / "repo" / ".git").mkdir()
    assert found(tmp_path, "repo/src") == ["repo/src/a.py", "repo/src/c.py"]


def test_without_a_repository_they_count_up_to_the_settings_root(tmp_path: Path) -> None:
    plant(tmp_path, "project/src/a.py", "project/src/b.py", "project/src/c.py")
    (tmp_path / ".gitignore").write_text("c.py\n")
    (tmp_path / "project" / ".gitignore").write_text("b.py\n")
    files, _ = find_files([tmp_path / "project" / "src"], Settings(root=tmp_path / "project"))
    assert [file.name for file in files] == ["a.py", "c.py"]


def test_pathspec_is_loaded_only_for_patterns(tmp_path: Path) -> None:
    plant(tmp_path, "a.py")
    code = (
        "import sys; from pathlib import Path;"
        "from hflint.files import find_files; from hflint.settings import Settings;"
        "find_files([Path()], Settings()); assert 'pathspec' not in sys.modules; assert 'libcst' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
