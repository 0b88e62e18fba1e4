"""What people did with a post calls for a decision anew: which posts, and why.

A trigger watches one counter. It fires when the counter passes a level, and levels double or grow
tenfold, so that a post is looked at often while little is known of it and seldom when much is. Each
level fires once: a decision is named by its trigger and level.
"""

import dataclasses
import hashlib

import numpy as np
import numpy.typing as npt

from sievert.features.behaviour.counting import Count
from sievert.schema.decision import Cause
from sievert.schema.history import Int64s


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A counter that is watched, and the levels that call for a decision."""

    name: str
    counter: Count
    levels: tuple[int, ...]


def _doubling(first: int, levels: int) -> tuple[int, ...]:
    return tuple(first * 2**level for level in range(levels))


TRIGGERS = (
    Trigger(name="reports", counter=Count.REPORTS, levels=_doubling(1, 24)),
    Trigger(name="hides", counter=Count.HIDES, levels=_doubling(4, 22)),
    Trigger(name="comments", counter=Count.DISAPPOINTED, levels=_doubling(2, 22)),
    Trigger(name="views", counter=Count.VIEWS, levels=tuple(10**power for power in range(2, 10))),
    Trigger(name="edit", counter=Count.EDITS, levels=tuple(range(1, 1000))),
)
"""What calls for a decision, the weightiest first; a post that several call for is decided once."""

TRIGGERS_NAME = hashlib.sha256(
    repr([(one.name, one.counter.name, one.levels) for one in TRIGGERS]).encode()
).hexdigest()[:16]
"""The triggers by hash: a post that is scored more often has more chances to cross a rule."""


def causes_of(before: Int64s, after: Int64s) -> tuple[npt.NDArray[np.intp], list[Cause]]:
    """Return which of p posts are to be decided anew, and why.

    `before` and `after` are totals [p, counters], without and with what just happened.
    """
    chosen: dict[int, Cause] = {}
    for trigger in TRIGGERS:
        passed = np.searchsorted(trigger.levels, after[:, trigger.counter], side="right")
        earlier = np.searchsorted(trigger.levels, before[:, trigger.counter], side="right")
        for row in np.flatnonzero(passed > earlier).tolist():
            level = trigger.levels[passed[row] - 1]
            chosen.setdefault(row, Cause(trigger.name, level))
    rows = np.array(sorted(chosen), np.intp)
    return rows, [chosen[row] for row in rows.tolist()]
