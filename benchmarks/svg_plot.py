"""Line and bar plots as SVG, for figures that are checked in: no library, light or dark background alike."""

import math
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 460, 320, 56
INKS = ("#2b5fc0", "#c0392b", "#2f8f3a", "#8e5bb0")
GREY = "#7a7f87"


def plot(path, *, title, across, down, lines, logs=(False, False)):
    """Write a plot of lines {name: (xs, ys)}; `logs` says which axes are logarithmic."""
    kept = {name: _positive(xs, ys, logs) for name, (xs, ys) in lines.items()}
    spans = [
        _span([value for line in kept.values() for value in line[axis]], log=logs[axis]) for axis in (0, 1)
    ]
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
            f' font-size="11" fill="{GREY}">'
        ),
        f"<title>{title}</title>",
        f'<text x="{WIDTH / 2}" y="18" text-anchor="middle" font-size="13">{title}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>',
        (
            f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">'
            f"{down}</text>"
        ),
        (
            f'<rect x="{MARGIN}" y="28" width="{WIDTH - MARGIN - 16}" height="{HEIGHT - 28 - MARGIN}"'
            f' fill="none" stroke="{GREY}" stroke-width="0.6"/>'
        ),
    ]
    for value in _ticks(spans[0], log=logs[0]):
        x = _x(value, spans[0], log=logs[0])
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 14}" text-anchor="middle">{value:g}</text>')
    for value in _ticks(spans[1], log=logs[1]):
        y = _y(value, spans[1], log=logs[1])
        parts.append(f'<text x="{MARGIN - 5}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for place, (name, (xs, ys)) in enumerate(kept.items()):
        ink = INKS[place % len(INKS)]
        points = " ".join(
            f"{_x(x, spans[0], log=logs[0]):.1f},{_y(y, spans[1], log=logs[1]):.1f}"
            for x, y in zip(xs, ys, strict=True)
        )
        parts += [
            f'<polyline fill="none" stroke="{ink}" stroke-width="1.6" points="{points}"/>',
            f'<text x="{WIDTH - 24}" y="{44 + 15 * place}" text-anchor="end" fill="{ink}">{name}</text>',
        ]
    Path(path).write_text("\n".join([*parts, "</svg>\n"]))


def bars(path, *, title, columns, line):
    """Write shares as bars: a row for each name, a column {title: {name: share}} each; `line` marks the first one."""
    names = list(next(iter(columns.values())))
    wide, row, left, top = 700, 20, 150, 52
    height = top + row * len(names) + 30
    room = (wide - left) / len(columns) - 60
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}" font-family="sans-serif"'
            f' font-size="11" fill="{GREY}">'
        ),
        f"<title>{title}</title>",
        f'<text x="{wide / 2}" y="18" text-anchor="middle" font-size="13">{title}</text>',
    ]
    for place, name in enumerate(names):
        parts.append(f'<text x="{left - 8}" y="{top + row * place + 13}" text-anchor="end">{name}</text>')
    for column, (about, shares) in enumerate(columns.items()):
        x = left + column * (room + 60)
        most = max(1.0, *shares.values())
        clear = room * line[1] / most if column == 0 else 0.0
        parts.append(f'<text x="{x}" y="{top - 10}">{about}</text>')
        for place, share in enumerate(shares.values()):
            y, length = top + row * place + 3, room * share / most
            parts += [
                f'<rect x="{x}" y="{y}" width="{max(length, 0.5):.1f}" height="13" fill="{INKS[1 - column]}"/>',
                f'<text x="{x + max(length, clear) + 4:.1f}" y="{y + 10}">{share:.1%}</text>',
            ]
        if column == 0:
            at, foot = x + clear, top + row * len(names) + 4
            parts += [
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{foot}" stroke="{GREY}" stroke-dasharray="3 2"/>',
                f'<text x="{at:.1f}" y="{foot + 14}">{line[0]}</text>',
            ]
    Path(path).write_text("\n".join([*parts, "</svg>\n"]))


def _positive(xs, ys, logs):
    pairs = [
        (float(x), float(y))
        for x, y in zip(xs, ys, strict=True)
        if (x > 0 or not logs[0]) and (y > 0 or not logs[1])
    ]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _span(values, *, log):
    low, high = min(values), max(values)
    if log:
        return 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
    return min(0.0, low), high


def _ticks(span, *, log):
    if log:
        exponents = range(round(math.log10(span[0])), round(math.log10(span[1])) + 1)
        return [10.0**exponent for exponent in exponents]
    return [span[0] + (span[1] - span[0]) * part / 4 for part in range(5)]


def _part(value, span, *, log):
    if log:
        return math.log(value / span[0]) / math.log(span[1] / span[0])
    return (value - span[0]) / (span[1] - span[0])


def _x(value, span, *, log):
    return MARGIN + _part(value, span, log=log) * (WIDTH - MARGIN - 16)


def _y(value, span, *, log):
    return HEIGHT - MARGIN - _part(value, span, log=log) * (HEIGHT - 28 - MARGIN)
