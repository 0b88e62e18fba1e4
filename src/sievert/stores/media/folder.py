"""Pictures in a folder: `ab/cd/abcd...`, for the owner of the process alone.

A file is written beside its place, made durable, and then renamed into it, so that under a name there
is always a whole file or none. Its time is the time of its last change, as the file system keeps it.

Not covered: several processes may share a folder, but only one of them should forget; another one's
picture that is put again in the very moment that it is forgotten for its age may be lost.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from sievert.errors import StoreUnavailable
from sievert.schema.clock import Clock, Micros
from sievert.stores.durable import sync_folder
from sievert.stores.media.base import MediaStore, is_name

_UNFINISHED = "unfinished-"


class FolderMedia(MediaStore):
    """Keeps files in a folder."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        """Open a folder, or make it.

        Raises:
            StoreUnavailable: it cannot be made.
        """
        self._folder = folder
        self._clock = clock
        # Held where a file's time and its presence must not change between two looks, never while writing.
        self._lock = threading.Lock()
        with self._answering("made"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def forget(self, before: Micros) -> int:
        """Walk the folder; what a crash left unfinished goes at the same age."""
        gone = 0
        with self._answering("cleared"):
            for path in self._files():
                with self._lock, contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime_ns < before * 1000:
                        path.unlink()
                        gone += is_name(path.name)
        return gone

    def close(self) -> None:
        """Nothing is open."""

    def _put(self, sha256: str, data: bytes) -> None:
        path = self._path(sha256)
        with self._answering("written"):
            # Compared and not just found: a file that went bad on the disk is written anew.
            if self._read(path) == data and self._renew(path):
                return
            self._make_places(path)
            self._write(path, data)

    def _get(self, sha256: str) -> bytes | None:
        with self._answering("read"):
            return self._read(self._path(sha256))

    def _holds(self, sha256: str) -> bool:
        with self._answering("read"):
            try:
                self._path(sha256).stat()
            except FileNotFoundError:
                return False
            return True

    def _touch(self, sha256: str) -> bool:
        with self._answering("written"):
            return self._renew(self._path(sha256))

    def _drop(self, sha256: str) -> None:
        with self._answering("cleared"):
            self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:4] / sha256

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def _renew(self, path: Path) -> bool:
        now = self._clock.now() * 1000
        try:
            with self._lock:
                os.utime(path, ns=(now, now))
        except FileNotFoundError:
            return False
        return True

    def _make_places(self, path: Path) -> None:
        for place in (path.parent.parent, path.parent):
            try:
                place.mkdir(mode=0o700)
            except FileExistsError:
                continue
            sync_folder(place.parent)

    def _write(self, path: Path, data: bytes) -> None:
        handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)  # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                now = self._clock.now() * 1000
                os.utime(file.fileno(), ns=(now, now))
                os.fsync(file.fileno())
            with self._lock:
                Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        sync_folder(path.parent)

    def _files(self) -> Iterator[Path]:
        for place in self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]"):
            with os.scandir(place) as entries:
                yield from (
                    Path(e.path) for e in entries if is_name(e.name) or e.name.startswith(_UNFINISHED)
                )

    @contextlib.contextmanager
    def _answering(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"The folder of pictures {self._folder} cannot be {what}: {error.strerror}.",
                remedy="Free space on its disk, let the server write there, or name another media_store.",
            ) from error
