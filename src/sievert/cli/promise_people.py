"""The simulated people who review: each errs in a way of their own, and now and then one leaves a case lying.

They work at the desk by the functions that the API for reviewers calls, in shifts, as long as its limits on
heavy material let them. The truth reaches the desk by their verdicts and by nothing else.
"""

import dataclasses
import heapq
from collections import Counter
from collections.abc import Callable

import numpy as np

from sievert.errors import ExposureReached
from sievert.pipeline.desk import Desk, claim_next
from sievert.pipeline.settling import give_verdict
from sievert.schema.clock import DAY, HOUR, SECOND, ManualClock, Micros

_SHIFT = 8 * HOUR
_LOOKS = 40.0
"""Seconds that a look takes, on average."""

_AWAY: Micros = 2 * HOUR
"""Whoever vanishes with a case comes back after so long; the case went to somebody else by then."""

_VANISHES = 0.005


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """One person: the chance to find a harmless post harmful, and the one to let a harmful one pass."""

    name: str
    accuses: float
    misses: float
    begins: Micros  # of the day, when the shift does


@dataclasses.dataclass(order=True, slots=True)
class _Next:
    """What somebody does next: finish the case that they have, or ask for one."""

    at: Micros
    place: int
    case_id: str = ""
    kind: str = ""
    post_id: str = ""


class People:
    """They ask for the next case, look at it, and say what they found."""

    def __init__(self, rng: np.random.Generator, *, count: int, policy: str, start: Micros) -> None:
        """Draw so many people, each with errors of their own: 2 % and 5 % on average."""
        self._rng = rng
        self._policy = policy
        self.reviewers = tuple(
            Reviewer(
                name=f"reviewer {place + 1}",
                accuses=float(rng.beta(2.0, 98.0)),
                misses=float(rng.beta(4.0, 76.0)),
                begins=place % 3 * _SHIFT,
            )
            for place in range(count)
        )
        self._next = [_Next(at=start, place=place) for place in range(count)]
        self.verdicts: Counter[str] = Counter()
        """Verdicts so far, by kind of case."""
        self.wrong: Counter[str] = Counter()
        """How many of them were wrong."""
        self.vanished = 0
        self.seconds = 0.0

    def draw_anew(self, rng: np.random.Generator) -> None:
        """Draw from here on by another source; how each person errs stays."""
        self._rng = rng

    def work(self, desk: Desk, clock: ManualClock, *, until: Micros, harmful: Callable[[str], bool]) -> None:
        """Let them work until a moment; the clock goes with them. `harmful` is the truth, of which they see most.

        Raises:
            StoreUnavailable: the desk cannot be asked.
        """
        while self._next[0].at < until:
            what = heapq.heappop(self._next)
            clock.at = max(clock.at, what.at)
            if what.case_id:
                self._finish(desk, what, harmful=harmful(what.post_id))
                what = _Next(at=clock.at, place=what.place)
            heapq.heappush(self._next, self._ask(desk, what.place, now=clock.at, until=until))
        clock.at = until

    def _ask(self, desk: Desk, place: int, *, now: Micros, until: Micros) -> _Next:
        person = self.reviewers[place]
        since = (now - person.begins) % DAY
        if since >= _SHIFT:
            return _Next(at=now + DAY - since, place=place)
        try:
            given = claim_next(desk, person.name)
        except ExposureReached:
            given = None
        if given is None:  # and nothing new comes before the next posts do
            return _Next(at=until, place=place)
        if self._rng.random() < _VANISHES:
            self.vanished += 1
            return _Next(at=now + _AWAY, place=place)
        case = given.file.case
        look = round(float(self._rng.gamma(3.0, _LOOKS / 3)) * SECOND)
        return _Next(
            at=now + max(SECOND, look),
            place=place,
            case_id=case.case_id,
            kind=case.kind,
            post_id=case.post_id,
        )

    def _finish(self, desk: Desk, what: _Next, *, harmful: bool) -> None:
        person = self.reviewers[what.place]
        errs = bool(self._rng.random() < (person.misses if harmful else person.accuses))
        found = harmful != errs
        verdict = give_verdict(
            desk,
            what.case_id,
            person.name,
            violates=[self._policy] if found else [],
            judged=[self._policy],
        )
        self.verdicts[what.kind] += 1
        self.wrong[what.kind] += errs
        self.seconds += verdict.seconds
