"""A request's body, piece by piece, as the server protocol (ASGI) hands it over, or whole and bounded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from litestar.types import Receive

from sievert.errors import MalformedInput, Overloaded
from sievert.pipeline.decode import MAX_RECORD_BYTES, too_large
from sievert.schema.media import MAX_PICTURE_BYTES

MAX_PICTURED_BYTES = MAX_RECORD_BYTES + MAX_PICTURE_BYTES * 4 // 3
"""The longest record that brings a picture of the largest size inside it, in base64."""

ROOM_BYTES = 256 << 20
"""Bodies of more than a record without pictures may hold so many bytes together."""

BODY_SECONDS = 60
"""A body that brings pictures must be there within so many seconds."""

_SWALLOWED = 32 << 20


async def next_piece(receive: Receive) -> tuple[bytes, bool] | None:
    """Wait for the next piece; return (bytes, whether more follows), or None if the client left."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    return message.get("body", b""), message.get("more_body", False)


class BodyRoom:
    """The memory that large bodies share, so that many of them at once cannot take all there is; for one event loop."""

    def __init__(self, limit: int = ROOM_BYTES) -> None:
        """Let so many bytes be held."""
        self.free = limit

    def take(self, size: int) -> None:
        """Take so many bytes.

        Raises:
            Overloaded: they are not there.
        """
        if size > self.free:
            raise Overloaded(
                "Too many large pictures come in at once.",
                remedy="Send the same again after the time in Retry-After, or send addresses of pictures.",
            )
        self.free -= size

    @contextlib.asynccontextmanager
    async def body(self, receive: Receive, *, limit: int = MAX_PICTURED_BYTES) -> AsyncIterator[bytes]:
        """Read a body of one record with pictures; its room is given back when the block ends.

        Raises:
            TooLarge: it has more than `limit` bytes.
            Overloaded: other large bodies have taken the room.
            MalformedInput: the client left in the middle.
        """
        taken = 0

        def grow(size: int) -> None:
            nonlocal taken
            if size > MAX_RECORD_BYTES:
                self.take(size - taken)
                taken = size

        try:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await read_body(receive, limit=limit, grow=grow)
            except TimeoutError:
                raise MalformedInput(
                    "The body stopped coming, or comes too slowly.",
                    remedy=f"Send it within {BODY_SECONDS} seconds, or send addresses of pictures.",
                ) from None
            yield body
        finally:
            self.free += taken


def _no_bound(size: int) -> None:
    del size


async def read_body(
    receive: Receive, *, limit: int = MAX_RECORD_BYTES, grow: Callable[[int], None] = _no_bound
) -> bytes:
    """Read a body of one record, never holding more than the limit; `grow` hears how much is held.

    Raises:
        TooLarge: it is longer; the rest is read and dropped, so that the client can hear of it.
        MalformedInput: the client left in the middle.
    """
    pieces: list[bytes] = []
    size = 0
    more = True
    while more and size <= _SWALLOWED:
        received = await next_piece(receive)
        if received is None:
            raise MalformedInput("The body ended too early.", remedy="Send it whole.")
        piece, more = received
        size += len(piece)
        if size > limit:
            pieces.clear()
        elif piece:
            grow(size)
            pieces.append(piece)
    if size > limit:
        raise too_large("body", size, limit=limit)
    return b"".join(pieces)
