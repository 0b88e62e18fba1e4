"""One injected clock: a simulated day is not a wall-clock day.

Times are int64 microseconds since 1970 in UTC, everywhere. A record carries two: when the thing
happened, and when we received it.
"""

import datetime as dt
import time
from typing import Annotated, Protocol

from msgspec import Meta

Micros = Annotated[int, Meta(title="microseconds since 1970-01-01T00:00:00Z")]

SECOND: Micros = 1_000_000
HOUR: Micros = 3600 * SECOND
DAY: Micros = 24 * HOUR


class Clock(Protocol):
    """Tells the time that the system lives in."""

    def now(self) -> Micros:
        """Return the present time."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> Micros:
        """Return the wall-clock time."""
        return time.time_ns() // 1000


def to_micros(moment: dt.datetime) -> Micros:
    """Turn an aware datetime into microseconds, exactly (no float on the way)."""
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def to_text(moment: Micros) -> str:
    """Write a time the way people and APIs read it: RFC 3339 in UTC."""
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment)).isoformat()
