"""Quantiles of two laws that intervals are made of: the beta law and Student's t.

SciPy has both; it is no part of an installation, so they stand here, and tests compare them with SciPy's.
"""

import math
from functools import lru_cache

_CLOSE = 1e-14
_MOST_TERMS = 10_000
_NEXT_TO_NOTHING = 1e-200
_LARGE = 1e4
"""From here on a short series gives differences of log-gamma that subtraction would lose."""


def beta_quantile(level: float, a: float, b: float) -> float:
    """Return the x in (0, 1) below which a share `level` of the beta law lies, 0 < level < 1.

    a, b > 0, whole or not. Found by halving; the relative error is some 1e-12.
    """
    low, high = 0.0, 1.0
    while high - low > _CLOSE * high and high > _NEXT_TO_NOTHING:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if beta_below(middle, a, b) < level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_below(x: float, a: float, b: float) -> float:
    """Return how much of the beta law lies below x, 0 < x < 1 (DLMF 8.17.22, a continued fraction)."""
    if x > (a + 1) / (a + b + 2):
        # The fraction converges fast on this side of the mean only.
        return 1.0 - _front(math.log1p(-x), math.log(x), b, a) / _fraction(1.0 - x, b, a)
    return _front(math.log(x), math.log1p(-x), a, b) / _fraction(x, a, b)


@lru_cache(maxsize=1024)
def student_quantile(confidence: float, freedom: float) -> float:
    """Return the t that |T| stays under with probability `confidence`, at so many degrees of freedom."""
    share = beta_quantile(confidence, 0.5, freedom / 2)
    return math.sqrt(freedom * share / (1 - share))


def _front(log_x: float, log_rest: float, a: float, b: float) -> float:
    """Return what stands before the fraction. Both logs are passed, since 1 - x forgets a small x."""
    return math.exp(a * log_x + b * log_rest - math.log(a) - _log_beta(a, b))


def _log_beta(a: float, b: float) -> float:
    small, large = min(a, b), max(a, b)
    if large < _LARGE:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    grown = (large - 0.5) * math.log1p(small / large) + small * (math.log(large + small) - 1)
    grown += (1 / (large + small) - 1 / large) / 12
    return math.lgamma(small) - grown


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1 / (1 + d2 / (1 + ...)), from the top down (Lentz 1976)."""
    value = upper = 1.0
    lower = 0.0
    for step in range(1, _MOST_TERMS):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + term * lower or _NEXT_TO_NOTHING)
        upper = 1 + term / upper or _NEXT_TO_NOTHING
        value *= upper * lower
        if abs(upper * lower - 1) < _CLOSE:
            break
    return value
