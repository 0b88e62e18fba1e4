"""Fitting calibrators at natural prevalence, where they will be used.

Training data are near balanced, traffic is not: a score that is perfectly calibrated on balanced
data is wrong most of the time at one harmful post in a hundred. So the prior is corrected first
(Saerens, Latinne and Decaestecker 2002) and the map is fitted with every post weighed as in traffic.

Not covered: a prevalence that changes. Who knows today's prevalence can shift the logits by
`prior_correction` of the two.
"""

import math

import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import LogitMap

Array = npt.NDArray[np.float64]

_STEEPEST, _FLATTEST = 20.0, 0.02
"""Bounds of a map's slope: few posts in a stretch must not make it vertical or flat."""


def prior_correction(*, to: float, was: float) -> float:
    """Return what to add to a logit that was right at prevalence `was`, so that it is right at `to`."""
    return math.log(to / (1 - to)) - math.log(was / (1 - was))


def fit_logit_map(
    z: npt.ArrayLike,
    y: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64] | None = None,
    *,
    prevalence: float,
    pieces: int = 1,
) -> LogitMap:
    """Fit the map from raw logits z [n] to natural-prevalence logits, on posts with labels y [n].

    `weight` [n] are weights inside each class; the classes are then weighed to the prevalence. One
    piece is Platt's scaling; more pieces add knots at quantiles of the harmful posts' logits, with
    every slope kept positive.

    One harmless post more than was seen is assumed at the highest harmful logit (Laplace's rule of
    succession): where next to no false alarm was seen, next to none were looked for, and a map that
    is too sure there removes the wrong posts.

    Raises:
        ValueError: a class is missing.
    """
    z, y = np.asarray(z, np.float64), np.asarray(y, bool)
    if not (y.any() and (~y).any()):
        raise ValueError("A calibrator needs posts of both kinds, harmful and harmless.")
    inside = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    z, inside = np.append(z, z[y].max()), np.append(inside, inside[~y].mean())
    y = np.append(y, False)
    natural = np.where(y, prevalence * inside / inside[y].sum(), (1 - prevalence) * inside / inside[~y].sum())
    inner = np.quantile(z[y], np.arange(1, pieces) / pieces)
    knots = np.unique(np.concatenate([[z.min() - 1.0], inner, [z.max() + 1.0]]))
    # The logit is intercept + sum of slopes x (the part of z that lies in each piece).
    parts = np.clip(z[:, None], knots[:-1], knots[1:]) - knots[:-1]
    slopes, intercept = _fit(parts, y.astype(np.float64), natural, prevalence)
    heights = intercept + np.concatenate([[0.0], np.cumsum(slopes * np.diff(knots))])
    return LogitMap(x=knots, y=heights)


def _fit(parts: Array, y: Array, weight: Array, prevalence: float) -> tuple[Array, float]:
    """Return (slopes [pieces], intercept) of a logistic regression, by projected Newton steps."""
    count = parts.shape[1]
    x = np.column_stack([parts, np.ones(len(y))])
    beta = np.zeros(count + 1)
    beta[:-1] = 1.0
    centre = float(weight @ (parts @ beta[:-1])) / float(weight.sum())
    beta[-1] = math.log(prevalence / (1 - prevalence)) - centre
    best = _loss(x, y, weight, beta)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -60, 60)))
        gradient = x.T @ (weight * (p - y))
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(curvature + 1e-10 * np.eye(count + 1), gradient)
        size, moved = 1.0, False
        while size > 1e-8 and not moved:
            trial = beta - size * step
            trial[:-1] = np.clip(trial[:-1], _FLATTEST, _STEEPEST)
            loss = _loss(x, y, weight, trial)
            moved = loss < best - 1e-15
            if moved:
                beta, best = trial, loss
            size /= 2
        if not moved:
            break
    return beta[:-1], float(beta[-1])


def _loss(x: Array, y: Array, weight: Array, beta: Array) -> float:
    z = x @ beta
    return float(weight @ (np.logaddexp(0.0, z) - y * z))
