"""The outbox: webhook messages that are durable before anything is acknowledged.

A message is pending until its receiver has taken it; after too many attempts it is a dead letter,
which a person may revive, as what was
delivered and is remembered. Nothing leaves the outbox undelivered.
"""

import abc

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import NotFound
from sievert.schema.action import OutboxMessage
from sievert.schema.clock import DAY, Micros
from sievert.stores.database import Database
from sievert.stores.tables import outbox

PENDING = "pending"
DELIVERED = "delivered"
DEAD = "dead"

KEEP_DELIVERED: Micros = 7 * DAY
"""For how long a delivered message is remembered, from when its last attempt was due."""


# Earlier releases dropped the bodies of what was delivered: there is nothing to send again.
_SENT = (outbox.c.state != PENDING, outbox.c.body != b"")


class Outbox(abc.ABC):
    """Keeps messages until they are delivered."""

    @abc.abstractmethod
    def due(self, now: Micros, limit: int) -> list[OutboxMessage]:
        """Return pending messages whose time has come, oldest first."""

    @abc.abstractmethod
    def mark_delivered(self, message_id: str) -> None:
        """Note that the receiver took a message."""

    @abc.abstractmethod
    def mark_failed(self, message_id: str, error: str, next_attempt_at: Micros) -> None:
        """Note a failed attempt, and when to try again."""

    @abc.abstractmethod
    def bury(self, message_id: str, error: str) -> None:
        """Note the last failed attempt: the message becomes a dead letter."""

    @abc.abstractmethod
    def dead(self, limit: int) -> list[OutboxMessage]:
        """Return the dead letters, newest first."""

    @abc.abstractmethod
    def revive(self, message_id: str, now: Micros) -> None:
        """Make a message pending again that is a dead letter, or was delivered and is remembered.

        Raises:
            NotFound: there is no such message, or it is pending.
        """

    @abc.abstractmethod
    def revive_since(self, since: Micros, until: Micros, now: Micros) -> int:
        """Do so with all messages made since <= t < until; return how many there were."""

    @abc.abstractmethod
    def forget_delivered(self, before: Micros) -> None:
        """Forget delivered messages whose last attempt was due before a time."""

    @abc.abstractmethod
    def counts(self) -> dict[str, int]:
        """Count messages by state."""


class MemoryOutbox(Outbox):
    """Keeps messages in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._messages: dict[str, OutboxMessage] = {}

    def add(self, messages: tuple[OutboxMessage, ...]) -> None:
        """Put messages in."""
        self._messages.update({message.message_id: message for message in messages})

    def due(self, now: Micros, limit: int) -> list[OutboxMessage]:
        """Walk the dictionary."""
        waiting = [
            one for one in self._messages.values() if one.state == PENDING and one.next_attempt_at <= now
        ]
        return waiting[:limit]

    def mark_delivered(self, message_id: str) -> None:
        """Change the state."""
        self._change(message_id, state=DELIVERED)

    def mark_failed(self, message_id: str, error: str, next_attempt_at: Micros) -> None:
        """Count the attempt."""
        attempts = self._messages[message_id].attempts + 1
        self._change(message_id, attempts=attempts, last_error=error, next_attempt_at=next_attempt_at)

    def bury(self, message_id: str, error: str) -> None:
        """Change the state."""
        attempts = self._messages[message_id].attempts + 1
        self._change(message_id, attempts=attempts, state=DEAD, last_error=error)

    def dead(self, limit: int) -> list[OutboxMessage]:
        """Walk the dictionary."""
        return [one for one in reversed(self._messages.values()) if one.state == DEAD][:limit]

    def revive(self, message_id: str, now: Micros) -> None:
        """Change the state back."""
        message = self._messages.get(message_id)
        if message is None or message.state == PENDING:
            raise _not_dead(message_id)
        self._change(message_id, state=PENDING, attempts=0, next_attempt_at=now)

    def revive_since(self, since: Micros, until: Micros, now: Micros) -> int:
        """Walk the dictionary."""
        some = [
            one.message_id
            for one in self._messages.values()
            if one.state != PENDING and since <= one.created_at < until
        ]
        for message_id in some:
            self.revive(message_id, now)
        return len(some)

    def forget_delivered(self, before: Micros) -> None:
        """Walk the dictionary."""
        self._messages = {
            name: one
            for name, one in self._messages.items()
            if one.state != DELIVERED or one.next_attempt_at >= before
        }

    def counts(self) -> dict[str, int]:
        """Walk the dictionary."""
        states = [message.state for message in self._messages.values()]
        return {state: states.count(state) for state in (PENDING, DELIVERED, DEAD)}

    def _change(self, message_id: str, **fields: object) -> None:
        self._messages[message_id] = msgspec.structs.replace(self._messages[message_id], **fields)


class SqlOutbox(Outbox):
    """Keeps messages in the database."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def add(self, connection: Connection, messages: tuple[OutboxMessage, ...]) -> None:
        """Insert messages inside a transaction."""
        if messages:
            connection.execute(sa.insert(outbox), [msgspec.structs.asdict(message) for message in messages])

    def due(self, now: Micros, limit: int) -> list[OutboxMessage]:
        """Query by state and time."""
        query = sa.select(outbox).where(outbox.c.state == PENDING, outbox.c.next_attempt_at <= now)
        return self._read(query.order_by(outbox.c.sequence).limit(limit))

    def mark_delivered(self, message_id: str) -> None:
        """Update the row."""
        self._update(message_id, state=DELIVERED)

    def mark_failed(self, message_id: str, error: str, next_attempt_at: Micros) -> None:
        """Update the row."""
        self._update(
            message_id, attempts=outbox.c.attempts + 1, last_error=error, next_attempt_at=next_attempt_at
        )

    def bury(self, message_id: str, error: str) -> None:
        """Update the row."""
        self._update(message_id, attempts=outbox.c.attempts + 1, state=DEAD, last_error=error)

    def dead(self, limit: int) -> list[OutboxMessage]:
        """Query by state."""
        query = sa.select(outbox).where(outbox.c.state == DEAD)
        return self._read(query.order_by(outbox.c.sequence.desc()).limit(limit))

    def revive(self, message_id: str, now: Micros) -> None:
        """Update the row, if it is a dead letter."""
        update = (
            sa.update(outbox)
            .where(outbox.c.message_id == message_id, *_SENT)
            .values(state=PENDING, attempts=0, next_attempt_at=now)
        )
        with self._database.writing() as connection:
            if connection.execute(update).rowcount == 0:
                raise _not_dead(message_id)

    def revive_since(self, since: Micros, until: Micros, now: Micros) -> int:
        """Update the rows."""
        update = (
            sa.update(outbox)
            .where(outbox.c.created_at >= since, outbox.c.created_at < until, *_SENT)
            .values(state=PENDING, attempts=0, next_attempt_at=now)
        )
        with self._database.writing() as connection:
            return connection.execute(update).rowcount

    def forget_delivered(self, before: Micros) -> None:
        """Delete rows; the index by state and time finds them."""
        with self._database.writing() as connection:
            connection.execute(
                sa.delete(outbox).where(outbox.c.state == DELIVERED, outbox.c.next_attempt_at < before)
            )

    def counts(self) -> dict[str, int]:
        """Count in the database."""
        query = sa.select(outbox.c.state, sa.func.count()).group_by(outbox.c.state)
        with self._database.reading() as connection:
            found = {state: int(count) for state, count in connection.execute(query).all()}
        return {state: found.get(state, 0) for state in (PENDING, DELIVERED, DEAD)}

    def _update(self, message_id: str, **values: object) -> None:
        with self._database.writing() as connection:
            connection.execute(sa.update(outbox).where(outbox.c.message_id == message_id).values(**values))

    def _read(self, query: sa.Select[tuple[object, ...]]) -> list[OutboxMessage]:
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        fields = OutboxMessage.__struct_fields__
        return [OutboxMessage(**{name: row[name] for name in fields}) for row in rows]


def _not_dead(message_id: str) -> NotFound:
    return NotFound(
        f"There is no dead letter {message_id!r}.",
        remedy="List them with `sievert webhooks dead`.",
        field="id",
    )
