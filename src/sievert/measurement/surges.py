"""When does a count say that something fires far above its usual rate? An exact bound, with a stated rate of false alarms.

Removals are taken for a Poisson process whose rate is, at its daily peak, at most `PEAK` times its mean over
the hours that were watched. Given how many there were in all, those of the present hour are then binomial
(the conditional test for two Poisson rates, Przyborowski and Wilenski 1940), which needs no estimate of the
rate. The alarm is raised at the first count whose chance is at most `alarm`. Counts only grow within an
hour, so that looking after each one raises no false alarm more often than looking once at its end.

Not covered: campaigns. Many like posts that come at once are no Poisson process, and may raise an alarm
that is true to the letter: far more is removed than usual. People look then, which is what it is for.
"""

import math

PEAK = 3.0
"""How much busier than the mean the busiest hour of a day may be."""

ALARM = 1e-5
"""The chance of a false alarm in an hour that is at its peak: one in eleven years of such hours."""

_MOST = 1_000_000


def surge_at(before: int, hours: float, *, least: int, peak: float = PEAK, alarm: float = ALARM) -> int:
    """Return the count within an hour at which it is a surge, after `before` in the `hours` before it.

    It is never lower than `least`; where nothing was watched before, it is `least` itself.
    """
    if hours <= 0:
        return least
    p = peak / (hours + peak)
    low, high = least, max(least, 2)
    while _tail(before + high, high, p) > alarm and high < _MOST:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if _tail(before + middle, middle, p) <= alarm:
            high = middle
        else:
            low = middle + 1
    return low


def _tail(n: int, k: int, p: float) -> float:
    """Return P(X >= k) of a binomial X of n trials; 1 below its mean, where no surge can be."""
    if k <= n * p:
        return 1.0
    log_term = (
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(p)
        + (n - k) * math.log1p(-p)
    )
    term = total = math.exp(log_term)
    for j in range(k, n):  # above the mean each term is smaller than the one before
        term *= (n - j) / (j + 1) * p / (1 - p)
        total += term
        if term < total * 1e-12:
            break
    return min(1.0, total)
