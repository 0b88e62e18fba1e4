"""What an encoder said of windows of tokens, so that copies of a text cost next to nothing.

Entries are found by what the encoder reads: a text that comes again, in other spelling too if that is read
alike, runs no model. Each loaded model has a cache of its own, so no entry outlives its version; and an
entry is what the model gave, bit for bit, so a copy's score is that of the first. Names are digests under a
key of this process, and all entries go an hour after the first came: nothing made of a text stays longer.

Not covered: other processes; of posts that events decide anew, what encoders made is shared
(`pipeline/shared_latents.py`).
"""

import collections
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Rows = list[npt.NDArray[np.float32]]
"""Each output of one window, as a row."""

OLDEST = 3600.0
"""Seconds after which everything is forgotten."""

_ENTRY = 300
"""Bytes of an entry beside its numbers."""

Watch = Callable[[int, int], None]
"""Hears how many of the windows of a run were remembered, and how many were not."""


def _nobody(hits: int, misses: int) -> None:
    del hits, misses


class EncoderCache:
    """Remembers outputs of windows; threads may share it."""

    def __init__(
        self, most_bytes: int, *, watch: Watch = _nobody, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with none, and remember at most so many bytes; 0 remembers nothing."""
        self._most, self._watch, self._clock = most_bytes, watch, clock
        self._key = secrets.token_bytes(32)
        self._kept: collections.OrderedDict[bytes, Rows] = collections.OrderedDict()
        self._bytes = 0
        self._since = clock()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many windows are remembered."""
        return len(self._kept)

    def run(
        self,
        windows: Sequence[Sequence[int]],
        outputs: Sequence[str],
        model: Callable[[Sequence[Sequence[int]]], Rows],
    ) -> Rows:
        """Return outputs [w, ...] of w windows of token ids; `model` is run for those that are not remembered."""
        if not self._most:
            return model(windows)
        names = [self._name(window, outputs) for window in windows]
        with self._lock:
            if self._clock() - self._since > OLDEST:
                self._clear()
            known = {name: self._kept[name] for name in names if name in self._kept}
            for name in known:
                self._kept.move_to_end(name)
        new = {name: window for name, window in zip(names, windows, strict=True) if name not in known}
        self._watch(len(windows) - len(new), len(new))
        if new:
            found = model([*new.values()])
            fresh = {name: [column[row].copy() for column in found] for row, name in enumerate(new)}
            with self._lock:
                for name, rows in fresh.items():
                    self._keep(name, rows)
            known |= fresh
        return [np.stack(column) for column in zip(*(known[name] for name in names), strict=True)]

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._kept.clear()
        self._bytes, self._since = 0, self._clock()

    def _name(self, window: Sequence[int], outputs: Sequence[str]) -> bytes:
        said = ",".join(outputs).encode() + b"\0" + np.array(window, np.int32).tobytes()
        return hashlib.blake2b(said, digest_size=16, key=self._key).digest()

    def _keep(self, name: bytes, rows: Rows) -> None:
        if name in self._kept:
            return
        self._kept[name] = rows
        self._bytes += _size(rows)
        while self._bytes > self._most:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(rows: Rows) -> int:
    return _ENTRY + sum(row.nbytes for row in rows)
