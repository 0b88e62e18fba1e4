"""All stores in one folder: `sievert.db`, `segments/`, and a lock, for one process."""

from pathlib import Path

from sqlalchemy.engine import Connection

from sievert.errors import StoreUnavailable
from sievert.schema.action import Action, Case
from sievert.schema.batch import Effects
from sievert.schema.clock import Clock
from sievert.schema.label import Label
from sievert.stores import tables
from sievert.stores.activity.embedded import EmbeddedActivity
from sievert.stores.audit import SqlAuditLog
from sievert.stores.banks.embedded import EmbeddedBanks
from sievert.stores.database import Database
from sievert.stores.guardrail.embedded import EmbeddedGuardrail
from sievert.stores.journal.embedded import EmbeddedJournal
from sievert.stores.keys import SqlKeyStore
from sievert.stores.locking import FolderLock
from sievert.stores.outbox import SqlOutbox
from sievert.stores.pictures.embedded import EmbeddedPictures
from sievert.stores.records import SqlRecords
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


def guardrail_beside(database: Database, *, clock: Clock) -> EmbeddedGuardrail:
    """Return the guardrail's records for whoever works beside a running server: cases, messages, audit notes follow."""
    cases: SqlRecords[Case] = SqlRecords(database, tables.cases, Case)
    outbox, audit = SqlOutbox(database), SqlAuditLog(database, clock=clock)

    def apply(connection: Connection, effects: Effects) -> None:
        cases.add(connection, effects.cases)
        outbox.add(connection, effects.messages)
        audit.add(connection, effects.audit)

    return EmbeddedGuardrail(database, apply=apply)


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
            self.actions: SqlRecords[Action] = SqlRecords(self.database, tables.actions, Action)
            self.cases: SqlRecords[Case] = SqlRecords(self.database, tables.cases, Case)
            self.labels: SqlRecords[Label] = SqlRecords(self.database, tables.labels, Label)
            self.outbox = SqlOutbox(self.database)
            self.keys = SqlKeyStore(self.database)
            self.audit = SqlAuditLog(self.database, clock=clock)
            self.activity = EmbeddedActivity(self.database)
            self.banks = EmbeddedBanks(self.database)
            self.pictures = EmbeddedPictures(self.database)
            self.guardrail = EmbeddedGuardrail(self.database, apply=self._apply)
            self.journal = EmbeddedJournal(self.database, self.log, clock=clock, apply=self._apply)
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

    def _apply(self, connection: Connection, effects: Effects) -> None:
        self.actions.add(connection, effects.actions)
        self.cases.add(connection, effects.cases)
        self.outbox.add(connection, effects.messages)
        self.audit.add(connection, effects.audit)
        self.guardrail.add(connection, effects.crossings)

    def close(self) -> None:
        """Let go of files and of the lock."""
        self.database.close()
        self._lock.release()
