"""The process in which pictures are opened: it may die, and nothing is lost but one picture.

`opening.Openers` starts it, writes requests to its standard input and reads answers from its standard
output. Before it reads the first of them it gives up what a decoder does not need: memory beyond a
limit, writing files, most file handles, dumps of its memory, new privileges, and where the system lets
it, the network.

It ends when its input ends, which is when the service ends. A clock of its own ends it if it still
works on a picture long after the service must have given up on it.
"""

import contextlib
import ctypes
import io
import os
import resource
import signal
import sys
from typing import BinaryIO

import msgspec
from PIL import AvifImagePlugin, Image

from sievert.errors import SievertError, TooLarge
from sievert.features.content.picture_words import MOST_SIDE, read_words_of
from sievert.features.content.pictures import Opened, View, open_picture, picture_of, view_picture
from sievert.features.content.pixels import pixels_of
from sievert.features.content.thumbnail import has_words, thumbnail_features
from sievert.pipeline.opening_messages import (
    LENGTH,
    MOST_REQUEST_BYTES,
    Answer,
    Failure,
    Request,
    Task,
    framed,
)
from sievert.schema.media import PictureFacts

_LONGER = 1.5
"""A process gives up on itself so many times later than the service gives up on it."""

_NICENESS = 10
_MOST_HANDLES = 64
_NO_NEW_PRIVILEGES = 38
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


def main(memory: int) -> None:
    """Answer requests until there are no more; `memory` in bytes of address space."""
    requests, answers = _own_pipes()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    _give_up_privileges()
    _limit(memory)
    _warm_up()
    os.nice(_NICENESS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what is printed from here on may be what a picture says
    answers.write(framed(Answer()))
    answers.flush()
    decode = msgspec.msgpack.Decoder(Request).decode
    while body := _next(requests):
        request = decode(body)
        # Nobody handles the alarm's signal: it ends the process.
        signal.setitimer(signal.ITIMER_REAL, request.seconds * _LONGER)
        answers.write(framed(answered(request)))
        answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def answered(request: Request) -> Answer:
    """Do what is asked; what is wrong with the picture becomes part of the answer."""
    try:
        if request.task is Task.FACTS:
            opened = open_picture(request.data)
            pixels = tuple(pixels_of(opened.small, side).tobytes() for side in request.sides)
            return Answer(facts=_facts(opened), pixels=pixels)
        if request.task is Task.WORDS:
            return Answer(words=_words(request.data))
        return Answer(picture=view_picture(request.data, how=View(request.task.value)))
    except MemoryError:
        short = TooLarge(
            "The picture needs more memory than is spent on one picture.",
            remedy="Send it smaller.",
            field="media",
        )
        return Answer(failure=_failure(short), last=True)
    except SievertError as error:
        return Answer(failure=_failure(error), last=isinstance(error.__context__, MemoryError))


def _facts(opened: Opened) -> PictureFacts:
    return msgspec.structs.replace(
        opened.facts, features=thumbnail_features(opened.small), has_words=has_words(opened.small)
    )


def _words(data: bytes) -> str:
    return read_words_of(picture_of(data, side=MOST_SIDE))


def _failure(error: SievertError) -> Failure:
    return Failure(error=type(error).__name__, what=error.what, remedy=error.remedy, field=error.field)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes for ourselves; a library that prints must not speak into the answers."""
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for one in (0, 1):
        os.dup2(nowhere, one)
    os.close(nowhere)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _next(requests: BinaryIO) -> bytes:
    """Return the next request's bytes; none where there is no whole one."""
    head = requests.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return b""
    (size,) = LENGTH.unpack(head)
    if size > MOST_REQUEST_BYTES:
        return b""
    body = requests.read(size)
    return body if len(body) == size else b""


def _warm_up() -> None:
    """Open and show one picture, so that the first that counts finds everything imported."""
    out = io.BytesIO()
    Image.linear_gradient("L").save(out, "JPEG")
    opened = open_picture(out.getvalue())
    _facts(opened)
    pixels_of(opened.small, 8)
    view_picture(out.getvalue(), how=View.BLURRED)


def _give_up_privileges() -> None:
    """Give up the network and new privileges, as far as the system goes along."""
    with contextlib.suppress(OSError, AttributeError):  # neither exists outside Linux
        system = ctypes.CDLL(None)
        system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        system.unshare(_NEW_USER | _NEW_NETWORK)


def _limit(memory: int) -> None:
    for which, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MOST_HANDLES),
    ):
        allowed = resource.getrlimit(which)[1]
        now = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(which, (now, now))


if __name__ == "__main__":
    main(int(sys.argv[1]))
