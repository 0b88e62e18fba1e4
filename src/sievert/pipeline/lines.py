"""A body in pieces becomes whole lines; a line that is too long is left out, and said so.

At no time more than one line and one piece are held here, whatever is sent.
"""

import dataclasses

from sievert.errors import TooLarge
from sievert.pipeline.decode import MAX_RECORD_BYTES, too_large


@dataclasses.dataclass(frozen=True, slots=True)
class OverlongLine:
    """A line that was dropped unread, and its length."""

    size: int

    def error(self) -> TooLarge:
        """Say what was wrong with it."""
        return too_large("line", self.size)


class LineSplitter:
    """Cuts pieces of a body at line feeds."""

    def __init__(self, *, limit: int = MAX_RECORD_BYTES) -> None:
        """Drop lines of more than `limit` bytes."""
        self._limit = limit
        self._tail: list[bytes] = []
        self._tail_size = 0

    def feed(self, piece: bytes) -> list[bytes | OverlongLine]:
        """Return the lines that this piece ends, without their line feeds."""
        lines = piece.split(b"\n")
        if len(lines) == 1:
            self._hold(piece)
            return []
        self._hold(lines[0])
        whole: list[bytes | OverlongLine] = [self._take()]
        whole.extend(line if len(line) <= self._limit else OverlongLine(len(line)) for line in lines[1:-1])
        self._hold(lines[-1])
        return whole

    def end(self) -> list[bytes | OverlongLine]:
        """Return what follows the last line feed, if anything does."""
        return [self._take()] if self._tail_size else []

    def _hold(self, part: bytes) -> None:
        self._tail_size += len(part)
        if self._tail_size > self._limit:
            self._tail.clear()
        elif part:
            self._tail.append(part)

    def _take(self) -> bytes | OverlongLine:
        line = b"".join(self._tail) if self._tail_size <= self._limit else OverlongLine(self._tail_size)
        self._tail.clear()
        self._tail_size = 0
        return line
