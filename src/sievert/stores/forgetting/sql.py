"""Forgettings in the database: asked for, carried out table by table, and looked for again.

All rows of one creator are found by reading, without holding up anybody who writes; then they are erased, and
what stays is given new names, in one transaction. What came in between is found the next time one looks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import InvalidField, NotFound
from sievert.schema.access import AuditNote
from sievert.schema.action import CaseState
from sievert.schema.clock import Micros
from sievert.schema.decision import decision_id
from sievert.schema.forgetting import Forgetting, ForgettingState, KeptTraces, PlaceCount
from sievert.schema.guardrail import AuditState
from sievert.schema.identity import keyed_id
from sievert.schema.post import PostKey
from sievert.stores.audit import ASKED, SqlAuditLog
from sievert.stores.database import Database
from sievert.stores.forgetting.places import AUDIT, PLACES, Place, Row
from sievert.stores.forgetting.tables import forgettings
from sievert.stores.forgetting.traces import Redaction, Traces, keyed_hash
from sievert.stores.guardrail.embedded import note_change
from sievert.stores.guardrail.tables import guardrail_audits
from sievert.stores.journal.shared_tables import allowed
from sievert.stores.reviews.rows import change, let_joined_wait, open_again, row_of
from sievert.stores.tables import (
    activity_posts,
    decisions,
    picture_posts,
    posts,
    review_cases,
    review_settlements,
    standing,
)

_AT_ONCE = 2000
_CLOSED = (CaseState.SETTLED, CaseState.WITHDRAWN)
_SECRET = "forgotten"  # noqa: S105  the name of one


class SqlForgettings:
    """Keeps forgettings, and carries them out in the tables."""

    def __init__(self, database: Database, audit: SqlAuditLog) -> None:
        """Speak of one database, and tell its audit log."""
        self._database = database
        self._audit = audit

    def ask(self, platform: str, creator_id: str, *, by: str, now: Micros) -> Forgetting:
        """Write down that a creator is to be forgotten; what was asked and is not done yet goes on.

        Raises:
            InvalidField: the platform or the account has no name.
            StoreUnavailable: it is not written down.
        """
        for field, name in (("platform", platform), ("creator_id", creator_id)):
            if not name:
                raise InvalidField(
                    f"The {field} is empty.", field=field, remedy="Name the account that is to be forgotten."
                )
        for one in self.unfinished():
            if (one.platform, one.creator_id) == (platform, creator_id):
                return one
        key = self.key()
        asked = Forgetting(
            forgetting_id=keyed_id("g", key, platform, creator_id, str(now)),
            platform=platform,
            creator=keyed_hash(key, f"creator {platform}", creator_id),
            asked_by=by,
            asked_at=now,
            creator_id=creator_id,
        )
        note = AuditNote(actor=by, event=ASKED, subject=asked.forgetting_id)
        with self._database.writing() as connection:
            connection.execute(sa.insert(forgettings).values(**_row(asked)))
            self._audit.add(connection, (note,))
        return asked

    def key(self) -> bytes:
        """Return the key of all hashes."""
        return self._database.secret(_SECRET)

    def find(self, forgetting_id: str) -> Forgetting:
        """Return one.

        Raises:
            NotFound: there is none of that id.
        """
        found = self._read(
            sa.select(forgettings.c.record).where(forgettings.c.forgetting_id == forgetting_id)
        )
        if not found:
            raise NotFound(f"There is no forgetting {forgetting_id[:80]!r}.")
        return found[0]

    def unfinished(self) -> list[Forgetting]:
        """Return those that go on, oldest first."""
        table = forgettings
        query = sa.select(table.c.record).where(table.c.state != ForgettingState.DONE)
        return self._read(query.order_by(table.c.asked_at))

    def of(self, platform: str, creator_id: str) -> list[Forgetting]:
        """Return when a creator was forgotten, oldest first."""
        creator = keyed_hash(self.key(), f"creator {platform}", creator_id)
        table = forgettings
        query = sa.select(table.c.record).where(table.c.platform == platform, table.c.creator == creator)
        return self._read(query.order_by(table.c.asked_at))

    def put(self, one: Forgetting, notes: tuple[AuditNote, ...] = ()) -> None:
        """Write down how far one has come, and tell the audit log.

        Raises:
            StoreUnavailable: it is not written down.
        """
        changed = sa.update(forgettings).where(forgettings.c.forgetting_id == one.forgetting_id)
        with self._database.writing() as connection:
            connection.execute(changed.values(**_row(one)))
            self._audit.add(connection, notes)

    def posts_of(self, platform: str, creator_id: str) -> set[str]:
        """Return the posts of a creator that any table knows."""
        found: set[str] = set()
        with self._database.reading() as connection:
            named = [activity_posts.c.post_id, standing.c.post_id]
            if self._database.is_shared:
                named.append(allowed.c.id)
            for column in named:
                table = column.table
                query = sa.select(column).where(
                    table.c.platform == platform, table.c.creator_id == creator_id
                )
                found.update(connection.execute(query).scalars())
            # Their creators stand in the record alone; how that is written is known to the byte.
            said = b'"creator_id":' + msgspec.json.encode(creator_id)
            for table in (posts, decisions):
                within = (
                    sa.func.position(sa.literal(said).op("IN")(table.c.record))
                    if self._database.is_shared
                    else sa.func.instr(table.c.record, said)
                )
                query = sa.select(table.c.post_id).where(table.c.platform == platform, within > 0)
                found.update(connection.execute(query).scalars())
        return found

    def gather(self, platform: str, creator_id: str, known: KeptTraces) -> KeptTraces:
        """Return all that leads to a creator and follows from these posts, as far as any table tells it."""
        names, digests = set(known.names), set(known.digests)
        pictures = set(known.pictures) | self._own_pictures(platform, known.posts)
        names |= pictures
        while True:
            traces = Traces(
                platform=platform,
                creator_id=creator_id,
                posts=known.posts,
                names=frozenset(names),
                digests=frozenset(digests),
            )
            before = len(names)
            for place in PLACES:
                if not place.gives and place.table is not allowed:
                    continue
                for row in self._rows(place):
                    if place.is_own(row, traces):
                        names.update(row[one] for one in place.gives)
                        if "digest" in row:
                            digests.add(row["digest"].hex())
                        if place.table is allowed:
                            names.add(decision_id(PostKey(row["platform"], row["id"], row["revision"])))
            if len(names) == before:
                break
        return msgspec.structs.replace(
            known, names=frozenset(names), digests=frozenset(digests), pictures=frozenset(pictures)
        )

    def look(self, traces: Traces) -> Iterator[PlaceCount]:
        """Count what leads to a creator, table after table."""
        for place in (*PLACES, AUDIT):
            if self._is_here(place):
                left = sum(place.leads(row, traces) for row in self._rows(place))
                yield PlaceCount(place=str(place.table.name), left=left)

    def erase(self, traces: Traces, *, forgetting_id: str, by: str, now: Micros) -> list[PlaceCount]:
        """Erase what leads to a creator from all tables, and tell the audit log which lines were emptied.

        Raises:
            StoreUnavailable: nothing of it was done.
        """
        found = [
            (place, [row for row in self._rows(place) if place.leads(row, traces)])
            for place in (*PLACES, AUDIT)
            if self._is_here(place)
        ]
        redaction = Redaction(traces)
        with self._database.writing() as connection:
            for place, rows in found:
                if place.table is review_cases:
                    _withdraw(connection, [row for row in rows if place.is_own(row, traces)])
            for place, rows in found:
                if not rows or place is AUDIT:
                    continue
                if place.stays:
                    _redact(connection, place, [_key(place, row) for row in rows], redaction, now)
                else:
                    _delete(connection, place, rows)
                if place.table is guardrail_audits:
                    note_change(connection)
            lines = [row["sequence"] for place, rows in found if place is AUDIT for row in rows]
            self._audit.redact(connection, lines, actor=by, why=forgetting_id)
        return [
            PlaceCount(
                place=str(place.table.name),
                removed=0 if place.stays else len(rows),
                redacted=len(rows) if place.stays else 0,
            )
            for place, rows in found
        ]

    def events(self, traces: Traces) -> list[bytes]:
        """Return the logged events that lead to a creator, as they came."""
        (place,) = (one for one in PLACES if one.table.name == "activity_events")
        return [row["record"] for row in self._rows(place) if place.leads(row, traces)]

    def compact(self) -> None:
        """Overwrite on disk what the database has let go of.

        Raises:
            StoreUnavailable: somebody else holds on to it; try again.
        """
        self._database.compact()

    def _own_pictures(self, platform: str, theirs: Iterable[str]) -> set[str]:
        """Return the pictures that these posts show and no others."""
        shown: dict[str, bool] = {}
        wanted = frozenset(theirs)
        with self._database.reading() as connection:
            query = sa.select(picture_posts.c.sha256, picture_posts.c.platform, picture_posts.c.post_id)
            for sha256, where, post in connection.execution_options(yield_per=_AT_ONCE).execute(query):
                own = where == platform and post in wanted
                shown[sha256] = shown.get(sha256, True) and own
        return {sha256 for sha256, own in shown.items() if own}

    def _is_here(self, place: Place) -> bool:
        return place.table is not allowed or self._database.is_shared

    def _rows(self, place: Place) -> Iterator[Row]:
        if not self._is_here(place):
            return
        with self._database.reading() as connection:
            found = connection.execution_options(yield_per=_AT_ONCE).execute(sa.select(place.table))
            for row in found.mappings():
                yield {**row}

    def _read(self, query: sa.Select[Any]) -> list[Forgetting]:
        with self._database.reading() as connection:
            records = connection.execute(query).scalars().all()
        return [msgspec.json.decode(record, type=Forgetting) for record in records]


def _row(one: Forgetting) -> dict[str, object]:
    return {
        "forgetting_id": one.forgetting_id,
        "platform": one.platform,
        "creator": one.creator,
        "state": one.state,
        "asked_at": one.asked_at,
        "record": msgspec.json.encode(one),
    }


def _key(place: Place, row: Row) -> dict[str, Any]:
    return {column.name: row[column.name] for column in place.table.primary_key}


def _is(place: Place) -> list[sa.ColumnElement[bool]]:
    return [column == sa.bindparam(f"is_{column.name}") for column in place.table.primary_key]


def _delete(connection: Connection, place: Place, rows: Sequence[Row]) -> None:
    connection.execute(
        sa.delete(place.table).where(*_is(place)),
        [{f"is_{name}": value for name, value in _key(place, row).items()} for row in rows],
    )


def _withdraw(connection: Connection, rows: Sequence[Row]) -> None:
    """Close the cases that wait; what was joined to them waits by itself."""
    for row in rows:
        if row_of(connection, row["case_id"]).state not in _CLOSED:
            open_again(connection, [row["case_id"]])
            change(connection, row["case_id"], state=CaseState.WITHDRAWN)
        let_joined_wait(connection, row["case_id"])


def _redact(
    connection: Connection,
    place: Place,
    keys: Sequence[dict[str, Any]],
    redaction: Redaction,
    now: Micros,
) -> None:
    for key in keys:
        here = [place.table.c[name] == value for name, value in key.items()]
        row = connection.execute(sa.select(place.table).where(*here)).mappings().one()
        values: dict[str, Any] = {
            name: redaction.name(row[name]) for name in (place.about, *place.gives, *place.also) if name
        }
        if place.post and row[place.post] in redaction.traces.posts:
            values[place.post] = redaction.post(row[place.post])
        if place.record:
            said = msgspec.json.decode(row[place.record])
            said = said | dict.fromkeys(place.empties) if place.empties else redaction.record(said)
            if place.table is guardrail_audits and _waits(connection, said):
                # Nobody can judge it any more: it counts against the promise, as a wrong removal does.
                said |= {"state": AuditState.SETTLED, "harmful": False, "settled_at": now}
                values["state"] = AuditState.SETTLED
            values[place.record] = msgspec.json.encode(said)
        connection.execute(sa.update(place.table).where(*here).values(**values))


def _waits(connection: Connection, audit: dict[str, Any]) -> bool:
    """Tell whether nobody has judged an audit; a judgement that is not heard yet is heard later."""
    judged = sa.select(review_settlements.c.sequence).where(review_settlements.c.case_id == audit["case_id"])
    return audit["state"] == AuditState.OPEN and connection.execute(judged).first() is None


def counted(found: Iterable[PlaceCount], more: Iterable[PlaceCount]) -> tuple[PlaceCount, ...]:
    """Add up what was erased; what is left is what the later count says."""
    removed: Counter[str] = Counter()
    redacted: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for one in found:
        removed[one.place] += one.removed
        redacted[one.place] += one.redacted
    for one in more:
        removed[one.place] += one.removed
        redacted[one.place] += one.redacted
        left[one.place] += one.left
    return tuple(
        PlaceCount(place=name, removed=removed[name], redacted=redacted[name], left=left[name])
        for name in removed
    )
