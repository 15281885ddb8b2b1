"""The table as a chart: one stacked bar per variant."""

from html import escape
from statistics import median

COLOURS = {"gateway": "#4c78a8", "authorization": "#e45756", "backend": "#bab0ac"}
ROW, BAR, LEFT, WIDTH, TOP = 24, 16, 320, 930, 56


def stacked(bars, parts) -> str:
    """Returns the SVG of (title, summary) pairs; widths are microseconds of CPU per request."""
    longest = max(median(one["total"]) for _, one in bars)
    scale = (WIDTH - LEFT - 130) / longest
    height = TOP + ROW * len(bars) + 12
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="12" y="20" font-size="14" font-weight="bold">CPU per request, over all processes</text>',
    ]
    x = LEFT
    for part in parts:
        out.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{COLOURS[part]}"/>')
        out.append(f'<text x="{x + 17}" y="42">{part}</text>')
        x += 130
    for number, (title, one) in enumerate(bars):
        y = TOP + ROW * number
        weight = ' font-weight="bold"' if title.startswith("Keygate") else ""
        out.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end"{weight}>{escape(title)}</text>')
        x = float(LEFT)
        for part in parts:
            width = sum(one.get(part, [])) * scale
            out.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{COLOURS[part]}"/>')
            x += width
        label = f"{median(one['total']):.1f} µs, {median(one['ratio']):.2f} ×"
        out.append(f'<text x="{x + 6:.1f}" y="{y + 12}">{label}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
