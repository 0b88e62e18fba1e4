"""The order of the queue: the case comes first whose look prevents most harmful views per minute.

A case's worth is its priority (the harmful views that looking prevents), which halves twice a day while it
waits; it is divided by the minutes that cases of its policy and kind take. So that this order is not the
only sample that people see, a share of claims draws a case at random instead, each that the reviewer may
have with the same probability, which is kept with the claim; and another share asks for a known answer,
which measures the reviewer. Whether a claim is one of these follows from a keyed hash of its number: nobody
can foresee it without the key, and everybody with it can check it.

Not covered: forecasts are those of the time at which a case was opened; a case that suddenly spreads is
found by its next decision, not here. A claim that is given back makes its policy look quicker than it is.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence

from sievert.schema.review import Turn
from sievert.stores.reviews.base import Choice, Choose, Pace, Queue, Waiting

LONGEST_LOOK = 1800.0
"""Seconds of one verdict count up to this: whoever went to lunch did not look."""

USUAL_SECONDS = 60.0
"""How long a verdict takes, as long as nobody has given one."""

_WEIGHT = 20.0
"""As many verdicts the mean of all counts for, where one policy and kind has few."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many claims, of all, are drawn at random, and how many ask for a known answer."""

    random: float = 0.05
    gold: float = 0.03


def expected_minutes(paces: Sequence[Pace]) -> "Minutes":
    """Return how many minutes a look takes, by policy and kind: their mean, shrunk to the mean of all."""
    verdicts = sum(one.verdicts for one in paces)
    seconds = sum(one.seconds for one in paces)
    usual = (_WEIGHT * USUAL_SECONDS + seconds) / (_WEIGHT + verdicts)
    known = {
        (one.policy, one.kind): (_WEIGHT * usual + one.seconds) / (_WEIGHT + one.verdicts) / 60.0
        for one in paces
    }
    return Minutes(known=known, usual=usual / 60.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """Expected minutes of a look by policy and kind, and of those that nobody has looked at yet."""

    known: Mapping[tuple[str, str], float]
    usual: float

    def of(self, policy: str, kind: str) -> float:
        """Return the minutes of one policy and kind."""
        return self.known.get((policy, kind), self.usual)


def turn_of(number: int, key: bytes, shares: Shares) -> Turn:
    """Tell what the claim of this number is for."""
    u = _uniform(key, b"turn", number)
    if u < shares.gold:
        return Turn.GOLD
    return Turn.RANDOM if u < shares.gold + shares.random else Turn.ORDER


def by_order(minutes: Minutes, shares: Shares, key: bytes) -> Choose:
    """Return the rule that chooses a case for a reviewer."""

    def choose(queue: Queue) -> Choice | None:
        turn = turn_of(queue.number, key, shares)
        if turn is Turn.GOLD:
            asked = queue.gold()
            if asked is not None:
                return Choice(asked.case_id, Turn.GOLD)
        if turn is Turn.RANDOM:
            count = queue.count()
            if count:
                place = int(_uniform(key, b"place", queue.number) * count)
                return Choice(queue.at(min(place, count - 1)).case_id, Turn.RANDOM, 1.0 / count)
        best = first(queue.best(), minutes)
        return None if best is None else Choice(best.case_id, Turn.ORDER)

    return choose


def first(waiting: Sequence[Waiting], minutes: Minutes) -> Waiting | None:
    """Return the case whose look prevents most per minute; of equals the one with the smaller id."""

    def order(one: Waiting) -> tuple[float, str]:
        return -(one.rank - math.log2(minutes.of(one.policy, one.kind))), one.case_id

    return min(waiting, key=order, default=None)


def _uniform(key: bytes, purpose: bytes, number: int) -> float:
    """Return a number from 0 to 1, 1 excluded, that only this key, purpose and number lead to."""
    digest = hashlib.blake2b(purpose + b"\x00" + str(number).encode(), key=key, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
