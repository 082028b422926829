"""What keeps hflint fast: bytes decide whether a file can matter at all. Which of its statements do, `survey` and `choice` say."""

from __future__ import annotations

import re

from hflint.semantics.catalog import LIBRARIES

_NAMES = "|".join(sorted(LIBRARIES))
# An import of a library, in words or by a call, or an access token.
_MENTION = re.compile(
    rf"\b(?:from|import|import_module|__import__)\b[^\r\n]*?\b(?:{_NAMES})\b|\bhf_[A-Za-z0-9]{{30,}}".encode()
)
TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")


def mentions_library(data: bytes) -> bool:
    """Whether a file can hold anything that hflint speaks of: it imports a library, or holds an access token."""
    return _MENTION.search(data) is not None


def mask_tokens(text: str) -> str:
    """The text with every access token made unreadable, at its width."""
    return TOKEN.sub(lambda found: found[0][:5] + "*" * (len(found[0]) - 5), text) if "hf_" in text else text
