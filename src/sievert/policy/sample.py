"""Posts of traffic with labels, as arrays, and the estimates that they carry.

Each post stands for as many posts of traffic as its weight says: 1 / q where it was drawn with
probability q. Labels may be known for some posts only; then a labelled post's own weight says for how
many it stands. Without such weights, labelled posts of a file speak for nothing but themselves.

Intervals: exact (Clopper and Pearson 1934) where posts count alike, else `measurement.totals`. Posts of
one cluster are one draw. Where a sample was drawn by class (as balanced sets are) and the share of harm
in traffic is stated, the harmful and the harmless posts are estimated apart, each with half of the error:
a false alarm that the sample was too small to show weighs as much as 99 harmful posts.

Not covered: strata (a weight says all that is used; intervals come out somewhat wide), labels that are
wrong, and that tomorrow's traffic is like the sample's.

Legend: n posts; C clusters.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.prevalence import MOST_HARMFUL_TRAFFIC, natural_weights
from sievert.measurement.quantiles import beta_quantile
from sievert.measurement.totals import Estimate, share, total
from sievert.schema.batch import Codes, Floats

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Posts as one policy sees them; made by `sample_of`.

    `weight` is how many posts of traffic each one stands for, `label_weight` the same among the labelled
    ones, 0 where a label is not known or not known to stand for anything. `views` are those that came to
    be, NaN where that is not known. `hour` numbers hours; `hours` is how long the posts took to appear.
    `prevalence` is the stated share of harm of a sample that was drawn by class.
    """

    p: Floats  # [n] float32, as rules compare it
    forecast: Floats  # [n] float32, NaN where there is none
    label: Codes  # [n] 1 harmful, 0 harmless, -1 unknown
    weight: Array  # [n]
    label_weight: Array  # [n]
    views: Array  # [n]
    readable: Bools  # [n]
    cluster: npt.NDArray[np.int64] | None = None  # [n]
    hour: npt.NDArray[np.int64] | None = None  # [n]
    hours: float | None = None
    prevalence: float | None = None

    def __len__(self) -> int:
        """Return n."""
        return len(self.p)

    @property
    def known(self) -> Bools:
        """Mark the posts [n] whose label stands for something."""
        known: Bools = (self.label >= 0) & (self.label_weight > 0)
        return known

    @property
    def harmful(self) -> Bools:
        """Mark the posts [n] that are known to be harmful."""
        harmful: Bools = self.label == 1
        return harmful

    @property
    def is_plain(self) -> bool:
        """Tell whether each labelled post is one draw like the others."""
        weight = self.label_weight[self.known]
        alike = not len(weight) or bool((weight == weight[0]).all())
        return alike and self.cluster is None and self.prevalence is None


def sample_of(
    *,
    p: npt.ArrayLike,
    label: npt.ArrayLike,
    forecast: npt.ArrayLike | None = None,
    views: npt.ArrayLike | None = None,
    weight: npt.ArrayLike | None = None,
    sampling_probability: npt.ArrayLike | None = None,
    readable: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    hour: npt.ArrayLike | None = None,
    hours: float | None = None,
    prevalence: float | None = None,
) -> Sample:
    """Make a sample of posts [n], label 1, 0 or -1.

    `sampling_probability` [n] is that with which a post was drawn for labelling, NaN where it is not said.
    If every post has a label, it is that with which the post came into the sample.

    Raises:
        InvalidField: a number is none, arrays differ in length, harm is more frequent than in any
            traffic and no weights or prevalence say why, or a prevalence is stated beside weights.
    """
    count = len(np.asarray(label))
    labels = np.asarray(label, np.int8)
    each = _column(weight, count, "weight", 1.0)
    drawn = _column(sampling_probability, count, "sampling_probability", np.nan)
    if not ((each > 0) & np.isfinite(each)).all() or not ((drawn > 0) & (drawn <= 1) | np.isnan(drawn)).all():
        raise InvalidField(
            "A weight is above 0 and finite, a sampling probability above 0 and at most 1.",
            remedy="Leave a post out that stands for nothing.",
            field="weight",
        )
    every = bool((labels >= 0).all())
    stated = ~np.isnan(drawn)
    ours = each / np.where(stated, drawn, 1.0)
    known = labels >= 0
    counts = known & (stated | every)
    if prevalence is not None:
        _refuse_prevalence(labels, weighed=bool(stated.any() or (each != each[0]).any()))
        each = ours = natural_weights(labels == 1, prevalence=prevalence) * count
    sample = Sample(
        p=_column(p, count, "p", np.nan).astype(np.float32),
        forecast=_column(forecast, count, "forecast", np.nan).astype(np.float32),
        label=labels,
        weight=ours if every else each,
        label_weight=np.where(counts, ours, 0.0),
        views=_column(views, count, "views", np.nan),
        readable=np.ones(count, bool) if readable is None else np.asarray(readable, bool),
        cluster=None if cluster is None else np.unique(np.asarray(cluster), return_inverse=True)[1],
        hour=None if hour is None else np.asarray(hour, np.int64),
        hours=hours,
        prevalence=prevalence,
    )
    _refuse_nonsense(sample)
    return sample


def _column(values: npt.ArrayLike | None, count: int, field: str, missing: float) -> Array:
    column = np.full(count, missing) if values is None else np.asarray(values, np.float64)
    if column.shape != (count,):
        raise InvalidField(
            f"There are {count} posts, and not one {field} for each.",
            remedy="Pass one number for each post, in the order of the posts.",
            field=field,
        )
    return column


def _refuse_prevalence(labels: Codes, *, weighed: bool) -> None:
    if weighed:
        raise InvalidField(
            "The posts say how many others each stands for, so the share of harm follows from them.",
            remedy="Leave --prevalence out, or the weights and sampling probabilities.",
            field="prevalence",
        )
    if not ((labels == 1).any() and (labels == 0).any() and (labels >= 0).all()):
        raise InvalidField(
            "A stated prevalence weighs harmful against harmless posts: each post needs a label, "
            "and there must be some of both kinds.",
            remedy="Leave out what has no label, and add posts of the kind that is missing.",
            field="prevalence",
        )


def _refuse_nonsense(sample: Sample) -> None:
    if not len(sample):
        raise InvalidField("There are no posts.", remedy="Pass at least one.", field="p")
    for values, field in ((sample.forecast, "forecast"), (sample.views, "views")):
        if not ((values >= 0) & np.isfinite(values) | np.isnan(values)).all():
            raise InvalidField(
                f"A post's {field} is negative, or no number.",
                remedy="Give 0 or more, or nothing where it is not known.",
                field=field,
            )
    if not ((sample.p >= 0) & (sample.p <= 1)).all():
        raise InvalidField(
            "A post's probability does not lie between 0 and 1.",
            remedy="Score the posts again: `sievert score`.",
            field="p",
        )
    known = sample.known
    if known.any():
        harmful = float(sample.label_weight[known & sample.harmful].sum() / sample.label_weight[known].sum())
        if harmful > MOST_HARMFUL_TRAFFIC:
            raise InvalidField(
                f"{harmful:.0%} of these posts are harmful: that is a sample's share, and not one of traffic. "
                "What a rule would do to traffic cannot be read off it, and no balanced set certifies anything.",
                remedy="State the share of harm in traffic with --prevalence, or give each line the "
                "sampling_probability or the weight with which it was drawn.",
                field="prevalence",
            )


def precision_of(sample: Sample, marked: Bools, *, views: Array | None = None, confidence: float) -> Estimate:
    """Return which share of the marked posts [n] is harmful, of posts or, with `views` [n], of their views.

    Only labelled posts are counted; `draws` is how many of them are marked.
    """
    if sample.prevalence is not None and bool((marked & sample.known).any()):
        return _precision_by_class(sample, marked, sample.prevalence, views, confidence)
    return _share(sample, sample.harmful & marked, marked, views, confidence)


def recall_of(sample: Sample, marked: Bools, *, views: Array | None = None, confidence: float) -> Estimate:
    """Return which share of the harmful posts is marked [n], of posts or, with `views` [n], of their views."""
    return _share(sample, sample.harmful & marked, sample.harmful, views, confidence)


def _share(sample: Sample, part: Bools, whole: Bools, views: Array | None, confidence: float) -> Estimate:
    rows = whole & sample.known
    draws = int(rows.sum())
    weight = sample.label_weight[rows]
    if not draws:
        return Estimate(value=None, low=0.0, high=1.0, draws=0)
    if views is None and sample.cluster is None and bool((weight == weight[0]).all()):
        return _exact(int(part[rows].sum()), draws, confidence)
    weighed = weight if views is None else weight * views[rows]
    expanded = [_summed(column, sample, rows) for column in (weighed * part[rows], weighed)]
    found = share(expanded[0], expanded[1], np.ones(len(expanded[1])), confidence=confidence)
    return Estimate(value=found.value, low=found.low, high=found.high, draws=draws)


def _exact(seen: int, of: int, confidence: float) -> Estimate:
    """Return Clopper and Pearson's interval, by the beta law: quick for many thousands."""
    tail = (1 - confidence) / 2
    low = beta_quantile(tail, seen, of - seen + 1) if seen else 0.0
    high = beta_quantile(1 - tail, seen + 1, of - seen) if seen < of else 1.0
    return Estimate(value=seen / of, low=low, high=high, draws=of)


def _precision_by_class(
    sample: Sample, marked: Bools, prevalence: float, views: Array | None, confidence: float
) -> Estimate:
    """Return a precision from means of harmful and of harmless posts, each with half of the error."""
    value = np.ones(len(sample)) if views is None else views
    most = float(value.max()) or 1.0
    means = []
    for mine, scale in ((sample.harmful, prevalence), (~sample.harmful, 1 - prevalence)):
        weight = sample.label_weight[mine]
        every = _summed(weight * most, sample, mine)
        counted = _summed(weight * (value * marked)[mine], sample, mine)
        found = share(counted, every, np.ones(len(every)), confidence=1 - (1 - confidence) / 2)
        means.append([scale * (end or 0.0) for end in (found.low, found.value, found.high)])
    (low, right, high), (fewest, wrong, most_wrong) = means
    return Estimate(
        value=right / (right + wrong) if right + wrong > 0 else None,
        low=low / (low + most_wrong) if low > 0 else 0.0,
        high=high / (high + fewest),
        draws=int(marked.sum()),
    )


def sum_over(
    sample: Sample, values: Array, *, ceiling: float | None, confidence: float, weight: Array
) -> Estimate:
    """Return the sum of values [n] over all that posts of these weights [n] stand for; weight 0 is left out.

    `ceiling` is the most that any one post's value can be, if none is negative.
    """
    rows = weight > 0
    expanded = _summed((values * weight)[rows], sample, rows)
    most = None
    if ceiling is not None:
        most = float(_summed(weight[rows], sample, rows).max()) * ceiling
    found = total(expanded, np.ones(len(expanded)), ceiling=most, confidence=confidence)
    count = len(expanded)
    low, high = (None if end is None else end * count for end in (found.low, found.high))
    return Estimate(value=(found.value or 0.0) * count, low=low, high=high, draws=int(rows.sum()))


def _summed(values: Array, sample: Sample, rows: Bools) -> Array:
    """Return the sum of each cluster [C] of values that belong to the marked rows."""
    if sample.cluster is None:
        return values
    numbers = np.unique(sample.cluster[rows], return_inverse=True)[1]
    summed: Array = np.bincount(numbers, weights=values).astype(np.float64)
    return summed
