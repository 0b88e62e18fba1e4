"""Do probabilities mean what they say? Stated beside observed, at natural prevalence.

What is observed in a bin joins two rates: the share of harmful posts that fall into it, and the share
of harmless ones. Each has the law behind the interval of Clopper and Pearson (1934), drawn at random
and joined at the natural prevalence; a bin without a harmless post may still have missed one.

Not covered: as in `ranking`.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.prevalence import natural_weights

Array = npt.NDArray[np.float64]

EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
"""Bins are narrow where rules cut and where nearly all posts are."""

_DRAWS = 20_000
_TAIL = 0.025


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Posts whose probability lies in [low, high); `share` is their share of traffic.

    `observed_low` and `observed_high` are a 95 % interval that covers at least about as often.
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
    weight: Array | None = None,
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
    sampling = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    rng = np.random.default_rng(0)
    bins = []
    error = 0.0
    for b in range(len(edges) - 1):
        mine = which == b
        mass = float(natural[mine].sum())
        if mass <= 0:
            continue
        stated = float(natural[mine] @ p[mine]) / mass
        observed = float(natural[mine] @ y[mine]) / mass
        low, high = _interval(y, mine, sampling, prevalence=prevalence, rng=rng)
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


def _interval(
    y: npt.NDArray[np.bool_],
    mine: npt.NDArray[np.bool_],
    weight: Array,
    *,
    prevalence: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the ends for the posts of a bin (mine [n]): few harmful and many harmless ones, and the reverse."""
    few_harmless, many_harmless = _shares(weight[~y], mine[~y], rng)
    few_harmful, many_harmful = _shares(weight[y], mine[y], rng)
    ends = []
    for harmful, harmless, level in (
        (few_harmful, many_harmless, _TAIL),
        (many_harmful, few_harmless, 1 - _TAIL),
    ):
        caught = prevalence * harmful
        ends.append(float(np.quantile(caught / (caught + (1 - prevalence) * harmless), level)))
    return ends[0], ends[1]


def _shares(weight: Array, mine: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw the share of a class (weight [m]) that lies in a bin (mine [m]): from below, and from above.

    Their quantiles are the ends of Clopper and Pearson's interval. Unevenly weighed posts count for
    fewer (Kish 1965): for as many as leave the share its variance.
    """
    counted = weight[mine] if mine.any() else weight
    size = counted.sum() ** 2 / (counted @ counted) if len(counted) else 0.0
    inside = size if mine.any() else 0.0
    outside = max(size * weight.sum() / counted.sum() - inside, 0.0) if len(counted) else 0.0
    some = rng.standard_gamma(inside, _DRAWS)
    others = rng.standard_gamma(outside, _DRAWS)
    unseen = rng.standard_exponential(_DRAWS)
    every = some + others + unseen
    return some / every, (some + unseen) / every
