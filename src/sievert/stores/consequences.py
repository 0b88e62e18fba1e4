"""What a decision or a person sets in motion, written in one transaction: all of it or nothing."""

from sqlalchemy.engine import Connection

from sievert.schema.action import Action, Case
from sievert.schema.batch import Effects
from sievert.schema.clock import Clock
from sievert.schema.label import Label
from sievert.stores import tables
from sievert.stores.audit import SqlAuditLog
from sievert.stores.database import Database
from sievert.stores.delayed import SqlDelayed
from sievert.stores.grounds import SqlGrounds
from sievert.stores.guardrail.embedded import EmbeddedGuardrail
from sievert.stores.journal.kept import keep_texts
from sievert.stores.limits import SqlLimits
from sievert.stores.outbox import SqlOutbox
from sievert.stores.pasts import SqlPasts
from sievert.stores.records import SqlRecords
from sievert.stores.reviews.embedded import EmbeddedReviews
from sievert.stores.standing import SqlStanding
from sievert.stores.stops import SqlStops


class SqlConsequences:
    """The stores that effects go to, over one database; several processes may have one each."""

    def __init__(self, database: Database, *, clock: Clock, alone: bool = True) -> None:
        """Speak of one database; `alone` if no other process acts on posts."""
        self._database = database
        self._clock = clock
        self.actions: SqlRecords[Action] = SqlRecords(database, tables.actions, Action)
        self.cases: SqlRecords[Case] = SqlRecords(database, tables.cases, Case)
        self.labels: SqlRecords[Label] = SqlRecords(database, tables.labels, Label)
        self.reviews = EmbeddedReviews(database, apply=self.write)
        self.guardrail = EmbeddedGuardrail(database, apply=self.write)
        self.outbox = SqlOutbox(database)
        self.audit = SqlAuditLog(database, clock=clock)
        self.standing = SqlStanding(database, alone=alone)
        self.stops = SqlStops(database)
        self.delayed = SqlDelayed(database)
        self.limits = SqlLimits(database)
        self.pasts = SqlPasts(database)
        self.grounds = SqlGrounds(database)

    def write(self, connection: Connection, effects: Effects) -> None:
        """Write effects inside a transaction.

        Raises:
            NotStanding: a restore takes back what does not stand; the transaction must not commit.
        """
        # First what may refuse.
        self.standing.add(connection, effects.actions)
        self.limits.add(connection, effects.limits)
        self.pasts.add(connection, effects.pasts)
        self.actions.add(connection, effects.actions)
        self.cases.add(connection, effects.cases)
        self.reviews.open(connection, effects.cases, effects.likenesses)
        self.reviews.drop_gold(connection, effects.withdrawn)
        self.labels.add(connection, effects.labels)
        keep_texts(connection, effects.texts, received_at=self._clock.now())
        self.outbox.add(connection, effects.messages)
        self.audit.add(connection, effects.audit)
        self.stops.add(connection, effects.stops)
        self.delayed.add(connection, effects.delayed)
        self.delayed.let_go(connection, effects.released)
        self.guardrail.add(connection, effects.crossings)

    def perform(self, effects: Effects) -> None:
        """Make effects durable that no decision brought about: what people do, and what time does.

        Raises:
            NotStanding: a restore takes back what does not stand; nothing of it is durable.
            StoreUnavailable: nothing of it is durable.
        """
        with self._database.writing() as connection:
            self.write(connection, effects)
