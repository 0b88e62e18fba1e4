"""Fitting calibrators at natural prevalence, where they will be used.

Training data are near balanced, traffic is not: a score that is perfectly calibrated on balanced
data is wrong most of the time at one harmful post in a hundred. So the prior is corrected first
(Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
probabilities", Neural Computation 14) and the map is fitted with every post weighed as in traffic.

Here are the maps that are straight in the logit, or in pieces: Platt's (1999, "Probabilistic outputs for
support vector machines") and the temperature of Guo, Pleiss, Sun and Weinberger (2017, "On calibration of
modern neural networks"). `beta`, `isotonic` and `venn_abers` have others.

Which to take (`benchmarks/calibration.py`): one piece here with fewer than some hundred harmful labels,
`beta` with more; for a cut that removes, p0 of `venn_abers`, which alone seldom breaks where the model is
blind to a kind of harmless post.

Not covered: a prevalence that changes. Who knows today's prevalence can shift the logits by
`prior_correction` of the two; who does not may be able to tell it with `unknown_prior`.
"""

import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import LogitMap
from sievert.calibration.sample import Sample, log_odds, weighed
from sievert.errors import InvalidField

Array = npt.NDArray[np.float64]

_STEEPEST, _FLATTEST = 20.0, 0.02
"""Bounds of a map's slope: few posts in a stretch must not make it vertical or flat."""

_HALVINGS = 60
_CLIP = 60.0


def prior_correction(*, to: float, was: float) -> float:
    """Return what to add to a logit that was right at prevalence `was`, so that it is right at `to`."""
    return log_odds(to) - log_odds(was)


def fit_logit_map(
    z: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
    pieces: int = 1,
) -> LogitMap:
    """Fit the map from raw logits z [n] to natural-prevalence logits, on posts with labels y [n].

    `weight` [n] are weights inside each class; the classes are then weighed to the prevalence, if it is
    given. One piece is Platt's scaling; more pieces add knots at quantiles of the harmful posts' logits,
    with every slope kept positive. A harmless post that nobody saw is added (`sample.weighed`). Scores that
    are all alike give a map that says the prevalence.

    Raises:
        InvalidField: a class is missing, or a number is out of bounds.
    """
    return _map(weighed(z, y, weight, prevalence=prevalence, unseen=True, constant=True), pieces)


def fit_evidence_map(
    z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike, *, beside: npt.ArrayLike, pieces: int = 1
) -> LogitMap:
    """Fit the map from evidence z [n] to what it adds to a logit: to `beside` [n], what else says of the posts.

    `beside` are right at natural prevalence where nothing is added, and weights [n] above zero say what traffic
    is like; the rest is as in `fit_logit_map`, but that no harmless post is added.

    Raises:
        InvalidField: a class is missing, or a number is out of bounds.
    """
    return _map(weighed(z, y, weight, constant=True), pieces, np.asarray(beside, np.float64))


def _map(sample: Sample, pieces: int, beside: Array | float = 0.0) -> LogitMap:
    inner = np.quantile(sample.z[sample.y], np.arange(1, pieces) / pieces)
    knots = np.unique(np.concatenate([[sample.z.min() - 1.0], inner, [sample.z.max() + 1.0]]))
    # The logit is intercept + sum of slopes x (the part of z that lies in each piece).
    parts = np.clip(sample.z[:, None], knots[:-1], knots[1:]) - knots[:-1]
    slopes, intercept = _fit(parts, sample.y.astype(np.float64), sample.weight, sample.prevalence, beside)
    heights = intercept + np.concatenate([[0.0], np.cumsum(slopes * np.diff(knots))])
    return LogitMap(x=knots, y=heights)


def fit_temperature(
    z: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
    was: float | None = None,
    unseen: bool = True,
) -> LogitMap:
    """Fit the temperature T of logits z [n]: the natural logit is z / T, moved from one prior to the other.

    `was` is the share of harmful posts where z was learned, whose prior is taken off z and that of traffic
    put on; without it z is taken to be right at the prevalence of traffic but for its temperature. One
    number is fitted, so few posts do; a model that is shifted as well is not mended (`fit_logit_map`).

    Raises:
        InvalidField: as `sample.weighed`; or the likelihood falls with the score, whatever the temperature.
    """
    sample = weighed(z, y, weight, prevalence=prevalence, unseen=unseen)
    learned = sample.prevalence if was is None else was
    if not 0.0 < learned < 1.0:
        raise InvalidField(
            f"{learned:g} is no share of harmful posts that a score can be learned at.",
            remedy="Pass the share among the training posts, or None if z is right at that of traffic.",
            field="was",
        )
    evidence, prior = sample.z - log_odds(learned), log_odds(sample.prevalence)

    def slope_of_loss(by: float) -> float:
        p = 1 / (1 + np.exp(-np.clip(by * evidence + prior, -_CLIP, _CLIP)))
        return float(sample.weight @ ((p - sample.y) * evidence))

    low, high = _FLATTEST, _STEEPEST
    if slope_of_loss(low) >= 0:
        raise InvalidField(
            "Posts with higher scores are not more often harmful: no temperature makes these scores right.",
            remedy="Check the sign of the scores and the share `was`, or fit_logit_map, which also shifts.",
            field="z",
        )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope_of_loss(middle) < 0 else (low, middle)
    by = (low + high) / 2
    ends = np.array([-1.0, 1.0])
    return LogitMap(x=ends + log_odds(learned), y=by * ends + prior)


def _fit(
    parts: Array, y: Array, weight: Array, prevalence: float, beside: Array | float = 0.0
) -> tuple[Array, float]:
    """Return (slopes [pieces], intercept) of a logistic regression, by projected Newton steps.

    `beside` [n] is added to the logits.
    """
    count = parts.shape[1]
    x = np.column_stack([parts, np.ones(len(y))])
    beta = np.zeros(count + 1)
    beta[:-1] = 1.0
    centre = float(weight @ (parts @ beta[:-1])) / float(weight.sum())
    beta[-1] = log_odds(prevalence) - centre
    best = _loss(x, y, weight, beta, beside)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ beta + beside, -60, 60)))
        gradient = x.T @ (weight * (p - y))
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(curvature + 1e-10 * np.eye(count + 1), gradient)
        size, moved = 1.0, False
        while size > 1e-8 and not moved:
            trial = beta - size * step
            trial[:-1] = np.clip(trial[:-1], _FLATTEST, _STEEPEST)
            loss = _loss(x, y, weight, trial, beside)
            moved = loss < best - 1e-15
            if moved:
                beta, best = trial, loss
            size /= 2
        if not moved:
            break
    return beta[:-1], float(beta[-1])


def _loss(x: Array, y: Array, weight: Array, beta: Array, beside: Array | float) -> float:
    z = x @ beta + beside
    return float(weight @ (np.logaddexp(0.0, z) - y * z))
