"""Pictures are opened in processes of their own: a bomb, or a decoder's fault, ends one of those at most.

A process has limited memory and time (`opening_process` says what else it lacks). If it dies, or does
not answer in time, the picture that it worked on is refused, the process is replaced, and the callers
that wait for another process notice nothing. What it answers is checked like anything else that comes
from outside: it may have been taken over.
"""

import contextlib
import hashlib
import math
import queue
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from sievert.errors import (
    InputError,
    InvalidField,
    MalformedInput,
    MissingExtra,
    Overloaded,
    SievertError,
    TooLarge,
)
from sievert.features.content.picture_files import check_bytes
from sievert.features.content.pictures import View
from sievert.pipeline.opening_messages import Answer, Failure, Request, Task, framed
from sievert.pipeline.opening_pipes import Death, Gone, OpeningProcess
from sievert.schema.media import PictureFacts

MEMORY = 2 << 30
"""Bytes of address space of one process: the largest picture takes 0.5 of these 2 GiB, and reading the
words in a picture of 2,000 x 2,000 pixels that is full of them takes 1.3."""

RETIRE_AFTER = 2000
"""Requests after which a process is replaced: memory that was cut to pieces comes back whole."""

_PATIENCE = 3
"""A caller waits for a free process so many times as long as one picture may take."""

_SLOWER = 3
"""Reading the words in a picture may take so many times as long as opening it."""

Pixels = npt.NDArray[np.uint8]

_Found = TypeVar("_Found")
_FAILURES: dict[str, type[SievertError]] = {
    kind.__name__: kind for kind in (InputError, InvalidField, MalformedInput, TooLarge, MissingExtra)
}


def _no_one(_: Death) -> None:
    """Hear of a death, and do nothing."""


class Openers:
    """Opens pictures in processes of their own. Any thread may call; a call waits for its answer."""

    def __init__(
        self,
        *,
        processes: int = 1,
        seconds: float = 10.0,
        memory: int = MEMORY,
        retire_after: int = RETIRE_AFTER,
        on_death: Callable[[Death], None] = _no_one,
    ) -> None:
        """Start nothing yet: a process starts when it is first needed.

        Args:
            processes: pictures that are opened at the same time.
            seconds: wall time for one picture; reading its words may take three times as long.
            memory: bytes of address space of one process.
            retire_after: requests after which a process is replaced.
            on_death: hears of each process that died or was late, from the calling thread.
        """
        self.on_death = on_death
        self._seconds, self._memory, self._retire_after = seconds, memory, retire_after
        self._closed = False
        # Processes that run lie on top, so that one serves as long as one is enough.
        self._idle: queue.LifoQueue[OpeningProcess | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)

    def open(self, data: bytes) -> PictureFacts:
        """Return the facts about a picture.

        Raises:
            TooLarge: over a limit of bytes, pixels, or memory.
            InvalidField: no picture, not a whole one, or one that could not be opened in time or at all.
            Overloaded: every process is busy with other pictures, or none can be started.
        """
        return self.open_with_pixels(data, ())[0]

    def open_with_pixels(self, data: bytes, sides: Sequence[int]) -> tuple[PictureFacts, tuple[Pixels, ...]]:
        """Return the facts about a picture, and its pixels [3, S, S] for each of these sides S.

        Raises:
            TooLarge, InvalidField, Overloaded: as `open`.
        """
        digest = hashlib.sha256(data).hexdigest()

        def sound(answer: Answer) -> tuple[PictureFacts, tuple[Pixels, ...]] | None:
            facts = answer.facts
            # Facts are kept by content: whoever takes over a process must not speak of other pictures, nor
            # for an encoder.
            if facts is None or facts.sha256 != digest or facts.vectors:
                return None
            if [len(one) for one in answer.pixels] != [3 * side * side for side in sides]:
                return None
            squares = zip(answer.pixels, sides, strict=True)
            return facts, tuple(np.frombuffer(one, np.uint8).reshape(3, side, side) for one, side in squares)

        return self._asked(Task.FACTS, data, sound, sides=sides)

    def read_words(self, data: bytes) -> str:
        """Return the words in a picture; none where nothing can be read.

        Raises:
            MissingExtra: reading words is not installed.
            TooLarge, InvalidField, Overloaded: as `open`.
        """
        return self._asked(Task.WORDS, data, lambda answer: answer.words)

    def view(self, data: bytes, *, how: View = View.BLURRED) -> bytes:
        """Return a picture as a person may be shown it, a JPEG; blurred unless it is asked for plainly.

        Raises:
            TooLarge, InvalidField, Overloaded: as `open`.
        """
        return self._asked(Task(how.value), data, lambda answer: answer.picture)

    def close(self) -> None:
        """End the processes. Whoever waits for one is refused; what is being opened is still answered."""
        self._closed = True
        self._end_idle()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _asked(
        self, task: Task, data: bytes, wanted: Callable[[Answer], _Found | None], *, sides: Sequence[int] = ()
    ) -> _Found:
        check_bytes(data)  # what is plainly no picture wakes no process
        seconds = self._seconds * (_SLOWER if task is Task.WORDS else 1)
        request = framed(Request(task=task, seconds=seconds, data=data, sides=tuple(sides)))
        process, kept = self._free(), False
        try:
            answer = process.answer_to(request, seconds)
            found = wanted(answer)
            sensible = found is not None or answer.failure is not None
            spent = answer.last or process.answered >= self._retire_after
            kept = sensible and not spent and not self._closed
        except Gone as gone:
            raise self._mourned(gone.death, seconds) from None
        finally:
            if not kept:
                process.end()
            self._idle.put(process if kept else None)
            if self._closed:
                self._end_idle()
        if found is not None:
            return found
        raise self._mourned(Death.ABRUPT, seconds) if answer.failure is None else _raised(answer.failure)

    def _free(self) -> OpeningProcess:
        """Wait for a process that has nothing to do, and start it if it does not run."""
        try:
            process = self._idle.get(timeout=_PATIENCE * self._seconds)
        except queue.Empty:
            raise Overloaded(
                "Every process that opens pictures is busy.",
                remedy="Send the picture again later, or let more processes open pictures.",
                retry_after=math.ceil(self._seconds),
            ) from None
        try:
            if process is not None and process.runs():
                return process
            if process is not None:
                process.end()
                self.on_death(Death.ABRUPT)  # while it had nothing to do
            return self._started()
        except BaseException:
            self._idle.put(None)
            raise

    def _end_idle(self) -> None:
        idle = []
        with contextlib.suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for process in idle:
            if process is not None:
                process.end()
            self._idle.put(None)

    def _started(self) -> OpeningProcess:
        if self._closed:
            raise Overloaded("Pictures are opened no more: this service is ending.", remedy="Ask another.")
        try:
            return OpeningProcess(self._memory)
        except (OSError, Gone) as error:
            # Why, stands in the cause, for who runs the machine: it may name folders.
            raise Overloaded(
                "No process that opens pictures could be started.",
                remedy="Look whether this machine has memory left, then send the picture again.",
                retry_after=math.ceil(self._seconds),
            ) from error

    def _mourned(self, death: Death, seconds: float) -> InvalidField:
        self.on_death(death)
        how = (
            f"could not be opened within {seconds:g} seconds"
            if death is Death.LATE
            else "could not be opened: its opening ended abruptly"
        )
        return InvalidField(
            f"The picture {how}.", remedy="Save it anew, or smaller, and send that.", field="media"
        )


def _raised(failure: Failure) -> SievertError:
    """Return the error that a process tells of; whatever it tells, nothing worse than a wrong picture."""
    kind = _FAILURES.get(failure.error, InvalidField)
    return kind(failure.what, remedy=failure.remedy, field=failure.field)
