"""Two probabilities for each score, one of which is right (Vovk and Petej 2014).

"Venn-Abers predictors", UAI 2014: a new post is put among the labelled ones, once as harmless and once as
harmful, and isotonic regression is fitted to both. What it says at the new post is p0 and p1. Of the two,
the one that the post's true label chooses is perfectly calibrated, whatever the scores are and however few
posts there are, if the new post is exchangeable with the labelled ones. That is why p0, the lower one, is
what removal should use: it counts the harmless post that may yet come. The gap says how little is known.

Computed once for all scores (Vovk, Petej and Fedorova 2015, "Large-scale probabilistic predictors with and
without guarantees of validity", NeurIPS 28). p1 at the k-th distinct score is

    max over i < k <= j of  min  (S_j - S_i + u) / (W_j - W_i + u),

the slope of the bridge between the convex hull of the points (W_i, S_i) before k, moved back by (u, u), and
that of the points from k on, where W and S are the summed weights and harmful weights and u weighs the new
post. As k grows, both ends of the bridge only move to the right, so all p1 take about one pass. p0 is 1 less
the same, with labels and order reversed.

Weights are our addition. Where each class was sampled at its own rate, the new post weighs what the posts of
the label that it is given weigh, as in conformal prediction under label shift (Podkopaev and Ramdas 2021,
"Distribution-free uncertainty quantification for classification under label shift"). That the chosen one is
calibrated then too is shown by simulation, not proven; less so for weights that differ inside a class.

Not covered: scores from a model that saw the labelled posts; they must be held out.

Legend: m distinct scores, K of them kept.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.calibration.sample import Array, by_score, weighed


@dataclasses.dataclass(frozen=True, slots=True)
class VennAbers:
    """Both probabilities as steps. Shapes: at [K], strictly increasing; low (p0), high (p1) [K], never falling.

    p0 of a score is that of the highest step not above it, 0 below all; p1 that of the lowest step not below
    it, 1 above all.
    """

    at: Array
    low: Array
    high: Array

    def __post_init__(self) -> None:
        """Refuse steps out of order.

        Raises:
            ValueError: steps are missing or out of order, or a lower probability is above its higher one.
        """
        if not len(self.at) or not len(self.at) == len(self.low) == len(self.high):
            raise ValueError("A Venn-Abers calibrator needs steps, as many scores as pairs.")
        rise = (
            np.all(np.diff(self.at) > 0)
            and np.all(np.diff(self.low) >= 0)
            and np.all(np.diff(self.high) >= 0)
        )
        if not (rise and np.all(self.low <= self.high) and self.low[0] >= 0 and self.high[-1] <= 1):
            raise ValueError("A Venn-Abers calibrator's steps must rise between 0 and 1, p0 at most p1.")

    def both(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return [p0, p1] of scores z [n], as [n, 2]; they may be exactly 0 or 1."""
        raw = np.asarray(z, np.float64)
        low = np.concatenate([[0.0], self.low])[np.searchsorted(self.at, raw, side="right")]
        high = np.concatenate([self.high, [1.0]])[np.searchsorted(self.at, raw, side="left")]
        return np.stack([low, high], axis=-1).astype(np.float32)

    def apply(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return p0 of scores z [n], the probability to remove by."""
        return self.both(z)[..., 0]

    def merged(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return one probability for each of z [n], p1 / (1 - p0 + p1): the least regret in log loss."""
        p0, p1 = np.moveaxis(self.both(z).astype(np.float64), -1, 0)
        merged: npt.NDArray[np.float32] = (p1 / (1 - p0 + p1)).astype(np.float32)
        return merged

    def arrays(self) -> dict[str, Array]:
        """Return what a bundle would keep of it."""
        return {"at": self.at, "low": self.low, "high": self.high}


def fit_venn_abers(
    z: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
    new: tuple[float, float] | None = None,
) -> VennAbers:
    """Fit an inductive Venn-Abers predictor to scores z [n] with labels y [n], weighed as in traffic.

    `new` says what a new post weighs among `weight`, as a harmless and as a harmful one: by default the mean
    of its class.

    Raises:
        InvalidField: as `sample.weighed`.
    """
    sample = weighed(z, y, weight, prevalence=prevalence)
    if new is None:
        harmless, harmful = sample.unit
    else:
        given = np.ones(np.shape(z)) if weight is None else np.asarray(weight, np.float64)
        flags = np.asarray(y).astype(bool)
        harmless = new[0] * (1 - sample.prevalence) / float(given[~flags].sum())
        harmful = new[1] * sample.prevalence / float(given[flags].sum())
    x, mass, bad = by_score(sample)
    high = _with_one_more(mass, bad, harmful)
    low = 1.0 - _with_one_more(mass[::-1], (mass - bad)[::-1], harmless)[::-1]
    low = np.clip(np.maximum.accumulate(low), 0.0, 1.0)
    high = np.maximum(np.clip(np.maximum.accumulate(high), 0.0, 1.0), low)
    # Of a run of equal steps the first and the last say it all.
    new_step = np.append(True, (np.diff(low) > 0) | (np.diff(high) > 0))
    kept = new_step | np.append(new_step[1:], True)
    return VennAbers(at=x[kept], low=low[kept], high=high[kept])


def _with_one_more(mass: Array, bad: Array, unit: float) -> Array:
    """Return what isotonic regression says at each score [m] if a harmful post of weight `unit` joins it."""
    w, s = [0.0, *np.cumsum(mass).tolist()], [0.0, *np.cumsum(bad).tolist()]
    last = len(mass)
    after = _next_on_hull(w, s)
    left = [0]
    at, end = 0, 1
    out = np.empty(last)
    for k in range(1, last + 1):
        if k > 1:
            _join_hull(left, k - 1, w, s)
            at = min(at, len(left) - 1)
        end = max(end, k)
        slope = (s[end] - s[left[at]] + unit) / (w[end] - w[left[at]] + unit)
        while True:
            while end < last:
                further = after[end]
                flatter = (s[further] - s[left[at]] + unit) / (w[further] - w[left[at]] + unit)
                if flatter > slope:
                    break
                end, slope = further, flatter
            moved = False
            while at + 1 < len(left):
                begin = left[at + 1]
                steeper = (s[end] - s[begin] + unit) / (w[end] - w[begin] + unit)
                if steeper < slope:
                    break
                at, slope, moved = at + 1, steeper, True
            if not moved:
                break
        out[k - 1] = slope
    return out


def _next_on_hull(w: list[float], s: list[float]) -> list[int]:
    """Return for each point the next corner of the lower hull of the points from there on."""
    after = [len(w) - 1] * len(w)
    hull = [len(w) - 1]
    for k in range(len(w) - 2, -1, -1):
        while len(hull) > 1 and _turns_down(k, hull[-1], hull[-2], w, s):
            hull.pop()
        after[k] = hull[-1]
        hull.append(k)
    return after


def _join_hull(hull: list[int], point: int, w: list[float], s: list[float]) -> None:
    """Add a point on the right of a lower hull."""
    while len(hull) > 1 and _turns_down(hull[-2], hull[-1], point, w, s):
        hull.pop()
    hull.append(point)


def _turns_down(a: int, b: int, c: int, w: list[float], s: list[float]) -> bool:
    """Return whether b lies on or above the line from a to c."""
    return (s[b] - s[a]) * (w[c] - w[b]) >= (s[c] - s[b]) * (w[b] - w[a])
