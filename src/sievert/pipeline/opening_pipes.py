"""One process that opens pictures, as the service sees it: a pipe in, a pipe out, and a deadline.

Neither end trusts the other with its time: writing and reading both stop at the deadline, and a process
that says what is no answer counts as dead.
"""

import contextlib
import enum
import fcntl
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from sievert.pipeline.opening_messages import LENGTH, MOST_ANSWER_BYTES, Answer

START_SECONDS = 60.0

_PIPE_BYTES = 1 << 20
_ROOM = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""Memory that was freed stays with the process (in bytes, with glibc): to ask the system for it again,
page by page, cost a quarter of opening a WebP of 720p."""

_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_COMMAND = (sys.executable, "-B", "-s", "-P", "-m", "sievert.pipeline.opening_process")
_DECODER = msgspec.msgpack.Decoder(Answer)


class Death(enum.StrEnum):
    """Why a process had to be replaced."""

    LATE = "late"  # it did not answer in time, and was ended
    ABRUPT = "abrupt"  # it ended by itself, or said what no process says


class Gone(Exception):
    """A process that will answer no more; `said` is the last it said if it never was ready."""

    def __init__(self, death: Death, said: str = "") -> None:
        """Remember how it ended."""
        super().__init__(death, said)
        self.death, self.said = death, said


class OpeningProcess:
    """One process, and the pipes to it."""

    def __init__(self, memory: int) -> None:
        """Start it and wait until it is ready.

        Raises:
            OSError: it cannot be started.
            Gone: it ended before it was ready, or took too long.
        """
        self.answered = 0
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        try:
            _make_roomy(self._to)
            self._process = subprocess.Popen(  # noqa: S603 -- this very Python, and numbers
                [*_COMMAND, str(memory)],
                stdin=theirs_in,
                stdout=theirs_out,
                stderr=subprocess.PIPE,  # until it is ready: then it sees pictures, and is silent
                env=_environment(),
            )
        except BaseException:
            os.close(self._to)
            os.close(self._from)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        try:
            self._heard(time.monotonic() + START_SECONDS)
        except Gone as gone:
            self.end()
            raise Gone(gone.death, self._last_words()) from None
        except BaseException:
            self.end()
            raise
        finally:
            if self._process.stderr is not None:
                self._process.stderr.close()

    def runs(self) -> bool:
        """Tell whether it still lives."""
        return self._process.poll() is None

    def answer_to(self, request: bytes, seconds: float) -> Answer:
        """Send a request and return its answer.

        Raises:
            Gone: it died, is late, or said what is no answer.
        """
        deadline = time.monotonic() + seconds
        self._say(request, deadline)
        self.answered += 1
        return self._heard(deadline)

    def end(self) -> None:
        """End it at once: it holds nothing that anybody needs."""
        self._process.kill()
        os.close(self._to)
        os.close(self._from)
        self._process.wait()

    def _last_words(self) -> str:
        """Return the last line of what a process that has ended printed."""
        pipe = self._process.stderr
        lines = pipe.read().decode(errors="replace").split("\n") if pipe is not None else []
        return next((line for line in reversed(lines) if line.strip()), "")[:300]

    def _say(self, message: bytes, deadline: float) -> None:
        left = memoryview(message)
        while left:
            _wait_for(self._to, select.POLLOUT, deadline)
            try:
                left = left[os.write(self._to, left) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Gone(Death.ABRUPT) from None

    def _heard(self, deadline: float) -> Answer:
        (size,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if size > MOST_ANSWER_BYTES:
            raise Gone(Death.ABRUPT)
        try:
            return _DECODER.decode(self._read(size, deadline))
        except msgspec.MsgspecError:
            raise Gone(Death.ABRUPT) from None

    def _read(self, size: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < size:
            _wait_for(self._from, select.POLLIN, deadline)
            try:
                piece = os.read(self._from, size - len(found))
            except BlockingIOError:
                continue
            if not piece:
                raise Gone(Death.ABRUPT)
            found += piece
        return bytes(found)


def _wait_for(handle: int, what: int, deadline: float) -> None:
    """Wait until a pipe can be written or read, or has no other end.

    Raises:
        Gone: not before the deadline.
    """
    waiting = select.poll()
    waiting.register(handle, what)
    if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise Gone(Death.LATE)


def _environment() -> dict[str, str]:
    """Return what Python needs to find this package, one thread for each library, and nothing else."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path if folder)
    return kept | threads | _ROOM | {"PYTHONPATH": path, "PYTHONUTF8": "1", "LANG": "C.UTF-8"}


def _make_roomy(pipe: int) -> None:
    """Let a whole picture fit into a pipe, where the system allows it: fewer turns to hand it over."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
