"""Rates that small numbers cannot fool: empirical Bayes with fitted beta priors.

A rate is `(k + a) / (n + a + b)`: of 100 views with 80 reports we believe more than of 1 view with 1
report. The prior (a, b) is fitted to many posts by the likelihood of the beta-binomial distribution
(Skellam 1948), for each segment of them; a segment with too little evidence takes the prior of all.
"""

import math

import msgspec
import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEAST_STRENGTH, _MOST_STRENGTH = 0.5, 1e5
_LEAST_MEAN, _MOST_MEAN = 1e-7, 0.5
_STEPS = 60
_GOLDEN = (math.sqrt(5) - 1) / 2
_ENOUGH = 20  # things that happened; fewer say little about a prior


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """A beta distribution: `a` things happened in `a + b` imagined trials."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        """The rate that is believed where nothing was seen."""
        return self.a / (self.a + self.b)


def posterior_mean(k: Floats, n: Floats, prior: Prior) -> Floats:
    """Return the believed rates [n] after k of n."""
    # Weights fade, and what follows a view may fade later than the view: k can pass n a little.
    return (k + prior.a) / (np.maximum(n, k) + prior.a + prior.b)


def posterior_spread(k: Floats, n: Floats, prior: Prior) -> Floats:
    """Return the standard deviations [n] of the believed rates."""
    mean = posterior_mean(k, n, prior)
    spread: Floats = np.sqrt(mean * (1 - mean) / (np.maximum(n, k) + prior.a + prior.b + 1))
    return spread


def fit_prior(k: Floats, n: Floats, *, otherwise: Prior) -> Prior:
    """Return the beta prior under which counts k of n trials are likeliest.

    Trials of 0 say nothing. With too little evidence `otherwise` is returned.
    """
    seen = n > 0
    k, n = np.minimum(k, n)[seen].astype(np.float64), n[seen].astype(np.float64)
    if k.sum() < _ENOUGH:
        return otherwise
    low, high = math.log(_LEAST_STRENGTH), math.log(_MOST_STRENGTH)
    strength = math.exp(_highest(lambda s: _profile(k, n, math.exp(s))[0], low, high))
    mean = _profile(k, n, strength)[1]
    return Prior(a=mean * strength, b=(1 - mean) * strength)


def fit_by_segment(
    k: Floats, n: Floats, segment: npt.NDArray[np.int64], *, segments: int, otherwise: Prior
) -> list[Prior]:
    """Return a prior for each segment 0 to `segments` - 1; a thin segment takes the prior of all."""
    of_all = fit_prior(k, n, otherwise=otherwise)
    return [fit_prior(k[segment == s], n[segment == s], otherwise=of_all) for s in range(segments)]


def _profile(k: Floats, n: Floats, strength: float) -> tuple[float, float]:
    """Return the best log likelihood for a strength a + b, and the mean that reaches it."""
    low, high = math.log(_LEAST_MEAN), math.log(_MOST_MEAN)
    best = math.exp(_highest(lambda m: log_likelihood(k, n, math.exp(m), strength), low, high))
    return log_likelihood(k, n, best, strength), best


def _highest(of, low: float, high: float) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Search the highest point of a function with one hill, by golden section."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = of(left), of(right)
    for _ in range(_STEPS):
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = of(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = of(right)
        if high - low < 1e-3:
            break
    return (low + high) / 2


def log_likelihood(k: Floats, n: Floats, mean: float, strength: float) -> float:
    """Return the beta-binomial log likelihood, less what does not depend on the prior."""
    return float(beta_binomial(k, n, mean * strength, (1 - mean) * strength).sum())


@numba.njit(nogil=True, cache=True)
def beta_binomial(k: Floats, n: Floats, a: float, b: float) -> Floats:
    """Return the log-likelihood [n] of k out of n under Beta(a, b), without the binomial coefficient."""
    out = np.empty(k.shape[0])
    base = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for i in range(k.shape[0]):
        out[i] = base + math.lgamma(k[i] + a) + math.lgamma(n[i] - k[i] + b) - math.lgamma(n[i] + a + b)
    return out
