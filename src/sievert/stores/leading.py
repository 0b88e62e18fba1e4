"""Of many processes over one database one leads: it does what is to be done once, such as sweeps and deliveries.

Whoever leads holds an advisory lock of PostgreSQL on a connection of its own. When it dies, or the connection
does, the server lets go of the lock, and the next process that asks leads.

Not covered: for moments two may believe that they lead, until the one whose connection was cut asks again.
What a leader does must do no harm when it is done twice.
"""

import threading

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.stores.database import Database

_LOCK = 0x53564C44
_TAKE = "SELECT pg_try_advisory_lock(%s, hashtext(current_schema()))"


class Leadership:
    """Asks for the lead, and keeps it. Threads may ask at once."""

    def __init__(self, database: Database) -> None:
        """Speak of one database of PostgreSQL."""
        self._database = database
        self._held: Connection | None = None
        self._one_at_a_time = threading.Lock()

    def leads(self) -> bool:
        """Tell whether this process leads; one that does not becomes the leader if there is none."""
        with self._one_at_a_time:
            try:
                return self._still() or self._take()
            except sa.exc.DBAPIError:
                self._let_go()
                return False
            except sa.exc.TimeoutError:
                return False

    def close(self) -> None:
        """Let somebody else lead."""
        with self._one_at_a_time:
            self._let_go()

    def _still(self) -> bool:
        if self._held is None:
            return False
        self._held.exec_driver_sql("SELECT 1")
        return True

    def _take(self) -> bool:
        # In no transaction: the lock is held by the connection, and the server must not end it as idle in one.
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if connection.exec_driver_sql(_TAKE, (_LOCK,)).scalar():
                self._held = connection
                return True
        finally:
            if self._held is not connection:
                connection.close()
        return False

    def _let_go(self) -> None:
        if self._held is not None:
            # Not back into the pool, where the lock would be held on.
            self._held.invalidate()
            self._held.close()
            self._held = None
