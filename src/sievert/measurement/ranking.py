"""How well scores put harmful posts first, at natural prevalence, with intervals.

PR-AUC is average precision: the precision at each distinct score, weighed by the recall it adds.
Posts with equal scores stand or fall together.

Intervals reweigh the posts at random (the Bayesian bootstrap, Rubin 1981), and each class gets one
post more, that nobody saw. A plain bootstrap never shows the rare false alarm that the sample missed,
though at one harmful post in a hundred it weighs as much as 99 harmful ones. The low end is a quantile
where the unseen harmless post scores above all and the unseen harmful one below all, the high end
where it is the other way round. What lies between two scores that were seen is thereby taken at its
worst, or best: for the rate of false alarms at one threshold this is the exact interval of Clopper and
Pearson (1934), since random weights that sum to 1 follow the law of the true mass between scores.
With few posts the intervals are wide, as they must be; they cover somewhat more often than they say.
`tests/statistical` shows how often.

Not covered: that tomorrow's traffic is like the sample; errors of the people who labelled it; posts
that resemble each other, which make intervals too narrow. The value itself runs high where harmless
posts are few: the false alarms that it misses stand in its interval only.

Legend: n posts, G distinct scores, B resamples.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.prevalence import natural_weights

Array = npt.NDArray[np.float64]

PRECISION = 0.95
SHARES = (0.001, 0.005, 0.01, 0.05)
_LEAST_REMOVED = 5
"""With fewer harmless posts than this in the removed share, nothing is said about its precision."""

_CELLS = 4_000_000
"""How many numbers a chunk of resamples may hold: bounds memory at some 200 MB."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its interval. `value` is None where the evidence does not carry one."""

    value: float | None
    low: float | None = None
    high: float | None = None


class RemovalPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What happens if the highest-scored `share` of all posts is removed.

    `threshold` is the score from which they are, None where not even the highest score fits the share.
    Precision has no value where fewer than five harmless posts of the sample make up the share.
    """

    share: float
    threshold: float | None
    recall: Estimate
    precision: Estimate


class RankingReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a score ranks posts. `provable_recall` is the least Recall@Precision this sample can show."""

    harmful: int
    harmless: int
    prevalence: float
    confidence: float
    resamples: int
    pr_auc: Estimate
    recall_at_precision: Estimate
    precision: float
    provable_recall: float
    at_shares: tuple[RemovalPoint, ...]


def measure_ranking(
    y: npt.NDArray[np.bool_],
    score: npt.ArrayLike,
    *,
    prevalence: float,
    weight: Array | None = None,
    strata: npt.NDArray[np.int64] | None = None,
    confidence: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
    precision: float = PRECISION,
    shares: tuple[float, ...] = SHARES,
) -> RankingReport:
    """Measure how scores [n] rank posts with labels y [n].

    `weight` [n] are sampling weights, `strata` [n] numbers inside which posts are reweighed (with the
    label, always). With no resamples there are no intervals.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
        ValueError: a class is missing.
    """
    y = np.asarray(y, bool)
    if not (y.any() and (~y).any()):
        raise ValueError("Ranking is measured on posts of both kinds, harmful and harmless.")
    order, ends = _order(np.asarray(score, np.float64))
    sorted_y = y[order]
    sorted_score = np.asarray(score, np.float64)[order]
    sampling = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)[order]
    groups = (
        sorted_y.astype(np.int64) if strata is None else 2 * np.asarray(strata, np.int64)[order] + sorted_y
    )
    natural = natural_weights(sorted_y, prevalence=prevalence, weight=sampling)
    point = _metrics(natural[None, :] * sorted_y, natural[None, :], ends, precision, shares)[0]
    low, high = _interval(
        natural,
        sorted_y,
        groups,
        ends,
        prevalence=prevalence,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        precision=precision,
        shares=shares,
    )

    def estimate(column: int) -> Estimate:
        if low is None or high is None:
            return Estimate(value=float(point[column]))
        return Estimate(value=float(point[column]), low=float(low[column]), high=float(high[column]))

    harmless = int((~y).sum())
    provable = provable_recall(harmless=harmless, prevalence=prevalence, precision=precision)
    at_precision = estimate(1) if point[1] >= provable else Estimate(value=None)
    flagged = np.cumsum(natural)[ends]
    points = []
    for i, share in enumerate(shares):
        cut = int(np.searchsorted(flagged, share * (1 + 1e-9), side="right")) - 1
        threshold = float(sorted_score[ends[cut]]) if cut >= 0 else None
        enough = harmless * share >= _LEAST_REMOVED
        points.append(
            RemovalPoint(
                share=share,
                threshold=threshold,
                recall=estimate(2 + 2 * i),
                precision=estimate(3 + 2 * i) if enough else Estimate(value=None),
            )
        )
    return RankingReport(
        harmful=int(y.sum()),
        harmless=harmless,
        prevalence=prevalence,
        confidence=confidence,
        resamples=resamples,
        pr_auc=estimate(0),
        recall_at_precision=at_precision,
        precision=precision,
        provable_recall=min(provable, 1.0),
        at_shares=tuple(points),
    )


def average_precision(y: npt.NDArray[np.bool_], score: npt.ArrayLike, weight: Array) -> float:
    """Return the weighted average precision of scores [n] for labels y [n]."""
    order, ends = _order(np.asarray(score, np.float64))
    sorted_weight = np.asarray(weight, np.float64)[order][None, :]
    return float(_metrics(sorted_weight * np.asarray(y)[order], sorted_weight, ends, 1.0, ())[0, 0])


def provable_recall(
    *, harmless: int, prevalence: float, precision: float = PRECISION, delta: float = 0.05
) -> float:
    """Return the least recall at which this many harmless posts could prove a precision.

    Even with no false alarm among them, their rate may be ln(1 / delta) / harmless (the rule of
    three). A Recall@Precision below this is noise, whatever its value.
    """
    rate = math.log(1 / delta) / harmless
    return rate * (1 - prevalence) * precision / ((1 - precision) * prevalence)


def _order(score: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the order from highest score down, and the last position of each distinct score [G]."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return order, ends


def _metrics(
    harmful: Array, weight: Array, ends: npt.NDArray[np.intp], precision: float, shares: tuple[float, ...]
) -> Array:
    """Return [B, 2 + 2 * shares]: PR-AUC, Recall@Precision, then recall and precision at each share.

    Shapes: harmful, weight [B, n], in the order of the scores.
    """
    caught = np.cumsum(harmful, axis=1)[:, ends]  # [B, G]
    flagged = np.cumsum(weight, axis=1)[:, ends]
    every = caught[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        precisions = np.where(flagged > 0, caught / flagged, 0.0)
        recalls = np.where(every > 0, caught / every, 0.0)
    out = np.zeros((len(weight), 2 + 2 * len(shares)))
    gained = np.diff(recalls, axis=1, prepend=0.0)
    out[:, 0] = np.einsum("bg,bg->b", gained, precisions)
    out[:, 1] = np.where(precisions >= precision - 1e-12, recalls, 0.0).max(axis=1)
    rows = np.arange(len(weight))
    for i, share in enumerate(shares):
        # The last score at which no more than the share is flagged.
        cut = (flagged <= share * flagged[:, -1:] * (1 + 1e-9)).sum(axis=1) - 1
        some = cut >= 0
        out[some, 2 + 2 * i] = recalls[rows[some], cut[some]]
        out[some, 3 + 2 * i] = precisions[rows[some], cut[some]]
    return out


def _interval(
    natural: Array,
    y: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    ends: npt.NDArray[np.intp],
    *,
    prevalence: float,
    confidence: float,
    resamples: int,
    seed: int,
    precision: float,
    shares: tuple[float, ...],
) -> tuple[Array | None, Array | None]:
    """Return both ends of the intervals of `_metrics`, for posts [n] in the order of their scores."""
    if not resamples:
        return None, None
    around = np.concatenate([[0], ends + 1, [len(y) + 1]])
    worst: list[Array] = []
    best: list[Array] = []
    worst_flags = np.concatenate([[False], y, [True]])
    best_flags = np.concatenate([[True], y, [False]])
    for seen, harmless, harmful in _reweighted(
        natural, y, groups, prevalence=prevalence, resamples=resamples, seed=seed
    ):
        for found, parts, flags in (
            (worst, (harmless, seen, harmful), worst_flags),
            (best, (harmful, seen, harmless), best_flags),
        ):
            weight = np.concatenate(parts, axis=1)  # [b, n + 2]
            found.append(_metrics(weight * flags, weight, around, precision, shares))
    tail = (1 - confidence) / 2
    low = np.quantile(np.concatenate(worst), tail, axis=0)
    return low, np.quantile(np.concatenate(best), 1 - tail, axis=0)


def _reweighted(
    natural: Array,
    y: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    *,
    prevalence: float,
    resamples: int,
    seed: int,
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield chunks of random natural weights: of posts [b, n], of the unseen harmless [b, 1] and harmful.

    The posts of a group keep their share of their class: a stratum's size was chosen, not found.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    chunk = max(1, _CELLS // len(y))
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        seen = rng.standard_exponential((count, len(y)))
        seen *= natural
        for rows in members:
            seen[:, rows] *= natural[rows].sum() / seen[:, rows].sum(axis=1, keepdims=True)
        unseen = []
        for is_class, share in ((~y, 1.0 - prevalence), (y, prevalence)):
            extra = rng.standard_exponential((count, 1)) * share / is_class.sum()
            shrink = share / (share + extra)
            seen[:, is_class] *= shrink
            unseen.append(extra * shrink)
        yield seen, unseen[0], unseen[1]
