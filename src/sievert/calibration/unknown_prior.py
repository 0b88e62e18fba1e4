"""How much of traffic is harmful, told from its scores alone (Saerens, Latinne and Decaestecker 2002).

If only the share of harmful posts differs between where a logit was learned and traffic, then a post's
likelihood ratio is l = exp(logit - prior logit) in both, and the share pi in traffic maximises

    sum w ln(1 + pi (l - 1)).

Their EM climbs this: it moves the probabilities to the current share and takes their mean for the next. The
sum is concave in pi, so there is one top, and we go to it by halving, where EM takes thousands of small steps
if harm is rare.

It cannot work, and refuses, where
- the top lies at 0: traffic looks as if there were no harm;
- the share is known to a quarter of itself at best: too few posts, or kinds that the score hardly parts;
- labelled posts show that l is no likelihood ratio. At a few harmful posts in a thousand, scores that
  are off by a little move the share by its own size, so calibrate them first, at the prevalence where they
  were learned.

Not covered: traffic whose harmless or harmful posts are of another kind than those that were learned from,
which no score shows. What was enforced is no traffic: never estimate from what was removed or kept.

Legend: n posts of traffic.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sievert.calibration.sample import Array, Flags, log_odds
from sievert.errors import InvalidField

_HALVINGS = 200
_LEAST = 1e-9
_MOST_SPREAD = 0.25
_MOST_OFF, _CLEARLY = 0.1, 3.0
_FEWEST = 20
_TWO_SIDED = 1.959963984540054
_CLIP = 500.0


@dataclasses.dataclass(frozen=True, slots=True)
class PrevalenceEstimate:
    """The share of harmful posts in traffic, and a 95 % interval that holds if the logits are right."""

    share: float
    low: float
    high: float


def estimate_prevalence(
    logits: npt.ArrayLike,
    *,
    was: float,
    weight: npt.ArrayLike | None = None,
    labelled: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> PrevalenceEstimate:
    """Estimate the share of harmful posts from logits [n] of traffic that are right at prevalence `was`.

    `weight` [n] says for how many posts each stands. `labelled` are logits and labels of posts that the model
    did not learn from, by which the logits are checked; their own share of harmful posts does not matter.

    Raises:
        InvalidField: a number is missing or out of bounds, or the share cannot be told (see the module).
    """
    ratio = _likelihood_ratio(logits, was)
    counts = np.ones(len(ratio)) if weight is None else np.asarray(weight, np.float64)
    if counts.shape != ratio.shape or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise InvalidField(
            "The weights are not one positive number a post.",
            remedy="Pass for how many posts of traffic each stands, or none.",
            field="weight",
        )
    counts = counts / counts.sum()
    share = _top(ratio, counts)
    pull = _pull(ratio, share)
    curvature = float(counts @ pull**2)
    variance = float((counts * pull) @ (counts * pull)) / curvature**2
    if labelled is not None:
        variance += _checked(*labelled, was=was, share=share, curvature=curvature)
    spread = math.sqrt(variance)
    if spread > _MOST_SPREAD * share:
        raise InvalidField(
            f"The scores of {len(ratio)} posts put the harmful share at {share:.2g}, give or take {spread:.2g}: "
            "that is no answer.",
            remedy="Score more of traffic, or label a sample of it and take the share from that.",
            field="logits",
        )
    return PrevalenceEstimate(
        share=share, low=max(share - _TWO_SIDED * spread, 0.0), high=share + _TWO_SIDED * spread
    )


def _likelihood_ratio(logits: npt.ArrayLike, was: float) -> Array:
    z = np.asarray(logits, np.float64)
    if not 0.0 < was < 1.0:
        raise InvalidField(
            f"{was:g} is no share of harmful posts that logits can be right at.",
            remedy="Pass the share of harmful posts where the logits were fitted.",
            field="was",
        )
    if z.ndim != 1 or not len(z) or not np.isfinite(z).all():
        raise InvalidField(
            "The logits are not one finite number a post.",
            remedy="Leave out posts without a score, and find out why they have none.",
            field="logits",
        )
    return np.exp(np.clip(z - log_odds(was), -_CLIP, _CLIP))


def _pull(ratio: Array, share: float) -> Array:
    """Return by how much each post would raise the share, at this share."""
    return (ratio - 1) / (1 + share * (ratio - 1))


def _top(ratio: Array, counts: Array) -> float:
    """Return the share at which the likelihood is highest."""
    low, high = _LEAST, 1 - _LEAST
    if counts @ _pull(ratio, low) <= 0:
        raise InvalidField(
            "The scores look as if no post of traffic were harmful.",
            remedy="Calibrate the logits where they were fitted, or label a sample of traffic.",
            field="logits",
        )
    if counts @ _pull(ratio, high) >= 0:
        raise InvalidField(
            "The scores look as if every post of traffic were harmful.",
            remedy="Check the sign of the logits and the prevalence they are right at.",
            field="logits",
        )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        low, high = (middle, high) if counts @ _pull(ratio, middle) > 0 else (low, middle)
    return (low + high) / 2


def _checked(logits: npt.ArrayLike, y: npt.ArrayLike, *, was: float, share: float, curvature: float) -> float:
    """Refuse a share that labelled posts, mixed at it, would not pull to; return the variance they add.

    Raises:
        InvalidField: the logits are no log likelihood ratios, or too few posts are labelled to say.
    """
    ratio = _likelihood_ratio(logits, was)
    flags: Flags = np.asarray(y).astype(bool)
    if flags.shape != ratio.shape or min(flags.sum(), (~flags).sum()) < _FEWEST:
        raise InvalidField(
            f"The labelled posts are not of both kinds, at least {_FEWEST} of each, with one label a logit.",
            remedy="Pass the labelled posts that the logits were calibrated on, or label more.",
            field="labelled",
        )
    pull = _pull(ratio, share)
    of_kind = [(part, pull[flags == is_so]) for is_so, part in ((True, share), (False, 1 - share))]
    # At the right share the posts of both kinds, mixed, pull nowhere: this is how far off the estimate is.
    off = sum(part * float(one.mean()) for part, one in of_kind) / curvature
    variance = sum(part**2 * float(one.var(ddof=1)) / len(one) for part, one in of_kind) / curvature**2
    if abs(off) > max(_CLEARLY * math.sqrt(variance), _MOST_OFF * share):
        raise InvalidField(
            f"On labelled posts the logits are not right at a prevalence of {was:g}: the harmful share of "
            f"{share:.2g} would be off by {off:+.2g}.",
            remedy="Calibrate the logits on these posts, at this prevalence (fit_logit_map), and estimate again.",
            field="labelled",
        )
    return variance
