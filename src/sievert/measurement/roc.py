"""How often a harmful one ranks above a harmless one: the area under the ROC curve, with an interval.

The interval is that of DeLong et al. (1988), on the logit so that it stays below 1. What the area says does
not hang on prevalence, and so it says nothing about precision: `ranking` does.

Legend: n rows.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from sievert.measurement.ranking import Estimate


def area_under_roc(y: npt.NDArray[np.bool_], score: npt.ArrayLike) -> float:
    """Return the chance that a harmful row [n] outscores a harmless one, ties counting half."""
    _, rank, size = np.unique(np.asarray(score), return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - (size - 1) / 2.0
    harmful = int(y.sum())
    harmless = len(y) - harmful
    return float((middle[rank[y]].sum() - harmful * (harmful + 1) / 2) / (harmful * harmless))


def roc_estimate(y: npt.NDArray[np.bool_], score: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the area for labels y [n] and scores [n] with its interval; no value where a class is missing."""
    scores = np.asarray(score, np.float64)
    good, bad = scores[~y], scores[y]
    if not (len(good) and len(bad)):
        return Estimate(value=None)
    # For each row, the share of the other class that ranks below it.
    of_bad, of_good = _below(bad, good), 1.0 - _below(good, bad)
    area = area_under_roc(y, scores)
    if min(len(good), len(bad)) < 2 or not 0.0 < area < 1.0:
        return Estimate(value=area)
    spread = math.sqrt(of_bad.var(ddof=1) / len(bad) + of_good.var(ddof=1) / len(good))
    step = NormalDist().inv_cdf((1 + confidence) / 2) * spread / (area * (1 - area))
    at = math.log(area / (1 - area))
    low, high = (1 / (1 + math.exp(-(at + way * step))) for way in (-1, 1))
    return Estimate(value=area, low=low, high=high)


def _below(of: npt.NDArray[np.float64], among: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    ordered = np.sort(among)
    less, upto = (np.searchsorted(ordered, of, side=side) for side in ("left", "right"))
    return np.asarray((less + upto) / (2 * len(ordered)), np.float64)
