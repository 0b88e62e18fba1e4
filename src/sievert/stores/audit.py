"""The audit log: append-only, each entry chained to the one before by SHA-256.

Changing, removing or inserting an entry breaks the chain from there on; cutting the end off no
longer fits the head that is kept beside it. the database's own triggers refuse updates and deletes.

What led to somebody who was forgotten is erased from a line; its number, time, actor, event and place in the
chain stay, with the digest that it had. Such a line holds only if it says nothing else, and a later one, which is
whole, tells its new hash (`audit.redacted`) for a forgetting that was asked for before and is not done: nobody can
empty a line without saying so, and for whom.

Not covered: whoever can write to the database's files can also compute a whole new chain and a new head; to
notice that, keep a head (`sievert audit verify` prints it) somewhere else. Of an emptied line such a head covers
the place alone: that its time, actor and event are those of old nobody can tell but by a copy.
"""

import abc
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import StoreCorrupt
from sievert.schema.access import AuditEntry, AuditNote
from sievert.schema.clock import Clock
from sievert.stores.database import Database
from sievert.stores.tables import audit, audit_head

GENESIS = "0" * 64
ASKED, FORGOTTEN = "creator.forget_asked", "creator.forgotten"
"""The events with which a forgetting begins and ends; its name is their subject."""
REDACTED = "audit.redacted"
"""The event of a line that tells which earlier ones were emptied, by their numbers and new hashes."""
_TOLD_TOGETHER = 500
_LINES_A_STEP = 1000


Line = tuple[bytes, str]
"""An entry as it is kept: its JSON without the digest, and the digest, which is of these very bytes."""


class Chain(NamedTuple):
    """What a walk along the whole log found: its head, and how many lines each forgetting emptied."""

    head: tuple[int, str]
    emptied: dict[str, int]


class AuditLog(abc.ABC):
    """Keeps what was done, in order."""

    @abc.abstractmethod
    def append(self, notes: Iterable[AuditNote]) -> None:
        """Add entries."""

    @abc.abstractmethod
    def lines(self, *, after: int, limit: int) -> list[Line]:
        """Return lines behind sequence number `after`, oldest first."""

    @abc.abstractmethod
    def head(self) -> tuple[int, str]:
        """Return the sequence number and digest of the newest entry."""

    def entries(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Return entries behind sequence number `after`, oldest first.

        Raises:
            StoreCorrupt: an entry cannot be read.
        """
        return [_entry(line) for line in self.lines(after=after, limit=limit)]

    def verify(self) -> tuple[int, str]:
        """Walk the whole chain, also while it grows; return its head.

        Raises:
            StoreCorrupt: names the first entry that is not what it must be.
        """
        return self.walked().head

    def walked(self) -> Chain:
        """Walk the whole chain, also while it grows; return what it holds.

        Raises:
            StoreCorrupt: names the first entry that is not what it must be.
        """
        sequence, digest = 0, GENESIS
        emptied = _Emptied()
        while True:
            for line in self.lines(after=sequence, limit=_LINES_A_STEP):
                entry, now = _entry(line), digest_of(line[0])
                if (entry.sequence, entry.previous) != (sequence + 1, digest) or (
                    entry.digest != now and not entry.redacted
                ):
                    raise _broken(f"entry {sequence + 1} is not what was written")
                emptied.hear(entry, line[0])
                sequence, digest = entry.sequence, entry.digest
            head = self.head()
            if head == (sequence, digest):
                if emptied.untold:
                    raise _broken(
                        f"entry {next(iter(emptied.untold))} was emptied, and no later one tells so of a forgetting"
                    )
                return Chain(head, dict(emptied.told))
            if not self.lines(after=sequence, limit=1):
                raise _broken(f"it ends at entry {sequence}, and should end at entry {head[0]}")


class _Emptied:
    """Knows which lines were emptied, and for which forgettings that is told."""

    def __init__(self) -> None:
        self.untold: dict[str, str] = {}
        self.told: Counter[str] = Counter()
        self._going_on: set[str] = set()

    def hear(self, entry: AuditEntry, record: bytes) -> None:
        """Hear of the next line.

        Raises:
            StoreCorrupt: it is said to be emptied, and says more than what stays.
        """
        if entry.redacted:
            if record != msgspec.json.encode(emptied(entry)):
                raise _broken(f"entry {entry.sequence} is said to be emptied, and says something")
            self.untold[str(entry.sequence)] = digest_of(record)
        elif entry.event == ASKED:
            self._going_on.add(entry.subject)
        elif entry.event == FORGOTTEN:
            self._going_on.discard(entry.subject)
        elif entry.event == REDACTED and entry.subject in self._going_on:
            for at, digest in entry.details.items():
                if self.untold.get(at) == digest:
                    del self.untold[at]
                    self.told[entry.subject] += 1


class MemoryAuditLog(AuditLog):
    """Keeps lines in a list."""

    def __init__(self, *, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._lines: list[Line] = []

    def append(self, notes: Iterable[AuditNote]) -> None:
        """Chain and append."""
        self._lines.extend(chained(notes, self.head(), self._clock))

    def lines(self, *, after: int, limit: int) -> list[Line]:
        """Slice the list."""
        return self._lines[after : after + limit]

    def head(self) -> tuple[int, str]:
        """Look at the last line."""
        return (len(self._lines), self._lines[-1][1]) if self._lines else (0, GENESIS)


class SqlAuditLog(AuditLog):
    """Keeps lines in the database."""

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
        before, _ = head = _head(connection)
        lines = chained(notes, head, self._clock)
        connection.execute(
            sa.insert(audit),
            [
                {"sequence": sequence, "digest": digest, "record": record}
                for sequence, (record, digest) in enumerate(lines, start=before + 1)
            ],
        )
        connection.execute(sa.delete(audit_head))
        connection.execute(
            sa.insert(audit_head).values(one=1, sequence=before + len(lines), digest=lines[-1][1])
        )

    def redact(self, connection: Connection, sequences: Sequence[int], *, actor: str, why: str) -> None:
        """Empty lines inside a transaction, and tell of it in new ones; those that are empty stay so."""
        told: dict[str, str] = {}
        for sequence in sequences:
            query = sa.select(audit.c.record).where(audit.c.sequence == sequence)
            entry = _entry((_bytes(connection.execute(query).scalar_one()), ""))
            if entry.redacted:
                continue
            record = msgspec.json.encode(emptied(entry))
            connection.execute(sa.update(audit).where(audit.c.sequence == sequence).values(record=record))
            told[str(sequence)] = digest_of(record)
        every = [*told.items()]
        for start in range(0, len(every), _TOLD_TOGETHER):
            details = dict(every[start : start + _TOLD_TOGETHER])
            self.add(connection, (AuditNote(actor=actor, event=REDACTED, subject=why, details=details),))

    def lines(self, *, after: int, limit: int) -> list[Line]:
        """Query by sequence."""
        query = sa.select(audit.c.record, audit.c.digest).where(audit.c.sequence > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(audit.c.sequence).limit(limit)).all()
        return [(_bytes(record), digest) for record, digest in rows]

    def head(self) -> tuple[int, str]:
        """Read the head."""
        with self._database.reading() as connection:
            return _head(connection)


def chained(notes: Iterable[AuditNote], head: tuple[int, str], clock: Clock) -> list[Line]:
    """Turn notes into lines that follow `head`."""
    sequence, previous = head
    lines = []
    for note in notes:
        sequence += 1
        record = msgspec.json.encode(
            AuditEntry(
                sequence=sequence,
                at=clock.now(),
                actor=note.actor,
                event=note.event,
                subject=note.subject,
                details=note.details,
                previous=previous,
            )
        )
        previous = digest_of(record)
        lines.append((record, previous))
    return lines


def emptied(entry: AuditEntry) -> AuditEntry:
    """Return a line that says what was done, when and by whom, and no longer to what."""
    return msgspec.structs.replace(entry, subject="", details={}, digest="", redacted=True)


def digest_of(record: bytes) -> str:
    """Return what the digest of an entry's bytes must be."""
    return hashlib.sha256(record).hexdigest()


def _entry(line: Line) -> AuditEntry:
    record, digest = line
    try:
        return msgspec.structs.replace(msgspec.json.decode(record, type=AuditEntry), digest=digest)
    except msgspec.DecodeError as error:
        raise _broken("an entry cannot be read") from error


def _bytes(record: bytes | str) -> bytes:
    # Whoever edits the file with SQLite's own functions may leave text behind.
    return record if isinstance(record, bytes) else record.encode()


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(sa.select(audit_head.c.sequence, audit_head.c.digest)).one_or_none()
    return (row.sequence, row.digest) if row else (0, GENESIS)


def _broken(what: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"The audit log was altered: {what}.",
        remedy="Compare with a backup; everything before that entry still holds.",
    )
