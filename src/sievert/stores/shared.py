"""All stores in one schema of PostgreSQL, for any number of processes."""

from sievert.schema.clock import Clock
from sievert.stores.database import Database
from sievert.stores.journal.shared import SharedJournal
from sievert.stores.leading import Leadership
from sievert.stores.sql import SqlStores


class SharedStores(SqlStores):
    """The stores of many machines."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        """Open a database, and make or migrate its tables.

        Raises:
            ConfigurationError: that is no address of a database.
            MigrationNeeded: a newer release wrote it.
            MissingExtra: what speaks to PostgreSQL is not installed.
            StoreUnavailable: the server does not answer.
        """
        super().__init__(Database(url), clock=clock, alone=False)
        self.journal = SharedJournal(self.database, apply=self._consequences.write)
        self._leadership = Leadership(self.database)

    def leads(self) -> bool:
        """Tell whether this process does what one of all processes is to do."""
        return self._leadership.leads()

    def close(self) -> None:
        """Let somebody else lead, and let go of the database."""
        self._leadership.close()
        super().close()
