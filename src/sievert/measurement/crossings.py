"""A post is scored again and again; what counts is its first crossing of a rule.

A rule removes a post at the first look at which the post's level reaches the rule's, and then it is gone.
So each rule of a path has units of its own: posts whose highest level reaches it, with the views that were
forecast when it first did. Who counts every look instead sees harmful posts often, since they stay above a
rule, and harmless ones seldom, since they fall below it again: that makes a rule look better than it is.

What is promised is about the next window, and a window is itself a sample. Draws with replacement are
exact for the frame, but a post drawn five times is no five posts of the next window: so of the even half
each post counts once. What is left is drawn without replacement. Where posts cross independently, their
wrong ones are binomial with the precision of the law behind both windows; in the frame itself they are
hypergeometric, and fewer than expected are then rarer still (Uhlmann 1966). The half of views keeps its
repeated draws: cap views so that a window's rest on many posts, and let a window be long enough to hold
several times as many posts as are drawn.

Posts of a more careful rule are some of those of a bolder one, and posts count alike: the even half of a
certificate's audits is drawn once, for all rules. Views are not alike: between a bold rule's crossing and
a careful one's there are views. So the other half is drawn in proportion to the most that any rule of the
path sees in a post, and a draw counts for a rule with the probability that the rule's views are of that,
by a keyed hash of its own. What counts for a rule is then drawn in proportion to that rule's views, and
each draw stands alone: its wrong ones are binomial, as `certificate` needs (rejection, von Neumann 1951).

Not covered: what a rule would have seen had it been live before the window; campaigns so large that a
window holds only a few of those that cross.

Legend: n posts, J looks in the order of time, K rules from careful to bold, m draws. A look that never was
has the level -inf.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.certificate import Half
from sievert.measurement.designs import Draws, Halves, half_and_half, key_for, uniform

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def before(level: Array) -> Array:
    """Return the highest level that each post had at an earlier look [n, J]; -inf at the first.

    A look is the first crossing of exactly those rules whose level is above this, and at most its own.
    """
    highest = np.full_like(level, -np.inf)
    np.maximum.accumulate(level[:, :-1], axis=1, out=highest[:, 1:])
    return highest


def sums_at_first_crossing(level: Array, values: Array, path: npt.ArrayLike) -> Array:
    """Return, for each rule, sums [K, M] over the looks at which posts first cross it.

    `level` is [n, J], `values` [M, n, J]. It sorts once, however many rules there are.
    """
    earlier = before(level)
    record = level > earlier
    columns = values[:, record].T
    rules = np.asarray(path, np.float64)

    def above(reached: Array) -> Array:
        order = np.argsort(reached)[::-1]
        sums = np.vstack([np.zeros(columns.shape[1]), columns[order].cumsum(axis=0)])
        found: Array = sums[len(order) - np.searchsorted(reached[order[::-1]], rules, side="left")]
        return found

    return above(level[record]) - above(earlier[record])


def at_first_crossing(level: Array, value: Array, path: npt.ArrayLike) -> Array:
    """Return each post's value [n, K] at its first crossing of each rule, 0 where it never crosses.

    `level` and `value` are [n, J].
    """
    found = np.empty((len(level), np.size(path)))
    rows = np.arange(len(level))
    for rule, least in enumerate(np.asarray(path, np.float64)):
        crossed = level >= least
        found[:, rule] = np.where(crossed.any(axis=1), value[rows, crossed.argmax(axis=1)], 0.0)
    return found


class Frame:
    """The posts of a closed window that crossed the boldest rule of a path, and what each rule would see of them.

    `rows` [n] says which of the posts that were given these are; `level` [n] is the highest that each
    reached, `views` [n, K] what was forecast at each rule's first crossing, capped.

    Raises:
        InvalidField: nothing crossed, or shapes differ.
    """

    def __init__(self, level: Array, views: Array, path: npt.ArrayLike, *, cap: float) -> None:
        """Freeze the frame of looks with these levels and forecast views [n, J]."""
        self.path = np.asarray(path, np.float64)
        if level.ndim != 2 or level.shape != views.shape:
            raise InvalidField(
                "Levels and views do not fit each other.",
                field="level",
                remedy="Pass one row a post and one column a look for both; -inf where there was no look.",
            )
        highest = level.max(axis=1, initial=-np.inf)
        self.rows = np.flatnonzero(highest >= self.path[-1])
        if not len(self.rows):
            raise InvalidField(
                "No post of the window crossed the boldest rule.",
                field="level",
                remedy="Audit a window in which something would be removed.",
            )
        self.level = highest[self.rows]
        self.cap = cap
        self.views = np.minimum(at_first_crossing(level[self.rows], views[self.rows], self.path), cap)

    def draw(
        self, names: Sequence[str] | Sequence[bytes], *, key: bytes, count: int, of_views: int | None = None
    ) -> Halves:
        """Draw both halves by `designs.half_and_half`; `names` [n] are those of the frame's posts.

        Raises:
            InvalidField: as `designs.half_and_half`.
        """
        most = self.views.max(axis=1)
        return half_and_half(names, most, cap=self.cap, key=key, count=count, of_views=of_views)

    def half_of_posts(self, draws: Draws, harmful: Bools) -> Half:
        """Return the half of posts, from what people said of each draw [m]; a post drawn again counts once."""
        count, posts = len(draws.rows), len(self.rows)
        # How many distinct posts so many draws find, on average.
        distinct = posts * -np.expm1(count * np.log1p(-1 / posts)) if posts > 1 else 1.0
        first = np.zeros(count, bool)
        first[np.unique(draws.rows, return_index=True)[1]] = True
        return Half(
            level=self.level[draws.rows],
            harmful=harmful,
            mass=(self.level[:, None] >= self.path).mean(axis=0) * distinct / count,
            counts=np.repeat(first[:, None], len(self.path), axis=1),
        )

    def half_of_views(self, draws: Draws, harmful: Bools, *, key: bytes) -> Half:
        """Return the half of views, from what people said of each draw [m]; `key` is that of the frame."""
        most = self.views.max(axis=1)
        seen = self.views[draws.rows]
        chance = uniform(key_for(key, purpose="draws that count for a rule"), len(draws.rows))
        return Half(
            level=self.level[draws.rows],
            harmful=harmful,
            mass=self.views.sum(axis=0) / most.sum(),
            counts=(chance[:, None] * most[draws.rows][:, None]) < seen,
        )
