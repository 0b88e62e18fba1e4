"""Do probabilities mean what they say? Stated beside observed, at natural prevalence."""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.prevalence import natural_weights

EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
"""Bins are narrow where rules cut and where nearly all posts are."""


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Posts whose probability lies in [low, high); `share` is their share of traffic.

    `observed_low` and `observed_high` are Wilson's interval at the effective sample size.
    """

    low: float
    high: float
    posts: int
    share: float
    stated: float
    observed: float
    observed_low: float
    observed_high: float


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """A calibration table. `expected_error` (ECE) is the mean gap between stated and observed."""

    expected_error: float
    mean_stated: float
    prevalence: float
    bins: tuple[ReliabilityBin, ...]


def reliability(
    y: npt.NDArray[np.bool_],
    probability: npt.ArrayLike,
    *,
    prevalence: float,
    weight: npt.NDArray[np.float64] | None = None,
    edges: tuple[float, ...] = EDGES,
) -> Reliability:
    """Compare probabilities [n] with labels y [n], reweighted to the prevalence.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
    """
    y = np.asarray(y, bool)
    p = np.asarray(probability, np.float64)
    natural = natural_weights(y, prevalence=prevalence, weight=weight)
    natural = natural / natural.sum()
    which = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, len(edges) - 2)
    bins = []
    error = 0.0
    for b in range(len(edges) - 1):
        mine = which == b
        mass = float(natural[mine].sum())
        if mass <= 0:
            continue
        stated = float(natural[mine] @ p[mine]) / mass
        observed = float(natural[mine] @ y[mine]) / mass
        effective = mass**2 / float(natural[mine] @ natural[mine])
        low, high = _wilson(observed, effective)
        error += mass * abs(stated - observed)
        bins.append(
            ReliabilityBin(
                low=edges[b],
                high=edges[b + 1],
                posts=int(mine.sum()),
                share=mass,
                stated=stated,
                observed=observed,
                observed_low=low,
                observed_high=high,
            )
        )
    return Reliability(
        expected_error=error, mean_stated=float(natural @ p), prevalence=prevalence, bins=tuple(bins)
    )


def _wilson(share: float, size: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of `size` posts."""
    z = 1.959964
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return max(0.0, middle - half), min(1.0, middle + half)
