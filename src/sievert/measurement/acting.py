"""What came of letting a candidate act in clusters: harm that was seen, precision, and guard metrics, at every look.

Clusters fell to an arm by chance, so whatever differs between arms beyond chance is the candidate's doing. Posts are
watched with known chances, and count by one over them; of their views of each closed day some are drawn and judged.
A draw stands for `weight` views: those of its day, over the draws of the day and the chance of this one. So the draws
of a cluster that were harmful add up, on average, to the harmful views of the cluster (Hansen and Hurwitz 1943). What
both bundles together expect is known of all watched posts, so draws need only say by how much that is wrong
(a difference estimator; Sarndal, Swensson and Wretman 1992); it is unbiased however wrong they are.

- *realised*, the primary answer: harmful views in a view where the candidate decides, less the same where the control
  does, compared by clusters (`arms_difference`): below 0 people see less harm;
- *prevented*, beside it: by how much harmful views would fall if the candidate's removals took the place of the
  control's, among all posts of both arms, of which both bundles said what they think. It needs far fewer creators, and
  says nothing of what acting changes: it can stop a candidate as worse, and finds none better;
- precision over views of what each would remove;
- guard metrics by clusters.

What is known changes only when a day's draws are all judged, so that there are as many looks as days, and the looks
share delta (Bonferroni): nothing need be known of how they hang together. Guard metrics are looked at each hour.

Not covered: that creators of one arm are seen, answered and copied by those of the other, which makes arms more
alike than they are; few clusters, or few harmful draws, whose intervals are too short: of fewer than
`FEWEST_HARMFUL` nothing is claimed.

Legend: n watched posts, m draws, C clusters.
"""

import dataclasses
import functools
import math
from statistics import NormalDist

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.experiments import WORTH, arms_difference
from sievert.measurement.totals import Estimate
from sievert.schema.experiment import ActingAnswer, StopRules

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Marks = npt.NDArray[np.bool_]

FEWEST_HARMFUL = 30
"""Harmful draws, or reports, or appeals, of both arms together: of fewer nothing is claimed."""

LOOKS_A_DAY = 24

_QUANTILE = NormalDist().inv_cdf(0.975)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Watched posts [n]: their cluster, its arm, for how many posts each stands, and what became of it."""

    cluster: Rows
    treated: Marks
    weight: Floats  # one over the chance with which it is watched
    views: Floats  # all, capped
    judged_views: Floats  # those of days whose draws are all judged, capped
    reports: Floats
    acted_on: Marks
    appeals: Floats
    heavy: Marks
    expected: Floats  # the mean of what both bundles say, which hangs on no arm
    by_candidate: Marks  # the candidate would remove it, whoever decides
    by_control: Marks


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDraws:
    """Draws [m] of closed days: the watched post, how many views each stands for, and whether they are of harm."""

    post: Rows
    weight: Floats
    harmful: Marks
    day: Rows


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """A guard metric: the control's rate, by how much the candidate's is higher, and the most that it may be."""

    control: float | None
    difference: Estimate
    most: float

    @property
    def out_of_bounds(self) -> bool:
        """Whether the candidate's is proven to exceed the control's by more than it may."""
        low = self.difference.low
        return low is not None and self.control is not None and low > self.most * self.control


class ActingFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known now. Realised and prevented are shares of views."""

    answer: ActingAnswer
    clusters: tuple[int, int]
    draws: int
    harmful_control: float | None
    realised: Estimate
    prevented: Estimate
    candidate: Estimate
    control: Estimate
    reports: Guarded
    appeals: Guarded
    heavy: Guarded


def found_by_acting(
    posts: Watched, draws: JudgedDraws, *, rules: StopRules, precision_views: float, delta: float = 0.05
) -> ActingFinding:
    """Say what is known of a candidate that acts.

    Each of these claims is ever wrong with probability delta at most: realised harm, precision, each guard metric.
    """
    looks = rules.days
    wrong = draws.weight * (draws.harmful - posts.expected[draws.post])
    enough = int(draws.harmful.sum()) >= FEWEST_HARMFUL
    seen = posts.judged_views * posts.weight
    rate, realised = _by_clusters(
        posts,
        seen * posts.expected
        + np.bincount(draws.post, wrong, minlength=len(posts.cluster)).astype(np.float64),
        seen,
        delta=delta,
        looks=looks,
        enough=enough,
    )
    sign = posts.by_candidate.astype(np.float64) - posts.by_control
    all_views = float(seen.sum())
    # As in `experiments`: what the chance of one window brings, where few posts have most of the views.
    chance = _QUANTILE * float(np.sqrt((seen * sign) @ (seen * sign))) / max(all_views, 1.0)
    prevented = _total(
        draws,
        wrong * sign[draws.post],
        float((seen * sign) @ posts.expected),
        all_views,
        delta=delta,
        looks=looks,
    )
    # Both share delta.
    precisions = [
        _precision(draws, marks[draws.post], delta=delta / 2, looks=looks)
        for marks in (posts.by_candidate, posts.by_control)
    ]
    guarded = functools.partial(_guarded, posts, delta=delta, looks=looks * LOOKS_A_DAY)
    views = posts.views * posts.weight
    acted = posts.acted_on * posts.weight
    found = ActingFinding(
        answer=ActingAnswer.UNDECIDED,
        clusters=_counted(posts),
        draws=len(draws.post),
        harmful_control=rate,
        realised=realised,
        prevented=prevented,
        candidate=precisions[0],
        control=precisions[1],
        reports=guarded(posts.reports, posts.reports * posts.weight, views, rules.more_reports),
        appeals=guarded(posts.appeals, posts.appeals * posts.weight, acted, rules.more_appeals),
        heavy=guarded(posts.heavy, posts.heavy * posts.weight, posts.weight, rules.more_heavy),
    )
    return msgspec.structs.replace(found, answer=_answer(found, precision_views, chance))


def _answer(found: ActingFinding, precision_views: float, chance: float) -> ActingAnswer:
    if any(one.out_of_bounds for one in (found.reports, found.appeals, found.heavy)):
        return ActingAnswer.GUARD
    if found.candidate.high is not None and found.candidate.high < precision_views:
        return ActingAnswer.TOO_IMPRECISE
    low, high = found.realised.low, found.realised.high
    fewer = found.prevented.high is not None and found.prevented.high < -chance
    if fewer or (low is not None and low > 0.0):
        return ActingAnswer.WORSE
    if high is not None and high < -WORTH * (found.harmful_control or 0.0):
        return ActingAnswer.BETTER
    return ActingAnswer.UNDECIDED


def _by_clusters(
    posts: Watched, value: Floats, size: Floats, *, delta: float, looks: int, enough: bool
) -> tuple[float | None, Estimate]:
    """Return the control's rate, and by how much the candidate's is higher."""
    if not len(posts.cluster):
        return None, Estimate(value=None, low=None, high=None, draws=0)
    values, sizes = np.bincount(posts.cluster, value), np.bincount(posts.cluster, size)
    treated = np.zeros(len(values), np.bool_)
    treated[posts.cluster] = posts.treated
    of_control = float(sizes[~treated].sum())
    rate = float(values[~treated].sum()) / of_control if of_control else None
    found = arms_difference(values, sizes, treated, share=0.5, delta=delta, looks=looks)
    return rate, found if enough else msgspec.structs.replace(found, low=None, high=None)


def _guarded(
    posts: Watched,
    counted: npt.NDArray[np.generic],
    value: Floats,
    size: Floats,
    most: float,
    *,
    delta: float,
    looks: int,
) -> Guarded:
    enough = int(np.asarray(counted, np.float64).sum()) >= FEWEST_HARMFUL
    rate, difference = _by_clusters(posts, value, size, delta=delta, looks=looks, enough=enough)
    return Guarded(control=rate, difference=difference, most=most)


def _total(
    draws: JudgedDraws, value: Floats, expected: float, whole: float, *, delta: float, looks: int
) -> Estimate:
    """Return what was expected, and the total of what draws add to it, as a share of a whole that is known."""
    count = len(value)
    if whole <= 0.0 or not count:
        return Estimate(value=None, low=None, high=None, draws=count)
    share = (expected + float(value.sum())) / whole
    if int((value != 0).sum()) < FEWEST_HARMFUL:
        return Estimate(value=share, low=None, high=None, draws=count)
    reach = _reach(draws, value, delta, looks) / whole
    return Estimate(value=share, low=share - reach, high=share + reach, draws=count)


def _precision(draws: JudgedDraws, inside: Marks, *, delta: float, looks: int) -> Estimate:
    """Return the harmful part of the views that draws inside stand for (Hajek)."""
    weight = draws.weight * inside
    whole, count = float(weight.sum()), int(inside.sum())
    if whole <= 0.0:
        return Estimate(value=None, low=0.0, high=1.0, draws=count)
    share = float(weight @ draws.harmful) / whole
    if count < FEWEST_HARMFUL:
        return Estimate(value=share, low=0.0, high=1.0, draws=count)
    reach = _reach(draws, weight * (draws.harmful - share), delta, looks) / whole
    return Estimate(value=share, low=max(share - reach, 0.0), high=min(share + reach, 1.0), draws=count)


def _reach(draws: JudgedDraws, value: Floats, delta: float, looks: int) -> float:
    """Return how far a total of draws [m] strays at one of so many looks; those of one day have one distribution."""
    variance = 0.0
    for day in np.unique(draws.day):
        some = value[draws.day == day]
        if len(some) > 1:
            variance += float(some.var(ddof=1)) * len(some)
    return NormalDist().inv_cdf(1 - delta / (2 * looks)) * math.sqrt(variance)


def _counted(posts: Watched) -> tuple[int, int]:
    """Return in how many clusters the candidate decides, and the control."""
    return tuple(len(np.unique(posts.cluster[marks])) for marks in (posts.treated, ~posts.treated))  # type: ignore[return-value]
