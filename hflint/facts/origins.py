"""Where a project says which releases it wants: lock files, declared dependencies, built metadata, requirements.

Each reader yields the mentions of one folder after the other, nearest first. Readers are lenient: markers are not
evaluated, a broken file is ignored with a note, and nothing is ever imported or run.
"""

from __future__ import annotations

import ast
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflint.facts.addresses import release_of, repository
from hflint.facts.poetry import poetry_specs
from hflint.facts.sources import as_table, canonical, folders, literal_of, parse_file, text_of, wheel_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIBRARIES = {  # as the package index compares names: as they are shown
    name.replace("_", "-"): name
    for name in (
        "transformers",
        "trl",
        "peft",
        "bitsandbytes",
        "accelerate",
        "datasets",
        "huggingface_hub",
        "sentence-transformers",
        "diffusers",
        "torch",
        "python",
    )
}
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*(@\s*\S+|[^;#]*)")
_OPTION = re.compile(
    r"\s*(?:#.*|--?(?:i|f|pre|prefer-binary|[\w-]*index-url|find-links|trusted-host|no-binary|only-binary)\b.*|-e \.)?\s*$"
)
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_LOCKED = re.compile(r'^name = "([^"]+)"\s*$', re.MULTILINE)
_VERSION = re.compile(r'^version = "([^"]+)"', re.MULTILINE)
_SCRIPT = re.compile(r"^# /// script[ \t]*\r?\n((?:#(?: [^\n]*)?\r?\n)+?)# ///[ \t]*\r?$", re.MULTILINE)
_CONDA = re.compile(r"\s*-\s*[\"']?(?:[\w-]+::)?([A-Za-z0-9][\w.-]*)(.*)")


@dataclass(frozen=True, slots=True)
class Mention:
    """One statement about a package.

    Attributes:
        library: as in the values of `LIBRARIES`; for another package its name as the package index compares it.
        specs: alternatives, of which each is a specifier such as ">=4.50,<6"; an empty one says nothing.
        where: for people, for example "requirements.txt: transformers==4.57.6".
        kind: "locked" from a lock file, "own" for the name of the project itself, "extras" where it asks for some, "unread" where what it
            asks for is not known, and is nothing or more than the library.
        commit: it asks for code that is no release, and not the newest of the library's own repository: a commit, a branch, a copy, a folder.
    """

    library: str
    specs: tuple[str, ...]
    where: str
    kind: str = ""
    commit: bool = False

    @property
    def pins(self) -> bool:
        """Whether it asks for one release, or for one commit."""
        return self.commit or all(re.match(r"===?[^,*]+$", spec) for spec in self.specs)


def _name(text: str) -> str:
    return LIBRARIES.get(canonical(text), canonical(text))


# --- lock files -------------------------------------------------------------------------------------------------------


def locked(start: Path, notes: list[str], *, whole_repository: bool = True) -> Iterator[list[Mention]]:
    """What uv.lock, poetry.lock, pdm.lock, pylock.toml and Pipfile.lock hold, up to the repository's root."""
    for folder in folders(start, whole_repository=whole_repository):
        mentions = [mention for name in _LOCKS for mention in _lock(folder / name, notes)]
        yield mentions + _pipfile_lock(folder / "Pipfile.lock", notes)


def _lock(path: Path, notes: list[str]) -> list[Mention]:
    """Packages of a TOML lock. A lock can have a megabyte, so that only the blocks we need are read, by line."""
    text = text_of(path, notes)
    versions: dict[str, list[str]] = {}
    for name in _LOCKED.finditer(text):
        begin, end = text.rfind("[[", 0, name.start()), text.find("\n[", name.end())
        block = text[begin : len(text) if end < 0 else end]
        version = _VERSION.search(block)
        if begin >= 0 and version and block.startswith("[[package"):
            versions.setdefault(canonical(name[1]), []).append(public_version(version[1]))
    return [
        Mention(_name(name), tuple(f"=={version}" for version in found), path.name, "locked")
        for name, found in versions.items()
    ]


def public_version(version: str) -> str:
    """A version without its local part: torch 2.6.0+cu124 is torch 2.6.0 to a rule."""
    return version.partition("+")[0]


def _pipfile_lock(path: Path, notes: list[str]) -> list[Mention]:
    lock = as_table(parse_file(path, json.loads, notes))
    packages = {**as_table(lock.get("develop")), **as_table(lock.get("default"))}
    pairs = ((name, as_table(package).get("version")) for name, package in packages.items())
    return [
        Mention(_name(name), (public_version(version),), path.name, "locked")
        for name, version in pairs
        if isinstance(version, str)
    ]


# --- declared dependencies --------------------------------------------------------------------------------------------


def declared(start: Path, notes: list[str], *, whole_repository: bool = False) -> Iterator[list[Mention]]:
    """What pyproject.toml, setup.cfg and setup.py declare, up to the project's root, or the repository's."""
    for folder in folders(start, whole_repository=whole_repository):
        yield [
            *_pyproject(folder / "pyproject.toml", notes),
            *_setup_cfg(folder / "setup.cfg", notes),
            *_setup_py(folder / "setup.py", notes),
        ]


def _pyproject(path: Path, notes: list[str]) -> Iterator[Mention]:
    if not path.is_file():
        return
    import tomllib  # most runs under one settings file need it for that; others not at all

    document = as_table(parse_file(path, tomllib.loads, notes))
    project, tool = as_table(document.get("project")), as_table(document.get("tool"))
    lists = [
        project.get("dependencies"),
        *as_table(project.get("optional-dependencies")).values(),
        *as_table(document.get("dependency-groups")).values(),
        *as_table(as_table(tool.get("pdm")).get("dev-dependencies")).values(),
        as_table(tool.get("uv")).get("dev-dependencies"),
    ]
    for lines in lists:
        yield from _requirements(lines if isinstance(lines, list) else (), path.name)
    if isinstance(name := project.get("name"), str):
        yield Mention(_name(name), (), path.name, "own")
    if "dependencies" in (project.get("dynamic") or ()):
        yield Mention("", (), f"{path.name}: dynamic dependencies", "unread")
    python = project.get("requires-python")
    if isinstance(python, str):
        yield Mention("python", (python,), f"{path.name}: requires-python {python}")
    yield from _poetry(as_table(tool.get("poetry")), path.name)
    for name, source in as_table(as_table(tool.get("uv")).get("sources")).items():
        yield from _of_git(name, source, path.name)


def _requirements(lines: Iterable[object], where: str) -> Iterator[Mention]:
    for line in lines:
        parts = _REQUIREMENT.match(line) if isinstance(line, str) else None
        if parts is None or not re.match(r"$|[@<>=!~(]|--", parts[3]):
            if isinstance(line, str) and not _OPTION.match(line):
                yield _address(line, where)
            continue
        shown = re.split(r";|\s#|\s--", parts.string)[0].strip()
        kind = "extras" if parts[2] else ""
        if parts[3].startswith("@"):
            spec, commit = release_of(parts[3])
        else:
            spec, commit = parts[3].strip().strip("()").split("--")[0].strip(), False
        yield Mention(_name(parts[1]), (spec,), f"{where}: {shown}", kind, commit)


def _address(line: str, where: str) -> Mention:
    """A line that is no requirement: what it brings is not known, but where it is a library's repository, that is."""
    name, address = repository(line)
    said = f"{where}: {line.strip()}"
    if canonical(name) not in LIBRARIES:
        return Mention("", (), said, "unread")
    spec, commit = release_of(address)
    return Mention(_name(name), (spec,), said, "unread", commit)


def _poetry(poetry: dict[str, Any], where: str) -> Iterator[Mention]:
    groups = [as_table(group).get("dependencies") for group in as_table(poetry.get("group")).values()]
    for table in (poetry.get("dependencies"), poetry.get("dev-dependencies"), *groups):
        for name, value in as_table(table).items():
            wanted = value if isinstance(value, list) else [value]
            texts = [as_table(one).get("version", "") if isinstance(one, dict) else one for one in wanted]
            specs = tuple(spec for text in texts if isinstance(text, str) for spec in poetry_specs(text))
            kind = "extras" if any(as_table(one).get("extras") for one in wanted) else ""
            yield Mention(_name(name), specs, f"{where}: {name} {' || '.join(map(str, texts))}", kind)
            for one in wanted:
                yield from _of_git(name, one, where)


def _of_git(name: str, source: object, where: str) -> Iterator[Mention]:
    """What a table such as `{git = "https://...", rev = "..."}` asks for, of uv or poetry."""
    table = as_table(source)
    if not isinstance(table.get("git"), str):
        return
    at = next((table[key] for key in ("rev", "tag", "branch") if isinstance(table.get(key), str)), "")
    address = f"{table['git']}@{at}" if at else table["git"]
    spec, commit = release_of(address)
    yield Mention(_name(name), (spec,), f"{where}: {name} @ {address}", "unread" if table.get("extras") else "", commit)


def _setup_cfg(path: Path, notes: list[str]) -> Iterator[Mention]:
    if not path.is_file():
        return
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text_of(path, notes))
    except configparser.Error:
        notes.append(f"{path.name}: cannot be parsed, ignored")
        return
    texts = [parser.get("options", "install_requires", fallback="")]
    texts += parser["options.extras_require"].values() if parser.has_section("options.extras_require") else []
    yield from _requirements([line for text in texts for line in text.splitlines()], path.name)
    python = parser.get("options", "python_requires", fallback="")
    if python:
        yield Mention("python", (python,), f"{path.name}: python_requires {python}")


def _setup_py(path: Path, notes: list[str]) -> Iterator[Mention]:
    """The literal arguments of setup(), or literals that module constants hold; nothing is run."""
    tree = parse_file(path, ast.parse, notes)
    if not tree:
        return
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setup"))
    for keyword in (keyword for call in calls for keyword in call.keywords):
        value = literal_of(keyword.value, constants)
        if value is None and keyword.arg in {None, "install_requires", "extras_require"}:
            yield Mention("", (), f"{path.name}: {keyword.arg or '**'} is worked out", "unread")
            if keyword.arg == "install_requires":
                yield from _listed(constants, path.name)
        elif keyword.arg == "name" and isinstance(value, str):
            yield Mention(_name(value), (), path.name, "own")
        elif keyword.arg == "install_requires":
            lines = value.splitlines() if isinstance(value, str) else value
            yield from _requirements(lines if isinstance(lines, list | tuple) else (), path.name)
        elif keyword.arg == "extras_require":
            for lines in as_table(value).values():
                yield from _requirements(lines if isinstance(lines, list | tuple) else (), path.name)
        elif keyword.arg == "python_requires" and isinstance(value, str):
            yield Mention("python", (value,), f"{path.name}: python_requires {value}")


def _listed(constants: dict[str, ast.expr], where: str) -> Iterator[Mention]:
    """The requirements of the libraries in lists of a setup.py that takes its own from there by name: `_deps = ["transformers>=4.53", ...]`."""
    for value in (literal_of(node, {}) for node in constants.values()):
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            found = _requirements(value, where)
            yield from (one for one in found if canonical(one.library) in LIBRARIES and one.kind != "unread")


# --- scripts ----------------------------------------------------------------------------------------------------------


def in_script(source: str) -> list[Mention] | None:
    """What a script declares in its head, as `uv run` and pipx read it (PEP 723); None where it declares nothing."""
    match = _SCRIPT.search(source) if "# /// script" in source else None
    if match is None:
        return None
    import tomllib

    try:
        document = tomllib.loads("\n".join(line[2:] for line in match[1].splitlines()))
    except tomllib.TOMLDecodeError:
        return None
    lines, python, where = document.get("dependencies"), document.get("requires-python"), "the script's head"
    mentions = list(_requirements(lines if isinstance(lines, list) else (), where))
    if isinstance(python, str):
        mentions.append(Mention("python", (python,), f"{where}: requires-python {python}"))
    return mentions


# --- built packages ---------------------------------------------------------------------------------------------------


def packaged(start: Path, notes: list[str], *, whole_repository: bool = False) -> Iterator[list[Mention]]:
    """What the metadata of a built package require that lie beside its code, up to the project's root, or the repository's.

    An extra speaks of a library that is not required besides: code that is for it runs under what it asks for, and no other code cares.
    That of an `.egg-info` folder counts only where nothing else declares dependencies, for it may be older than they are.
    """
    for folder in folders(start, whole_repository=whole_repository):
        built = [path for path in (wheel_metadata(folder), folder / "PKG-INFO") if path]
        if not any(mention.library not in {"", "python"} for mention in next(declared(folder, []))):
            built += sorted(folder.glob("*.egg-info/PKG-INFO"))
        yield [mention for path in built for mention in _metadata(path, notes)]


def _metadata(path: Path, notes: list[str]) -> Iterator[Mention]:
    """The requirements of a METADATA or PKG-INFO file."""
    text = text_of(path, notes)
    if not text:
        return
    from email.parser import HeaderParser  # few projects need it

    fields = HeaderParser().parsestr(text)
    where = path.name if path.name == "PKG-INFO" else path.parent.name
    yield Mention(_name(fields.get("Name", "")), (), where, "own")
    lines = fields.get_all("Requires-Dist", [])
    of_extras = [line for line in lines if "extra" in line.partition(";")[2]]
    needed = list(_requirements([line for line in lines if line not in of_extras], where))
    spoken_of = {mention.library for mention in needed if any(mention.specs) or mention.commit}
    yield from needed
    for mention in _requirements(of_extras, where):
        yield replace(mention, specs=(), commit=False) if mention.library in spoken_of else mention
    if python := fields.get("Requires-Python"):
        yield Mention("python", (python,), f"{where}: Requires-Python {python}")


# --- requirements files -----------------------------------------------------------------------------------------------


def required(start: Path, notes: list[str], *, whole_repository: bool = False) -> Iterator[list[Mention]]:
    """What requirements*.txt, requirements/**.txt and environment.yml ask for, up to the project's root, or the repository's."""
    for folder in folders(start, whole_repository=whole_repository):
        files = [
            *sorted(folder.glob("requirements*.txt")),
            *sorted(folder.glob("*requirements.txt")),
            *sorted(folder.glob("requirements/*.txt")),
            *sorted(folder.glob("requirements/*/*.txt")),
        ]
        read: set[Path] = set()
        mentions = [mention for path in files for mention in _requirements_file(path, read, notes)]
        for name in ("environment.yml", "environment.yaml"):
            mentions += _conda(folder / name, notes)
        yield mentions


def _requirements_file(path: Path, read: set[Path], notes: list[str]) -> Iterator[Mention]:
    """One file and those that it includes by -r or -c; each is read once."""
    if path in read:
        return
    read.add(path)
    if not path.is_file():
        yield Mention("", (), f"{path.name}: is not there", "unread")
    for line in text_of(path, notes).replace("\\\n", " ").splitlines():
        include = re.match(r"\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)(\S+)", line)
        if include:
            yield from _requirements_file(Path(os.path.normpath(path.parent / include[1])), read, notes)
        else:
            yield from _requirements([line], path.name)


def _conda(path: Path, notes: list[str]) -> Iterator[Mention]:
    """The lists of an environment file, read by line; conda's `name=4.40` asks for any 4.40."""
    part = ""
    for line in text_of(path, notes).splitlines():
        part = line.partition(":")[0] if line[:1].isalpha() else part
        item = _CONDA.match(line.partition("#")[0])
        if item and part == "dependencies" and item[2].strip() != ":":  # not `- pip:`
            wanted = item[2].strip().strip("\"'")
            single = re.match(r"=([^=]+)", wanted)
            spec = f"=={single[1].removesuffix('.*').removesuffix('*')}.*" if single else wanted
            yield from _requirements([f"{_name(item[1])}{spec}"], path.name)
