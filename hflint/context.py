"""What a rule may ask while it judges an object: the program, the versions, the facts, the settings, and how to report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hflint.findings import Confidence, Finding, Fix, Related, Severity, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hflint.facts.models import ModelFacts, Models
    from hflint.facts.versions import Versions
    from hflint.rules import Rule
    from hflint.semantics.program import Program
    from hflint.settings import Settings


@dataclass(slots=True)
class Context:
    """One program under one project's settings, versions and facts."""

    program: Program
    settings: Settings
    versions: Versions
    models: Models
    rule: Rule | None = None  # the one that is running

    def model(self, model_id: object) -> ModelFacts | None:
        """What is known of a model id; None for anything that is not a string or not known."""
        return self.models.find(model_id) if isinstance(model_id, str) else None

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
