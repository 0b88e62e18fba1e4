"""Line plots as SVG: no library, no style sheet, readable on light and dark ground alike."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Literal

WIDTH, HEIGHT, MARGIN = 460, 320, 56
INKS = ("#2b5fc0", "#c0392b", "#2f8f3a", "#8e5bb0", "#b7791f", "#0f8b8d", "#c2408a", "#5f6f1f")
GREY = "#7a7f87"

Points = tuple[Sequence[float], Sequence[float]]
Span = tuple[float, float]


def plot(
    *,
    title: str,
    across: str,
    down: str,
    lines: Mapping[str, Points],
    logs: tuple[bool, bool] = (False, False),
    names: Literal["inside", "elsewhere"] = "inside",
) -> str:
    """Draw lines {name: (xs, ys)}; `logs` says which axes are logarithmic.

    What cannot be drawn, such as no number, is left out. Every line carries its name as `data-line`;
    its ink is that of its place, so that a legend elsewhere can tell it.
    """
    kept = {name: _drawable(xs, ys, logs) for name, (xs, ys) in lines.items()}
    spans = [
        _span([value for line in kept.values() for value in line[axis]], log=logs[axis]) for axis in (0, 1)
    ]
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
            f' font-size="11" fill="{GREY}">'
        ),
        f"<title>{escape(title)}</title>",
        f'<text x="{WIDTH / 2}" y="18" text-anchor="middle" font-size="13">{escape(title)}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>',
        (
            f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">'
            f"{escape(down)}</text>"
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
        ink = ink_of(place)
        at = [
            (_x(x, spans[0], log=logs[0]), _y(y, spans[1], log=logs[1])) for x, y in zip(xs, ys, strict=True)
        ]
        parts += [f'<g data-line="{escape(name)}">', _drawn(at, ink)]
        if names == "inside":
            parts.append(
                f'<text x="{WIDTH - 24}" y="{44 + 15 * place}" text-anchor="end" fill="{ink}">'
                f"{escape(name)}</text>"
            )
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def ink_of(place: int) -> str:
    """Return the ink of the line in a place, from 0."""
    return INKS[place % len(INKS)]


def _drawn(at: Sequence[tuple[float, float]], ink: str) -> str:
    if len(at) == 1:
        return f'<circle cx="{at[0][0]:.1f}" cy="{at[0][1]:.1f}" r="2.5" fill="{ink}"/>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    return f'<polyline fill="none" stroke="{ink}" stroke-width="1.6" points="{points}"/>'


def _drawable(xs: Sequence[float], ys: Sequence[float], logs: tuple[bool, bool]) -> Points:
    pairs = [
        (float(x), float(y))
        for x, y in zip(xs, ys, strict=True)
        if math.isfinite(x) and math.isfinite(y) and (x > 0 or not logs[0]) and (y > 0 or not logs[1])
    ]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _span(values: Sequence[float], *, log: bool) -> Span:
    low, high = min(values, default=1.0), max(values, default=1.0)
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return 10.0**first, 10.0 ** max(last, first + 1)
    low = min(0.0, low)
    return low, high if high > low else low + 1


def _ticks(span: Span, *, log: bool) -> list[float]:
    if log:
        exponents = range(round(math.log10(span[0])), round(math.log10(span[1])) + 1)
        return [10.0**exponent for exponent in exponents]
    return [span[0] + (span[1] - span[0]) * part / 4 for part in range(5)]


def _part(value: float, span: Span, *, log: bool) -> float:
    if log:
        return math.log(value / span[0]) / math.log(span[1] / span[0])
    return (value - span[0]) / (span[1] - span[0])


def _x(value: float, span: Span, *, log: bool) -> float:
    return MARGIN + _part(value, span, log=log) * (WIDTH - MARGIN - 16)


def _y(value: float, span: Span, *, log: bool) -> float:
    return HEIGHT - MARGIN - _part(value, span, log=log) * (HEIGHT - 28 - MARGIN)
