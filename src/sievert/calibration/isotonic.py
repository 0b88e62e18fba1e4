"""Isotonic calibration: any rising map, found by pooling (Zadrozny and Elkan 2002).

"Transforming classifier scores into accurate multiclass probability estimates", KDD 2002. Among all maps
that never fall, the one with the least weighted squared error is made by pool-adjacent-violators (Ayer,
Brunk, Ewing, Reid and Silverman 1955): neighbours whose harmful shares fall are joined, until none do.

It has as many parameters as it finds steps, so it needs many posts of both kinds, and at the top it says 1
where no harmless post was seen. Where few posts are harmful, a map of two or three numbers is surer
(`benchmarks/calibration.py`), and `venn_abers` says how unsure it is.

Legend: m distinct scores; K knots.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.calibration.sample import Array, by_score, weighed

FEWEST = 20
"""Fewer posts of a kind than this make steps of chance alone."""


@dataclasses.dataclass(frozen=True, slots=True)
class IsotonicMap:
    """A map from score to probability that never falls: straight between knots, flat beyond them.

    Shapes: score [K], strictly increasing; probability [K], never falling.
    """

    score: Array
    probability: Array

    def __post_init__(self) -> None:
        """Refuse knots out of order.

        Raises:
            ValueError: no knots, knots out of order, or numbers that are no probabilities.
        """
        if len(self.score) < 1 or len(self.score) != len(self.probability):
            raise ValueError("An isotonic calibrator needs knots, as many scores as probabilities.")
        if not (np.all(np.diff(self.score) > 0) and np.all(np.diff(self.probability) >= 0)):
            raise ValueError("An isotonic calibrator's scores must increase, its probabilities never fall.")
        if not (self.probability[0] >= 0 and self.probability[-1] <= 1):
            raise ValueError("An isotonic calibrator's probabilities lie between 0 and 1.")

    def apply(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the probabilities of scores z [n], float32; they may be exactly 0 or 1."""
        raw = np.asarray(z, np.float64)
        if len(self.score) == 1:
            return np.full(raw.shape, self.probability[0], np.float32)
        at = np.clip(np.searchsorted(self.score, raw, side="right") - 1, 0, len(self.score) - 2)
        part = np.clip((raw - self.score[at]) / (self.score[at + 1] - self.score[at]), 0.0, 1.0)
        low, high = self.probability[at], self.probability[at + 1]
        # Rounding must not lift a post over its neighbour.
        return np.minimum(low + part * (high - low), high).astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Return what a bundle would keep of the map."""
        return {"score": self.score, "probability": self.probability}


def fit_isotonic(
    z: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
) -> IsotonicMap:
    """Fit the rising map with the least weighted squared error to scores z [n] with labels y [n].

    Between the scores that were seen it is straight, as in scikit-learn.

    Raises:
        InvalidField: as `sample.weighed`; each kind needs 20 posts.
    """
    sample = weighed(z, y, weight, prevalence=prevalence, fewest=FEWEST)
    x, mass, harmful = by_score(sample)
    starts, means = pooled(mass, harmful)
    ends = np.append(starts[1:], len(x)) - 1
    # A pool is flat from its first score to its last; one knot does where they are the same.
    wide = ends > starts
    score = np.concatenate([x[starts], x[ends[wide]]])
    probability = np.concatenate([means, means[wide]])
    order = np.argsort(score)
    return IsotonicMap(score=score[order], probability=np.clip(probability[order], 0.0, 1.0))


def pooled(mass: Array, harmful: Array) -> tuple[npt.NDArray[np.int64], Array]:
    """Pool adjacent violators of masses [m] with harmful masses [m]; return (first of each pool, its mean)."""
    starts: list[int] = []
    masses: list[float] = []
    sums: list[float] = []
    for at, (one, bad) in enumerate(zip(mass.tolist(), harmful.tolist(), strict=True)):
        start, whole, part = at, one, bad
        while starts and sums[-1] * whole >= part * masses[-1]:
            start = starts.pop()
            whole += masses.pop()
            part += sums.pop()
        starts.append(start)
        masses.append(whole)
        sums.append(part)
    means = np.array(sums) / np.array(masses)
    return np.array(starts, np.int64), np.maximum.accumulate(means)
