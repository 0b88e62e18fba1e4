"""How many posts an entry matched within the last hour, so that one bad entry floods nobody."""

from collections import deque

from sievert.schema.clock import HOUR, SECOND, Clock, Micros

_STEP: Micros = 60 * SECOND
_MOST_IDLE = 10_000
"""Entries that are counted before those that matched nothing for an hour are let go of."""


class Flood:
    """Counts in steps of a minute; in memory, so that a restart begins anew."""

    def __init__(self, clock: Clock) -> None:
        """Ask this clock for the time."""
        self._clock = clock
        self._counts: dict[str, deque[list[int]]] = {}  # (minute, posts), the oldest first

    def count(self, entry_id: str) -> int:
        """Count one more post that an entry matched; return how many there were in the last hour."""
        minute = self._clock.now() // _STEP
        if entry_id not in self._counts and len(self._counts) >= _MOST_IDLE:
            self._let_go(minute)
        steps = self._counts.setdefault(entry_id, deque())
        if steps and steps[-1][0] >= minute:  # a clock may go backwards
            steps[-1][1] += 1
        else:
            steps.append([minute, 1])
        while steps[0][0] <= minute - HOUR // _STEP:
            steps.popleft()
        return sum(posts for _, posts in steps)

    def forget(self, entry_id: str) -> None:
        """Begin anew with an entry, as when it goes into quarantine."""
        self._counts.pop(entry_id, None)

    def _let_go(self, minute: int) -> None:
        idle = [one for one, steps in self._counts.items() if steps[-1][0] <= minute - HOUR // _STEP]
        for one in idle:
            del self._counts[one]
