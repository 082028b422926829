"""What the releases of the libraries require, and what packages bring along."""

from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hflint.facts import requirements
from hflint.facts.requirements import ASKED, brought_by, required_by
from hflint.facts.sources import canonical


@pytest.mark.parametrize(
    ("library", "release", "package", "spec"),
    [
        ("transformers", "4.57.6", "huggingface-hub", "<1.0,>=0.34.0"),
        ("transformers", "5.23.0", "python", ">=3.11.0"),
        ("transformers", "5.23.0", "torch", None),  # of an extra
        ("trl", "0.12.2", "transformers", "<4.47.0"),
        ("trl", "0.24.0", "transformers", ">=4.56.1"),  # another line has a condition
        ("trl", "0.1.0", "transformers", None),
        ("trl", "99.0", "transformers", None),
        ("nonsense", "1.0", "transformers", None),
    ],
)
def test_requirements_of_a_release(library: str, release: str, package: str, spec: str | None) -> None:
    assert required_by(library, Version(release)).get(package) == spec


def test_of_a_release_that_was_not_read_its_neighbours_speak_where_they_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = {"torch": ">=2", "datasets": ">=3"}, {"torch": ">=2", "datasets": ">=4"}
    runs = [(Version("1.0"), Version("1.2"), old), (Version("1.4"), Version("1.9"), new)]
    monkeypatch.setattr(requirements, "_runs", lambda _: runs)
    required_by.cache_clear()
    found = {release: required_by("made-up", Version(release)) for release in ("0.9", "1.1", "1.3", "1.5", "2.0")}
    required_by.cache_clear()
    assert found == {"0.9": {}, "1.1": old, "1.3": {"torch": ">=2"}, "1.5": new, "2.0": {}}


def test_what_packages_bring() -> None:
    assert {"accelerate", "transformers"} <= (brought_by("peft") or set())
    assert brought_by("numpy") == frozenset()
    assert "accelerate" not in (brought_by("transformers") or {"accelerate"})
    assert brought_by("some-package-of-ours") is None
    assert all(brought_by(name) is None or name not in (brought_by(name) or ()) for name in ASKED)


def test_the_table_agrees_with_the_library_that_is_installed() -> None:
    installed = Version(version("huggingface_hub"))
    lines = map(Requirement, requires("huggingface_hub") or ())
    wanted = {canonical(one.name): one.specifier for one in lines if one.marker is None}
    found = required_by("huggingface-hub", installed)
    assert {name: SpecifierSet(spec) for name, spec in found.items() if spec is not None and name != "python"} == wanted
