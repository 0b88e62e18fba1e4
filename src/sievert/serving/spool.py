"""Answers that wait for a slow reader: in memory first, then in a temporary file.

Many HTTP clients send the whole body before they read the first answer. If the server stopped
reading until its answers were taken, both would wait for ever; so answers may pile up, on disk.
"""

import asyncio
import os
import tempfile
from collections import deque
from types import TracebackType
from typing import Self

MEMORY_BYTES = 4 << 20
DISK_BYTES = 2 << 30

_PIECE = 1 << 20


class Spool:
    """A queue of bytes with one writer and one reader on the same event loop."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, disk_bytes: int = DISK_BYTES) -> None:
        """Hold this much in memory and this much on disk; then `put` waits."""
        self._memory_limit = memory_bytes
        self._disk_limit = disk_bytes
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._file = tempfile.TemporaryFile(prefix="sievert-answers-")  # noqa: SIM115  closed in __exit__
        self._read = self._written = 0
        self._ended = False
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop whatever was not read."""
        self._file.close()

    @property
    def on_disk(self) -> int:
        """How many bytes wait in the file."""
        return self._written - self._read

    async def put(self, piece: bytes) -> None:
        """Append bytes; wait while even the file is full."""
        while self.on_disk + len(piece) > self._disk_limit and self.on_disk:
            self._changed.clear()
            await self._changed.wait()
        # The file is younger than the memory: while it holds something, all that follows goes there.
        if self.on_disk or self._held + len(piece) > self._memory_limit:
            os.pwrite(self._file.fileno(), piece, self._written)
            self._written += len(piece)
        else:
            self._pieces.append(piece)
            self._held += len(piece)
        self._changed.set()

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
                return piece
            if self.on_disk:
                return self._from_disk()
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()

    def _from_disk(self) -> bytes:
        piece = os.pread(self._file.fileno(), min(_PIECE, self.on_disk), self._read)
        self._read += len(piece)
        if self._read == self._written:
            self._read = self._written = 0
            self._file.truncate(0)
        self._changed.set()
        return piece
