"""Connections to clients: how many may be open, and how long one may stay open for nothing.

Each costs a file handle, and the store needs handles too. So there are never more than handles allow,
and one that asks for nothing is closed: no request's head comes to its end, or an answer was given and
nothing new was asked.

Not covered: a client that sends the rest of a request, or reads an answer, as slowly as it likes.
"""

import asyncio
import logging
import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sievert.errors import MalformedInput, Overloaded
from sievert.serving.problems import problem_of
from sievert.serving.turning_away import is_whole, told, told_to_return

SILENT_SECONDS = 20.0
"""A connection may stay open so long without a request in work."""

LINGER_SECONDS = 1.0
"""Who was turned away may go on sending so long, unheard; closed at once, it would hear a reset instead."""

BACKLOG = 128
"""So many connections are taken at once before the first is counted."""

QUEUE = 1024
"""So many may wait in the system to be taken; whoever finds no place there hears nothing for a second or more."""

AtTheDoor = Callable[[bytes], bytes | None]
"""Answers bytes that begin a request at once, or None where they must be read."""

_FEWEST = 16
# For what is taken before it is counted or lingers, for the database, and for segments to come.
_SPARE_HANDLES = 4 * BACKLOG + 128
# A connection, and the file of answers that wait for whoever is behind it.
_HANDLES_A_CONNECTION = 2
_SECONDS_BETWEEN_WARNINGS = 60.0

_log = logging.getLogger("sievert.serving")


def raise_handle_limit() -> int:
    """Take as many file handles as the system lets this process have; return how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft  # macOS says "unlimited" and means less
    return hard


def most_connections(wanted: int, *, handles: int) -> int:
    """Return how many connections may be open, given this many handles and those in use already."""
    if handles == resource.RLIM_INFINITY:
        return wanted
    free = handles - sum(1 for _ in Path("/dev/fd").iterdir()) - _SPARE_HANDLES
    most = max(_FEWEST, min(wanted, free // _HANDLES_A_CONNECTION))
    if most < wanted:
        _log.warning(
            "only %d connections may be open and not %d: this process may have %d file handles; "
            "raise its limit (ulimit -n)",
            most,
            wanted,
            handles,
        )
    return most


def protocol(most: int, at_the_door: AtTheDoor) -> type[H11Protocol]:
    """Return HTTP/1.1 as this server speaks it, on at most so many connections at once."""
    error = Overloaded(
        f"{most:,} connections are open, as many as may be.",
        remedy="Come again after the time in Retry-After, or raise the setting connections.",
        retry_after=10,
    )
    named = {
        "most": most,
        "at_the_door": staticmethod(at_the_door),
        "one_too_many": told_to_return(error, connection="close"),
    }
    return type("Connection", (Connection,), named)


class Connection(H11Protocol):
    """One connection; what is wrong before there is a request is a problem document too."""

    most: ClassVar[int]
    at_the_door: ClassVar[AtTheDoor]
    one_too_many: ClassVar[bytes]
    surplus = False
    turned_away = 0
    warned_at: ClassVar = -_SECONDS_BETWEEN_WARNINGS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Count it; one too many is told so and closed."""
        super().connection_made(transport)
        if len(self.connections) <= self.most:
            return
        self.surplus = True
        self._warn()
        transport.write(self.one_too_many)
        if len(self.connections) > self.most + BACKLOG:
            transport.close()  # too many linger already; whoever is unlucky hears a reset
            return
        transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; those of a connection too many are dropped, and end it once they are a request."""
        if self.surplus:
            if is_whole(data):
                self.transport.close()
        elif self._asks_anew() and (answer := type(self).at_the_door(data)) is not None:
            self._unset_keepalive_if_required()
            self.turned_away += 1
            self.transport.write(answer)
        else:
            super().data_received(data)

    def _asks_anew(self) -> bool:
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.conn.their_state is h11.IDLE
            and not self.conn.trailing_data[0]
        )

    def send_400_response(self, msg: str) -> None:
        """Say that these bytes are no request."""
        # Otherwise an answer is on its way already.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            problem = problem_of(MalformedInput(msg, remedy="Speak HTTP/1.1, with a short head."))
            self.transport.write(told(problem, connection="close"))
        self.transport.close()

    def _warn(self) -> None:
        now = self.loop.time()
        if now >= self.warned_at + _SECONDS_BETWEEN_WARNINGS:
            type(self).warned_at = now
            _log.warning("%d connections are open; further ones are turned away", self.most)


class Silence:
    """Knows since when each connection has had no request in work."""

    def __init__(self) -> None:
        """Know none."""
        self._since: dict[tuple[object, ...], float] = {}

    def end_long(self, connections: Iterable[object], now: float) -> None:
        """Close those that have been silent too long; call this about once a second."""
        silent: dict[tuple[object, ...], float] = {}
        for one in connections:
            if isinstance(one, Connection) and (one.cycle is None or one.cycle.response_complete):
                # The last request belongs to the key: who asks again between two looks was not silent.
                key = (one, one.cycle, one.turned_away)
                silent[key] = self._since.get(key, now)
                if now >= silent[key] + SILENT_SECONDS:
                    # Not `close`, which would wait for ever for a client that does not read.
                    one.transport.abort()
        self._since = silent
