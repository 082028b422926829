"""Checking the Python blocks of a page, each under the versions and settings that its info string names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hflint.check import FileReport, check_source, mend
from hflint.facts.lock import LockFile
from hflint.facts.models import Models
from hflint.facts.providers import LOCK
from hflint.facts.versions import Versions, project_versions
from hflint.files import Source
from hflint.project import Project
from hflint.settings import load_settings, parse_target

if TYPE_CHECKING:
    from hflint.pages import Block, Page

_NOWHERE = Path(os.devnull) / "example"  # a folder that cannot be: no file of this machine is an example's neighbour


def check_block(block: Block, page: Page) -> FileReport:
    """What is found in a block with the default rules, and the page's own."""
    return check_source(_source(block), _project(block, page))


def mend_block(block: Block, page: Page) -> FileReport:
    """The block with its fixes applied: the unsafe ones, too, where the page's fix is unsafe or the block says so."""
    project = _project(block, page)
    return mend(check_source(_source(block), project), project)


def _source(block: Block) -> Source:
    return Source(_NOWHERE / block.filename, block.filename, block.code)


def _project(block: Block, page: Page) -> Project:
    """The project of a block: libraries that it does not name stand at their newest release, whatever is installed."""
    target = dict(parse_target(text) for text in block.target)
    overrides = {
        "extend-select": [page.code],
        "pedantic": block.pedantic,
        "unsafe-fixes": block.unsafe_fixes or "unsafe" in page.fix,
        "target": target,
        **({"target-gpu": block.target_gpu} if block.target_gpu else {}),
    }
    project = Project(_NOWHERE, load_settings(_NOWHERE, isolated=True, overrides=overrides), isolated=True)
    lock_models(project, block)
    named = project_versions(_NOWHERE, target)
    project.versions = Versions({named[library].library: named[library] for library in target})
    return project


def lock_models(project: Project, block: Block) -> None:
    """Give a block's project the lock that its page shows for it."""
    if block.lock:
        project.models = Models([LockFile(_NOWHERE / LOCK, block.lock.encode())])
