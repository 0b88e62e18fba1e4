"""Where a path of removal rules should lie, so that audits can prove the best of it.

The path is fixed before anything is audited, from a tuning window: its looks with calibrated
probabilities and forecast views, no truth. For every rule that gives an estimate of what it would remove
at first crossings, of its precision over posts and over views, and of the harmful views that it would
prevent. Audits will find the true precision near the estimate, give or take how well probabilities are
calibrated; so for every rule there is a chance that a test with so many audits proves both precisions, and
the best l2, and the best rule under it, are those with the most prevented views times that chance.

Of a fixed number of audits each half gets a share, and the best share is found alike: where precision over
views is far above its bound, a few hundred audits prove it, and the others are better spent on posts.

The path runs through that rule, from the one that is likeliest to be proven to one that seldom is. A
bolder end would spend audits on posts that no provable rule removes: what lies outside the boldest rule
is never drawn. A more careful beginning would prove nothing more, since testing stops at the first failure.

Nothing here carries the promise: whatever path comes out, the certificate proves its rules or does not.

Legend: n posts, J looks in the order of time, C rules that are tried, K rules on the path.
"""

import dataclasses
import math
import statistics

import numpy as np
import numpy.typing as npt

from sievert.measurement.crossings import before, sums_at_first_crossing
from sievert.policy.removal import level_of
from sievert.schema.policy import Policy

Array = npt.NDArray[np.float64]

LAMBDAS_VIEWS = (0.0, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Values of l2 that are tried."""

SHARES_OF_VIEWS = (0.5, 0.35, 0.25, 0.18)
"""Shares of the audits that are tried for the half of views."""

POINTS = 8
"""Rules on a path, at most."""

DOUBT = 0.005
"""Standard deviation of how far a precision is from its estimate, beside what audits scatter."""

_TRIED = 60
_LEAST_CHANCE = 0.15
_INSIDE = 0.85
"""The part of a half's audits that the best rule of a path expects to be its own, about."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Path:
    """Rules with one l2, by falling level; audits for each half; what the best rule should bring, in views."""

    levels: Array  # [K]
    audits_posts: int
    audits_views: int
    worth: float
    lambda_views: float = 0.0


def tuned_path(
    p: Array,
    v: Array,
    policy: Policy,
    *,
    audits: int,
    delta: float,
    lambdas_views: tuple[float, ...] = LAMBDAS_VIEWS,
) -> Path | None:
    """Return the path on which `audits` in all, at error rate `delta`, are expected to bring the most.

    `p` and `v` [n, J] are calibrated probabilities and capped forecasts of the tuning window's looks; a
    look that never was has p = 0. None where no rule removes anything.
    """
    best: Path | None = None
    for l2 in lambdas_views:
        level = level_of(
            p.ravel().astype(np.float32), v.ravel().astype(np.float32), policy, lambda_views=l2
        ).reshape(p.shape)
        tuned = tuned_levels(level, p, v, policy, audits=audits, delta=delta)
        if tuned is not None and (best is None or tuned.worth > best.worth):
            best = dataclasses.replace(tuned, lambda_views=l2)
    return best


def tuned_levels(
    level: Array, p: Array, v: Array, policy: Policy, *, audits: int, delta: float
) -> Path | None:
    """Return the best path through given levels [n, J]; None if nothing has one.

    It serves any family of nested rules, such as thresholds on the probability alone.
    """
    tried, posts, views, prevented = _estimates(level, p, v)
    if not len(tried):
        return None
    by_share = [
        _chances(posts, policy.precision_posts, audits * (1 - share), delta)
        * _chances(views, policy.precision_views, audits * share, delta)
        for share in SHARES_OF_VIEWS
    ]
    worth = [float((chance * prevented).max()) for chance in by_share]
    best = int(np.argmax(worth))
    of_views = round(audits * SHARES_OF_VIEWS[best])
    return Path(
        levels=tried[_points(by_share[best], prevented)],
        audits_posts=audits - of_views,
        audits_views=of_views,
        worth=worth[best],
    )


def _points(chance: Array, prevented: Array) -> npt.NDArray[np.intp]:
    """Return which rules [K] of those that were tried [C] make the path."""
    star = int((chance * prevented).argmax())
    first = int(chance[: star + 1].argmax())
    last = star + int(np.flatnonzero(chance[star:] >= min(_LEAST_CHANCE, chance[star]))[-1])
    even = np.linspace(prevented[first], prevented[last], POINTS)
    chosen = first + np.searchsorted(prevented[first : last + 1], even)
    return np.unique(np.minimum(np.append(chosen, [star, last]), last))


def _estimates(level: Array, p: Array, v: Array) -> tuple[Array, Array, Array, Array]:
    """Return of rules [C], careful first: level, precision over posts and views, harmful views prevented."""
    reached = level[level > before(level)]
    finite = reached[np.isfinite(reached)]
    tried = np.quantile(finite, np.linspace(1, 0, _TRIED)) if len(finite) else np.empty(0)
    if np.isinf(reached).any():
        tried = np.append(np.inf, tried)
    tried = np.unique(tried)[::-1]
    sums = sums_at_first_crossing(level, np.stack([np.ones_like(p), p, v, v * p]), tried)
    with np.errstate(invalid="ignore"):
        views = np.where(sums[:, 2] > 0, sums[:, 3] / sums[:, 2], 0.0)
        posts = np.where(sums[:, 0] > 0, sums[:, 1] / sums[:, 0], 0.0)
    return tried, posts, views, np.maximum.accumulate(sums[:, 3])


def _chances(precision: Array, bound: float, audits: float, delta: float) -> Array:
    """Return how likely so many audits prove of each precision [C] that it is above a bound, about."""
    normal, audits = statistics.NormalDist(), audits * _INSIDE
    needed = bound - normal.inv_cdf(delta) * math.sqrt(bound * (1 - bound) / audits)
    spread = np.sqrt(np.maximum(precision * (1 - precision), 1e-4) / audits + DOUBT**2)
    return np.array([normal.cdf(z) for z in ((precision - needed) / spread).tolist()])
