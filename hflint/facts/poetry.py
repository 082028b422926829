"""Poetry's version constraints as specifiers."""

from __future__ import annotations

import re


def poetry_specs(constraint: str) -> list[str]:
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
