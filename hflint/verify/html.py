"""The verification report as one self-contained HTML page, to be read by a person."""

from __future__ import annotations

import json
import shlex
from html import escape
from math import isfinite
from typing import TYPE_CHECKING, Any

from hflint.verify import probes
from hflint.verify.report import counts, environment_line, shorten, was_run
from hflint.verify.signs import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hflint.verify.outcome import Outcome
    from hflint.verify.results import Result

_CLASSES = {
    probes.CONFIRMED: "good",
    probes.IMPROVED: "good",
    probes.NOT_REPRODUCED: "odd",
    probes.FIX_FAILS: "bad",
    probes.CANNOT_TELL: "open",
}
_ALIKE = 1.02  # no bars for two values that differ by less
_LEAST_SPAN = 0.1  # of the loss, that its axis shows
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --card: #ffffff; --page: #f6f8fa;
  --before: #c2570c; --after: #0f7b6c; --good: #1a7f37; --bad: #cf222e; --odd: #9a6700; --open: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --card: #151b23; --page: #0d1117;
  --before: #f0883e; --after: #3fb9a8; --good: #3fb950; --bad: #f85149; --odd: #d29922; --open: #9198a1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 62rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 0; } h3 { font-size: .85rem; margin: 0 0 .35rem;
  color: var(--soft); font-weight: 600; }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .9rem; } a { color: inherit; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.25rem; margin: 1rem 0; }
header.case { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
.badge { color: var(--card); border-radius: 1rem; padding: 0 .7rem; font-size: .85rem; font-weight: 600; background: var(--open);
  white-space: nowrap; }
.good { background: var(--good); } .bad { background: var(--bad); } .odd { background: var(--odd); }
.figure { font-size: 1.1rem; font-weight: 600; }
code, pre { font: .85rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; border-left: 3px solid var(--line); margin: .3rem 0; padding: .2rem .8rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.25rem 2.5rem; margin: 1.1rem 0; }
.bar { display: grid; grid-template-columns: 3.2rem 1fr; align-items: center; gap: .5rem; font-size: .85rem; margin: .2rem 0; }
.bar i { display: flex; align-items: center; gap: .5rem; font-style: normal; white-space: nowrap; }
.bar i::before { content: ""; flex: none; width: calc((100% - 8rem) * var(--part)); min-width: 2px; height: 1rem; border-radius: 3px;
  background: var(--side); }
.bar.before { --side: var(--before); } .bar.after { --side: var(--after); } .bar.before, .bar.after { color: var(--ink); }
table { border-collapse: collapse; font-size: .9rem; width: 100%; } table.runs { table-layout: fixed; margin-top: 1.1rem; }
.runs th:first-child { width: 11rem; } th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { color: var(--soft); font-weight: 600; overflow-wrap: break-word; }
td { font-variant-numeric: tabular-nums; } .both { text-align: center; }
.before { color: var(--before); } .after { color: var(--after); }
svg { display: block; width: 100%; max-width: 34rem; height: auto; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
.raised, details h3 { margin-top: 1.1rem; }
.all td, .all th { padding-top: .4rem; } .all th { overflow-wrap: anywhere; }
.all .line { text-align: right; color: var(--soft); white-space: nowrap; } .all a { white-space: nowrap; }
@media (max-width: 40rem) { section { padding: .9rem; } .runs th:first-child { width: 7.8rem; }
  .all td:nth-child(4) { display: none; } .all a { white-space: normal; } .runs { font-size: .8rem; } }
"""


def render(environment: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The page: what was run where, then every case with its bars, curves, exceptions and how to run it again."""
    body = [
        "<h1>What hflint verified</h1>",
        f"<p>{escape(counts(results))}.</p>",
        f'<p class="soft">{escape(environment_line(environment))}</p>',
        _overview(results) if len(results) > 1 else "",
        *(_case(number, result, environment) for number, result in enumerate(results, 1)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>hflint verify: {escape(counts(results))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _overview(results: Sequence[Result]) -> str:
    """A row a case under its file, each a link to it."""
    rows = []
    for number, result in enumerate(results, 1):
        if number == 1 or result.path != results[number - 2].path:
            rows.append(f'<tr><th colspan="4"><code>{escape(result.path)}</code></th></tr>')
        rows.append(
            f'<tr><td>{_badge(result)}</td><td class="line">{result.line}</td>'
            f'<td><a href="#case-{number}">{escape(result.rule)}</a></td>'
            f"<td>{escape(shorten(result.verdict.figure or result.verdict.reason, 120))}</td></tr>"
        )
    return f'<section><table class="all">{"".join(rows)}</table></section>'


def _badge(result: Result) -> str:
    return f'<span class="badge {_CLASSES[result.verdict.verdict]}">{result.verdict.verdict}</span>'


def _case(number: int, result: Result, environment: Mapping[str, Any]) -> str:
    verdict = result.verdict
    parts = [
        (
            f'<header class="case">{_badge(result)}<h2>{escape(result.rule)}</h2>'
            f"<code>{escape(result.path)}:{result.line}</code></header>"
        )
    ]
    if verdict.figure:
        parts.append(f'<p class="figure">{escape(shorten(verdict.figure, 240))}</p>')
    if verdict.reason:
        parts.append(f"<p>{escape(shorten(verdict.reason, 400))}</p>")
    sides = (("before", result.before), ("after", result.after))
    pair = [(side, outcome) for side, outcome in sides if outcome is not None and was_run(outcome)]
    if pair:
        charts = [*_bars(pair), *_losses(pair)]
        parts.append(f'<div class="charts">{"".join(charts)}</div>' if charts else "")
        parts += [_exceptions(pair), _facts(pair), _warnings(pair)]
    parts.append(_again(result, environment))
    return f'<section id="case-{number}">\n{"".join(parts)}\n</section>'


def _bars(pair: list[tuple[str, Outcome]]) -> list[str]:
    """Bars of memory and speed, one scale a measure; only measures that a run has and in which the two differ."""
    groups = []
    for title, read, shown in _MEASURES:
        known = [(side, value) for side, outcome in pair if (value := read(outcome))]
        values = [value for _, value in known]
        if known and (len(pair) == 1 or len(known) == 1 or max(values) > _ALIKE * min(values)):
            bars = "".join(
                f'<div class="bar {side}"><span>{side}</span>'
                f'<i style="--part: {value / max(values):.3f}">{escape(shown(value))}</i></div>'
                for side, value in known
            )
            groups.append(f"<div><h3>{title}</h3>{bars}</div>")
    return groups


def _losses(pair: list[tuple[str, Outcome]]) -> list[str]:
    """Loss curves of both runs on common axes, which take in at least a tenth of the loss: noise is to look like noise."""
    curves = [(side, outcome.losses) for side, outcome in pair if len(outcome.losses) > 1]
    values = [loss for _, losses in curves for loss in losses if isfinite(loss)]
    if not values:
        return []
    low, high = min(values), max(values)
    wider = max(0.0, _LEAST_SPAN * abs(high) - (high - low)) / 2
    low, high = low - wider, high + wider
    span, steps = (high - low) or 1.0, max(len(losses) for _, losses in curves)
    lines = []
    for side, losses in curves:
        points = " ".join(
            f"{44 + 346 * i / max(1, steps - 1):.1f},{10 + 110 * (1 - (loss - low) / span):.1f}"
            for i, loss in enumerate(losses)
            if isfinite(loss)
        )
        # dashed, so that they are told apart without colour, and where they coincide
        dash = ' stroke-dasharray="5 4"' if side == "after" else ""
        lines.append(f'<polyline points="{points}" fill="none" stroke="var(--{side})" stroke-width="2"{dash}/>')
    axes = (
        f'<line x1="44" y1="120" x2="390" y2="120" stroke="var(--line)"/><text x="0" y="15">{high:.2f}</text>'
        f'<text x="0" y="124">{low:.2f}</text><text x="44" y="138">step 1</text>'
        f'<text x="390" y="138" text-anchor="end">step {steps}</text>'
    )
    named = " and ".join(
        f'<span class="{side}">{side}{" (dashed)" if side == "after" else ""}</span>' for side, _ in curves
    )
    label = "; ".join(f"{side} {losses[0]:.3f} to {losses[-1]:.3f}" for side, losses in curves)
    drawn = f'<svg viewBox="0 0 396 142" role="img" aria-label="training loss, {label}">{axes}{"".join(lines)}</svg>'
    return [f"<div><h3>Training loss, {named}</h3>{drawn}</div>"]


def _facts(pair: list[tuple[str, Outcome]]) -> str:
    """A table of what else was measured, a column a run; one cell where both are alike."""
    lines = []
    for title, read in _FACTS:
        values = ["" if (value := read(outcome)) is None else str(value) for _, outcome in pair]
        if not any(values):
            continue
        alike = len(pair) == 2 and values[0] == values[1]
        cells = (
            f'<td colspan="2" class="both">{escape(values[0])}</td>'
            if alike
            else "".join(f"<td>{escape(v)}</td>" for v in values)
        )
        lines.append(f"<tr><th>{title}</th>{cells}</tr>")
    head = "".join(f'<th class="{side}">{side}</th>' for side, _ in pair)
    return f'<table class="runs"><tr><th></th>{head}</tr>{"".join(lines)}</table>'


def _exceptions(pair: list[tuple[str, Outcome]]) -> str:
    """What was raised, once where both runs raised the same."""
    raised = [(f'<span class="{side}">{side}</span>', outcome.raised) for side, outcome in pair if outcome.raised]
    if len(raised) == 2 and raised[0][1] == raised[1][1]:
        raised = [(" and ".join(side for side, _ in raised), raised[0][1])]
    return "".join(
        f'<h3 class="raised">{sides} raised {escape(one.type)} while it was to {escape(one.phase)}</h3>'
        f"<pre>{escape(one.text or '(no message)')}</pre>"
        for sides, one in raised
    )


def _warnings(pair: list[tuple[str, Outcome]]) -> str:
    lines = [f"{side}, {w.phase}: {w.category}: {w.text}" for side, outcome in pair for w in outcome.warnings]
    if not lines:
        return ""
    items = "".join(f"<pre>{escape(line)}</pre>" for line in lines)
    return f"<details><summary>{len(lines)} warning{'s'[: len(lines) > 1]} of the libraries</summary>{items}</details>"


def _again(result: Result, environment: Mapping[str, Any]) -> str:
    """The command, and the setups for `--spec`."""
    python = ["--python", environment["executable"]] if environment.get("executable") else []
    command = shlex.join(["hflint", "verify", result.path, "--select", result.rule, *python])
    setups = "".join(
        f'<h3 class="{side}">{side}.json</h3><pre>{escape(json.dumps(setup, indent=2, ensure_ascii=False))}</pre>'
        for side, setup in result.setups.items()
    )
    alone = shlex.join(["hflint", "verify", "--spec", "before.json", *python])
    single = f"<p>Or one run alone: save a setup below, then</p><pre>{escape(alone)}</pre>{setups}" if setups else ""
    return f"<details><summary>Run it again</summary><pre>{escape(command)}</pre>{single}</details>"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}"


def _weights(outcome: Outcome) -> str:
    return ", ".join(f"{size(count)} {dtype.removeprefix('torch.')}" for dtype, count in outcome.weights.items())


_MEASURES: tuple[tuple[str, Any, Any], ...] = (
    ("Weights", lambda o: sum(o.weights.values()), size),
    ("Kept for backward", lambda o: o.saved_bytes, size),
    ("Activations of the full model, estimated", lambda o: o.estimate.get("activations"), size),
    ("A training step of the full model, estimated", lambda o: o.estimate.get("total"), size),
    ("Peak memory of the device", lambda o: o.peak_bytes, size),
    ("Generated tokens a second", lambda o: o.tokens_per_second, lambda v: f"{v:.1f} tokens/s"),
    ("Pipeline call", lambda o: o.pipeline_seconds, lambda v: f"{v:.3f} s"),
)
_FACTS: tuple[tuple[str, Any], ...] = (
    ("model", lambda o: o.model),
    ("device", lambda o: o.device),
    ("ended", lambda o: o.status if o.status == "ok" else (f"raised {o.raised.type}" if o.raised else f"{o.status}: {o.reason}")),
    ("weights", _weights),
    ("parameters", lambda o: f"{o.parameters:,}" if o.parameters else None),
    ("trainable", lambda o: _percent(o.trainable_share)),
    ("parameters quantized", lambda o: _percent(o.quantized_share)),
    ("of the full model's, estimated", lambda o: _percent(o.estimate.get("quantizable_share")) if o.quantized_share is not None else None),
    ("checkpointing", lambda o: None if o.checkpointing is None else ("on" if o.checkpointing else "off")),
    ("first layer with a gradient", lambda o: f"{sum(v > 0 for v in o.gradients.values())} of {len(o.gradients)} tensors" if o.gradients else None),
    ("rows that keep their EOS label", lambda o: None if not o.eos_rows else f"{o.eos_kept} of {o.eos_rows}"),
    ("generated", lambda o: " / ".join(o.outputs)),
    ("the same prompts alone", lambda o: " / ".join(o.alone)),
    ("same after save and load", lambda o: None if o.reload_equal is None else ("yes" if o.reload_equal else "no")),
    ("refused", lambda o: "; ".join(str(b["text"]) for b in o.bindings if b.get("ok") is False)),
    ("run otherwise than written", lambda o: "; ".join(o.notes)),
    ("seconds", lambda o: ", ".join(f"{phase} {value:.2f}" for phase, value in o.seconds.items())),
)  # fmt: skip
