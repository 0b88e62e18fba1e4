"""Is a candidate better than what runs? Both score the same posts; people judge where they disagree.

A post that both would remove, or neither, tells nothing about which of them is better. Where they disagree,
one more view of harm is prevented, or one fewer, or a harmless post is shown, or is not. So views are drawn from
the disputed posts, each view with the same chance, and each draw is worth 1 if only the candidate removes harm,
-1 if only the control does, 0 if the post is harmless. The mean, times the disputed share of views, is by how much
harmful views fall if the candidate acts. Draws among what both remove, and the same disputed ones, give the precision
over views of each.

All bounds hold at every look (`running_mean`), so that whoever watches may stop whenever the answer is clear:

- *too imprecise*: the candidate's precision over views is below the guardrail;
- *worse*: fewer harmful views are prevented by it;
- *better*: more are, by a margin that is worth a change, and its precision over views is proven to keep the guardrail;
- *undecided*: anything else. A candidate that is as good as the control stays so, and is not promoted.

Bounds are of the window that was seen. Two models that are alike in the long run come out exactly alike in no
window, since few posts have most of the views; so "better" and "worse" must exceed, beyond the bound, what such
chance brings in 95 of 100 windows if posts are independent.

With probability delta at most any bound is ever wrong about the harm prevented, with another delta about precision.
"Better" is no permission to remove: a certificate is (`certificate`), of the candidate itself.

Which of both acts is drawn by cluster (`acts`), whose posts go together: creators who interact. `arms_difference`
compares what happened in clusters of either arm, reports or appeals for example; it is asymptotic (Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas 2024, "Time-uniform central limit theory and asymptotic confidence sequences",
Annals of Statistics 52), and needs some dozens of clusters in each.

Not covered: that removals by one arm change what the other arm's clusters see; posts that only one of them scored.

Legend: m draws of a stratum, C clusters.
"""

import enum
import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.running_mean import mean_bounds
from sievert.measurement.totals import Estimate
from sievert.schema.arm import Arm

Array = npt.NDArray[np.float64]

FEWEST_CLUSTERS = 20

WORTH = 0.05
"""A candidate must prevent so much more, as a part of the views that the control removes, to be worth a change."""

_QUANTILE = 1.959963984540054

_TUNED_FOR = 500
"""Clusters at which the interval of `arms_difference` is narrowest."""


class Dispute(enum.StrEnum):
    """Who would remove a post."""

    BOTH = "both"
    CANDIDATE = "candidate"
    CONTROL = "control"


class ExperimentAnswer(enum.StrEnum):
    """What is known of a candidate so far."""

    BETTER = "better"
    WORSE = "worse"
    TOO_IMPRECISE = "too imprecise"
    UNDECIDED = "undecided"


class Judgements(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stratum: its share of all views, how many draws were judged, and harmful.

    `spread` is the root of its posts' squared shares of views, summed: how much of the share is chance of the window.
    """

    views: float
    judged: int
    harmful: int
    spread: float = 0.0


class ExperimentFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What draws so far say: `prevented` is a share of all views, precisions are over views."""

    answer: ExperimentAnswer
    prevented: Estimate
    candidate: Estimate
    control: Estimate


def disputes(candidate: npt.ArrayLike, control: npt.ArrayLike) -> dict[Dispute, npt.NDArray[np.bool_]]:
    """Return masks [n] of the posts that both would remove, only the candidate, and only the control."""
    new, old = np.asarray(candidate, bool), np.asarray(control, bool)
    return {Dispute.BOTH: new & old, Dispute.CANDIDATE: new & ~old, Dispute.CONTROL: old & ~new}


def judge(
    both: Judgements,
    candidate: Judgements,
    control: Judgements,
    *,
    precision_views: float,
    delta: float = 0.05,
    worth: float = WORTH,
) -> ExperimentFinding:
    """Say what draws so far prove; the draws of `candidate` and `control` come from one draw of both.

    Raises:
        InvalidField: a stratum's numbers are none.
    """
    for one in (both, candidate, control):
        if not 0 <= one.harmful <= one.judged or not 0.0 <= one.views <= 1.0:
            raise InvalidField(
                "A stratum has more harmful draws than draws, or more views than there are.",
                remedy="State its views as a share of all, and count draws, not posts.",
                field="experiment",
            )
    disputed = candidate.views + control.views
    prevented = _prevented(candidate, control, disputed, delta)
    # Three strata share one delta: each bound is wrong in a third of it.
    bounds = {
        name: _rate(one, delta / 3)
        for name, one in ((Dispute.BOTH, both), (Dispute.CANDIDATE, candidate), (Dispute.CONTROL, control))
    }
    new = _precision((both, candidate), (bounds[Dispute.BOTH], bounds[Dispute.CANDIDATE]))
    old = _precision((both, control), (bounds[Dispute.BOTH], bounds[Dispute.CONTROL]))
    return ExperimentFinding(
        answer=_answer(
            prevented,
            new,
            precision_views,
            margin=worth * (both.views + control.views),
            chance=_QUANTILE * math.hypot(candidate.spread, control.spread),
        ),
        prevented=prevented,
        candidate=new,
        control=old,
    )


def acts(cluster: str, *, key: bytes, share: float) -> bool:
    """Tell whether the candidate acts in a cluster: drawn by keyed hash, with probability `share`, once and for all."""
    drawn = hashlib.blake2b(cluster.encode(), key=key, digest_size=8).digest()
    return int.from_bytes(drawn, "big") / 2**64 < share


def arm_of(cluster: str, *, key: bytes, share: float) -> Arm | None:
    """Tell whose bundle decides in a cluster: the candidate's in a share, the control's, compared, in as large a one.

    None: outside. Whoever is in an arm stays there if the share grows.
    """
    if acts(cluster, key=key, share=share):
        return Arm.CANDIDATE
    # The other end, so that a share which grows moves nobody from arm to arm.
    return None if acts(cluster, key=key, share=1.0 - share) else Arm.CONTROL


def arms_difference(
    value: npt.ArrayLike,
    size: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    share: float,
    delta: float = 0.05,
    looks: int | None = None,
) -> Estimate:
    """Return by how much a rate differs where the candidate acts: value over size, such as reports per view.

    All [C] are of clusters; `share` is the probability with which each was treated. The interval holds at every
    look while clusters come one by one, once there are many; of few it says nothing. Where the same clusters are
    looked at again and grow, say how many `looks` there may be at most: they share delta.

    Raises:
        InvalidField: numbers are missing, or no numbers.
    """
    counted, whole = np.asarray(value, np.float64), np.asarray(size, np.float64)
    there = np.asarray(treated, bool)
    right = counted.ndim == 1 and counted.shape == whole.shape == there.shape and 0.0 < share < 1.0
    if not right or not (np.isfinite(counted).all() and np.isfinite(whole).all() and (whole >= 0).all()):
        raise InvalidField(
            "Each cluster needs a number, a size and an arm.",
            remedy="Pass one of each for every cluster, and the share that was treated.",
            field="clusters",
        )
    count = len(counted)
    if (
        min(there.sum(), (~there).sum()) < FEWEST_CLUSTERS
        or not whole[there].sum()
        or not whole[~there].sum()
    ):
        return Estimate(value=None, low=None, high=None, draws=count)
    rates = [float(counted[arm].sum() / whole[arm].sum()) for arm in (there, ~there)]
    # The linear part of both ratios; each arm's clusters stand for all by one over their probability.
    parts = np.where(
        there,
        (counted - rates[0] * whole) / share,
        -(counted - rates[1] * whole) / (1.0 - share),
    ) / float(whole.mean())
    reach = float(parts.std(ddof=1)) * (
        _boundary(count, delta) if looks is None else _shared(count, delta, looks)
    )
    value_ = rates[0] - rates[1]
    return Estimate(value=value_, low=value_ - reach, high=value_ + reach, draws=count)


def _boundary(count: int, delta: float) -> float:
    """Return in how many standard deviations of one the mean of so many stays at every look (normal mixture)."""
    line = math.sqrt(-2 * math.log(delta) + math.log(-2 * math.log(delta) + 1))
    rho = line**2 / _TUNED_FOR
    held = count * rho + 1
    return math.sqrt(2 * held / (count**2 * rho) * math.log(math.sqrt(held) / delta))


def _shared(count: int, delta: float, looks: int) -> float:
    """Return the same for each of so many looks, whatever they have to do with each other (Bonferroni)."""
    return NormalDist().inv_cdf(1 - delta / (2 * looks)) / math.sqrt(count)


def _prevented(candidate: Judgements, control: Judgements, disputed: float, delta: float) -> Estimate:
    draws = candidate.judged + control.judged
    outcomes = np.repeat(
        [1.0, -1.0, 0.0],
        [candidate.harmful, control.harmful, draws - candidate.harmful - control.harmful],
    )
    low, high = mean_bounds(outcomes, least=-1.0, most=1.0, delta=delta)
    # No more can be prevented than the candidate alone disputes, and no more lost than the control does.
    return Estimate(
        value=float(outcomes.mean()) * disputed if draws else None,
        low=max(low * disputed, -control.views),
        high=min(high * disputed, candidate.views),
        draws=draws,
    )


def _rate(one: Judgements, delta: float) -> tuple[float, float]:
    return mean_bounds(np.repeat([1.0, 0.0], [one.harmful, one.judged - one.harmful]), delta=delta)


def _precision(strata: Sequence[Judgements], bounds: Sequence[tuple[float, float]]) -> Estimate:
    """Return the precision over views of what two strata hold together."""
    views = sum(one.views for one in strata)
    draws = sum(one.judged for one in strata)
    if views <= 0.0:
        return Estimate(value=None, low=0.0, high=1.0, draws=draws)
    known = all(one.judged for one in strata if one.views)
    value = sum(one.views * one.harmful / one.judged for one in strata if one.judged) / views
    low, high = (
        sum(one.views * bound[end] for one, bound in zip(strata, bounds, strict=True)) / views
        for end in (0, 1)
    )
    return Estimate(value=value if known else None, low=low, high=high, draws=draws)


def _answer(
    prevented: Estimate, candidate: Estimate, precision_views: float, *, margin: float, chance: float
) -> ExperimentAnswer:
    low, high = prevented.low or 0.0, prevented.high or 0.0
    if candidate.high is not None and candidate.high < precision_views:
        return ExperimentAnswer.TOO_IMPRECISE
    if high < -chance:
        return ExperimentAnswer.WORSE
    if low > max(margin, chance) and candidate.low is not None and candidate.low >= precision_views:
        return ExperimentAnswer.BETTER
    return ExperimentAnswer.UNDECIDED
