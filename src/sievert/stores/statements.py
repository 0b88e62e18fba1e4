"""The few statements that SQLite and PostgreSQL write differently, in one place.

Statements in SQL are written once, in words that both understand, with `?` where a value goes. Of a row
that was there already they speak by the table's name (`activity_counts.total`), of the one that came as
`excluded`, and they name the columns that must not come twice: PostgreSQL guesses neither.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult, Engine

_VALUES = re.compile(r"VALUES \(\?(, \?)*\)")
_ARRAYS = {str: "text", int: "int8", bytes: "bytea"}

Insert = sqlite.Insert | postgresql.Insert
"""Both can be told what to do with a row that is there already, in the same words."""


def is_postgres(connection: Connection | Engine) -> bool:
    """Tell whether this is PostgreSQL, and not SQLite."""
    return connection.dialect.name == "postgresql"


def insert(connection: Connection, table: sa.Table) -> Insert:
    """Return an insert that can be told what to do with a row that is there already."""
    return postgresql.insert(table) if is_postgres(connection) else sqlite.insert(table)


def run(
    connection: Connection, statement: str, values: Sequence[Any] | list[tuple[Any, ...]] = ()
) -> CursorResult[*tuple[Any, ...]]:
    """Run SQL whose values stand as `?`: once with a tuple of them, or for each of a list of tuples."""
    text = _with_percent(statement) if is_postgres(connection) else statement
    return connection.exec_driver_sql(text, values or None)


def run_rows(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows by SQL with `VALUES (?, ...)`, all of them at once; return how many it changed.

    PostgreSQL is sent columns, which cost a tenth of rows. No two rows may meet in one `ON CONFLICT DO UPDATE`.
    """
    if not rows:
        return 0
    if not is_postgres(connection):
        return run(connection, statement, [*rows]).rowcount
    columns = [*zip(*rows, strict=True)]
    return run(
        connection, _VALUES.sub(columns_of(columns), statement, count=1), tuple(map(list, columns))
    ).rowcount


def columns_of(columns: Sequence[Sequence[Any]]) -> str:
    """Return what reads columns of values as rows, in the words of PostgreSQL; each stands as one `?`."""
    return f"SELECT * FROM unnest({', '.join(map(_array, columns))})"  # noqa: S608  names of types


def _array(column: Sequence[Any]) -> str:
    first = next((one for one in column if one is not None), "")
    return f"?::{next(name for kind, name in _ARRAYS.items() if isinstance(first, kind))}[]"


@functools.lru_cache(maxsize=4096)
def _with_percent(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")


def fact_of(connection: Connection, name: str) -> str | None:
    """Return a fact of the store, None if there is none of that name."""
    return run(connection, "SELECT value FROM facts WHERE name = ?", (name,)).scalar()


def put_fact(connection: Connection, name: str, value: str) -> None:
    """Write a fact of the store down, in the place of an older one of that name."""
    run(
        connection,
        "INSERT INTO facts (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
