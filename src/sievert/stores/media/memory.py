"""Pictures in memory, and pictures that are not kept at all."""

import threading

from sievert.schema.clock import Clock, Micros
from sievert.stores.media.base import MediaStore


class MemoryMedia(MediaStore):
    """Keeps files in a dictionary."""

    def __init__(self, *, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._files: dict[str, tuple[Micros, bytes]] = {}
        self._lock = threading.Lock()

    def forget(self, before: Micros) -> int:
        """Look at every time."""
        with self._lock:
            old = [name for name, (at, _) in self._files.items() if at < before]
            for name in old:
                del self._files[name]
        return len(old)

    def close(self) -> None:
        """Nothing is open."""

    def _put(self, sha256: str, data: bytes) -> None:
        with self._lock:
            self._files[sha256] = (self._clock.now(), bytes(data))

    def _get(self, sha256: str) -> bytes | None:
        found = self._files.get(sha256)
        return found[1] if found else None

    def _holds(self, sha256: str) -> bool:
        return sha256 in self._files

    def _touch(self, sha256: str) -> bool:
        with self._lock:
            found = self._files.get(sha256)
            if found:
                self._files[sha256] = (self._clock.now(), found[1])
        return found is not None

    def _drop(self, sha256: str) -> None:
        with self._lock:
            self._files.pop(sha256, None)


class NoMedia(MediaStore):
    """Keeps nothing, where no picture may outlive the moment that it is looked at."""

    def __init__(self, left: MediaStore) -> None:
        """`left` is where pictures were kept before nobody wanted that any more; it is only ever emptied."""
        self._left = left

    def forget(self, before: Micros) -> int:
        """Forget what is left."""
        return self._left.forget(before)

    def close(self) -> None:
        """Close what is left."""
        self._left.close()

    def _put(self, sha256: str, data: bytes) -> None:
        del sha256, data

    def _get(self, sha256: str) -> bytes | None:
        del sha256
        return None

    def _holds(self, sha256: str) -> bool:
        del sha256
        return False

    def _touch(self, sha256: str) -> bool:
        del sha256
        return False

    def _drop(self, sha256: str) -> None:
        self._left.drop(sha256)
