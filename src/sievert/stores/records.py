"""Actions, cases and labels: records that are listed newest first, by policy, page by page.

One interface serves all three nouns. `MemoryRecords` and `SqlRecords` inherit one contract test.
"""

import abc
from typing import Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.action import Action, Case, CaseKind
from sievert.schema.clock import Micros
from sievert.schema.label import Label
from sievert.stores.database import Database
from sievert.stores.journal.base import Page, read_cursor, write_cursor

R = TypeVar("R", Action, Case, Label)


class Records(abc.ABC, Generic[R]):
    """A list of actions, of cases or of labels."""

    @abc.abstractmethod
    def list(
        self,
        *,
        policy: str | None = None,
        without: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[R]:
        """Return records, newest first: those of one policy, those without one, or all.

        Raises:
            InvalidField: the cursor is not one that this method gave.
        """

    @abc.abstractmethod
    def count_since(self, policy: str, since: Micros, *, kind: str | None = None) -> int:
        """Count a policy's records from `since` on: of actions and cases, if it is said, those of one kind."""


class MemoryRecords(Records[R]):
    """Keeps records in a list."""

    def __init__(self) -> None:
        """Start empty."""
        self._records: list[R] = []

    def add(self, records: tuple[R, ...]) -> None:
        """Append records."""
        self._records.extend(records)

    def list(
        self,
        *,
        policy: str | None = None,
        without: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[R]:
        """Walk the list backwards."""
        at = read_cursor(cursor, "at")["at"] if cursor else len(self._records)
        items: list[R] = []
        while at > 0 and len(items) < limit:
            at -= 1
            found = self._records[at].policy
            if policy in (None, found) and (without is None or found != without):
                items.append(self._records[at])
        return Page(items=items, cursor=write_cursor({"at": at}) if at > 0 else None)

    def count_since(self, policy: str, since: Micros, *, kind: str | None = None) -> int:
        """Walk the list."""
        return sum(
            record.policy == policy
            and moment_of(record) >= since
            and (kind is None or (isinstance(record, Action | Case) and record.kind == kind))
            for record in self._records
        )


class SqlRecords(Records[R]):
    """Keeps records in a table with the columns sequence, policy, at and record."""

    def __init__(self, database: Database, table: sa.Table, kind: type[R]) -> None:
        """Speak of one table and one kind of record."""
        self._database = database
        self._table = table
        self._kind: type[R] = kind

    def add(self, connection: Connection, records: tuple[R, ...]) -> None:
        """Insert records inside a transaction."""
        if records:
            connection.execute(sa.insert(self._table), [_row(record) for record in records])

    def list(
        self,
        *,
        policy: str | None = None,
        without: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[R]:
        """Query backwards by sequence."""
        table = self._table
        query = sa.select(table.c.sequence, table.c.record)
        if cursor:
            query = query.where(table.c.sequence < read_cursor(cursor, "at")["at"])
        if policy is not None:
            query = query.where(table.c.policy == policy)
        if without is not None:
            query = query.where(table.c.policy.is_distinct_from(without))
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(table.c.sequence.desc()).limit(limit + 1)).all()
        items = [msgspec.json.decode(record, type=self._kind) for _, record in found[:limit]]
        last = write_cursor({"at": found[limit - 1].sequence}) if len(found) > limit else None
        return Page(items=items, cursor=last)

    def count_since(self, policy: str, since: Micros, *, kind: str | None = None) -> int:
        """Count in the database."""
        table = self._table
        query = sa.select(sa.func.count()).where(table.c.policy == policy, table.c.at >= since)
        if kind is not None:
            # Of cases the record alone says it, if it is another than the first kind that there was.
            told = sa.func.json_extract(sa.cast(table.c.record, sa.Text), "$.kind")
            of = table.c.kind if "kind" in table.c else sa.func.coalesce(told, CaseKind.DECISION)
            query = query.where(of == kind)
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())


def moment_of(record: Action | Case | Label) -> Micros:
    """Return when an action was performed, a case opened, or a label received."""
    match record:
        case Action():
            return record.performed_at
        case Case():
            return record.opened_at
        case Label():
            return record.received_at


def _row(record: Action | Case | Label) -> dict[str, object]:
    own: dict[str, object]
    match record:
        case Action():
            own = {"action_id": record.action_id, "kind": record.kind}
        case Case():
            own = {"case_id": record.case_id, "state": record.state}
        case Label():
            own = {"label_id": record.label_id, "source": record.source}
    return {**own, "policy": record.policy, "at": moment_of(record), "record": msgspec.json.encode(record)}
