"""The picture of a run: one bar for each workload, its length the ratio to `ssl`, drawn as SVG by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STEP, LEFT, SCALE, WIDTH = 22, 400, 150, 1000
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #334155 } .v { font-weight: 600 }
.good { fill: #0e7490 } .less { fill: #b45309 } line { stroke: #94a3b8 } .aim { stroke: #0f172a; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #cbd5e1 } .good { fill: #22d3ee } .less { fill: #f59e0b } .aim { stroke: #f8fafc } }
"""


def draw(bars: Sequence[tuple[str, float, float]]) -> str:
    """Bars of (workload, ratio, aim): the thin line is `ssl`, a tick the aim."""
    height = (len(bars) + 2) * STEP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Speed of puretls relative to ssl</title><style>{STYLE}</style>",
        f'<line x1="{LEFT + SCALE}" y1="{STEP}" x2="{LEFT + SCALE}" y2="{height}"/>',
        f'<text x="{LEFT + SCALE}" y="15" text-anchor="middle">ssl = 1</text>',
    ]
    for index, (name, ratio, aim) in enumerate(bars):
        y = (index + 1.5) * STEP
        hue = "good" if ratio >= 1 else "less"
        length = min(ratio * SCALE, WIDTH - LEFT - 60)
        mark = LEFT + min(aim * SCALE, WIDTH - LEFT - 60)
        end = max(LEFT + length, mark) if abs(mark - LEFT - length) < 45 else LEFT + length
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 5}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y - 7}" width="{length:.0f}" height="14" rx="2" class="{hue}"/>',
            f'<line class="aim" x1="{mark:.0f}" x2="{mark:.0f}" y1="{y - 9}" y2="{y + 9}"/>',
            f'<text class="v" x="{end + 6:.0f}" y="{y + 5}">{ratio:.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])
