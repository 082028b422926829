"""What the user wants: `[tool.hflint]` in pyproject.toml or hflint.toml, with the command line on top.

Each key is declared once, as a field of `Settings`; the reader, the errors and the JSON schema are made from that.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflint import kinds, rules, selectors
from hflint.files import display_name
from hflint.findings import Severity
from hflint.kinds import OFF, SettingsError, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pathspec import GitIgnoreSpec

    from hflint.rules import Rule

__all__ = [
    "DEFAULT_EXCLUDE",
    "Settings",
    "SettingsError",
    "active_codes",
    "ignored_for",
    "json_schema",
    "load_settings",
    "parse_target",
    "selected_rules",
    "settings_dict",
    "severity_for",
]

DEFAULT_EXCLUDE = (
    ".eggs",
    ".git",
    ".hg",
    ".hflint_cache",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)


# --- the settings -----------------------------------------------------------------------------------------------------


def _key(kind: kinds.Kind, about: str, *, judges: bool = True) -> dict[str, Any]:
    """What makes a field a key of the settings; `judges`: it can change what is found in a file."""
    return {"kind": kind, "about": about, "judges": judges}


@dataclass(frozen=True, slots=True)
class Settings:
    """What one run is to do. It can be hashed and crosses processes."""

    select: tuple[str, ...] = field(
        default=("HF",),
        metadata=_key(
            kinds.SELECTORS,
            "Rules to run: codes, names, groups, prefixes of codes, or ALL. HF is what is on by default.",
        ),
    )
    extend_select: tuple[str, ...] = field(
        default=(), metadata=_key(kinds.SELECTORS, "Rules to run besides those of `select`.")
    )
    ignore: tuple[str, ...] = field(
        default=(), metadata=_key(kinds.SELECTORS, "Rules not to run; the more exact selector wins over `select`.")
    )
    extend_ignore: tuple[str, ...] = field(
        default=(), metadata=_key(kinds.SELECTORS, "Rules not to run besides those of `ignore`.")
    )
    per_file_ignores: Table[tuple[str, ...]] = field(
        default=Table(),
        metadata=_key(kinds.IGNORES, "Rules not to report for the files of a pattern, as in .gitignore."),
    )
    exclude: tuple[str, ...] = field(
        default=DEFAULT_EXCLUDE,
        metadata=_key(kinds.STRINGS, "Files and folders to pass over, patterns as in .gitignore.", judges=False),
    )
    extend_exclude: tuple[str, ...] = field(
        default=(),
        metadata=_key(kinds.STRINGS, "Files and folders to pass over besides those of `exclude`.", judges=False),
    )
    force_exclude: bool = field(
        default=False, metadata=_key(kinds.FLAG, "Pass over excluded files even if they are named.", judges=False)
    )
    severity: Table[str] = field(
        default=Table(), metadata=_key(kinds.SEVERITIES, "Severities to report rules with, or off.")
    )
    target: Table[str] = field(
        default=Table(),
        metadata=_key(kinds.TARGETS, 'Versions the code must work with, by library: "5.23", or ">=4.50,<6".'),
    )
    target_gpu: str = field(
        default="",
        metadata=_key(kinds.GPU, 'The GPU the code must fit on: its memory, "24GiB", or a name, "A100-80GB".'),
    )
    fail_on: Severity = field(
        default=Severity.WARNING, metadata=_key(kinds.LEVEL, "The least severity that fails the run.", judges=False)
    )
    pedantic: bool = field(default=False, metadata=_key(kinds.FLAG, "Report also what merely may be a defect."))
    unsafe_fixes: bool = field(
        default=False, metadata=_key(kinds.FLAG, "Apply also fixes that may change what the code does.", judges=False)
    )
    root: Path = Path()  # the project's folder: patterns are relative to it
    origin: str = "defaults"  # where the settings were read, for messages

    @property
    def target_gpu_gib(self) -> float | None:
        """The memory of the target GPU, GiB; None where none is set."""
        return kinds.gpu_gib(self.target_gpu) if self.target_gpu else None

    def fingerprint(self) -> str:
        """A digest of all that can change what is found in a file whose `ignored_for` is the same."""
        from hashlib import sha256

        values = [(each.name, getattr(self, each.name)) for each in fields(self) if each.metadata.get("judges")]
        return sha256(repr(values).encode()).hexdigest()


_KEYS = {each.name.replace("_", "-"): each for each in fields(Settings) if each.metadata}
_TABLES = {"per-file-ignores", "severity", "target"}


def settings_dict(settings: Settings) -> dict[str, object]:
    """The settings by key as they would stand in a file, ready for JSON."""
    values = asdict(settings)
    return {
        key: values[each.name] for key, each in _KEYS.items() if values[each.name] != "" or each.name != "target_gpu"
    }


def json_schema() -> dict[str, Any]:
    """The JSON schema of `[tool.hflint]` and of hflint.toml."""
    properties: dict[str, Any] = {
        "extend": {"type": "string", "description": "Another settings file to start from, relative to this one."}
    }
    defaults = settings_dict(Settings())
    for key, each in _KEYS.items():
        properties[key] = {"description": each.metadata["about"], **each.metadata["kind"].schema()}
        if key in defaults:
            default = defaults[key]
            properties[key]["default"] = list(default) if isinstance(default, tuple) else default
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hflint settings",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


# --- reading ----------------------------------------------------------------------------------------------------------


def load_settings(
    start: Path,
    *,
    config: Path | None = None,
    isolated: bool = False,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The settings for a folder, or for the folder of a file: the nearest settings file upward, then the overrides.

    Args:
        start: where to look from; it need not exist (a file name given for standard input).
        config: a settings file to read instead of the nearest.
        isolated: read no settings file.
        overrides: keys in either spelling; None and empty collections count as not given. `select` replaces all the
            selection of the file; the other lists of rules, the `extend-` lists and the tables are added to it.

    Raises:
        SettingsError: a file or a value that cannot be followed.
    """
    if config is not None and isolated:
        raise SettingsError("--isolated reads no settings file, so --config cannot be given with it")
    folder = _folder(start)
    found = None if isolated else config or _nearest(folder)
    values = _read(found) if found else {}
    given = _parse(
        {_spelled(key): value for key, value in (overrides or {}).items() if value not in (None, (), [], {})}
    )
    return Settings(
        **{_KEYS[key].name: value for key, value in _with_overrides(values, given).items()},
        root=found.parent if found and config is None else _project(folder),
        origin=display_name(found) if found else "defaults",
    )


def parse_target(text: str) -> tuple[str, str]:
    """Library and specifier of a command line's `transformers=5.23`, `transformers==5.23.1` or `transformers>=4.50,<6`.

    Raises:
        SettingsError: it is none of these.
    """
    parts = re.fullmatch(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*?)\s*(?:=(?!=)|(?=[=<>!~]))\s*(.+)", text)
    if not parts:
        raise SettingsError(f'"{text}" is not a target, such as "transformers=5.23" or "transformers>=4.50,<6"')
    try:
        return kinds.library(parts[1]), kinds.specifier(parts[2])
    except SettingsError as error:
        raise SettingsError(f"target {parts[1]}: {error}") from None


def _spelled(key: str) -> str:
    return key.replace("_", "-")


def _folder(start: Path) -> Path:
    folder = Path(os.path.abspath(start))  # noqa: PTH100 - resolve() would follow links out of the project
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _nearest(folder: Path) -> Path | None:
    """The settings file of the nearest folder that has one; hflint.toml before pyproject.toml."""
    for each in (folder, *folder.parents):
        if (each / "hflint.toml").is_file():
            return each / "hflint.toml"
        pyproject = each / "pyproject.toml"
        if pyproject.is_file() and _table_in(pyproject) is not None:
            return pyproject
    return None


def _project(folder: Path) -> Path:
    """The nearest folder that looks like a project's, else `folder`."""
    marks = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", ".git")
    return next((each for each in (folder, *folder.parents) if any((each / mark).exists() for mark in marks)), folder)


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The parsed keys of a settings file, over those of the file it extends."""
    if path.resolve() in seen:
        raise SettingsError(f"{display_name(path)}: extend goes in a circle")
    table = _table_in(path)
    if table is None:
        raise SettingsError(f"{display_name(path)}: has no [tool.hflint]")
    table = dict(table)
    try:
        base = _extended(path, table.pop("extend", None))
        values = _parse(table)
    except SettingsError as error:
        raise SettingsError(f"{display_name(path)}: {error}") from None
    return _merge(_read(base, (*seen, path.resolve())), values) if base else values


def _extended(path: Path, value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise SettingsError(f"extend: expected a string, got {kinds.shape(value)}")
    base = path.parent / Path(value).expanduser()
    if not base.is_file():
        raise SettingsError(f'extend: there is no file "{value}"')
    return base


def _table_in(path: Path) -> dict[str, Any] | None:
    """The table of a settings file; None for a pyproject.toml without one."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{display_name(path)}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{display_name(path)}: is not UTF-8") from None
    pyproject = path.name == "pyproject.toml"
    if pyproject and "hflint" not in text:
        return None
    import tomllib  # loaded only where there is a file

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{display_name(path)}: is not valid TOML: {error}") from None
    table = data.get("tool", {}).get("hflint") if pyproject else data
    if table is not None and not isinstance(table, dict):
        raise SettingsError(f"{display_name(path)}: tool.hflint: expected a table, got {kinds.shape(table)}")
    return table


def _parse(table: Mapping[str, object]) -> dict[str, Any]:
    """The values of a table by key, each parsed by its kind."""
    values = {}
    for key, value in table.items():
        if key not in _KEYS:
            hint = selectors.nearest(key, ["extend", *_KEYS])
            if key == "tool":
                hint = "; in hflint.toml the keys stand at the top, without [tool.hflint]"
            raise SettingsError(f'unknown key "{key}"{hint}')
        try:
            values[key] = _KEYS[key].metadata["kind"].parse(value)
        except SettingsError as error:
            raise SettingsError(f"{key}: {error}") from None
    return values


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One layer of settings over another: tables by key, `extend-` lists added, all else replaced."""
    merged = dict(base)
    for key, value in over.items():
        if key in _TABLES:
            merged[key] = Table({**merged.get(key, {}), **value})
        elif key.startswith("extend-"):
            merged[key] = (*merged.get(key, ()), *value)
        else:
            merged[key] = value
    return merged


def _with_overrides(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A file's settings under the command line's: what is asked for there is not undone by the file."""
    selection = ("extend-select", "ignore", "extend-ignore")
    base = {key: value for key, value in values.items() if "select" not in given or key not in selection}
    over = dict(given)
    if "ignore" in over:
        over["extend-ignore"] = (*over.pop("ignore"), *over.get("extend-ignore", ()))
    for key in ("ignore", "extend-ignore"):
        if key in base:
            base[key] = tuple(selector for selector in base[key] if selector not in given.get("extend-select", ()))
    return _merge(base, over)


# --- asking -----------------------------------------------------------------------------------------------------------


def active_codes(settings: Settings) -> frozenset[str]:
    """The codes that are reported under these settings, hflint's own (HF001, HF002) among them.

    For each rule the most exact selector that names it decides; `ignore` wins where two are as exact. A rule that is
    off by default is selected by its code, its name, its group or ALL.
    """
    verdicts: dict[str, tuple[int, bool]] = {}
    for selector in (*settings.select, *settings.extend_select):
        for code in selectors.selects(selector):
            verdicts[code] = max(verdicts.get(code, (0, True)), (selectors.rank(selector), True))
    for selector in (*settings.ignore, *settings.extend_ignore):
        for code in selectors.codes(selector) & verdicts.keys():
            if selectors.rank(selector) >= verdicts[code][0]:
                verdicts[code] = (selectors.rank(selector), False)
    return frozenset(code for code, (_, on) in verdicts.items() if on and _override(settings, code) != OFF)


def selected_rules(settings: Settings) -> tuple[Rule, ...]:
    """The rules to run, in the order of codes."""
    active = active_codes(settings)
    return tuple(rule for code, rule in rules.all_rules().items() if code in active)


def severity_for(settings: Settings, code: str, given: Severity) -> Severity:
    """The severity to report a finding with: the settings' where they name its rule, else the one it was `given`."""
    override = _override(settings, code)
    return Severity(override) if override and override != OFF else given


def ignored_for(settings: Settings, name: str | Path) -> frozenset[str]:
    """The codes `per-file-ignores` takes from one file; `name` is absolute or relative to the current folder."""
    if not settings.per_file_ignores:
        return frozenset()
    absolute = os.path.abspath(name)  # noqa: PTH100 - as in _folder
    relative = os.path.relpath(absolute, os.path.abspath(settings.root)).replace(os.sep, "/")  # noqa: PTH100
    relative = absolute.lstrip("/") if relative.startswith("../") else relative
    ignored: set[str] = set()
    for pattern, chosen in settings.per_file_ignores.items():
        if _pattern(pattern).match_file(relative):
            ignored.update(*map(selectors.codes, chosen))
    return frozenset(ignored)


@cache
def _pattern(pattern: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # loaded only where there are patterns

    return GitIgnoreSpec.from_lines([re.sub(r"^\./", "/", pattern)])


def _override(settings: Settings, code: str) -> str | None:
    """The severity the settings name for a code, by the most exact selector."""
    named = [(selectors.rank(key), level) for key, level in settings.severity.items() if code in selectors.codes(key)]
    return max(named, default=(0, None), key=lambda each: each[0])[1]
