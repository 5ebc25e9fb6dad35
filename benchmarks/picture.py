"""The picture of a run: one bar for each workload, its length the ratio to `ssl`, drawn as SVG by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STEP, TOP, LEFT, SCALE, WIDTH = 22, 44, 400, 150, 1000
LONGEST = (WIDTH - LEFT - 80) / SCALE  # a bar beyond is broken, and its number tells how long it would be
EQUAL = 0.03  # a ratio this near to 1 is neither quicker nor slower: medians of two runs differ by as much
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #334155 } .v { font-weight: 600 } .small { font-size: 11px }
.quicker { fill: #0e7490 } .equal { fill: #64748b } .slower { fill: #b45309 } line { stroke: #94a3b8 }
.break { stroke: #ffffff; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #cbd5e1 } .quicker { fill: #22d3ee } .equal { fill: #94a3b8 } .slower { fill: #f59e0b }
  .break { stroke: #0f172a } }
"""


def draw(bars: Sequence[tuple[str, float]], machine: str) -> str:
    """Bars of (workload, ratio); the thin line is `ssl`.  `machine` says what was measured on what."""
    height = TOP + len(bars) * STEP + STEP // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Speed of puretls relative to ssl</title><style>{STYLE}</style>",
        f'<text class="small" x="{LEFT}" y="14">{escape(machine)}</text>',
        f'<line x1="{LEFT + SCALE}" y1="{TOP - 6}" x2="{LEFT + SCALE}" y2="{height}"/>',
        f'<text x="{LEFT + SCALE}" y="{TOP - 12}" text-anchor="middle">ssl = 1</text>',
    ]
    for index, (name, ratio) in enumerate(bars):
        y = TOP + (index + 0.5) * STEP
        hue = "equal" if abs(ratio - 1) <= EQUAL else "quicker" if ratio > 1 else "slower"
        length = min(ratio, LONGEST) * SCALE
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 5}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y - 7}" width="{length:.0f}" height="14" rx="2" class="{hue}"/>',
            f'<text class="v" x="{LEFT + length + 6:.0f}" y="{y + 5}">{ratio:.2f}</text>',
        ]
        if ratio > LONGEST:
            parts += [
                f'<line class="break" x1="{at}" y1="{y + 9}" x2="{at + 8}" y2="{y - 9}"/>'
                for at in (LEFT + length - 30, LEFT + length - 22)
            ]
    return "\n".join([*parts, "</svg>\n"])
