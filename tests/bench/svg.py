# SPDX-License-Identifier: GPL-2.0-only
"""Bar and line charts as SVG, with nothing but text."""
import math
from html import escape

_COLOURS = ["#1b6ca8", "#d1495b", "#3a7d44", "#edae49", "#6f4e7c", "#00798c", "#8d5524", "#777777"]
_FONT = 'font-family="sans-serif" font-size="12"'


def _text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def _line(x1, y1, x2, y2, colour="#ccc", more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def _write(path, width, height, parts):
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {_FONT}>\n'
                f'<rect width="100%" height="100%" fill="white"/>\n')
        f.write("\n".join(parts))
        f.write("\n</svg>\n")


def _steps(top):
    """Round values from 0 to about @top."""
    step = 10 ** math.floor(math.log10(top or 1))
    for part in (0.1, 0.2, 0.5, 1):
        if top / (step * part) <= 8:
            step *= part
            break
    return [i * step for i in range(int(top / step + 0.001) + 1)]


def bars(path, title, unit, values, marked=()):
    """@values: [(label, value)], those with a label in @marked in another colour."""
    left, width, row = 230, 560, 22
    height = 60 + row * len(values)
    top = max(value for _, value in values)
    parts = [_text(10, 22, title, more='font-weight="bold"')]
    for step in _steps(top):
        x = left + step / top * width
        parts += [_line(x, 36, x, height - 20), _text(x, height - 6, f"{step:g}", "middle")]
    parts.append(_text(left + width + 60, height - 6, unit, "end"))
    for i, (label, value) in enumerate(values):
        y = 40 + i * row
        colour = _COLOURS[1 if label in marked else 0]
        parts += [_text(left - 8, y + 13, label, "end"),
                  f'<rect x="{left}" y="{y}" width="{max(value, 0) / top * width:.1f}" '
                  f'height="{row - 6}" fill="{colour}"/>',
                  _text(left + max(value, 0) / top * width + 4, y + 13, f"{value:,.0f}" if value >= 100 else f"{value:.3g}")]
    _write(path, left + width + 70, height, parts)


def lines(path, title, across, up, series, dashed=()):
    """@series: {label: [(x, y)]}; x goes up by factors, so its axis is a logarithmic one.

    What has a label in @dashed has the colour of the one before it.
    """
    left, width, height, foot = 60, 520, 330, 40
    xs = sorted({x for points in series.values() for x, _ in points})
    top = 1.05 * max(y for points in series.values() for _, y in points)
    first, last = math.log(xs[0]), math.log(xs[-1])

    def at(x, y):
        along = (math.log(x) - first) / (last - first) if last > first else 0.5
        return left + along * width, 40 + (1 - y / top) * height

    parts = [_text(10, 22, title, more='font-weight="bold"')]
    for step in _steps(top):
        _, y = at(xs[0], step)
        parts += [_line(left, y, left + width, y), _text(left - 6, y + 4, f"{step:g}", "end")]
    for x in xs:
        parts.append(_text(at(x, 0)[0], 40 + height + 16, f"{x:,}", "middle"))
    parts += [_text(left + width, 40 + height + 34, across, "end"), _text(left, 36, up)]
    colours = 0
    for i, (label, points) in enumerate(series.items()):
        colours += label not in dashed
        colour = _COLOURS[(colours - 1) % len(_COLOURS)]
        where = [at(x, y) for x, y in sorted(points)]
        dash = 'stroke-width="2"' + (' stroke-dasharray="5 3"' if label in dashed else "")
        parts += [_line(*a, *b, colour, dash) for a, b in zip(where, where[1:])]
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in where]
        y = 50 + 18 * i
        parts += [_line(left + width + 20, y, left + width + 44, y, colour, dash),
                  _text(left + width + 50, y + 4, label)]
    _write(path, left + width + 230, max(40 + height + foot, 60 + 18 * len(series)), parts)
