"""Two scores on the same posts: the difference of their PR-AUC, with an interval.

Both are measured on the same random weights of the same posts (the Bayesian bootstrap, Rubin 1981), so
that what is easy or hard about a sample cancels out. The false alarms that a small sample does not
show are missing from both alike.

Legend: n posts, B resamples.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first less the second, and the interval of that."""

    value: float
    low: float
    high: float


def pr_auc_difference(
    y: npt.NDArray[np.bool_],
    first: npt.NDArray[np.float64],
    second: npt.NDArray[np.float64],
    *,
    prevalence: float,
    weight: npt.NDArray[np.float64] | None = None,
    strata: npt.NDArray[np.int64] | None = None,
    confidence: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> tuple[float, float, Difference]:
    """Return PR-AUC of both scores [n] for labels y [n], and their difference.

    `weight` [n] are sampling weights inside each class, one over the chance of each label.
    `strata` [n] numbers groups whose share of their class stays as it is.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
    """
    rng = np.random.default_rng(seed)
    natural = natural_weights(y, prevalence=prevalence, weight=weight)
    a, b = average_precision(y, first, natural), average_precision(y, second, natural)
    groups = y.astype(np.int64) if strata is None else 2 * strata + y
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    differences = np.empty(resamples)
    for at in range(resamples):
        drawn = rng.standard_exponential(len(y))
        for rows in members:
            drawn[rows] *= len(rows) / drawn[rows].sum()
        reweighed = natural_weights(
            y, prevalence=prevalence, weight=drawn if weight is None else drawn * weight
        )
        differences[at] = average_precision(y, first, reweighed) - average_precision(y, second, reweighed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, (tail, 1 - tail)) if resamples else (a - b, a - b)
    return a, b, Difference(value=a - b, low=float(low), high=float(high))
