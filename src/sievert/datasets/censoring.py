"""The views that a post would have had: what we stopped was harmful, and its few views are our doing.

A post that was removed or demoted shows the views up to then only; a recent one has not had its time.
Both are censored. What was still to come is estimated from comparable posts that ran their course:
those that had been seen about as often at the same age. The growth of a group is a ratio of sums,
so that a group's largest posts count as they do on the platform.

If removals had known probabilities, each post that ran its course stands for 1/(1 - probability) posts,
the removed ones among them (inverse probability of censoring). Where nothing like the removed posts was
ever left alone, no weighting can know what they would have done: the few with a probability near 1
are capped, and the estimate leans on what was left.

Legend: m posts (rows of first revisions), n events, A ages, B bins of views.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.datasets.history_columns import History
from sievert.schema.clock import DAY, SECOND, Micros
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import NOBODY

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HORIZON: Micros = 7 * DAY
"""Views are those of a post's first week."""

_AGES = 24
_FIRST_AGE: Micros = 300 * SECOND
_BINS = 25
_PRIOR_POSTS = 10.0
_MOST_WEIGHT = 20.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UncensoredViews:
    """Views in the first week, as seen and as they would have been."""

    seen: Floats  # [m] until the action, the end of what is known, or the week's end
    expected: Floats  # [m] seen, and what was still to come
    censored: Bools  # [m] whether the week did not run its course
    weight: Floats  # [m] for how many posts one that ran its course stands; 0 for censored ones


def uncensored_views(
    history: History,
    *,
    until: Micros,
    acted_at: Int64s | None = None,
    propensity: Floats | None = None,
    horizon: Micros = HORIZON,
) -> UncensoredViews:
    """Estimate the views that posts would have had in their first week, had they been left alone.

    `acted_at` [m] is when a post was removed or demoted, `NOBODY` where nothing was done; `propensity`
    [m] the logged probability with which it would be acted on within the horizon. Nothing that was
    received at `until` or later is looked at.
    """
    posts, events = history.posts, history.events
    born, count = posts.created_at, len(posts)
    stopped = left_alone_until(history, until=until, acted_at=acted_at)
    age = np.clip(np.minimum(stopped, born + horizon) - born, 0, horizon)
    censored = stopped < born + horizon
    rows = (events.kind == KIND_WORDS.index("views")) & (events.post >= 0) & (events.received_at < until)
    post, amount = events.post[rows], events.amount[rows].astype(np.float64)
    since = events.at[rows] - born[post]
    seen = _sums(post, amount * (since <= age[post]), count)
    there = (posts.first == np.arange(count)) & (posts.received_at < until)
    weight = np.where(there & ~censored, 1.0, 0.0)
    if propensity is not None:
        weight *= np.minimum(1.0 / np.maximum(1.0 - propensity, 1e-9), _MOST_WEIGHT)
    ages = np.geomspace(_FIRST_AGE, horizon, _AGES)
    # Views at each age [A, m] of the posts that ran their course, one age after the other.
    course = np.stack([_sums(post, amount * (since <= at), count) for at in ages])
    growth = _growth(course, weight)
    expected = np.where(censored, seen + (seen + 1) * _read_growth(growth, ages, age, seen), seen)
    return UncensoredViews(seen=seen, expected=expected, censored=censored & there, weight=weight)


def left_alone_until(history: History, *, until: Micros, acted_at: Int64s | None) -> Int64s:
    """Return when each post [m] stopped being left alone, by us, by its creator, or by the end.

    `acted_at` [m] is when something was done to a post, `NOBODY` where nothing was.
    """
    stopped = np.full(len(history.posts), until)
    if acted_at is not None:
        stopped = np.where(acted_at == NOBODY, stopped, np.minimum(acted_at, stopped))
    gone = (history.events.kind == KIND_WORDS.index("delete")) & (history.events.post >= 0)
    np.minimum.at(stopped, history.events.post[gone], history.events.at[gone])
    return stopped


def weight_of_uncensored(ran: Bools, propensity: Floats | None = None) -> tuple[Floats, Bools]:
    """Return for how many rows [n] each that ran its course stands, and which rows stand for nothing.

    `propensity` [n] is the logged probability of not running its course, None or NaN where nothing was drawn.
    Rows that were nearly sure to be acted on stand for nothing even if they ran: what they would stand for
    was never left alone, so that no weight makes up for it. Nor do rows that were acted on without a draw.
    """
    chance = np.zeros(len(ran)) if propensity is None else np.nan_to_num(propensity, nan=0.0)
    unknown = chance > 1.0 - 1.0 / _MOST_WEIGHT
    unknown |= ~ran & (chance == 0.0)
    weight = np.where(ran & ~unknown, 1.0 / (1.0 - np.minimum(chance, 1.0 - 1.0 / _MOST_WEIGHT)), 0.0)
    return weight, unknown


def _growth(course: Floats, weight: Floats) -> Floats:
    """Return how much more came per view so far (and one), by age and by bin of views [A, B].

    A bin with few posts leans on all bins of its age.
    """
    final = course[-1]
    table = np.zeros((len(course), _BINS))
    for i, then in enumerate(course):
        slot = _bin(then)
        more = _sums(slot, weight * (final - then), _BINS)
        base = _sums(slot, weight * (then + 1), _BINS)
        number = _sums(slot, weight, _BINS)
        overall = more.sum() / base.sum() if base.sum() else 0.0
        size = base / np.maximum(number, 1e-9)
        lean = np.where(number > 0, _PRIOR_POSTS * size, 1.0)
        table[i] = (more + overall * lean) / (base + lean)
    return table


def _read_growth(growth: Floats, ages: Floats, age: Int64s, seen: Floats) -> Floats:
    """Return the growth [m] of posts at their age, between two ages of the table by logarithm."""
    place = np.interp(np.log(np.maximum(age, 1)), np.log(ages), np.arange(len(ages)))
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(ages) - 1)
    share, slot = place - low, _bin(seen)
    return np.asarray((1 - share) * growth[low, slot] + share * growth[high, slot], np.float64)


def _bin(views: Floats) -> Int64s:
    """Put views into bins, each twice as wide as the last."""
    return np.minimum(np.log2(views + 1).astype(np.int64), _BINS - 1)


def _sums(group: Int64s, values: Floats, groups: int) -> Floats:
    """Sum values [k] by group [groups]."""
    return np.asarray(np.bincount(group, values, minlength=groups), np.float64)
