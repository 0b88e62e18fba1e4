"""Panels over one time axis as SVG: what happened together stands above one another. No library, light or dark ground."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from html import escape

from sievert.training.line_plot import GREY, ink_of

WIDTH, LEFT, RIGHT, TOP = 860, 62, 20, 74
HEIGHT, BETWEEN = 138, 44
"""Of a panel, and between two, where its title and its legend stand."""

_SHADE = 0.13
_NARROW = 46


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line of values over time; a value that is no number breaks it. `ink` is a place among the inks."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    ink: int
    dashed: bool = False
    band: tuple[Sequence[float], Sequence[float]] | None = None  # low and high at each x


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Some curves over the same values, from the lower to the upper end of `span`; `levels` are lines with a name."""

    title: str
    curves: Sequence[Curve]
    span: tuple[float, float]
    ticks: Mapping[float, str]
    log: bool = False
    levels: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A time with a name, shaded in an ink or, without one, not at all."""

    name: str
    since: float
    until: float
    ink: int | None = None


def panels(
    *,
    title: str,
    across: str,
    span: tuple[float, float],
    ticks: Sequence[float],
    stacked: Sequence[Panel],
    phases: Sequence[Phase] = (),
    marks: Mapping[str, float] = {},
) -> str:
    """Draw panels above one another; `phases` are shaded and `marks` drawn through all of them, named above the first."""
    foot = TOP + len(stacked) * HEIGHT + (len(stacked) - 1) * BETWEEN
    height = foot + 44
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
            f' font-size="11" fill="{GREY}">'
        ),
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    drawn = _Drawn(span)
    for place in range(len(stacked)):
        top = TOP + place * (HEIGHT + BETWEEN)
        parts += [drawn.shade(phase, top) for phase in phases if phase.ink is not None]
    parts += [drawn.named(phase) for phase in phases]
    for place, panel in enumerate(stacked):
        parts += drawn.panel(panel, TOP + place * (HEIGHT + BETWEEN), ticks)
    for name, x in marks.items():
        at = drawn.x(x)
        parts += [
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 6}" y2="{foot}" stroke="{GREY}" stroke-dasharray="2 3"/>',
            f'<text x="{at:.1f}" y="{foot + 28}" text-anchor="middle" font-size="10">{escape(name)}</text>',
        ]
    for x in ticks:
        parts.append(f'<text x="{drawn.x(x):.1f}" y="{foot + 14}" text-anchor="middle">{x:g}</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{foot + 14}" text-anchor="end">{escape(across)}</text>')
    return "\n".join([*parts, "</svg>\n"])


@dataclasses.dataclass(frozen=True, slots=True)
class _Drawn:
    span: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.span
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def shade(self, phase: Phase, top: float) -> str:
        since, until = self.x(phase.since), self.x(phase.until)
        return (
            f'<rect x="{since:.1f}" y="{top}" width="{max(0.5, until - since):.1f}" height="{HEIGHT}"'
            f' fill="{ink_of(phase.ink or 0)}" fill-opacity="{_SHADE}"/>'
        )

    def named(self, phase: Phase) -> str:
        middle = (self.x(phase.since) + self.x(phase.until)) / 2
        ink = GREY if phase.ink is None else ink_of(phase.ink)
        # What is too narrow for its name has it above those of its neighbours.
        narrow = self.x(phase.until) - self.x(phase.since) < _NARROW
        said = [phase.name.replace("\n", " ")] if narrow else phase.name.split("\n")
        lines = "".join(
            f'<tspan x="{middle:.1f}" dy="{0 if place == 0 else 11}">{escape(line)}</tspan>'
            for place, line in enumerate(said)
        )
        return f'<text y="{30 if narrow else 43}" text-anchor="middle" font-size="10" fill="{ink}">{lines}</text>'

    def panel(self, panel: Panel, top: float, ticks: Sequence[float]) -> list[str]:
        wide = WIDTH - LEFT - RIGHT
        parts = [
            f'<rect x="{LEFT}" y="{top}" width="{wide}" height="{HEIGHT}" fill="none" stroke="{GREY}" stroke-width="0.6"/>',
            f'<text x="{LEFT}" y="{top - 7}" font-weight="bold">{escape(panel.title)}</text>',
        ]
        parts += [
            f'<line x1="{self.x(x):.1f}" x2="{self.x(x):.1f}" y1="{top + HEIGHT}" y2="{top + HEIGHT + 3}" stroke="{GREY}"/>'
            for x in ticks
        ]
        for value, said in panel.ticks.items():
            y = _y(value, panel, top)
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(said)}</text>')
        for name, value in panel.levels.items():
            y = _y(value, panel, top)
            parts += [
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}" stroke-dasharray="5 3"/>',
                f'<text x="{LEFT + 5}" y="{y + 12:.1f}" font-size="10">{escape(name)}</text>',
            ]
        end = float(WIDTH - RIGHT)
        for curve in reversed(panel.curves):
            dashes = ' stroke-dasharray="4 3"' if curve.dashed else ""
            parts += [
                f'<text x="{end:.0f}" y="{top - 7}" text-anchor="end" fill="{ink_of(curve.ink)}">{escape(curve.name)}</text>',
            ]
            end -= 6.2 * len(curve.name) + 8
            parts.append(
                f'<line x1="{end - 12:.0f}" x2="{end + 3:.0f}" y1="{top - 11}" y2="{top - 11}"'
                f' stroke="{ink_of(curve.ink)}" stroke-width="2"{dashes}/>'
            )
            end -= 24
        for curve in panel.curves:
            parts += self._curve(curve, panel, top)
        return parts

    def _curve(self, curve: Curve, panel: Panel, top: float) -> list[str]:
        ink, parts = ink_of(curve.ink), []
        if curve.band is not None:
            for run in _runs(curve.band[0]):
                low = [(self.x(curve.xs[at]), _y(curve.band[0][at], panel, top)) for at in run]
                high = [(self.x(curve.xs[at]), _y(curve.band[1][at], panel, top)) for at in reversed(run)]
                parts.append(f'<polygon points="{_points([*low, *high])}" fill="{ink}" fill-opacity="0.16"/>')
        dashes = ' stroke-dasharray="4 3"' if curve.dashed else ""
        for run in _runs(curve.ys):
            at = [(self.x(curve.xs[one]), _y(curve.ys[one], panel, top)) for one in run]
            parts.append(
                f'<polyline data-line="{escape(curve.name)}" fill="none" stroke="{ink}" stroke-width="1.7"'
                f'{dashes} points="{_points(at)}"/>'
            )
        return parts


def _y(value: float, panel: Panel, top: float) -> float:
    low, high = panel.span
    value = min(max(value, low), high)
    part = math.log(value / low) / math.log(high / low) if panel.log else (value - low) / (high - low)
    return top + HEIGHT - part * HEIGHT


def _runs(values: Sequence[float]) -> list[list[int]]:
    """Return the places of values that are numbers, in rows without a gap."""
    runs: list[list[int]] = [[]]
    for place, value in enumerate(values):
        if math.isfinite(value):
            runs[-1].append(place)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _points(at: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
