"""One injected clock: a simulated day is not a wall-clock day.

Times are int64 microseconds since 1970 in UTC, everywhere. A record carries two: when the thing
happened, and when we received it.
"""

import datetime as dt
import time
from typing import Annotated, Protocol

from msgspec import Meta

Micros = Annotated[int, Meta(title="microseconds since 1970-01-01T00:00:00Z")]

# Anything outside 1970..2262 cannot be held in int64 nanoseconds, which Arrow and others use.
_MAX_MICROS = 9_223_372_036_854_775

Moment = Annotated[int, Meta(ge=0, le=_MAX_MICROS)] | Annotated[dt.datetime, Meta(tz=True)]
"""A time as callers may write it: microseconds since 1970, or RFC 3339 with a time zone."""

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


class ManualClock:
    """A clock that moves only when it is told to: for worlds whose days are not ours, and for tests."""

    def __init__(self, at: Micros) -> None:
        """Start at a moment."""
        self.at = at

    def now(self) -> Micros:
        """Return the moment at which the clock stands."""
        return self.at

    def advance(self, by: Micros) -> None:
        """Move the clock forward."""
        self.at += by


def moment_of(moment: int | dt.datetime) -> Micros:
    """Return a time in microseconds, whichever way it was written."""
    return moment if isinstance(moment, int) else to_micros(moment)


def to_micros(moment: dt.datetime) -> Micros:
    """Turn an aware datetime into microseconds, exactly (no float on the way)."""
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def to_text(moment: Micros) -> str:
    """Write a time the way people and APIs read it: RFC 3339 in UTC."""
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment)).isoformat()
