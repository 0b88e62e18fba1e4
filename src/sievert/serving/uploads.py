"""Pictures that come in the body of a request: one alone, or several as a form's files, read while they come.

One picture is held at a time, and all uploads of a server together hold no more than they may: beyond,
callers are told to come again. A client that sends too much is read a little further and then left, so
that it can hear what was wrong.

Not covered: a client that keeps sending, but slowly; it holds no more than what it has sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from litestar.types import Receive
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from sievert.errors import InvalidField, MalformedInput, TooLarge
from sievert.schema.media import MAX_PICTURE_BYTES, MOST_MEDIA
from sievert.serving.bodies import BodyRoom, next_piece

FORM = "multipart/form-data"
FIELD = "media"
PIECE_SECONDS = 30.0
"""A client that sends nothing for so long has left."""

_HEAD_BYTES = 16 << 10
_MOST_BYTES = MOST_MEDIA * (MAX_PICTURE_BYTES + _HEAD_BYTES)
_SWALLOWED = 32 << 20
_SWALLOW_SECONDS = 5.0
_LONGEST_BOUNDARY = 200
_FEWER = f"Send at most {MOST_MEDIA} pictures at once."


class Upload:
    """The pictures in one request's body."""

    def __init__(self, receive: Receive, room: BodyRoom) -> None:
        """Read from here, into the room that all share."""
        self._receive = receive
        self._room = room
        self._more = True
        self._size = 0

    async def pictures(self, content_type: str) -> AsyncGenerator[bytes]:
        """Yield each picture when it is whole; do so inside `contextlib.aclosing`.

        Raises:
            MalformedInput: the body is no form, or ends too early.
            InvalidField: there is no picture in it, or an empty one.
            TooLarge: a picture, or their number, is over the limit.
            Overloaded: the server holds too many at the moment.
        """
        number = 0
        async with contextlib.aclosing(self._each(content_type)) as whole:
            async for picture in whole:
                if not picture:
                    raise InvalidField(
                        "A picture has no bytes.", field=f"{FIELD}[{number}]", remedy="Send the file itself."
                    )
                number += 1
                yield picture
        if not number:
            raise InvalidField(
                "The form holds no picture.", field=FIELD, remedy="Send each picture as a part of the form."
            )

    async def swallow(self) -> None:
        """Read on for a little, and drop it: who is cut off in the middle of sending does not hear why."""
        end = self._size + _SWALLOWED
        with contextlib.suppress(MalformedInput, TimeoutError):
            async with asyncio.timeout(_SWALLOW_SECONDS):
                async for _ in self._pieces():
                    if self._size > end:
                        return

    def _each(self, content_type: str) -> AsyncGenerator[bytes]:
        kind, options = parse_options_header(content_type)
        return self._parts(_parser(options.get("boundary", ""))) if kind == FORM else self._alone()

    async def _alone(self) -> AsyncGenerator[bytes]:
        picture = _Picture(self._room, FIELD)
        try:
            async for piece in self._pieces():
                picture.add(piece)
            yield picture.whole()
        finally:
            picture.release()

    async def _parts(self, parser: PushMultipartParser) -> AsyncGenerator[bytes]:
        picture, number = _Picture(self._room, FIELD), 0
        try:
            async for piece in self._pieces():
                if self._size > _MOST_BYTES:
                    raise TooLarge(
                        f"The form has more than {_MOST_BYTES:,} bytes.", field=FIELD, remedy=_FEWER
                    )
                for event in _events(parser, piece):
                    if isinstance(event, MultipartSegment):
                        picture = _Picture(self._room, f"{FIELD}[{number}]")
                        number += 1
                        _refuse_more(number)
                    elif event is not None:
                        picture.add(bytes(event))
                    else:
                        yield picture.whole()
                        picture.release()
            _end(parser)
        finally:
            picture.release()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while self._more:
            try:
                async with asyncio.timeout(PIECE_SECONDS):
                    received = await next_piece(self._receive)
            except TimeoutError:
                self._more = False
                raise MalformedInput("The body stopped coming.", remedy="Send it whole.") from None
            if received is None:
                self._more = False
                raise MalformedInput("The body ended too early.", remedy="Send it whole.")
            piece, self._more = received
            self._size += len(piece)
            yield piece


class _Picture:
    """The pieces of one picture, counted against its limit and against the room."""

    def __init__(self, room: BodyRoom, field: str) -> None:
        self._room = room
        self._field = field
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Hold another piece."""
        if self._size + len(piece) > MAX_PICTURE_BYTES:
            raise TooLarge(
                f"The picture has more than {MAX_PICTURE_BYTES:,} bytes.",
                field=self._field,
                remedy=f"Pictures may have {MAX_PICTURE_BYTES >> 20} MB; send a smaller one.",
            )
        self._room.take(len(piece))
        self._size += len(piece)
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """Return all of it; it is held until it is released."""
        self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def release(self) -> None:
        """Give the room back; once is enough."""
        self._room.free += self._size
        self._size = 0
        self._pieces.clear()


def _parser(boundary: str) -> PushMultipartParser:
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise MalformedInput(
            "The form names no boundary.",
            field="Content-Type",
            remedy=f"Send Content-Type: {FORM}; boundary=..., as every HTTP library does.",
        )
    try:
        return PushMultipartParser(boundary)
    except (MultipartError, UnicodeError) as error:
        raise _unreadable(error) from error


def _events(
    parser: PushMultipartParser, piece: bytes
) -> Iterator[MultipartSegment | bytes | bytearray | None]:
    """Take a piece apart; an empty one would end the form."""
    if not piece:
        return
    try:
        yield from parser.parse(piece)
    except MultipartError as error:
        raise _unreadable(error) from error


def _end(parser: PushMultipartParser) -> None:
    try:
        parser.close()
    except MultipartError as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> MalformedInput:
    # The library's words name what is wrong with the form, never what stands in it.
    why = (
        str(error.args[0]) if isinstance(error, MultipartError) and error.args else "its boundary is no text"
    )
    return MalformedInput(
        f"The form cannot be read: {why[:100]}.", field="body", remedy="Send it as every HTTP library does."
    )


def _refuse_more(number: int) -> None:
    if number > MOST_MEDIA:
        raise TooLarge(f"The form has more than {MOST_MEDIA} parts.", field=FIELD, remedy=_FEWER)
