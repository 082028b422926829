"""The verification report as one self-contained HTML page, to be read by a person."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from hflint.verify import probes
from hflint.verify.report import counts, environment_line, shorten, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hflint.verify.outcome import Outcome
    from hflint.verify.session import Result

_CLASSES = {
    probes.CONFIRMED: "good",
    probes.IMPROVED: "good",
    probes.NOT_REPRODUCED: "odd",
    probes.FIX_FAILS: "bad",
    probes.CANNOT_TELL: "open",
}
_ALIKE = 1.02  # no bars for two values that differ by less
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --card: #ffffff; --page: #f6f8fa;
  --before: #c2570c; --after: #0f7b6c; --good: #1a7f37; --bad: #cf222e; --odd: #9a6700; --open: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --card: #151b23; --page: #0d1117;
  --before: #f0883e; --after: #3fb9a8; --good: #3fb950; --bad: #f85149; --odd: #d29922; --open: #9198a1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 60rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 0; } h3 { font-size: .85rem; margin: 1.25rem 0 .35rem;
  color: var(--soft); font-weight: 600; }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .9rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.25rem; margin: 1rem 0; }
header.case { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
.badge { color: var(--card); border-radius: 1rem; padding: 0 .7rem; font-size: .85rem; font-weight: 600; background: var(--open); }
.good { background: var(--good); } .bad { background: var(--bad); } .odd { background: var(--odd); }
.figure { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
code, pre { font: .85rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--line); margin: .3rem 0; padding: .2rem .8rem; }
table { border-collapse: collapse; table-layout: fixed; font-size: .9rem; width: 100%; }
th:first-child { width: 11rem; } th, td { text-align: left; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; } th { color: var(--soft); font-weight: 600; }
td.n { font-variant-numeric: tabular-nums; }
.before { color: var(--before); } .after { color: var(--after); }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
@media (max-width: 40rem) { section { padding: .9rem; } th:first-child { width: 6.5rem; } }
"""


def render(environment: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The page: what was run where, then every case with its bars, curves, exceptions and how to run it again."""
    body = [
        "<h1>What hflint verified</h1>",
        f"<p>{escape(counts(results))}.</p>",
        f'<p class="soft">{escape(environment_line(environment))}</p>',
        *(_case(result) for result in results),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>hflint verify: {escape(counts(results))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _case(result: Result) -> str:
    verdict = result.verdict
    parts = [
        (
            f'<header class="case"><span class="badge {_CLASSES[verdict.verdict]}">{verdict.verdict}</span>'
            f"<h2>{escape(result.rule)}</h2><code>{escape(result.path)}:{result.line}</code></header>"
        )
    ]
    if verdict.figure:
        parts.append(f'<p class="figure">{escape(shorten(verdict.figure, 160))}</p>')
    if verdict.reason:
        parts.append(f"<p>{escape(shorten(verdict.reason, 240))}</p>")
    pair = [("before", result.before)] + ([("after", result.after)] if result.after else [])
    parts += [_bars(pair), _losses(pair), _facts(pair), _exceptions(pair), _warnings(pair), _again(result)]
    return f"<section>\n{''.join(parts)}\n</section>"


def _bars(pair: list[tuple[str, Outcome]]) -> str:
    """Bars of memory and speed, one scale a measure; only measures that a run has and in which the two differ."""
    groups = []
    for title, read, shown in _MEASURES:
        known = [(side, value) for side, outcome in pair if (value := read(outcome))]
        values = [value for _, value in known]
        if known and (len(pair) == 1 or len(known) == 1 or max(values) > _ALIKE * min(values)):
            groups.append(f"<h3>{title}</h3>{_bar_chart(known, shown)}")
    return "".join(groups)


def _bar_chart(values: list[tuple[str, float]], shown: Any) -> str:
    most = max(value for _, value in values)
    bars = []
    for number, (side, value) in enumerate(values):
        y, width = number * 26, max(2, 420 * value / most)
        bars.append(
            f'<text x="0" y="{y + 15}">{side}</text>'
            f'<rect x="60" y="{y + 3}" width="{width:.0f}" height="16" rx="3" fill="var(--{side})"/>'
            f'<text x="{68 + width:.0f}" y="{y + 15}">{escape(shown(value))}</text>'
        )
    label = ", ".join(f"{side} {shown(value)}" for side, value in values)
    return f'<svg viewBox="0 0 620 {len(values) * 26}" width="620" role="img" aria-label="{escape(label)}">{"".join(bars)}</svg>'


def _losses(pair: list[tuple[str, Outcome]]) -> str:
    """Loss curves of both runs on common axes."""
    curves = [(side, outcome.losses) for side, outcome in pair if len(outcome.losses) > 1]
    if not curves:
        return ""
    values = [loss for _, losses in curves for loss in losses]
    low, high = min(values), max(values)
    span, steps = (high - low) or 1.0, max(len(losses) for _, losses in curves)
    lines = []
    for side, losses in curves:
        points = " ".join(
            f"{50 + 500 * i / max(1, steps - 1):.1f},{10 + 120 * (1 - (loss - low) / span):.1f}"
            for i, loss in enumerate(losses)
        )
        dash = (
            ' stroke-dasharray="5 4"' if side == "after" else ""
        )  # told apart without colour, and where they coincide
        lines.append(f'<polyline points="{points}" fill="none" stroke="var(--{side})" stroke-width="2.5"{dash}/>')
    axes = (
        f'<line x1="50" y1="130" x2="550" y2="130" stroke="var(--line)"/><text x="0" y="16">{high:.3f}</text>'
        f'<text x="0" y="134">{low:.3f}</text><text x="50" y="148">step 1</text>'
        f'<text x="550" y="148" text-anchor="end">step {steps}</text>'
    )
    named = " and ".join(
        f'<span class="{side}">{side}{" (dashed)" if side == "after" else ""}</span>' for side, _ in curves
    )
    return (
        f'<h3>Training loss, {named}</h3><svg viewBox="0 0 620 152" width="620" role="img" '
        f'aria-label="training loss">{axes}{"".join(lines)}</svg>'
    )


def _facts(pair: list[tuple[str, Outcome]]) -> str:
    """A table of what else was measured, a column a run."""
    lines = []
    for title, read in _FACTS:
        values = [read(outcome) for _, outcome in pair]
        if any(value not in (None, "", ()) for value in values):
            cells = "".join(f'<td class="n">{escape("" if value is None else str(value))}</td>' for value in values)
            lines.append(f"<tr><th>{title}</th>{cells}</tr>")
    head = "".join(f'<th class="{side}">{side}</th>' for side, _ in pair)
    return f"<h3>Runs</h3><table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _exceptions(pair: list[tuple[str, Outcome]]) -> str:
    shown = [
        f'<h3><span class="{side}">{side}</span> raised {escape(o.raised.type)} while it was to {escape(o.raised.phase)}</h3>'
        f"<pre>{escape(o.raised.text or '(no message)')}</pre>"
        for side, o in pair
        if o.raised
    ]
    return "".join(shown)


def _warnings(pair: list[tuple[str, Outcome]]) -> str:
    lines = [f"{side}, {w.phase}: {w.category}: {w.text}" for side, outcome in pair for w in outcome.warnings]
    if not lines:
        return ""
    items = "".join(f"<pre>{escape(line)}</pre>" for line in lines)
    return f"<details><summary>{len(lines)} warning{'s'[: len(lines) > 1]} of the libraries</summary>{items}</details>"


def _again(result: Result) -> str:
    command = f"hflint verify {result.path} --select {result.rule}"
    setups = "".join(
        f'<h3 class="{side}">{side}.json</h3><pre>{escape(json.dumps(setup, indent=2, ensure_ascii=False))}</pre>'
        for side, setup in result.setups.items()
    )
    single = (
        "<p>Or one run alone: save a setup below, then <code>hflint verify --spec before.json</code>.</p>"
        if setups
        else ""
    )
    return f"<details><summary>Run it again</summary><pre>{escape(command)}</pre>{single}{setups}</details>"


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
    ("quantized", lambda o: _percent(o.quantized_share)),
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
