"""One database: opened, brought to this release's schema, and spoken to in transactions.

A file of SQLite, for the processes of one machine, or a schema of PostgreSQL, for those of many. The tables
and the migrations are the same, and so is the promise: one writer at a time, and what a transaction reads
stays true until it ends.
"""

import contextlib
import secrets
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from sievert.errors import MigrationNeeded, StoreUnavailable
from sievert.stores import postgres, sqlite
from sievert.stores.statements import fact_of, is_postgres
from sievert.stores.tables import facts

# Besides what the database says: no connection was free for seconds.
_FAILURES = (sa.exc.DBAPIError, sa.exc.TimeoutError)


class Database:
    """A migrated database."""

    def __init__(self, place: Path | str) -> None:
        """Open a file, or make it; or speak to PostgreSQL at an address.

        Raises:
            ConfigurationError: that is no address of a database.
            MigrationNeeded: the database was written by a newer release.
            MissingExtra: what speaks to PostgreSQL is not installed.
            StoreUnavailable: the database cannot be opened.
        """
        if isinstance(place, Path):
            self._remedies, shown = sqlite.REMEDIES, str(place)
            self.engine = self._reader = sqlite.engine_of(place)
        else:
            self._remedies, shown = postgres.REMEDIES, postgres.without_password(place)
            self.engine = postgres.engine_of(place)
            self._reader = postgres.reader_of(self.engine)
        # Takes the writer's place at the start: what is read inside a transaction stays true until it ends.
        self._writer = self.engine.execution_options(immediate=True)
        try:
            # Looked at first: whoever opens what is up to date waits for no writer.
            with self._reader.connect() as connection:
                present = MigrationContext.configure(connection).get_current_revision()
            if present != _script().get_current_head():
                with self._writer.begin() as connection:
                    _migrate(connection, shown)
        except MigrationNeeded:
            self.engine.dispose()
            raise
        except _FAILURES as error:
            self.engine.dispose()
            raise StoreUnavailable(
                f"{shown} cannot be opened: {_said(error)}.", remedy=self._remedies.to_open
            ) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Run one durable transaction.

        Raises:
            StoreUnavailable: it did not commit, and nothing of it remains; or a PostgreSQL server died while
                it did, and all of it remains.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except sa.exc.IntegrityError:
            raise  # a fault of ours, not of the disk
        except _FAILURES as error:
            raise StoreUnavailable(
                f"The database did not take the transaction: {_said(error)}.",
                remedy=self._remedies.to_write,
            ) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run queries over one consistent state.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            with self._reader.connect() as connection:
                yield connection
        except _FAILURES as error:
            raise StoreUnavailable(
                f"The database does not answer: {_said(error)}.", remedy=self._remedies.to_read
            ) from error

    @property
    def is_shared(self) -> bool:
        """Whether it is PostgreSQL, for many processes, and not a file."""
        return is_postgres(self.engine)

    def compact(self) -> None:
        """Let nothing stay on disk that was deleted or replaced, as far as the database can see to that.

        Raises:
            StoreUnavailable: somebody else reads what was, or there is no room; what was deleted stays deleted.
        """
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                done = postgres.compact(connection) if self.is_shared else sqlite.compact(connection)
        except _FAILURES as error:
            raise StoreUnavailable(
                f"The database was not compacted: {_said(error)}.", remedy=self._remedies.to_write
            ) from error
        if not done:
            raise StoreUnavailable(
                "The database was not compacted: somebody still reads it.", remedy="Try again in a moment."
            )

    def seed(self) -> int:
        """Return this store's own random number, made when it was first opened."""
        with self.writing() as connection:
            found = fact_of(connection, "seed")
            if found is None:
                found = str(secrets.randbits(63))
                connection.execute(facts.insert().values(name="seed", value=found))
        return int(found)

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes of this store's own for one purpose, made when they are first asked for."""
        with self.writing() as connection:
            found = fact_of(connection, f"secret {name}")
            if found is None:
                found = secrets.token_hex(32)
                connection.execute(facts.insert().values(name=f"secret {name}", value=found))
        return bytes.fromhex(found)

    def close(self) -> None:
        """Let go of it."""
        self.engine.dispose()


def _said(error: sa.exc.SQLAlchemyError) -> str:
    """Return what the database said, on one line and without the statement, which may hold a post."""
    told = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return " ".join(str(told).split()) or type(told).__name__


def _migrate(connection: Connection, shown: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    # Asked again, in the writer's place: somebody else may have been faster.
    present = MigrationContext.configure(connection).get_current_revision()
    try:
        if present is not None:
            _script().get_revision(present)
        command.upgrade(config, "head")
    except CommandError as error:
        raise MigrationNeeded(
            f"{shown} has schema {present}, which this release does not know.",
            remedy="Open it with the Sievert release that wrote it, or a newer one.",
        ) from error


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("sievert.stores") / "migrations"))
    return config
