"""The audit log: append-only, each entry chained to the one before by SHA-256.

Changing, removing or inserting an entry breaks the chain from there on; cutting the end off no
longer fits the head that is kept beside it. SQLite's own triggers refuse updates and deletes.

Not covered: whoever can write to the file can also compute a whole new chain and a new head; to
notice that, keep a head (`sievert audit verify` prints it) somewhere else.
"""

import abc
import hashlib
from collections.abc import Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import StoreCorrupt
from sievert.schema.access import AuditEntry, AuditNote
from sievert.schema.clock import Clock
from sievert.stores.database import Database
from sievert.stores.tables import audit, audit_head

GENESIS = "0" * 64


class AuditLog(abc.ABC):
    """Keeps what was done, in order."""

    @abc.abstractmethod
    def append(self, notes: Iterable[AuditNote]) -> None:
        """Add entries."""

    @abc.abstractmethod
    def entries(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Return entries behind sequence number `after`, oldest first."""

    @abc.abstractmethod
    def head(self) -> tuple[int, str]:
        """Return the sequence number and digest of the newest entry."""

    def verify(self) -> tuple[int, str]:
        """Walk the whole chain; return the head.

        Raises:
            StoreCorrupt: names the first entry that is not what it must be.
        """
        sequence, digest = 0, GENESIS
        while entries := self.entries(after=sequence):
            for entry in entries:
                if (entry.sequence, entry.previous, entry.digest) != (sequence + 1, digest, digest_of(entry)):
                    raise _broken(f"entry {sequence + 1} is not what was written")
                sequence, digest = entry.sequence, entry.digest
        if self.head() != (sequence, digest):
            raise _broken(f"it ends at entry {sequence}, and should end at entry {self.head()[0]}")
        return sequence, digest


class MemoryAuditLog(AuditLog):
    """Keeps entries in a list."""

    def __init__(self, *, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._entries: list[AuditEntry] = []

    def append(self, notes: Iterable[AuditNote]) -> None:
        """Chain and append."""
        self._entries.extend(chained(notes, self.head(), self._clock))

    def entries(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Slice the list."""
        return self._entries[after : after + limit]

    def head(self) -> tuple[int, str]:
        """Look at the last entry."""
        return (self._entries[-1].sequence, self._entries[-1].digest) if self._entries else (0, GENESIS)


class SqlAuditLog(AuditLog):
    """Keeps entries in the database."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        """Speak of one database."""
        self._database = database
        self._clock = clock

    def append(self, notes: Iterable[AuditNote]) -> None:
        """Append in a transaction of their own."""
        with self._database.writing() as connection:
            self.add(connection, tuple(notes))

    def add(self, connection: Connection, notes: tuple[AuditNote, ...]) -> None:
        """Append inside a transaction."""
        if not notes:
            return
        entries = chained(notes, _head(connection), self._clock)
        connection.execute(
            sa.insert(audit),
            [
                {"sequence": entry.sequence, "digest": entry.digest, "record": msgspec.json.encode(entry)}
                for entry in entries
            ],
        )
        connection.execute(sa.delete(audit_head))
        last = entries[-1]
        connection.execute(sa.insert(audit_head).values(one=1, sequence=last.sequence, digest=last.digest))

    def entries(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Query by sequence."""
        query = (
            sa.select(audit.c.record).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(limit)
        )
        with self._database.reading() as connection:
            records = connection.execute(query).scalars().all()
        try:
            return [msgspec.json.decode(record, type=AuditEntry) for record in records]
        except msgspec.DecodeError as error:
            raise _broken(f"an entry behind {after} cannot be read") from error

    def head(self) -> tuple[int, str]:
        """Read the head."""
        with self._database.reading() as connection:
            return _head(connection)


def chained(notes: Iterable[AuditNote], head: tuple[int, str], clock: Clock) -> list[AuditEntry]:
    """Turn notes into entries that follow `head`."""
    sequence, previous = head
    entries = []
    for note in notes:
        sequence += 1
        draft = AuditEntry(
            sequence=sequence,
            at=clock.now(),
            actor=note.actor,
            event=note.event,
            subject=note.subject,
            details=note.details,
            previous=previous,
            digest="",
        )
        previous = digest_of(draft)
        entries.append(msgspec.structs.replace(draft, digest=previous))
    return entries


def digest_of(entry: AuditEntry) -> str:
    """Return what the digest of an entry must be."""
    return hashlib.sha256(
        msgspec.json.encode(msgspec.structs.replace(entry, digest=""), order="deterministic")
    ).hexdigest()


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(sa.select(audit_head.c.sequence, audit_head.c.digest)).one_or_none()
    return (row.sequence, row.digest) if row else (0, GENESIS)


def _broken(what: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"The audit log was altered: {what}.",
        remedy="Compare with a backup; everything before that entry still holds.",
    )
