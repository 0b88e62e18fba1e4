"""All stores over one database, whichever it is; the journal stands beside them (`embedded.py`, `shared.py`)."""

from sievert.schema.batch import Effects
from sievert.schema.clock import Clock
from sievert.schema.label import Label
from sievert.stores.activity.embedded import EmbeddedActivity
from sievert.stores.banks.embedded import EmbeddedBanks
from sievert.stores.consequences import SqlConsequences
from sievert.stores.database import Database
from sievert.stores.edges import SqlEdges
from sievert.stores.forgetting.sql import SqlForgettings
from sievert.stores.journal.base import Journal
from sievert.stores.keys import SqlKeyStore
from sievert.stores.people import SqlPeople
from sievert.stores.pictures.embedded import EmbeddedPictures


class SqlStores:
    """The stores but the journal, which those give who inherit."""

    journal: Journal

    def __init__(self, database: Database, *, clock: Clock, alone: bool = True) -> None:
        """Speak of one database; `alone` if no other process takes posts and events."""
        self.database = database
        self._consequences = SqlConsequences(database, clock=clock, alone=alone)
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
        self.reviews = self._consequences.reviews
        self.guardrail = self._consequences.guardrail
        self.keys = SqlKeyStore(database)
        self.people = SqlPeople(database)
        self.activity = EmbeddedActivity(database, alone=alone)
        self.edges = SqlEdges(database)
        self.banks = EmbeddedBanks(database)
        self.pictures = EmbeddedPictures(database)
        self.forgettings = SqlForgettings(database, self.audit)

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

    def leads(self) -> bool:
        """Tell whether this process does what one of all processes is to do; here there is no other."""
        return True

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()
