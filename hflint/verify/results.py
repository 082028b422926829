"""Cases to verify and what became of them, with the results as JSON and as an exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hflint.verify import probes
from hflint.verify.codec import CodecError, from_json, to_json
from hflint.verify.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hflint.verify.setup import Setup


@dataclass(frozen=True)
class Case:
    """A finding to verify: the setup of the file as it is, and as the fix leaves it (None without a fix)."""

    rule: str
    path: str
    line: int
    before: Setup
    after: Setup | None = None
    # Makes the same with the file's other findings mended, for where these are in the way.
    others: Callable[[], Case | None] | None = None


@dataclass
class Result:
    """A case, its two runs and the verdict."""

    rule: str
    path: str
    line: int
    verdict: Verdict
    before: Outcome
    after: Outcome | None = None
    setups: Mapping[str, Any] = field(default_factory=dict)  # "before", "after" as JSON: how to run it again

    @property
    def key(self) -> str:
        """What makes two results the same case with the same setups."""
        return json.dumps([self.rule, self.path, self.line, dict(self.setups)], sort_keys=True)


def not_run(case: Case) -> Result:
    """The result of a case that was not run."""
    setups = {"before": case.before.to_json()} | ({"after": case.after.to_json()} if case.after else {})
    return Result(case.rule, case.path, case.line, Verdict(probes.CANNOT_TELL), Outcome(), None, setups)


def result_to_json(result: Result) -> dict[str, Any]:
    """One entry of the report's `verdicts`."""
    return {
        "rule": result.rule, "path": result.path, "line": result.line, "verdict": result.verdict.verdict,
        "figure": result.verdict.figure, "reason": result.verdict.reason, "before": to_json(result.before),
        "after": None if result.after is None else to_json(result.after), "setups": dict(result.setups),
    }  # fmt: skip


def result_from_json(data: Mapping[str, Any]) -> Result:
    """The result that `result_to_json` wrote.

    Raises:
        CodecError: it is not one.
    """
    try:
        return Result(
            rule=data["rule"],
            path=data["path"],
            line=data["line"],
            verdict=Verdict(data["verdict"], data["figure"], data["reason"]),
            before=from_json(Outcome, data["before"]),
            after=from_json(Outcome, data["after"]) if data.get("after") is not None else None,
            setups=data.get("setups", {}),
        )
    except KeyError as error:
        raise CodecError(f"verdict: no {error.args[0]!r}") from None


def exit_code(results: Sequence[Result]) -> int:
    """0 where all are confirmed or improved, 1 where a fix fails or a finding is not reproduced, 2 where none could run."""
    found = {result.verdict.verdict for result in results}
    if found & {probes.FIX_FAILS, probes.NOT_REPRODUCED}:
        return 1
    return 2 if probes.CANNOT_TELL in found else 0
