"""Answers that wait for a slow reader: in memory first, then in a temporary file.

Many HTTP clients send the whole body before they read the first answer. If the server stopped
reading until its answers were taken, both would wait for ever; so answers may pile up, on disk. All
such files together have an end too: beyond it, a client has to read before more of its body is.
"""

import asyncio
import os
import tempfile
from collections import deque
from types import TracebackType
from typing import IO, Self

MEMORY_BYTES = 1 << 20
TOGETHER_BYTES = 256 << 20
"""Answers that wait in memory, of all spools together."""

_SHARE = 4
_PIECE = 1 << 20


class SpoolRoom:
    """The disk that all spools of a server share; one of them gets at most a quarter of it."""

    def __init__(self, limit: int) -> None:
        """Let this many bytes wait in files."""
        self.share = limit // _SHARE
        self._free = limit
        self._spools: set[Spool] = set()

    def enter(self, spool: "Spool") -> None:
        """Tell this spool when there is room again."""
        self._spools.add(spool)

    def leave(self, spool: "Spool", *, held: int) -> None:
        """Forget a spool that held this many bytes."""
        self._spools.discard(spool)
        self.give_back(held)

    def part_of(self, size: int) -> int:
        """Return one spool's part of what all may have."""
        return size // max(1, len(self._spools))

    def take(self, size: int) -> bool:
        """Take so many bytes, if they are there."""
        if size > self._free:
            return False
        self._free -= size
        return True

    def give_back(self, size: int) -> None:
        """Return bytes, and wake whoever waits for them."""
        self._free += size
        for spool in self._spools:
            spool.wake()


class Spool:
    """A queue of bytes with one writer and one reader on the same event loop."""

    def __init__(self, room: SpoolRoom, *, memory_bytes: int = MEMORY_BYTES) -> None:
        """Hold this much in memory and the rest in a file; where neither has room, `put` waits."""
        self._room = room
        self._memory_limit = memory_bytes
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._file: IO[bytes] | None = None  # a handle only for those who need one
        self._read = self._written = 0
        self._ended = False
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        """Return itself."""
        self._room.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop whatever was not read."""
        if self._file is not None:
            self._file.close()
        self._room.leave(self, held=self._written)

    @property
    def on_disk(self) -> int:
        """How many bytes wait in the file."""
        return self._written - self._read

    def wake(self) -> None:
        """Look again: there may be room."""
        self._changed.set()

    async def put(self, piece: bytes) -> None:
        """Append bytes; wait while neither memory nor file have room for them."""
        while not (self._remember(piece) or self._write(piece)):
            self._changed.clear()
            await self._changed.wait()
        self._changed.set()

    def _remember(self, piece: bytes) -> bool:
        # The file is younger than the memory: while it holds something, all that follows goes there.
        limit = min(self._memory_limit, self._room.part_of(TOGETHER_BYTES))
        if self.on_disk or (self._held and self._held + len(piece) > limit):
            return False
        self._pieces.append(piece)
        self._held += len(piece)
        return True

    def _write(self, piece: bytes) -> bool:
        # What was read still lies in the file until all of it was: it counts by its length.
        if self._written + len(piece) > self._room.share or not self._room.take(len(piece)):
            return False
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="sievert-answers-")  # noqa: SIM115  closed in __exit__
        os.pwrite(self._file.fileno(), piece, self._written)
        self._written += len(piece)
        return True

    def end(self) -> None:
        """Say that nothing follows."""
        self._ended = True
        self._changed.set()

    async def get(self) -> bytes:
        """Return the next bytes, or nothing at the end."""
        while True:
            if self._pieces:
                piece = self._pieces.popleft()
                self._held -= len(piece)
                self._changed.set()
                return piece
            if self._file is not None and self.on_disk:
                return self._from_disk(self._file)
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()

    def _from_disk(self, file: IO[bytes]) -> bytes:
        piece = os.pread(file.fileno(), min(_PIECE, self.on_disk), self._read)
        self._read += len(piece)
        if self._read == self._written:
            file.truncate(0)
            given, self._read, self._written = self._written, 0, 0
            self._room.give_back(given)
        self._changed.set()
        return piece
