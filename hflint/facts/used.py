"""Which models and datasets of the hub the programs of a project use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hflint.facts.lock import lock_key
from hflint.facts.model_names import is_model_id
from hflint.facts.models import Catalogue
from hflint.files import FileError, read_bytes, source_from_bytes
from hflint.semantics.gate import mentions_library
from hflint.semantics.objects import Adapter, DatasetLoad, LibraryCall, Load, PipelineLoad, Trainer
from hflint.semantics.values import ABSENT, constants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hflint.project import Projects
    from hflint.semantics.program import Program
    from hflint.semantics.values import Value

# What load_dataset reads from files of the user's own.
_BUILDERS = frozenset("arrow audiofolder csv generator imagefolder json pandas parquet sql text webdataset xml".split())  # noqa: SIM905
_ENCODERS = ("SentenceTransformer", "CrossEncoder", "SparseEncoder")  # the id comes first
_ARGUMENTS = ("pretrained_model_name_or_path", "pretrained_model_name", "model_id")


@dataclass(slots=True)
class Used:
    """Ids that are certainly meant for the hub, with the files that use them; `errors` are files that were not understood.

    An id that is loaded at a revision is there as the lock has it, "id@revision".
    """

    models: dict[str, list[str]] = field(default_factory=dict)
    datasets: dict[str, list[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def used_ids(files: Iterable[Path], projects: Projects) -> Used:
    """The ids in some files, as far as they are known: constants, and defaults that a command line may change.

    Raises:
        SettingsError: the settings of a file's project are not valid.
    """
    used, catalogue = Used(), Catalogue()
    for path in files:
        project = projects.of(path)
        program = _program(path, projects, used)
        if program is None:
            continue
        for is_dataset, name, revision in _ids(program):
            key = lock_key(name, revision)
            if any((folder / name).exists() for folder in (project.folder, path.parent)):
                continue  # it is loaded from there
            if is_dataset and is_model_id(name) and name not in _BUILDERS:
                _add(used.datasets, key, program.source.name)
            # Without an organization it may as well be the user's own output folder.
            elif not is_dataset and is_model_id(name) and ("/" in name or catalogue.find(name)):
                _add(used.models, key, program.source.name)
    return used


def _add(found: dict[str, list[str]], name: str, file: str) -> None:
    files = found.setdefault(name, [])
    if file not in files:
        files.append(file)


def _program(path: Path, projects: Projects, used: Used) -> Program | None:
    from hflint.files import display_name
    from hflint.semantics.build import SyntaxProblem, build_program

    name = display_name(path)
    try:
        data = read_bytes(path)
        if not mentions_library(data):
            return None
        return build_program(source_from_bytes(data, path, name), projects.of(path).modules)
    except FileError as error:
        used.errors.append(str(error))
    except SyntaxProblem as problem:
        used.errors.append(f"{name}:{problem.line}:{problem.column}: {problem.message}")
    except RecursionError:
        used.errors.append(f"{name}: nested too deeply")
    return None


def _ids(program: Program) -> Iterator[tuple[bool, str, str | None]]:
    """Whether it is a dataset's, and what is given where an id and where a revision belongs."""
    for one in program.all(LibraryCall):
        is_dataset, revisions = isinstance(one, DatasetLoad), _revisions(one)
        for value in _values(one):
            for name in constants(value):
                if isinstance(name, str):
                    yield from ((is_dataset, name, revision) for revision in revisions)


def _revisions(call: LibraryCall) -> list[str | None]:
    """The branches, tags and commits that a call names; None for the main branch, and for what is not known."""
    given = call.argument("revision")
    named = [one for one in constants(given) if isinstance(one, str)]
    return [*named, None] if given is ABSENT or None in constants(given) or not named else [*named]


def _values(call: LibraryCall) -> Iterator[Value]:
    if isinstance(call, DatasetLoad):
        yield call.argument("path")
    elif isinstance(call, PipelineLoad | Trainer):
        yield call.argument("model")
    elif isinstance(call, Load | Adapter):
        yield from (call.arguments[name] for name in _ARGUMENTS if name in call.arguments)
    elif call.library == "sentence_transformers" and call.name in _ENCODERS:
        yield call.extra[0] if call.extra else call.argument("model_name_or_path", "model_name")
