"""Does a rule err alike in every group? Gaps between each group and all others, with intervals, many at once.

At one threshold each group has three rates: false alarms of its harmless posts, misses of its harmful ones, and the
precision of what the rule would remove of it at natural prevalence. Precision is made of the other two and of how
much of the group is harmful: where no false alarm was seen its interval knows that there may be some, each of which
weighs as much as many harmful posts. Each rate is compared with the same rate of all
other posts. A gap's interval joins those of both rates by how far each alone moves it (Zou and Donner 2008). Its
p-value is the error rate at which that interval would just touch 0. Of many gaps some look large by chance, so
those that are called found are so after Holm's correction (1979, "A simple sequentially rejective multiple test
procedure", Scandinavian Journal of Statistics 6): the chance of any false one is at most delta, whatever the gaps
have to do with each other.

Groups also differ in where their posts come from. With `strata` each group is compared with others of the same strata
in the same proportions (direct standardisation), so that a hard corpus is not taken for a wronged group.

A gap that is not found is not a gap that is not there: the width of its interval says what could be.

Not covered: groups that are too small to be told apart; labels that are worse in one group than in another;
which gaps are fair, where the base rates differ.

Legend: n posts.
"""

import enum
import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.prevalence import natural_weights
from sievert.measurement.totals import Estimate, share

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DELTA = 0.05
FEWEST = 10
"""Posts of the kind that a rate is about; of fewer nothing is said."""

_QUANTILE = 1.959963984540054


class RateKind(enum.StrEnum):
    """What is compared between groups."""

    FALSE_ALARMS = "false alarms"
    MISSES = "misses"
    PRECISION = "precision"


class GroupGap(msgspec.Struct, frozen=True, kw_only=True):
    """One rate of one group beside that of all others; `found` is after the correction for many."""

    group: str
    rate: RateKind
    posts: int
    here: Estimate
    elsewhere: Estimate
    gap: float
    low: float
    high: float
    p_value: float
    found: bool


def group_gaps(
    y: npt.ArrayLike,
    flagged: npt.ArrayLike,
    groups: Mapping[str, Mask],
    *,
    prevalence: float,
    weight: npt.ArrayLike | None = None,
    strata: npt.NDArray[np.int64] | None = None,
    delta: float = DELTA,
) -> tuple[GroupGap, ...]:
    """Compare the rates of each group [n] with all other posts, the surest gaps first.

    `y` [n] says what is harmful, `flagged` [n] what the rule would remove; `weight` [n] are sampling weights inside
    each class, which are weighed to the prevalence. `strata` [n] are numbers of where posts come from.
    A rate that too few posts speak for is left out.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
    """
    harmful, removed = np.asarray(y, bool), np.asarray(flagged, bool)
    sampling = None if weight is None else np.asarray(weight, np.float64)
    natural = natural_weights(harmful, prevalence=prevalence, weight=sampling)
    gaps = []
    for name, members in groups.items():
        parts = [
            (members, natural[members]),
            _like(members, harmful, natural, strata) if strata is not None else (~members, natural[~members]),
        ]
        for kind in RateKind:
            both = [_rate(kind, harmful[part], removed[part], mine) for part, mine in parts]
            if both[0] is not None and both[1] is not None:
                gaps.append(_gap(name, kind, both[0], both[1]))
    return _corrected(gaps, delta)


def _like(members: Mask, harmful: Mask, natural: Array, strata: npt.NDArray[np.int64]) -> tuple[Mask, Array]:
    """Return which others lie in strata of the group, and their weights, made such that the strata weigh alike."""
    weight = np.zeros(len(natural))
    cells = 2 * strata + harmful
    for cell in np.unique(cells[members]):
        others = (cells == cell) & ~members
        if others.any():
            mass = natural[(cells == cell) & members].sum()
            weight[others] = natural[others] * mass / natural[others].sum()
    return weight > 0, weight[weight > 0]


def _gap(name: str, kind: RateKind, here: Estimate, elsewhere: Estimate) -> GroupGap:
    gap, low, high = _difference(here, elsewhere)
    return GroupGap(
        group=name,
        rate=kind,
        posts=here.draws,
        here=here,
        elsewhere=elsewhere,
        gap=gap,
        low=low,
        high=high,
        p_value=_p_value(gap, low, high),
        found=False,
    )


def _rate(kind: RateKind, harmful: Mask, removed: Mask, natural: Array) -> Estimate | None:
    """Return a rate of some posts; None where too few speak for it."""
    if kind is RateKind.FALSE_ALARMS:
        return _share(removed[~harmful], natural[~harmful]) if (~harmful).sum() >= FEWEST else None
    if kind is RateKind.MISSES:
        return _share(~removed[harmful], natural[harmful]) if harmful.sum() >= FEWEST else None
    if min(harmful.sum(), (~harmful).sum(), removed.sum()) < FEWEST:
        return None
    caught, alarms = (_share(removed[some], natural[some]) for some in (harmful, ~harmful))
    mass = natural[harmful].sum(), natural[~harmful].sum()

    def precision(found: float | None, wrong: float | None) -> float:
        right, of = mass[0] * (found or 0.0), mass[0] * (found or 0.0) + mass[1] * (wrong or 0.0)
        return float(right / of) if of > 0 else 1.0

    value = precision(caught.value, alarms.value)
    below = precision(caught.low, alarms.value), precision(caught.value, alarms.high)
    above = precision(caught.high, alarms.value), precision(caught.value, alarms.low)
    return Estimate(
        value=value,
        low=max(0.0, value - math.hypot(*(value - one for one in below))),
        high=min(1.0, value + math.hypot(*(one - value for one in above))),
        draws=int(removed.sum()),
    )


def _share(part: Mask, natural: Array) -> Estimate:
    """Return a weighted share with its interval; a post of twice the weight was drawn with half the chance."""
    chance = natural.min() / natural
    return share(part.astype(np.float64), np.ones(len(part)), chance)


def _difference(here: Estimate, elsewhere: Estimate) -> tuple[float, float, float]:
    if here.value is None or elsewhere.value is None:
        return 0.0, -1.0, 1.0
    gap = here.value - elsewhere.value
    ends = [
        (one.value or 0.0, 0.0 if one.low is None else one.low, 1.0 if one.high is None else one.high)
        for one in (here, elsewhere)
    ]
    (a, a_low, a_high), (b, b_low, b_high) = ends
    return gap, gap - math.hypot(a - a_low, b_high - b), gap + math.hypot(a_high - a, b - b_low)


def _p_value(gap: float, low: float, high: float) -> float:
    """Return the error rate at which the interval would just touch 0: exact at 5 %, elsewhere by the normal law."""
    reach = gap - low if gap > 0 else high - gap
    if gap == 0.0 or reach <= 0.0:
        return 1.0 if gap == 0.0 else 0.0
    return math.erfc(_QUANTILE * abs(gap) / reach / math.sqrt(2))


def found_together(
    families: Sequence[Sequence[GroupGap]], *, delta: float = DELTA
) -> tuple[tuple[GroupGap, ...], ...]:
    """Return the same gaps, of several policies for instance, with `found` after one correction over all of them."""
    kept = {(family, place): one for family, gaps in enumerate(families) for place, one in enumerate(gaps)}
    goes_on = True
    for rank, (where, one) in enumerate(sorted(kept.items(), key=lambda item: item[1].p_value)):
        goes_on = goes_on and one.p_value <= delta / (len(kept) - rank)
        kept[where] = msgspec.structs.replace(one, found=goes_on)
    return tuple(
        tuple(kept[family, place] for place in range(len(gaps))) for family, gaps in enumerate(families)
    )


def _corrected(gaps: list[GroupGap], delta: float) -> tuple[GroupGap, ...]:
    """Mark what is found: by rising p-value, while it is at most delta over how many are left."""
    return found_together([sorted(gaps, key=lambda one: one.p_value)], delta=delta)[0]
