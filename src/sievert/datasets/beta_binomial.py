"""The beta-binomial likelihood and its slopes in NumPy alone, for whoever fits rates without compiling.

The gamma function's logarithm and its derivatives are Stirling's series (Abramowitz and Stegun 1964,
6.1.41, 6.3.18, 6.4.12) at an argument that is `_SHIFT` higher, brought back by the recurrence. Whatever is
asked of all posts is asked at once: a fit asks thousands of times, mostly of few distinct posts.

Legend: n posts.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SHIFT = 8
_STEPS = np.arange(float(_SHIFT))
_HALF_LOG_2_PI = 0.5 * float(np.log(2 * np.pi))


def log_gamma(x: Floats) -> Floats:
    """Return the logarithm of the gamma function [n], for x above 0."""
    y = x + _SHIFT
    inverse = 1.0 / (y * y)
    series = 1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))
    found: Floats = (y - 0.5) * np.log(y) - y + _HALF_LOG_2_PI + series / y
    found -= np.log(np.prod(x[:, None] + _STEPS, axis=1))
    return found


def gamma_slopes(x: Floats) -> tuple[Floats, Floats]:
    """Return the first and second derivatives of `log_gamma` [n], for x above 0."""
    steps = 1.0 / (x[:, None] + _STEPS)
    y = x + _SHIFT
    inverse = 1.0 / (y * y)
    first = 1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse / 132)))
    second = 1 / 6 - inverse * (1 / 30 - inverse * (1 / 42 - inverse * (1 / 30 - inverse * 5 / 66)))
    return (
        np.log(y) - 0.5 / y - inverse * first - steps.sum(axis=1),
        1.0 / y + 0.5 * inverse + inverse * second / y + np.square(steps).sum(axis=1),
    )


def log_likelihood(k: Floats, n: Floats, a: float, b: float) -> Floats:
    """Return the log-likelihood [n] of k out of n under Beta(a, b), without the binomial coefficient."""
    found = log_gamma(np.concatenate([k + a, n - k + b, n + (a + b), [a, b, a + b]]))
    hits, misses, both = found[:-3].reshape(3, -1)
    likely: Floats = (hits - found[-3]) + (misses - found[-2]) - (both - found[-1])
    return likely


def slopes(k: Floats, n: Floats, weight: Floats, a: float, b: float) -> tuple[float, ...]:
    """Return the weighted gradient and curvature of `log_likelihood` by a and b: (a, b, aa, ab, bb)."""
    heard = weight != 0
    k, n, weight = k[heard], n[heard], weight[heard]
    first, second = gamma_slopes(np.concatenate([k + a, n - k + b, n + (a + b), [a, b, a + b]]))
    by_a, by_b, by_both = first[:-3].reshape(3, -1) @ weight - first[-3:] * weight.sum()
    bend_a, bend_b, bend_both = second[:-3].reshape(3, -1) @ weight - second[-3:] * weight.sum()
    return (
        float(by_a - by_both),
        float(by_b - by_both),
        float(bend_a - bend_both),
        float(-bend_both),
        float(bend_b - bend_both),
    )
