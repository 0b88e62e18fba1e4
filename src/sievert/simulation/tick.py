"""One step of a world's time, and events as they are put together in it."""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import DAY, SECOND, Micros
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import NOBODY, EventColumns, Int64s
from sievert.simulation.draws import Purpose, stream

KIND = {word: place for place, word in enumerate(KIND_WORDS)}
"""The place of each kind of event."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A step: when it is, and where its random numbers come from."""

    seed: int
    number: int  # of the step, from 0
    start: Micros  # of the world
    begin: Micros
    end: Micros
    clock: float  # people's hours at its beginning
    hours: float  # people's hours that it lasts

    @property
    def day(self) -> float:
        """Days since the world began."""
        return (self.begin - self.start) / DAY

    @property
    def opens_day(self) -> bool:
        """Whether a day begins with it."""
        return (self.begin - self.start) % DAY == 0

    def draw(self, purpose: Purpose) -> np.random.Generator:
        """Return this step's random numbers for a purpose."""
        return stream(self.seed, self.number, purpose)

    def moments(self, after: Int64s, rng: np.random.Generator) -> Int64s:
        """Draw moments [n] of this step, none of them before `after` [n] or the step itself."""
        low = np.maximum(after, self.begin)
        room = np.maximum(self.end - 1 - low, 0)
        return np.asarray(low + (rng.random(len(low)) * room).astype(np.int64), dtype=np.int64)

    def anytime(self, count: int, rng: np.random.Generator) -> Int64s:
        """Draw moments [count] of this step."""
        return self.moments(np.full(count, self.begin, dtype=np.int64), rng)


def happened(
    kind: str,
    at: Int64s,
    *,
    post: Int64s | None = None,
    creator: Int64s | None = None,
    actor: Int64s | None = None,
    amount: Int64s | None = None,
    code: npt.NDArray[np.int16] | None = None,
) -> EventColumns:
    """Return events [n] of one kind; when they are received is said later, by `arriving`."""
    count = len(at)
    nobody = np.full(count, NOBODY, dtype=np.int64)
    return EventColumns(
        kind=np.full(count, KIND[kind], dtype=np.int8),
        at=at,
        received_at=at,
        post=nobody if post is None else post,
        creator=nobody if creator is None else creator,
        actor=nobody if actor is None else actor,
        amount=np.ones(count, dtype=np.int64) if amount is None else amount,
        code=np.zeros(count, dtype=np.int16) if code is None else code,
    )


def arriving(
    events: EventColumns, *, delay_seconds: float, late: float, late_hours: float, rng: np.random.Generator
) -> EventColumns:
    """Say when each event is received: mostly at once, a few hours late."""
    count = len(events)
    seconds = rng.exponential(delay_seconds, count)
    seconds += np.where(rng.random(count) < late, rng.exponential(late_hours * 3600, count), 0.0)
    return dataclasses.replace(events, received_at=events.at + (seconds * SECOND).astype(np.int64))
