"""All stores in one folder: `sievert.db`, `segments/`, and a lock, for one process."""

from pathlib import Path

from sievert.errors import StoreUnavailable
from sievert.schema.batch import Effects
from sievert.schema.clock import Clock
from sievert.schema.label import Label
from sievert.stores.activity.embedded import EmbeddedActivity
from sievert.stores.banks.embedded import EmbeddedBanks
from sievert.stores.consequences import SqlConsequences
from sievert.stores.database import Database
from sievert.stores.journal.embedded import EmbeddedJournal
from sievert.stores.keys import SqlKeyStore
from sievert.stores.locking import FolderLock
from sievert.stores.people import SqlPeople
from sievert.stores.pictures.embedded import EmbeddedPictures
from sievert.stores.segments.log import ROWS_PER_SEGMENT, SegmentLog


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


class EmbeddedStores:
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
            self.database = Database(database_file(folder))
            self.log = SegmentLog(
                segments_folder(folder), seed=self.database.seed(), rows_per_segment=rows_per_segment
            )
            self._consequences = SqlConsequences(self.database, clock=clock)
            self.actions = self._consequences.actions
            self.cases = self._consequences.cases
            self.outbox = self._consequences.outbox
            self.audit = self._consequences.audit
            self.standing = self._consequences.standing
            self.stops = self._consequences.stops
            self.delayed = self._consequences.delayed
            self.limits = self._consequences.limits
            self.pasts = self._consequences.pasts
            self.grounds = self._consequences.grounds
            self.labels = self._consequences.labels
            self.keys = SqlKeyStore(self.database)
            self.people = SqlPeople(self.database)
            self.activity = EmbeddedActivity(self.database)
            self.banks = EmbeddedBanks(self.database)
            self.pictures = EmbeddedPictures(self.database)
            self.reviews = self._consequences.reviews
            self.guardrail = self._consequences.guardrail
            self.journal = EmbeddedJournal(
                self.database, self.log, clock=clock, apply=self._consequences.write
            )
        except BaseException:
            self._lock.release()
            raise

    def keep_labels(self, labels: tuple[Label, ...]) -> None:
        """Make labels durable, all or none.

        Raises:
            StoreUnavailable: they are not durable.
        """
        with self.database.writing() as connection:
            self.labels.add(connection, labels)

    def perform(self, effects: Effects) -> None:
        """Make effects durable that no decision brought about: see `SqlConsequences.perform`."""
        self._consequences.perform(effects)

    def close(self) -> None:
        """Let go of files and of the lock."""
        self.database.close()
        self._lock.release()
