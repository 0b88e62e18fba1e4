"""Posts that something called for deciding anew: how many a second may be, and which of them wait.

A second's decisions are a budget of this process, across batches and whatever called for them. Beyond it calls
wait by the harmful views that their posts are expected to have had, the worst first, one a post: what calls for
a post that waits takes the place of the earlier call. What waits is bounded; of more, those of least harm are
dropped, and may be called for again at their next level.

Not covered: a restart forgets what waits.
"""

import heapq
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from sievert.schema.clock import SECOND, Clock, SystemClock
from sievert.schema.decision import Cause
from sievert.stores.activity.base import PostName

A_SECOND = 2000.0
"""Posts that a server may decide anew each second, unless its settings say otherwise."""

ANY_NUMBER = 1e9
"""More than anybody calls for in a second: where nothing but `MOST_AT_ONCE` of `called.py` bounds it."""

MOST_WAITING = 20_000
"""Calls that may wait: a few megabytes of names."""


class Call(NamedTuple):
    """Something that calls for deciding a post anew."""

    name: PostName
    cause: Cause
    harm: float  # harmful views that the post is expected to have had


class AnewWatch(Protocol):
    """Hears of calls."""

    def called(self, what: str, calls: int, *, waiting: int) -> None:
        """Hear what became of calls, and how many wait: queued, taken or dropped."""
        ...


class NoAnewWatch:
    """Hears nothing."""

    def called(self, what: str, calls: int, *, waiting: int) -> None:
        """Ignore them."""


class Anew:
    """Says what is decided anew now; for the thread that walks the path."""

    def __init__(
        self,
        *,
        a_second: float = ANY_NUMBER,
        most: int = MOST_WAITING,
        watch: AnewWatch | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Let `a_second` posts be decided each second of this clock (the system's, unless given), and `most` wait."""
        self._a_second, self._most, self._clock = a_second, most, clock or SystemClock()
        self._watch = watch or NoAnewWatch()
        self._left, self._at = max(1.0, a_second), self._clock.now()
        self._waiting: dict[PostName, tuple[int, Call]] = {}
        # Entries whose number is not that of the post's call are of calls that were taken or replaced.
        self._heap: list[tuple[float, int, PostName]] = []
        self._number = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        """Return how many may be decided now; what a second leaves over is not saved for later ones."""
        now = self._clock.now()
        since = max(0, now - self._at) / SECOND
        self._left = min(max(1.0, self._a_second), self._left + since * self._a_second)
        self._at = now
        return int(self._left)

    def spend(self, most: int) -> int:
        """Take so many decisions out of the budget, or what is left; return how many those are."""
        spent = min(most, self.room)
        self._left -= spent
        return spent

    def pick(self, calls: Sequence[Call], most: int) -> tuple[list[Call], list[Call]]:
        """Return the calls that are answered now, the worst of these and of what waits; and which of these are not.

        Those that are not answered do not wait yet: see `wait`.
        """
        for call in calls:
            self._waiting.pop(call.name, None)
        room = min(most, self.room)
        worst = sorted([*calls, *self._worst(room)], key=lambda call: -call.harm)
        chosen, left = worst[:room], worst[room:]
        self.spend(len(chosen))
        come = {call.name for call in calls}
        self._put([call for call in left if call.name not in come])
        taken = sum(call.name not in come for call in chosen)
        if taken:
            self._watch.called("taken", taken, waiting=len(self))
        return chosen, [call for call in left if call.name in come]

    def wait(self, calls: Sequence[Call]) -> None:
        """Let calls wait, each in the place of an earlier one about its post."""
        if calls:
            self._put(calls)
            self._watch.called("queued", len(calls), waiting=len(self))
            self._drop()

    def forget_posts(self, posts: Collection[PostName]) -> None:
        """Let none of these wait."""
        gone = sum(self._waiting.pop(name, None) is not None for name in posts)
        self._heap = [one for one in self._heap if one[-1] in self._waiting]
        heapq.heapify(self._heap)
        if gone:
            self._watch.called("dropped", gone, waiting=len(self))

    def _worst(self, most: int) -> list[Call]:
        """Take out the calls of most harm."""
        found = list[Call]()
        while self._waiting and len(found) < most:
            _, number, name = heapq.heappop(self._heap)
            if name in self._waiting and self._waiting[name][0] == number:
                found.append(self._waiting.pop(name)[1])
        return found

    def _put(self, calls: Sequence[Call]) -> None:
        for call in calls:
            self._number += 1
            self._waiting[call.name] = (self._number, call)
            heapq.heappush(self._heap, (-call.harm, self._number, call.name))
        if len(self._heap) > 2 * len(self._waiting) + 1000:
            self._heap = [(-call.harm, number, name) for name, (number, call) in self._waiting.items()]
            heapq.heapify(self._heap)

    def _drop(self) -> None:
        """Drop the calls of least harm, a quarter of all at once, so that it is seldom done."""
        if len(self._waiting) > self._most:
            kept, before = self._worst(self._most * 3 // 4), len(self._waiting)
            self._waiting, self._heap = {}, []
            self._put(kept)
            self._watch.called("dropped", before, waiting=len(self))
