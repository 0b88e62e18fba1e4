"""One SQLite file: opened, brought to this release's schema, and spoken to in transactions.

Not covered: a network file system; SQLite's locks and WAL need a local disk.
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
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from sievert.errors import MigrationNeeded, StoreUnavailable
from sievert.stores.tables import facts

_BUSY_MS = 5000
_CACHE_KIB = 65_536
"""Counters of creators lie all over their table: with SQLite's two megabytes every batch reads most of them anew."""
_WAL_PAGES = 16_384
"""Pages of 4 KiB after which the log is written back; with the usual thousand that is done after every batch."""


class Database:
    """A migrated `sievert.db`."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            MigrationNeeded: the file was written by a newer release.
            StoreUnavailable: the file cannot be opened.
        """
        # For its owner alone, whatever the folder allows; what SQLite puts beside it follows.
        with contextlib.suppress(OSError):
            path.touch(mode=0o600)
        self.engine = _engine(path)
        # Takes the write lock at the start: what is read inside a transaction stays true until it ends.
        self._writer = self.engine.execution_options(immediate=True)
        try:
            with self._writer.begin() as connection:
                _migrate(connection, path)
        except sa.exc.DatabaseError as error:
            self.engine.dispose()
            raise StoreUnavailable(
                f"{path} cannot be opened: {error.orig}.",
                remedy="Check that the data folder is writable and the file is a Sievert database.",
            ) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Run one durable transaction.

        Raises:
            StoreUnavailable: it did not commit; nothing of it remains.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except sa.exc.IntegrityError:
            raise  # a fault of ours, not of the disk
        except sa.exc.DatabaseError as error:
            raise StoreUnavailable(
                f"The database did not take the transaction: {error.orig}.",
                remedy="Free space on the data folder's disk, or end whatever else holds the database.",
            ) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run queries over one consistent state.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            with self.engine.connect() as connection:
                yield connection
        except sa.exc.DatabaseError as error:
            raise StoreUnavailable(
                f"The database does not answer: {error.orig}.",
                remedy="Try again; if it stays so, `sievert doctor` looks at the file.",
            ) from error

    def seed(self) -> int:
        """Return this store's own random number, made when it was first opened."""
        with self.writing() as connection:
            found = connection.execute(sa.select(facts.c.value).where(facts.c.name == "seed")).scalar()
            if found is None:
                found = str(secrets.randbits(63))
                connection.execute(facts.insert().values(name="seed", value=found))
        return int(found)

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes of this store's own for one purpose, made when they are first asked for."""
        with self.writing() as connection:
            found = connection.execute(
                sa.select(facts.c.value).where(facts.c.name == f"secret {name}")
            ).scalar()
            if found is None:
                found = secrets.token_hex(32)
                connection.execute(facts.insert().values(name=f"secret {name}", value=found))
        return bytes.fromhex(found)

    def close(self) -> None:
        """Let go of the file."""
        self.engine.dispose()


def _engine(path: Path) -> Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def _settings(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
        # Transactions are begun below, and not by the driver, which would begin them late.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={_BUSY_MS}",
            f"cache_size=-{_CACHE_KIB}",
            f"wal_autocheckpoint={_WAL_PAGES}",
            "foreign_keys=ON",
            "secure_delete=ON",  # a forgotten text is overwritten, not only let go of
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _migrate(connection: Connection, path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(resources.files("sievert.stores") / "migrations"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == script.get_current_head():
        return
    try:
        if present is not None:
            script.get_revision(present)
        command.upgrade(config, "head")
    except CommandError as error:
        raise MigrationNeeded(
            f"{path} has schema {present}, which this release does not know.",
            remedy="Open it with the Sievert release that wrote it, or a newer one.",
        ) from error
