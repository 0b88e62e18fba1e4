"""The order in which people read the lines of a picture: top to bottom, left to right, columns apart.

A recursive cut (after Nagy and Seth's XY-cut, 1984) in the frame of the lines, which may lean: first
between columns, if each side has several rows; else at the widest gap between rows; what shares a row
is read from left to right.

Legend: a box is a line's four corners [4, 2] in pixels, top left first, clockwise as the line leans.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Box = npt.NDArray[np.float64]
Spans = npt.NDArray[np.float64]
"""For each line: left, top, right, bottom in the frame of the lines."""

_ON_ITS_SIDE = 1.5
"""A box so many times as high as it is wide holds a line that runs downwards."""
_INSET = 0.25
"""Of a line's height, taken off above and below: boxes of neighbouring lines overlap."""


def sides(box: Box) -> tuple[float, float]:
    """Return a box's length along its first side, and along its second, in pixels."""
    return math.hypot(*(box[1] - box[0])), math.hypot(*(box[3] - box[0]))


def runs_down(box: Box) -> bool:
    """Tell whether the line in a box runs up or down the picture."""
    along, aside = sides(box)
    return aside >= _ON_ITS_SIDE * along


def slope(boxes: Sequence[Box], weights: Sequence[float]) -> float:
    """Return how far lines lean clockwise, as a weighted mean in radians: -pi/2 to pi.

    Lines that run up or down are taken to run down, which is how a reader of boxes turns them.
    """
    across = down = upright = 0.0
    for box, weight in zip(boxes, weights, strict=True):
        along = box[1] - box[0]
        if runs_down(box):
            along = box[3] - box[0]
            upright += weight
        # A line and the same line upside down lean alike, so that angles count twofold.
        double = 2 * math.atan2(along[1], along[0])
        across += weight * math.cos(double)
        down += weight * math.sin(double)
    lean = math.atan2(down, across) / 2
    return lean + math.pi if lean < 0 and 2 * upright > sum(weights) else lean


def in_reading_order(boxes: Sequence[Box]) -> list[int]:
    """Return the places of the boxes in the order in which they are read."""
    if not boxes:
        return []
    lean = slope(boxes, [math.hypot(*(box[2] - box[0])) for box in boxes])
    frame = np.array(((math.cos(lean), -math.sin(lean)), (math.sin(lean), math.cos(lean))))
    level = [box @ frame for box in boxes]
    spans = np.array([(*box.min(axis=0), *box.max(axis=0)) for box in level])
    inset = _INSET * (spans[:, 3] - spans[:, 1])
    spans[:, 1] += inset
    spans[:, 3] -= inset
    return _ordered(list(range(len(boxes))), spans)


def _ordered(places: list[int], spans: Spans) -> list[int]:
    if len(places) < 2:
        return places
    here = spans[places]
    height = float(np.median(here[:, 3] - here[:, 1])) / (1 - 2 * _INSET)
    between, gap = _widest_gap(here[:, 0], here[:, 2])
    if gap > height:
        left = [place for place in places if spans[place, 0] < between]
        right = [place for place in places if spans[place, 0] >= between]
        if min(_rows(left, spans), _rows(right, spans)) >= 2:
            return _ordered(left, spans) + _ordered(right, spans)
    between, gap = _widest_gap(here[:, 1], here[:, 3])
    if gap > 0:
        above = [place for place in places if spans[place, 1] < between]
        below = [place for place in places if spans[place, 1] >= between]
        return _ordered(above, spans) + _ordered(below, spans)
    return sorted(places, key=lambda place: (spans[place, 0], spans[place, 1], place))


def _widest_gap(starts: npt.NDArray[np.float64], stops: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle and the width of the widest gap between intervals; a width of 0 if there is none."""
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(stops[order])[:-1]
    gaps = starts[order][1:] - reached
    at = int(np.argmax(gaps))
    return float(reached[at] + gaps[at] / 2), max(0.0, float(gaps[at]))


def _rows(places: Sequence[int], spans: Spans) -> int:
    """Count the rows of lines: those that overlap in height share one."""
    reached, rows = -math.inf, 0
    for top, bottom in sorted((spans[place, 1], spans[place, 3]) for place in places):
        rows += top >= reached
        reached = max(reached, bottom)
    return rows
