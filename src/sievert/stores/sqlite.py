"""How one SQLite file is opened and spoken to.

Not covered: a network file system; SQLite's locks and WAL need a local disk.
"""

import contextlib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from sievert.stores.kinds import Remedies

_BUSY_MS = 5000
_CACHE_KIB = 65_536
"""Counters of creators lie all over their table: with SQLite's two megabytes every batch reads most of them anew."""
_WAL_PAGES = 16_384
"""Pages of 4 KiB after which the log is written back; with the usual thousand that is done after every batch."""

REMEDIES = Remedies(
    to_open="Check that the data folder is writable and the file is a Sievert database.",
    to_write="Free space on the data folder's disk, or end whatever else holds the database.",
    to_read="Try again; if it stays so, `sievert doctor` looks at the file.",
)


def engine_of(path: Path) -> Engine:
    """Return an engine over a file, which is made for its owner alone if it is not there.

    A transaction with the option `immediate` takes the write lock at its start: what is read inside stays
    true until it ends.
    """
    # Whatever the folder allows; what SQLite puts beside it follows.
    with contextlib.suppress(OSError):
        path.touch(mode=0o600)
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


def compact(connection: Connection) -> bool:
    """Write the file anew from its rows, and empty its log; tell whether nobody kept us from it.

    Whoever keeps us from the one also does from the other: then the file is not written in vain.
    """
    driver = connection.connection.driver_connection
    if driver is None:
        raise AssertionError("There is no connection.")
    # The driver itself: neither may stand in a transaction.
    driver.rollback()
    for command in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        found = driver.execute(command).fetchone()
        if found is not None and found[0]:
            return False
    return True
