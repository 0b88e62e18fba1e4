"""Actions, cases and labels: records that are listed newest first, by policy, page by page.

One interface serves all three nouns. `MemoryRecords` and `SqlRecords` inherit one contract test.
"""

import abc
import builtins
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.action import Action, Case
from sievert.schema.clock import Micros
from sievert.schema.label import Label
from sievert.stores.database import Database
from sievert.stores.journal.base import Page, read_cursor, write_cursor
from sievert.stores.tables import labels

_AT_ONCE = 1000

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

    @abc.abstractmethod
    def about(self, platform: str, post_id: str) -> "builtins.list[R]":
        """Return the records about a post, oldest first; labels, which are about texts, are none."""

    @abc.abstractmethod
    def forget_texts(self, before: Micros) -> None:
        """Forget what labels from before a time say of texts but their digests; other records hold no text."""

    @abc.abstractmethod
    def named(self, name: str) -> R | None:
        """Return the record of this id, or None."""


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

    def about(self, platform: str, post_id: str) -> "builtins.list[R]":
        """Walk the list."""
        return [one for one in self._records if _is_about(one, platform, post_id)]

    def forget_texts(self, before: Micros) -> None:
        """Put records without a text in their place."""
        for at, one in enumerate(self._records):
            if isinstance(one, Label) and one.received_at < before:
                self._records[at] = msgspec.structs.replace(one, text=None)

    def named(self, name: str) -> R | None:
        """Walk the list."""
        return next((one for one in self._records if _own(one).get(_NAMES[type(one)]) == name), None)

    def forget_text(self, platform: str, post_id: str) -> None:
        """Let labels of a post lose their text."""
        for place, record in enumerate(self._records):
            if isinstance(record, Label) and (record.platform, record.post_id) == (platform, post_id):
                self._records[place] = msgspec.structs.replace(record, text=None)

    def set_state(self, case_id: str, state: str) -> None:
        """Say how a case stands now."""
        for place, record in enumerate(self._records):
            if isinstance(record, Case) and record.case_id == case_id:
                self._records[place] = msgspec.structs.replace(record, state=state)


class SqlRecords(Records[R]):
    """Keeps records in a table with the columns sequence, policy, at and record."""

    def __init__(self, database: Database, table: sa.Table, kind: type[R]) -> None:
        """Speak of one table and one kind of record."""
        self._database = database
        self._table = table
        self._kind: type[R] = kind
        # How a case stands is a column: it holds, whatever the record said when the case was opened.
        self._state: sa.ColumnElement[Any] = table.c.state if kind is Case else sa.null().label("state")

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
        query = sa.select(table.c.sequence, self._state, table.c.record)
        if cursor:
            query = query.where(table.c.sequence < read_cursor(cursor, "at")["at"])
        if policy is not None:
            query = query.where(table.c.policy == policy)
        if without is not None:
            query = query.where(table.c.policy.is_distinct_from(without))
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(table.c.sequence.desc()).limit(limit + 1)).all()
        items = [self._read(state, record) for _, state, record in found[:limit]]
        last = write_cursor({"at": found[limit - 1].sequence}) if len(found) > limit else None
        return Page(items=items, cursor=last)

    def count_since(self, policy: str, since: Micros, *, kind: str | None = None) -> int:
        """Count in the database."""
        table = self._table
        query = sa.select(sa.func.count()).where(table.c.policy == policy, table.c.at >= since)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def about(self, platform: str, post_id: str) -> "builtins.list[R]":
        """Query by the post's id."""
        table = self._table
        query = sa.select(self._state, table.c.record).where(table.c.post_id == post_id)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(table.c.sequence)).all()
        records = [self._read(state, record) for state, record in found]
        return [one for one in records if _is_about(one, platform, post_id)]

    def forget_texts(self, before: Micros) -> None:
        """Write the records anew without them."""
        if self._kind is not Label:
            return
        # One piece a transaction: posts have their turn in between.
        last: int | None = 0
        while last is not None:
            with self._database.writing() as connection:
                last = _forget_texts(connection, labels.c.at < before, after=last)

    def named(self, name: str) -> R | None:
        """Query by id."""
        table = self._table
        query = sa.select(self._state, table.c.record).where(table.c[_NAMES[self._kind]] == name)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._read(*row)

    def _read(self, state: str | None, record: bytes) -> R:
        read = msgspec.json.decode(record, type=self._kind)
        if isinstance(read, Case) and state is not None and state != read.state:
            return msgspec.structs.replace(read, state=state)
        return read


def forget_texts_of(connection: Connection, platform: str, post_id: str) -> None:
    """Let labels of a post lose their text, inside a transaction."""
    last: int | None = 0
    while last is not None:
        last = _forget_texts(connection, labels.c.post_id == post_id, after=last, platform=platform)


def _forget_texts(
    connection: Connection, which: sa.ColumnElement[bool], *, after: int, platform: str | None = None
) -> int | None:
    """Take the texts out of some labels behind a number; return the last number looked at, None at the end.

    Fields that a newer release wrote stay as they are.
    """
    query = sa.select(labels.c.sequence, labels.c.record).where(which, labels.c.sequence > after)
    found = connection.execute(query.order_by(labels.c.sequence).limit(_AT_ONCE)).all()
    read = [(number, msgspec.json.decode(record)) for number, record in found]
    rows = [
        {"number": number, "without": msgspec.json.encode({**said, "text": None})}
        for number, said in read
        if said.get("text") is not None and platform in (None, said["platform"])
    ]
    if rows:
        update = sa.update(labels).where(labels.c.sequence == sa.bindparam("number"))
        connection.execute(update.values(record=sa.bindparam("without")), rows)
    return found[-1].sequence if len(found) == _AT_ONCE else None


def moment_of(record: Action | Case | Label) -> Micros:
    """Return when an action was performed, a case opened, or a label received."""
    match record:
        case Action():
            return record.performed_at
        case Case():
            return record.opened_at
        case Label():
            return record.received_at


_NAMES: dict[type[Action | Case | Label], str] = {Action: "action_id", Case: "case_id", Label: "label_id"}


def _is_about(record: Action | Case | Label, platform: str, post_id: str) -> bool:
    return not isinstance(record, Label) and (record.platform, record.post_id) == (platform, post_id)


def _own(record: Action | Case | Label) -> dict[str, object]:
    match record:
        case Action():
            return {"action_id": record.action_id, "kind": record.kind}
        case Case():
            return {"case_id": record.case_id, "state": record.state, "kind": record.kind}
        case Label():
            return {"label_id": record.label_id, "source": record.source}


def _row(record: Action | Case | Label) -> dict[str, object]:
    return {
        **_own(record),
        "post_id": record.post_id,
        "policy": record.policy,
        "at": moment_of(record),
        "record": msgspec.json.encode(record),
    }
