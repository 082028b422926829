"""What holds for a file: the settings nearest to it, the rules they select, its project's versions and models."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hflint.facts.sources import wheel_metadata
from hflint.settings import active_codes, load_settings, selected_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hflint.facts.models import Models
    from hflint.facts.versions import Versions
    from hflint.rules import Rule
    from hflint.semantics.project import Modules
    from hflint.settings import Settings

# A folder with one of these is a project of its own: it says which versions it allows, or at least where a project begins.
MARKERS = (
    "hflint.toml",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "requirements.txt",
    "setup.cfg",
    "setup.py",
    "PKG-INFO",
    ".git",
)


class Project:
    """One folder's settings, rules, versions and models; what costs time is found when it is first asked for."""

    def __init__(self, folder: Path, settings: Settings, *, isolated: bool = False) -> None:
        """`isolated` where no file may have a say: neither a lock nor the local cache is asked for models then."""
        self.folder = folder
        self.settings = settings
        self._isolated = isolated

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that the settings select."""
        return selected_rules(self.settings)

    @cached_property
    def codes(self) -> frozenset[str]:
        """The codes that are reported: the rules', and hflint's own."""
        return active_codes(self.settings)

    @cached_property
    def versions(self) -> Versions:
        """Which versions of each library the project allows.

        Raises:
            SettingsError: the settings' target holds no known release.
        """
        from hflint.facts.versions import project_versions

        return project_versions(self.folder, self.settings.target)

    @cached_property
    def models(self) -> Models:
        """What is known of models.

        Raises:
            SettingsError: the project's lock cannot be read.
        """
        from hflint.facts.models import Models
        from hflint.facts.providers import project_models

        return Models() if self._isolated else project_models(self.folder)

    @cached_property
    def modules(self) -> Modules:
        """The other modules of the project, for programs that import from them."""
        from hflint.semantics.project import Modules

        return Modules(self.folder)

    def forget_modules(self) -> None:
        """Let go of the parsed modules: after the project's last file, they only take memory."""
        modules = vars(self).pop("modules", None)
        if modules is not None:
            modules.close()

    def __getstate__(self) -> dict[str, object]:
        """For a worker: all that was found, but no parsed modules."""
        return {key: value for key, value in vars(self).items() if key != "modules"}

    @property
    def looked_up(self) -> bool:
        """Whether a file of the project got as far as to need the versions."""
        return "versions" in vars(self)


class Projects:
    """The project of every file; each folder is looked at once."""

    def __init__(
        self, *, config: Path | None = None, isolated: bool = False, overrides: Mapping[str, object] | None = None
    ) -> None:
        """As `load_settings`: a settings file in place of the nearest, none at all, what goes on top."""
        self._config, self._isolated, self._overrides = config, isolated, overrides
        self._of_folder: dict[Path, Project] = {}
        self._begins: dict[Path, bool] = {}
        self._of_root: dict[Path, Project] = {}

    def __iter__(self) -> Iterator[Project]:
        return iter(self._of_root.values())

    def of(self, path: Path) -> Project:
        """The project that a file belongs to.

        Raises:
            SettingsError: the settings that hold there are not valid.
        """
        return self.of_folder(path.parent)

    def of_folder(self, folder: Path) -> Project:
        """The project that a folder belongs to; errors as `of`."""
        known = self._of_folder.get(folder)
        if known is None:
            known = self._of_folder[folder] = self._at(self._root(folder))
        return known

    def _root(self, folder: Path) -> Path:
        """The nearest folder upwards that is a project of its own; else the current one if it lies there, else itself."""
        folder, here = folder.resolve(), Path.cwd()
        for candidate in (folder, *folder.parents):
            if candidate not in self._begins:
                self._begins[candidate] = _begins(candidate)
            if self._begins[candidate]:
                return candidate
        return here if folder.is_relative_to(here) else folder

    def _at(self, root: Path) -> Project:
        if root not in self._of_root:
            settings = load_settings(root, config=self._config, isolated=self._isolated, overrides=self._overrides)
            self._of_root[root] = Project(root, settings, isolated=self._isolated)
        return self._of_root[root]


def _begins(folder: Path) -> bool:
    """Whether a folder is a project of its own: it has a marker, or a wheel was unpacked into it."""
    return any((folder / marker).exists() for marker in MARKERS) or wheel_metadata(folder) is not None
