"""What the service and a process that opens pictures say to each other.

A message is four bytes, little-endian, that say its length, and then MessagePack. The process speaks
first: an empty answer says that it is ready. Then each request gets one answer.
"""

import enum
import struct

import msgspec

from sievert.schema.media import MAX_PICTURE_BYTES, PictureFacts

LENGTH = struct.Struct("<I")
MOST_REQUEST_BYTES = MAX_PICTURE_BYTES + 1024
MOST_ANSWER_BYTES = 4 << 20
"""An answer is facts with some small squares of pixels, a few words, or a small picture; whoever says more is
not to be trusted."""


class Task(enum.StrEnum):
    """What is asked for."""

    FACTS = "facts"
    WORDS = "words"
    BLURRED = "blurred"
    PLAIN = "plain"


class Request(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One picture, what is asked about it, and after how many seconds nobody waits any more.

    With the facts come its pixels, once for each of `sides`.
    """

    task: Task
    seconds: float
    data: bytes
    sides: tuple[int, ...] = ()


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error of `sievert.errors`, by the name of its class."""

    error: str
    what: str
    remedy: str
    field: str | None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for, or the error that came instead.

    With `last` the process asks to be replaced: it ran out of memory once, and what it has left may be
    in pieces.
    """

    facts: PictureFacts | None = None
    pixels: tuple[bytes, ...] = ()
    words: str | None = None
    picture: bytes | None = None
    failure: Failure | None = None
    last: bool = False


def framed(message: Request | Answer) -> bytes:
    """Return a message as it goes over a pipe."""
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body
