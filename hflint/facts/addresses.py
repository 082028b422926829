"""Which release of a library lies at an address: of a repository, an archive, a wheel."""

from __future__ import annotations

import re

_TAG = re.compile(r"[@/]v?(\d+(?:\.\d+)+)(?:[#/]|\.(?!\d)|$)")
_WHEEL = re.compile(r"/[\w.]+-(\d[\w.]*)(?:(?:\+|%2B)[\w.]+)?-[^/]*\.whl")
# The newest state of a library's own repository, by git or as an archive, which is as good as its newest release.
_NEWEST = re.compile(
    r"github\.com/(?:huggingface|bitsandbytes-foundation|timdettmers|ukplab)/[\w.-]+?(?:\.git)?/?"
    r"(?:(?:@|/?archive/(?:refs/heads/)?)(?:main|master|head)(?:\.zip|\.tar\.gz)?)?(?:#.*)?$",
    re.IGNORECASE,
)
_REPOSITORY = re.compile(
    r"\s*(?:-e\s+|--editable[ =])?((?:git\+)?\w+://[^/\s]+/[^/\s]+/([\w.-]+?)(?:\.git)?/?(?:[@#]\S*|archive/\S*)?)(?:\s|$)"
)


def release_of(address: str) -> tuple[str, bool]:
    """The release that a git tag or a wheel's name holds, as a specifier; else an empty one, and whether it may be another than the newest."""
    found = _WHEEL.search(address) or _TAG.search(address)
    return (f"=={found[1]}", False) if found else ("", not _NEWEST.search(address))


def repository(line: str) -> tuple[str, str]:
    """The name of the repository that a line of a requirements file installs from, and its address; empty where it is no such line."""
    found = _REPOSITORY.match(line)
    return (found[2], found[1]) if found else ("", "")
