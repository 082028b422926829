"""What a rule may ask while it judges an object: the program, the versions, the facts, the settings, and how to report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.expected import CONTEXTS, expected_lines
from hflint.facts.origins import LIBRARIES
from hflint.facts.sources import canonical
from hflint.findings import Confidence, Finding, Fix, Related, Severity, Span
from hflint.semantics.objects import Guard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hflint.facts.models import ModelFacts, Models
    from hflint.facts.versions import Range, Versions
    from hflint.rules import Rule
    from hflint.semantics.objects import Where
    from hflint.semantics.program import Program
    from hflint.settings import Settings

_REQUIRES = re.compile(r"""version\w*\(\s*["']([\w-]+)\s*([<>=!~][^"']*)["']""")  # require_version("trl>=0.8,<0.10")


@dataclass(slots=True)
class Context:
    """One program under one project's settings, versions and facts."""

    program: Program
    settings: Settings
    versions: Versions
    models: Models
    rule: Rule | None = None  # the one that is running
    _expected: list[range] | None = None

    def __post_init__(self) -> None:
        """A script that declares its dependencies in its head has versions of its own."""
        self.versions = self.versions.of_script(self.program.source.text)

    def releases(self, where: Where) -> Range | None:
        """The allowed releases of transformers for which code is, under the version checks around it; None where they are not known."""
        allowed: Range | None = self.versions.installable.get("transformers")
        for guard in where.guards:
            if guard.kind == "feature" or (guard.kind == "version" and not guard.specifier):
                return None
            if guard.kind == "version" and guard.library == "transformers" and allowed is not None:
                allowed = allowed.narrowed(guard.specifier)
        return allowed

    def versions_at(self, where: Where) -> Mapping[str, Range] | None:
        """The releases under which a place is run: all that can be installed together, less what version checks exclude.

        Those are the checks around it, and calls such as `require_version("trl>=0.8,<0.10")` anywhere in the file; a library of which these leave
        nothing is left out. None where it cannot be told, or where the code provides for another version itself: it catches the error, asks for a
        feature, is for type checkers only, or never runs under any allowed release.
        """
        known: Mapping[str, Range] = self.versions.installable
        for name, spec in _REQUIRES.findall(self.program.source.text):
            library = LIBRARIES.get(canonical(name), "")
            left = _narrowed(Guard("version", library, spec), known) if library else known
            known = left or {one: known[one] for one in known if one != library}
        versions: Mapping[str, Range] | None = known
        for guard in where.guards:
            versions = versions and _narrowed(guard, versions)
        return versions if versions and "transformers" in versions else None

    def expects_error(self, span: Span, where: Where | None = None) -> bool:
        """Whether the program itself expects an error of what stands at a place or, where given, of what is run in these surroundings."""
        if where is not None and not CONTEXTS.isdisjoint(where.contexts):
            return True
        source = self.program.source
        if self._expected is None:
            self._expected = expected_lines(source)
        if not self._expected or span.file not in {"", source.name}:
            return False
        line = source.locate(span.start).line
        return any(line in lines for lines in self._expected)

    def model(self, model_id: object, revision: object = None) -> ModelFacts | None:
        """What is known of a model id, at a branch, tag or commit where that is a string; None for anything else that is no string or not known."""
        if not isinstance(model_id, str):
            return None
        return self.models.find(model_id, revision if isinstance(revision, str) else None)

    def finding(
        self,
        span: Span,
        message: str,
        *,
        label: str = "",
        related: Iterable[tuple[Span | None, str]] = (),
        fix: Fix | None = None,
        no_fix: str = "",
        severity: Severity | None = None,
        confidence: Confidence = Confidence.CERTAIN,
    ) -> Finding:
        """A finding of the running rule; related places may be in other files of the project, and are left out where they are None."""
        if self.rule is None:
            raise RuntimeError("a finding is made by a rule only")
        if (fix is None) == (not no_fix):
            raise ValueError(f"{self.rule.name}: a finding has a fix, or the reason why there is none")
        return Finding(
            code=self.rule.code,
            name=self.rule.name,
            severity=severity or self.rule.severity,
            message=message,
            span=self._own(span),
            label=label,
            related=tuple(Related(self._own(place), text) for place, text in related if place is not None),
            confidence=confidence,
            fix=fix,
            no_fix_reason=no_fix,
        )

    def _own(self, span: Span) -> Span:
        """The span without the file's name where that is the program's own."""
        return Span(span.start, span.end) if span.file == self.program.source.name else span


def _narrowed(guard: Guard, versions: Mapping[str, Range]) -> Mapping[str, Range] | None:
    """The releases that are left under a guard; None where there are none, or it cannot be read."""
    if guard.kind != "version" or not guard.library:
        return None
    if guard.library not in versions:
        return versions
    try:
        left = versions[guard.library].narrowed(guard.specifier)
    except ValueError:  # no specifier
        return None
    return None if left is None else {**versions, left.library: left}
