"""All stores in one folder: `sievert.db`, `segments/`, and a lock, for one process."""

from pathlib import Path

from sievert.errors import StoreUnavailable
from sievert.schema.clock import Clock
from sievert.stores.database import Database
from sievert.stores.journal.embedded import EmbeddedJournal
from sievert.stores.locking import FolderLock
from sievert.stores.segments.log import ROWS_PER_SEGMENT, SegmentLog
from sievert.stores.sql import SqlStores


def make_folder(folder: Path) -> None:
    """Make a data folder, for its owner alone, if it is not there.

    Raises:
        StoreUnavailable: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"The data folder {folder} cannot be made: {error.strerror}.",
            remedy="Name another folder with --data.",
        ) from error


def database_file(folder: Path) -> Path:
    """Return where the database of a data folder lies."""
    return folder / "sievert.db"


def segments_folder(folder: Path) -> Path:
    """Return where the segments of a data folder lie."""
    return folder / "segments"


class EmbeddedStores(SqlStores):
    """The stores of a laptop, and of one machine."""

    def __init__(self, folder: Path, *, clock: Clock, rows_per_segment: int = ROWS_PER_SEGMENT) -> None:
        """Open a data folder, or make it.

        Raises:
            StoreUnavailable: another process has it open, or the disk does not answer.
            MigrationNeeded: a newer release wrote it.
        """
        make_folder(folder)
        self._lock = FolderLock(folder)
        try:
            database = Database(database_file(folder))
            self.log = SegmentLog(
                segments_folder(folder), seed=database.seed(), rows_per_segment=rows_per_segment
            )
            super().__init__(database, clock=clock)
            self.journal = EmbeddedJournal(database, self.log, clock=clock, apply=self._consequences.write)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Let go of files and of the lock."""
        super().close()
        self._lock.release()
