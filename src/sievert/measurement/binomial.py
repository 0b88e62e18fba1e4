"""Exact bounds on a share, from how often something was seen in a sample (Clopper and Pearson 1934)."""

import functools
import math

from sievert.measurement.quantiles import beta_quantile

_STEPS = 60


def highest_share(seen: int, of: int, *, confidence: float) -> float:
    """Return a share that the true one exceeds in at most 1 - `confidence` of all samples.

    `seen` of `of` draws had the property, 0 <= seen <= of, of > 0.
    """
    if seen >= of:
        return 1.0
    low, high = seen / of, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if at_most(seen, of, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def lowest_share(seen: int, of: int, *, confidence: float) -> float:
    """Return a share that the true one falls short of in at most 1 - `confidence` of all samples."""
    return 1.0 - highest_share(of - seen, of, confidence=confidence)


@functools.lru_cache(maxsize=1 << 16)
def both_ends(seen: float, of: int, confidence: float) -> tuple[float, float]:
    """Return both ends of the exact interval of a share, quickly for large numbers; of no draws it is all of [0, 1].

    `seen` need not be whole where a plan expects it.
    """
    if not of:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2
    low = beta_quantile(tail, seen, of - seen + 1) if seen > 0 else 0.0
    return low, beta_quantile(1 - tail, seen + 1, of - seen) if seen < of else 1.0


def at_most(seen: int, of: int, share: float) -> float:
    """Return the probability of `seen` or fewer among `of` draws of which each has the property with `share`."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return float(seen >= of)
    odds, rest = math.log(share), math.log1p(-share)
    whole = math.lgamma(of + 1)
    return min(
        1.0,
        math.fsum(
            math.exp(whole - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * odds + (of - k) * rest)
            for k in range(seen + 1)
        ),
    )
