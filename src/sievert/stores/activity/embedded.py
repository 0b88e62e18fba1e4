"""Activity in the one SQLite file: a row an integer, added to in place."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from sievert.schema.clock import Micros
from sievert.stores.activity.base import (
    FOLDED,
    POST_ROLE,
    Activity,
    Author,
    Change,
    KnownFact,
    LoggedEvent,
    PostName,
    Reading,
    Subject,
)
from sievert.stores.database import Database

_AT_ONCE = 300
"""Names a query; SQLite takes up to three parameters for each."""

_ADD_AUTHOR = (
    "INSERT INTO activity_posts (platform, post_id, creator_id, created_at, received_at)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_ADD_KEY = "INSERT INTO activity_keys (key, received_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
_ADD_EVENT = (
    "INSERT INTO activity_events (kind, received_at, record, platform, post_id) VALUES (?, ?, ?, ?, ?)"
)
_ADD_REPORTER = (
    "INSERT INTO activity_reporters (platform, post_id, actor_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_ADD_COUNT = (
    "INSERT INTO activity_counts (role, platform, subject, counter, epoch, total, week, hours)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " total = total + excluded.total, week = week + excluded.week, hours = hours + excluded.hours"
)
# Of two things said at the same time the larger holds, whichever came first.
_ADD_FACT = (
    "INSERT INTO activity_facts (role, platform, subject, name, first_at, last_at, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " first_at = min(first_at, excluded.first_at),"
    " value = CASE WHEN (excluded.last_at, excluded.value) > (last_at, value)"
    " THEN excluded.value ELSE value END,"
    " last_at = max(last_at, excluded.last_at)"
)
_FORGET = (
    (
        "WITH old AS (SELECT platform, post_id FROM activity_posts WHERE received_at < ?2"
        " UNION ALL SELECT platform, post_id FROM activity_orphans WHERE received_at < ?2)"
        " DELETE FROM activity_counts WHERE role = ?1 AND (platform, subject) IN (SELECT * FROM old)"
    ),
    (
        "WITH old AS (SELECT platform, post_id FROM activity_posts WHERE received_at < ?2"
        " UNION ALL SELECT platform, post_id FROM activity_orphans WHERE received_at < ?2)"
        " DELETE FROM activity_reporters WHERE ?1 = ?1 AND (platform, post_id) IN (SELECT * FROM old)"
    ),
    "DELETE FROM activity_posts WHERE ?1 = ?1 AND received_at < ?2",
    "DELETE FROM activity_orphans WHERE ?1 = ?1 AND received_at < ?2",
)
_FOLD = (
    (
        "INSERT INTO activity_counts (role, platform, subject, counter, epoch, total, week, hours)"
        " SELECT role, platform, subject, counter, ?1, sum(total), 0, 0 FROM activity_counts"
        " WHERE epoch > ?1 AND epoch < ?2 GROUP BY role, platform, subject, counter"
        " ON CONFLICT DO UPDATE SET total = total + excluded.total"
    ),
    "DELETE FROM activity_counts WHERE epoch > ?1 AND epoch < ?2",
)
_ADD_ORPHAN = (
    "INSERT INTO activity_orphans (platform, post_id, received_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_DROP_ORPHAN = "DELETE FROM activity_orphans WHERE platform = ? AND post_id = ?"
_NO_POST = (None, None)
_TICK = (
    "INSERT INTO facts (name, value) VALUES ('tick', ?) ON CONFLICT DO UPDATE SET"
    " value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))"
)


class EmbeddedActivity(Activity):
    """Keeps activity in `sievert.db`."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def commit(self, change: Change) -> None:
        """Run one transaction."""
        self._commit(change, new=0)

    def commit_if_new(self, change: Change) -> bool:
        """Count what the insertion of authors really inserts."""
        try:
            self._commit(change, new=len(change.authors))
        except _KnownAuthorError:
            return False
        return True

    def _commit(self, change: Change, *, new: int) -> None:
        with self._database.writing() as connection:
            authors = ((*name, *author) for name, author in change.authors.items())
            if _many(connection, _ADD_AUTHOR, authors) < new:
                raise _KnownAuthorError
            _many(connection, _ADD_KEY, ((key, change.tick) for key in change.keys))
            _many(connection, _ADD_EVENT, ((*one[:3], *(one.post or _NO_POST)) for one in change.log))
            _many(connection, _ADD_REPORTER, ((*post, actor) for post, actor in change.reporters))
            _many(
                connection,
                _ADD_COUNT,
                (
                    (*subject, counter, epoch, *amounts)
                    for (subject, counter, epoch), amounts in change.increments.items()
                ),
            )
            _many(
                connection,
                _ADD_FACT,
                ((*fact.subject, fact.name, fact.at, fact.at, fact.value) for fact in change.facts),
            )
            _many(connection, _ADD_ORPHAN, ((*name, change.tick) for name in change.orphans))
            _many(connection, _DROP_ORPHAN, change.adopted)
            if change.tick:
                _many(connection, _TICK, [(str(change.tick),)])

    def authors(self, posts: Sequence[PostName]) -> dict[PostName, Author]:
        """Query by name."""
        query = (
            "WITH named (platform, post_id) AS (VALUES {}) SELECT platform, post_id, creator_id, created_at,"
            " received_at FROM named CROSS JOIN activity_posts USING (platform, post_id)"
        )
        return {PostName(*row[:2]): Author(*row[2:]) for row in self._named(query, posts)}

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Query by key."""
        rows = self._named("SELECT key FROM activity_keys WHERE key IN (VALUES {})", [(key,) for key in keys])
        return {row[0] for row in rows}

    def reporters(self, posts: Sequence[PostName]) -> dict[PostName, list[str]]:
        """Query by name."""
        query = (
            "WITH named (platform, post_id) AS (VALUES {}) SELECT platform, post_id, actor_id"
            " FROM named CROSS JOIN activity_reporters USING (platform, post_id)"
        )
        found: dict[PostName, list[str]] = {}
        for platform, post_id, actor in self._named(query, posts):
            found.setdefault(PostName(platform, post_id), []).append(actor)
        return found

    def counts(self, subjects: Sequence[Subject]) -> Reading:
        """Query by subject."""
        place = {subject: row for row, subject in enumerate(subjects)}
        query = (
            "WITH named (role, platform, subject) AS (VALUES {}) SELECT role, platform, subject, counter,"
            " epoch, total, week, hours FROM named CROSS JOIN activity_counts USING (role, platform, subject)"
        )
        return Reading.of((place[Subject(*row[:3])], *row[3:]) for row in self._named(query, [*place]))

    def facts(self, subjects: Sequence[Subject]) -> list[dict[int, KnownFact]]:
        """Query by subject."""
        query = (
            "WITH named (role, platform, subject) AS (VALUES {}) SELECT role, platform, subject, name,"
            " first_at, last_at, value FROM named CROSS JOIN activity_facts USING (role, platform, subject)"
        )
        found: dict[Subject, dict[int, KnownFact]] = {}
        for row in self._named(query, [*dict.fromkeys(subjects)]):
            found.setdefault(Subject(*row[:3]), {})[row[3]] = KnownFact(*row[4:])
        return [found.get(subject, {}) for subject in subjects]

    def orphans(self, posts: Sequence[PostName]) -> set[PostName]:
        """Query by name."""
        query = (
            "WITH named (platform, post_id) AS (VALUES {}) SELECT platform, post_id"
            " FROM named CROSS JOIN activity_orphans USING (platform, post_id)"
        )
        return {PostName(*row) for row in self._named(query, posts)}

    def any_orphans(self) -> bool:
        """Query one."""
        with self._database.reading() as connection:
            return connection.exec_driver_sql("SELECT 1 FROM activity_orphans LIMIT 1").first() is not None

    def last_tick(self) -> Micros:
        """Read it."""
        with self._database.reading() as connection:
            found = connection.exec_driver_sql("SELECT value FROM facts WHERE name = 'tick'").scalar()
        return int(found or 0)

    def log(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, LoggedEvent]]:
        """Query forwards by sequence."""
        query = (
            "SELECT sequence, kind, received_at, record, platform, post_id FROM activity_events"
            " WHERE sequence > ? ORDER BY sequence LIMIT ?"
        )
        with self._database.reading() as connection:
            rows = connection.exec_driver_sql(query, (after, limit)).all()
        return [(row[0], _logged(*row[1:])) for row in rows]

    def about(self, post: PostName, kind: str, *, limit: int) -> list[LoggedEvent]:
        """Query backwards by post and kind."""
        query = (
            "SELECT kind, received_at, record, platform, post_id FROM activity_events"
            " WHERE platform = ? AND post_id = ? AND kind = ? ORDER BY sequence DESC LIMIT ?"
        )
        with self._database.reading() as connection:
            return [_logged(*row) for row in connection.exec_driver_sql(query, (*post, kind, limit))]

    def forget_events(self, before: Micros) -> None:
        """Delete them."""
        with self._database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM activity_events WHERE received_at < ?", (before,))

    def forget_posts(self, before: Micros) -> None:
        """Delete everything under their names."""
        with self._database.writing() as connection:
            for statement in _FORGET:
                connection.exec_driver_sql(statement, (POST_ROLE, before))

    def forget_keys(self, before: Micros) -> None:
        """Delete them."""
        with self._database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM activity_keys WHERE received_at < ?", (before,))

    def fold(self, before: int) -> None:
        """Add the sums of what is old in, then delete it."""
        with self._database.writing() as connection:
            for statement in _FOLD:
                connection.exec_driver_sql(statement, (FOLDED, before))

    def _named(self, query: str, names: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
        """Run a query over names, so many at once as SQLite takes.

        Names are joined and not looked for with IN: SQLite reads the whole table for rows that are IN a list,
        and takes the index of a table that it may only join second.
        """
        names, rows = [*dict.fromkeys(names)], list[tuple[Any, ...]]()
        with self._database.reading() as connection:
            for start in range(0, len(names), _AT_ONCE):
                some = names[start : start + _AT_ONCE]
                marks = ", ".join(f"({', '.join('?' * len(name))})" for name in some)
                values = tuple(value for name in some for value in name)
                rows += [tuple(row) for row in connection.exec_driver_sql(query.format(marks), values)]
        return rows


class _KnownAuthorError(Exception):
    """Takes a transaction back: an author that was to be new is known."""


def _logged(
    kind: str, received_at: Micros, record: bytes, platform: str | None, post_id: str | None
) -> LoggedEvent:
    post = None if platform is None or post_id is None else PostName(platform, post_id)
    return LoggedEvent(kind, received_at, record, post)


def _many(connection: Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> int:
    """Run a statement for each row, if there is one; return how many rows it changed."""
    listed = [tuple(row) for row in rows]
    return connection.exec_driver_sql(statement, listed).rowcount if listed else 0
