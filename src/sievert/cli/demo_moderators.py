"""The simulated platform's moderators: a queue of cases, so many an hour, and now and then a mistake."""

import dataclasses
import heapq

import numpy as np

from sievert.schema.clock import HOUR, Micros

DELAY: Micros = HOUR // 4
"""Nobody looks at a case sooner than this."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A post that somebody shall look at."""

    post: int  # its number in the world
    revision: int
    opened_at: Micros
    priority: float
    harmful: bool  # the truth


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a moderator found."""

    asked: Asked
    harmful: bool


class Moderators:
    """They take the case of the highest priority first, and decide it at once."""

    def __init__(self, rng: np.random.Generator, *, an_hour: float = 30.0, mistaken: float = 0.04) -> None:
        """Let them look at so many cases an hour, and err on this share."""
        self._rng = rng
        self._an_hour, self._mistaken = an_hour, mistaken
        self._coming: list[tuple[Micros, int, Asked]] = []
        self._queue: list[tuple[float, int, Asked]] = []
        self._asked = 0
        self._room = 0.0

    def __len__(self) -> int:
        """Return how many cases wait."""
        return len(self._coming) + len(self._queue)

    def ask(self, asked: Asked) -> None:
        """Put a case in the queue."""
        self._asked += 1  # of two alike the earlier one comes first
        heapq.heappush(self._coming, (asked.opened_at + DELAY, self._asked, asked))

    def work(self, *, now: Micros, hours: float) -> list[Found]:
        """Let them work for so many hours, until now; return what they found."""
        while self._coming and self._coming[0][0] <= now:
            _, order, asked = heapq.heappop(self._coming)
            heapq.heappush(self._queue, (-asked.priority, order, asked))
        # Whoever had nothing to do cannot do more later.
        self._room = min(self._room + self._an_hour * hours, max(1.0, self._an_hour * hours))
        found = []
        while self._queue and self._room >= 1.0:
            self._room -= 1.0
            asked = heapq.heappop(self._queue)[2]
            errs = bool(self._rng.random() < self._mistaken)
            found.append(Found(asked=asked, harmful=asked.harmful != errs))
        return found
