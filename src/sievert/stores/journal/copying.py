"""COPY: the way into PostgreSQL for many rows at once."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_TYPES = {
    sa.String: "text",
    sa.LargeBinary: "bytea",
    sa.BigInteger: "int8",
    sa.SmallInteger: "int2",
    sa.Integer: "int4",
}


def copy_rows(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Append rows to a table inside a transaction; their values stand in the order of the columns.

    Raises:
        sqlalchemy.exc.DBAPIError: the server refused them, as it is for every other statement.
    """
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    driver: Any = connection.connection.driver_connection
    failure: Any = getattr(connection.dialect.dbapi, "Error")  # noqa: B009  of a module that is not installed everywhere
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_type_of(table.c[name].type) for name in columns])
            for row in rows:
                copy.write_row(row)
    except failure as error:
        raise sa.exc.DBAPIError.instance(statement, None, error, failure) from error


def _type_of(kind: sa.types.TypeEngine[Any]) -> str:
    return next(name for known, name in _TYPES.items() if isinstance(kind, known))
