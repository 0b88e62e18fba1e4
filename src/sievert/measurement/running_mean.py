"""Bounds on a mean that hold at every look: outcomes come one by one, and whoever watches may stop at any time.

For each value m that the mean could have we bet against it, from both sides. The stakes are fixed parts of the
most that one outcome could lose, and wealth is the mean over them; while m is the mean, no stake makes wealth
grow on average. So wealth ever passes 2 / delta on either side with probability delta at most (Ville 1939), and
all values against which it has not passed it are an interval that holds throughout (Waudby-Smith and Ramdas 2024,
"Estimating means of bounded random variables by betting"). Wealth is monotone in m, so the ends are found by
halving. Stakes in parts of the ruinous one serve means next to an end as well as those in the middle.

If outcomes come in batches whose means differ, what is bounded is their average over the outcomes so far.

Not covered: outcomes outside of their bounds; bounds that were chosen after outcomes were seen.

Legend: n outcomes, R repetitions, A stakes.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

Array = npt.NDArray[np.float64]

PARTS = tuple(float(one) for one in np.geomspace(0.004, 0.9, 12))
"""Stakes [A], as parts of the one that a single outcome could lose everything with."""

_STEPS = 40


def mean_bounds(
    outcomes: npt.ArrayLike, *, least: float = 0.0, most: float = 1.0, delta: float = 0.05
) -> tuple[float, float]:
    """Return both ends of an interval for the mean of outcomes [n] so far, each within [least, most].

    Whoever computes it after every outcome, and keeps the narrowest ends that there ever were, is wrong about a
    mean that stays the same with probability delta at most. Without outcomes it is everything.

    Raises:
        InvalidField: an outcome lies outside, or delta is no probability.
    """
    scaled = _scaled(outcomes, least, most, delta)
    if not len(scaled):
        return least, most
    kinds, counts = np.unique(scaled, return_counts=True)
    line = math.log(2 / delta)
    low, high = 0.0, 1.0
    if _evidence(kinds, counts, 1e-12, 1) >= line:
        low = _edge(lambda m: _evidence(kinds, counts, m, 1) >= line, 1e-12, 1.0)
    if _evidence(kinds, counts, 1 - 1e-12, -1) >= line:
        high = _edge(lambda m: _evidence(kinds, counts, m, -1) < line, 0.0, 1 - 1e-12)
    return least + (most - least) * low, least + (most - least) * high


def evidence_over(outcomes: npt.ArrayLike, bound: float, *, least: float = 0.0, most: float = 1.0) -> Array:
    """Return the log evidence [R, n] after each outcome that the mean lies above a bound.

    It passes log(1 / delta) with probability delta at most while the mean is no higher. For evidence that it lies
    below, turn outcomes and bound around.

    Raises:
        InvalidField: an outcome lies outside, or the bound is no mean that they could have.
    """
    scaled = _scaled(outcomes, least, most, 0.5)
    at = (bound - least) / (most - least)
    if not 0.0 < at < 1.0:
        raise InvalidField(
            f"A mean between {least:g} and {most:g} cannot be tested against {bound:g}.",
            remedy="Choose a bound strictly between both ends.",
            field="bound",
        )
    found = np.full(scaled.shape, -np.inf)
    for part in PARTS:
        found = np.logaddexp(found, np.log1p(part * (scaled / at - 1)).cumsum(axis=-1))
    return found - math.log(len(PARTS))


def _evidence(kinds: Array, counts: npt.NDArray[np.int64], m: float, side: int) -> float:
    """Return the log wealth of bets that the mean lies above m (side 1) or below (side -1)."""
    gain = kinds / m - 1 if side > 0 else (m - kinds) / (1 - m)
    logs = np.log1p(np.outer(PARTS, gain)) @ counts
    most = float(logs.max())
    return most + math.log(float(np.exp(logs - most).mean()))


def _edge(inside: Callable[[float], bool], low: float, high: float) -> float:
    """Return the point up to which something holds that holds at `low` and, further on, does not."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if inside(middle):
            low = middle
        else:
            high = middle
    return low


def _scaled(outcomes: npt.ArrayLike, least: float, most: float, delta: float) -> Array:
    scaled = (np.asarray(outcomes, np.float64) - least) / (most - least)
    if not ((scaled >= 0.0) & (scaled <= 1.0)).all() or not 0.0 < delta < 1.0:
        raise InvalidField(
            f"An outcome lies outside of {least:g} to {most:g}, or {delta:g} is no error rate.",
            remedy="State the least and the most that can come, before the first outcome.",
            field="outcomes",
        )
    return scaled
