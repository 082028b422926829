"""Where a project says which releases it wants: lock files, declared dependencies, requirements, an environment.

Each reader yields the mentions of one folder after the other, nearest first. Readers are lenient: markers are not
evaluated, a broken file is ignored with a note, and nothing is ever imported or run.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

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
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(@\s*\S+|[^;#]*)")
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_LOCKED = re.compile(rf'^name = "({"|".join(LIBRARIES)}|huggingface_hub)"\s*$', re.MULTILINE)
_VERSION = re.compile(r'^version = "([^"]+)"', re.MULTILINE)
_TAG = re.compile(r"[@/]v?(\d+(?:\.\d+)+)(?:[#/.]|$)")
_CONDA = re.compile(r"\s*-\s*[\"']?(?:[\w-]+::)?([A-Za-z0-9][\w.-]*)(.*)")
_LARGE = 20_000_000  # bytes; what is larger was not written by a project


@dataclass(frozen=True, slots=True)
class Mention:
    """One statement about a library.

    Attributes:
        library: as in the values of `LIBRARIES`.
        specs: alternatives, of which each is a specifier such as ">=4.50,<6"; an empty one says nothing.
        where: for people, for example "requirements.txt: transformers==4.57.6".
    """

    library: str
    specs: tuple[str, ...]
    where: str


def canonical(name: str) -> str:
    """A name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


# --- folders ----------------------------------------------------------------------------------------------------------


def _folders(start: Path, *, whole_repository: bool = False) -> list[Path]:
    """The folder and its parents up to the project's root; the folder alone where no root is found.

    The root is the nearest folder with pyproject.toml, or with .git; for `whole_repository` .git where there is one.
    """
    start = Path(os.path.abspath(start))  # noqa: PTH100  resolve() would follow links out of the project
    seen: list[Path] = []
    project: list[Path] = [start]
    for folder in (start, *start.parents):
        seen.append(folder)
        if (folder / ".git").exists():
            return seen if whole_repository or len(project) == 1 else project
        if len(project) == 1 and (folder / "pyproject.toml").is_file():
            project = [*seen]
            if not whole_repository:
                return project
    return project


def _text(path: Path, notes: list[str]) -> str:
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGE else b""
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"{path.name}: cannot be read, ignored ({type(error).__name__})")
        return ""


def _parsed(path: Path, parse: Callable[[str], Any], notes: list[str]) -> Any:
    """What a parser makes of a file; an empty table where it is missing or broken."""
    text = _text(path, notes)
    try:
        return parse(text) if text else {}
    except (ValueError, SyntaxError, RecursionError):
        notes.append(f"{path.name}: cannot be parsed, ignored")
        return {}


# --- lock files -------------------------------------------------------------------------------------------------------


def locked(start: Path, notes: list[str]) -> Iterator[list[Mention]]:
    """What uv.lock, poetry.lock, pdm.lock, pylock.toml and Pipfile.lock hold, up to the repository's root."""
    for folder in _folders(start, whole_repository=True):
        mentions = [mention for name in _LOCKS for mention in _lock(folder / name, notes)]
        yield mentions + _pipfile_lock(folder / "Pipfile.lock", notes)


def _lock(path: Path, notes: list[str]) -> list[Mention]:
    """Packages of a TOML lock. A lock can have a megabyte, so that only the blocks we need are read, by line."""
    text = _text(path, notes)
    versions: dict[str, list[str]] = {}
    for name in _LOCKED.finditer(text):
        begin, end = text.rfind("[[", 0, name.start()), text.find("\n[", name.end())
        block = text[begin : len(text) if end < 0 else end]
        version = _VERSION.search(block)
        if begin >= 0 and version and block.startswith("[[package"):
            versions.setdefault(canonical(name[1]), []).append(_public(version[1]))
    return [
        Mention(LIBRARIES[name], tuple(f"=={version}" for version in found), path.name)
        for name, found in versions.items()
    ]


def _public(version: str) -> str:
    return version.partition("+")[0]  # torch 2.6.0+cu124 is torch 2.6.0 to a rule


def _pipfile_lock(path: Path, notes: list[str]) -> list[Mention]:
    lock = _table(_parsed(path, json.loads, notes))
    packages = {**_table(lock.get("develop")), **_table(lock.get("default"))}
    pairs = ((name, _table(package).get("version")) for name, package in packages.items())
    return [
        Mention(LIBRARIES[canonical(name)], (_public(version),), path.name)
        for name, version in pairs
        if canonical(name) in LIBRARIES and isinstance(version, str)
    ]


# --- declared dependencies --------------------------------------------------------------------------------------------


def declared(start: Path, notes: list[str]) -> Iterator[list[Mention]]:
    """What pyproject.toml, setup.cfg and setup.py declare, up to the project's root."""
    for folder in _folders(start):
        yield [
            *_pyproject(folder / "pyproject.toml", notes),
            *_setup_cfg(folder / "setup.cfg", notes),
            *_setup_py(folder / "setup.py", notes),
        ]


def _pyproject(path: Path, notes: list[str]) -> Iterator[Mention]:
    if not path.is_file():
        return
    import tomllib  # most runs under one settings file need it for that; others not at all

    document = _table(_parsed(path, tomllib.loads, notes))
    project, tool = _table(document.get("project")), _table(document.get("tool"))
    lists = [
        project.get("dependencies"),
        *_table(project.get("optional-dependencies")).values(),
        *_table(document.get("dependency-groups")).values(),
        *_table(_table(tool.get("pdm")).get("dev-dependencies")).values(),
        _table(tool.get("uv")).get("dev-dependencies"),
    ]
    for lines in lists:
        yield from _requirements(lines if isinstance(lines, list) else (), path.name)
    python = project.get("requires-python")
    if isinstance(python, str):
        yield Mention("python", (python,), f"{path.name}: requires-python {python}")
    yield from _poetry(_table(tool.get("poetry")), path.name)


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _requirements(lines: Iterable[object], where: str) -> Iterator[Mention]:
    for line in lines:
        parts = _REQUIREMENT.match(line) if isinstance(line, str) else None
        if parts and canonical(parts[1]) in LIBRARIES:
            spec = _of_address(parts[2]) if parts[2].startswith("@") else parts[2].strip().strip("()")
            shown = re.split(r";|\s#|\s--", parts.string)[0].strip()
            yield Mention(LIBRARIES[canonical(parts[1])], (spec.split("--")[0].strip(),), f"{where}: {shown}")


def _of_address(address: str) -> str:
    """The release that a git tag or a wheel's name holds, else nothing known."""
    tag = _TAG.search(address)
    wheel = re.search(r"/[\w.]+-(\d[\w.]*)(?:\+[\w.]+)?-[^/]*\.whl", address)
    found = wheel or tag
    return f"=={found[1]}" if found else ""


def _poetry(poetry: dict[str, Any], where: str) -> Iterator[Mention]:
    groups = [_table(group).get("dependencies") for group in _table(poetry.get("group")).values()]
    for table in (poetry.get("dependencies"), poetry.get("dev-dependencies"), *groups):
        for name, value in _table(table).items():
            if canonical(name) in LIBRARIES:
                wanted = value if isinstance(value, list) else [value]
                texts = [_table(one).get("version", "") if isinstance(one, dict) else one for one in wanted]
                specs = tuple(spec for text in texts if isinstance(text, str) for spec in _poetry_specs(text))
                yield Mention(LIBRARIES[canonical(name)], specs, f"{where}: {name} {' || '.join(map(str, texts))}")


def _poetry_specs(constraint: str) -> list[str]:
    """Poetry's caret, tilde, wildcard and alternatives as specifiers."""
    return [
        ",".join(filter(None, map(_poetry_spec, re.findall(r"[\^~<>=!]*\s*[\w.*+-]+", alternative))))
        for alternative in re.split(r"\|\|?", constraint)
    ]


def _poetry_spec(part: str) -> str:
    version = part.lstrip("^~<>=! ")
    operator = part.removesuffix(version).strip()
    if version == "*":
        return ""
    numbers = [int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version)[0])]
    if operator in {"^", "~"} and numbers:
        keep = 2 if operator == "~" and len(numbers) > 1 else 1
        if operator == "^":
            keep = next((at for at, number in enumerate(numbers, 1) if number), len(numbers))
        upper = [*numbers[: keep - 1], numbers[keep - 1] + 1]
        return f">={version},<{'.'.join(map(str, upper))}"
    return f"=={version}" if operator in {"", "="} else operator + version


def _setup_cfg(path: Path, notes: list[str]) -> Iterator[Mention]:
    if not path.is_file():
        return
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_text(path, notes))
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
    tree = _parsed(path, ast.parse, notes)
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
        value = _literal(keyword.value, constants)
        if keyword.arg == "install_requires":
            yield from _requirements(value if isinstance(value, list | tuple) else (), path.name)
        elif keyword.arg == "extras_require":
            for lines in _table(value).values():
                yield from _requirements(lines if isinstance(lines, list | tuple) else (), path.name)
        elif keyword.arg == "python_requires" and isinstance(value, str):
            yield Mention("python", (value,), f"{path.name}: python_requires {value}")


def _literal(node: ast.expr, constants: dict[str, ast.expr]) -> object:
    if isinstance(node, ast.Name):
        node = constants.get(node.id, node)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


# --- requirements files -----------------------------------------------------------------------------------------------


def required(start: Path, notes: list[str]) -> Iterator[list[Mention]]:
    """What requirements*.txt, requirements/*.txt and environment.yml ask for, up to the project's root."""
    for folder in _folders(start):
        files = [
            *sorted(folder.glob("requirements*.txt")),
            *sorted(folder.glob("*requirements.txt")),
            *sorted(folder.glob("requirements/*.txt")),
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
    for line in _text(path, notes).replace("\\\n", " ").splitlines():
        include = re.match(r"\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)(\S+)", line)
        if include:
            yield from _requirements_file(Path(os.path.normpath(path.parent / include[1])), read, notes)
        else:
            yield from _requirements([line], path.name)


def _conda(path: Path, notes: list[str]) -> Iterator[Mention]:
    """The lists of an environment file, read by line; conda's `name=4.40` asks for any 4.40."""
    for line in _text(path, notes).splitlines():
        item = _CONDA.match(line.partition("#")[0])
        if item and canonical(item[1]) in LIBRARIES:
            wanted = item[2].strip().strip("\"'")
            single = re.match(r"=([^=]+)", wanted)
            spec = f"=={single[1].removesuffix('.*').removesuffix('*')}.*" if single else wanted
            name = LIBRARIES[canonical(item[1])]
            yield from _requirements([f"{name}{spec}"], path.name)


# --- environments -----------------------------------------------------------------------------------------------------


def environment(start: Path, _notes: list[str]) -> Iterator[list[Mention]]:
    """What is installed in the project's virtual environment; hflint's own is not asked unless it is the project's."""
    for root in _environments(_folders(start)):
        packages = [*root.glob("lib/python3*/site-packages"), root / "Lib" / "site-packages"]
        installed = (entry for folder in packages for entry in _entries(folder))
        pairs = (_distribution(entry) for entry in installed if entry.endswith(".dist-info"))
        yield [
            Mention(LIBRARIES[name], (f"=={_public(version)}",), f"installed in {root.name}")
            for name, version in pairs
            if name in LIBRARIES
        ]


def _environments(folders: Sequence[Path]) -> Iterator[Path]:
    """The active environment, unless it is hflint's own and lies outside the project; then .venv and venv."""
    active = os.environ.get("VIRTUAL_ENV")
    if active and (Path(active).is_relative_to(folders[-1]) or Path(active).resolve() != Path(sys.prefix).resolve()):
        yield Path(active)
    yield from (
        folder / name for folder in folders for name in (".venv", "venv") if (folder / name / "pyvenv.cfg").is_file()
    )


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names are all we need, and there are hundreds
    except OSError:
        return []


def _distribution(entry: str) -> tuple[str, str]:
    name, _, version = entry.removesuffix(".dist-info").partition("-")
    return canonical(name), version
