"""How a PostgreSQL database is opened and spoken to (ADR 0022).

One writer at a time over one schema, whatever process it is in: a transaction with the option `immediate`
begins by taking an advisory lock, and lets go of it when it has committed. What it reads stays true until
it ends, as it does under SQLite's write lock.

A writer reads what was committed before each of its statements (READ COMMITTED): under REPEATABLE READ it
would see the state from before it waited for its turn. A reader is shown one state in all its statements.
"""

import importlib.util

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

from sievert.errors import ConfigurationError, MissingExtra
from sievert.stores.kinds import Remedies

_LOCK = 0x53564C54
"""The first half of the advisory lock's name; the second is the schema, so that schemas do not wait."""

_SETTINGS = {
    "lock_timeout": "5s",  # as long as SQLite waits for its write lock
    "statement_timeout": "60s",
    # Whoever hangs in the middle of a transaction must not keep the writer's place for ever.
    "idle_in_transaction_session_timeout": "30s",
    "synchronous_commit": "on",  # what is acknowledged is on the disk, whatever the server is set to
}
_CONNECT = {
    "application_name": "sievert",
    "connect_timeout": 5,
    # A server that vanished without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_WAIT_SECONDS = 5
_CONNECTIONS, _MORE_CONNECTIONS = 5, 10

REMEDIES = Remedies(
    to_open="Check `database_url`, and that the server runs and lets this user in; `sievert doctor` asks it.",
    to_write="Nothing was acknowledged: send it again. If it stays so, `sievert doctor` asks the server.",
    to_read="Try again; if it stays so, `sievert doctor` asks the server.",
)


def is_url(place: object) -> bool:
    """Tell whether a place is the address of a PostgreSQL database."""
    return isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))


def without_password(url: str) -> str:
    """Return an address as it may be shown."""
    return _parsed(url).set(drivername="postgresql").render_as_string(hide_password=True)


def engine_of(url: str) -> Engine:
    """Return an engine over a database; `options=-csearch_path%3DNAME` in the address names a schema.

    Raises:
        ConfigurationError: that is no address of a database.
        MissingExtra: what speaks to PostgreSQL is not installed.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise MissingExtra("PostgreSQL needs more packages.", remedy="Run: pip install 'sievert[scale]'")
    parsed = _parsed(url)
    given = parsed.query.get("options", "")
    options = " ".join(f"-c{name}={value}" for name, value in _SETTINGS.items())
    engine = sa.create_engine(
        parsed.difference_update_query(["options"]),
        connect_args={**_CONNECT, "options": f"{options} {given if isinstance(given, str) else given[-1]}"},
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_timeout=_WAIT_SECONDS,
        pool_pre_ping=True,  # a connection that died while nobody used it is replaced, and no request fails
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("immediate"):
            connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(%s, hashtext(current_schema()))", (_LOCK,)
            )

    return engine


def reader_of(engine: Engine) -> Engine:
    """Return the engine whose transactions only read, and see one state."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _parsed(url: str) -> URL:
    try:
        return sa.make_url(url).set(drivername="postgresql+psycopg")
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "Settings", ["database_url is no address: write postgresql://user:password@host:5432/name"]
        ) from error


def compact(connection: Connection) -> bool:
    """Take dead rows out of all tables; their bytes are overwritten as the server writes new ones."""
    connection.exec_driver_sql("SET statement_timeout = 0")
    try:
        tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()"
        for name in connection.exec_driver_sql(tables).scalars().all():
            connection.exec_driver_sql(f"VACUUM {name}")
    finally:
        connection.exec_driver_sql(f"SET statement_timeout = '{_SETTINGS['statement_timeout']}'")
    return True
