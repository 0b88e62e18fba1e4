"""One process at a time: a lock file that the system lets go of when its holder dies."""

import fcntl
import os
from pathlib import Path

from sievert.errors import StoreUnavailable


class FolderLock:
    """Holds a data folder for this process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            StoreUnavailable: another process holds it; the error names its process id.
        """
        self._handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._handle, 20, 0).decode(errors="replace").strip()
            os.close(self._handle)
            raise StoreUnavailable(
                f"The data folder {folder} is in use by process {holder or 'unknown'}.",
                remedy="Stop that process, or name another folder with --data.",
            ) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let go."""
        os.close(self._handle)
