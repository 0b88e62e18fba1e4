"""Activity in the database: a row an integer, added to in place."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from sievert.errors import Overtaken
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
from sievert.stores.statements import columns_of, is_postgres, run, run_rows

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
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (role, platform, subject, counter, epoch) DO UPDATE SET"
    " total = activity_counts.total + excluded.total, week = activity_counts.week + excluded.week,"
    " hours = activity_counts.hours + excluded.hours"
)
# Of two things said at the same time the larger holds, whichever came first.
_ADD_FACT = (
    "INSERT INTO activity_facts (role, platform, subject, name, first_at, last_at, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (role, platform, subject, name) DO UPDATE SET"
    " first_at = CASE WHEN excluded.first_at < activity_facts.first_at"
    " THEN excluded.first_at ELSE activity_facts.first_at END,"
    " value = CASE WHEN (excluded.last_at, excluded.value) > (activity_facts.last_at, activity_facts.value)"
    " THEN excluded.value ELSE activity_facts.value END,"
    " last_at = CASE WHEN excluded.last_at > activity_facts.last_at"
    " THEN excluded.last_at ELSE activity_facts.last_at END"
)
_OLD = (
    "(SELECT platform, post_id FROM activity_posts WHERE received_at < ?"
    " UNION ALL SELECT platform, post_id FROM activity_orphans WHERE received_at < ?)"
)
_FORGET_COUNTS = f"DELETE FROM activity_counts WHERE role = ? AND (platform, subject) IN {_OLD}"  # noqa: S608  our own words
_FORGET_REPORTERS = f"DELETE FROM activity_reporters WHERE (platform, post_id) IN {_OLD}"  # noqa: S608  our own words
_FOLD = (
    "INSERT INTO activity_counts (role, platform, subject, counter, epoch, total, week, hours)"
    " SELECT role, platform, subject, counter, ?, sum(total), 0, 0 FROM activity_counts"
    " WHERE epoch > ? AND epoch < ? GROUP BY role, platform, subject, counter"
    " ON CONFLICT (role, platform, subject, counter, epoch)"
    " DO UPDATE SET total = activity_counts.total + excluded.total"
)
_DROP_FOLDED = "DELETE FROM activity_counts WHERE epoch > ? AND epoch < ?"
_ADD_ORPHAN = (
    "INSERT INTO activity_orphans (platform, post_id, received_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_DROP_ORPHAN = "DELETE FROM activity_orphans WHERE platform = ? AND post_id = ?"
_ORPHANS = (
    "WITH named (platform, post_id) AS ({}) SELECT platform, post_id"
    " FROM named {} activity_orphans USING (platform, post_id)"
)
_NOTED = (
    "WITH named (platform, post_id) AS ({}) SELECT platform, post_id"
    " FROM named {} activity_posts USING (platform, post_id)"
)
_NO_POST = (None, None)
_TICK = (
    "INSERT INTO facts (name, value) VALUES ('tick', ?) ON CONFLICT (name) DO UPDATE SET"
    " value = CASE WHEN CAST(excluded.value AS BIGINT) > CAST(facts.value AS BIGINT)"
    " THEN excluded.value ELSE facts.value END"
)


_AT_A_TIME = frozenset({_ADD_FACT, _DROP_ORPHAN, _TICK})
"""Two facts may say something of one name, and what is dropped is not inserted."""


class EmbeddedActivity(Activity):
    """Keeps activity in the database."""

    def __init__(self, database: Database, *, alone: bool = True) -> None:
        """Speak of one database.

        Where other processes write too, a change that one of them overtook is refused: what it counts was
        worked out from what is no longer so.
        """
        self._database = database
        self._alone = alone

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
            added = _many(connection, _ADD_KEY, ((key, change.tick) for key in change.keys))
            if not self._alone and (added < len({*change.keys}) or _came_between(connection, change)):
                raise Overtaken(
                    "Another process was faster; nothing was counted.", remedy="Send the same again."
                )
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
            "WITH named (platform, post_id) AS ({}) SELECT platform, post_id, creator_id, created_at,"
            " received_at FROM named {} activity_posts USING (platform, post_id)"
        )
        return {PostName(*row[:2]): Author(*row[2:]) for row in self._named(query, posts)}

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Query by key."""
        rows = self._named("SELECT key FROM activity_keys WHERE key IN ({})", [(key,) for key in keys])
        return {row[0] for row in rows}

    def reporters(self, posts: Sequence[PostName]) -> dict[PostName, list[str]]:
        """Query by name."""
        query = (
            "WITH named (platform, post_id) AS ({}) SELECT platform, post_id, actor_id"
            " FROM named {} activity_reporters USING (platform, post_id)"
        )
        found: dict[PostName, list[str]] = {}
        for platform, post_id, actor in self._named(query, posts):
            found.setdefault(PostName(platform, post_id), []).append(actor)
        return found

    def counts(self, subjects: Sequence[Subject]) -> Reading:
        """Query by subject."""
        place = {subject: row for row, subject in enumerate(subjects)}
        query = (
            "WITH named (role, platform, subject) AS ({}) SELECT role, platform, subject, counter,"
            " epoch, total, week, hours FROM named {} activity_counts USING (role, platform, subject)"
        )
        return Reading.of((place[Subject(*row[:3])], *row[3:]) for row in self._named(query, [*place]))

    def facts(self, subjects: Sequence[Subject]) -> list[dict[int, KnownFact]]:
        """Query by subject."""
        query = (
            "WITH named (role, platform, subject) AS ({}) SELECT role, platform, subject, name,"
            " first_at, last_at, value FROM named {} activity_facts USING (role, platform, subject)"
        )
        found: dict[Subject, dict[int, KnownFact]] = {}
        for row in self._named(query, [*dict.fromkeys(subjects)]):
            found.setdefault(Subject(*row[:3]), {})[row[3]] = KnownFact(*row[4:])
        return [found.get(subject, {}) for subject in subjects]

    def orphans(self, posts: Sequence[PostName]) -> set[PostName]:
        """Query by name."""
        return {PostName(*row) for row in self._named(_ORPHANS, posts)}

    def any_orphans(self) -> bool:
        """Query one."""
        with self._database.reading() as connection:
            return run(connection, "SELECT 1 FROM activity_orphans LIMIT 1").first() is not None

    def last_tick(self) -> Micros:
        """Read it."""
        with self._database.reading() as connection:
            found = run(connection, "SELECT value FROM facts WHERE name = 'tick'").scalar()
        return int(found or 0)

    def log(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, LoggedEvent]]:
        """Query forwards by sequence."""
        query = (
            "SELECT sequence, kind, received_at, record, platform, post_id FROM activity_events"
            " WHERE sequence > ? ORDER BY sequence LIMIT ?"
        )
        with self._database.reading() as connection:
            rows = run(connection, query, (after, limit)).all()
        return [(row[0], _logged(*row[1:])) for row in rows]

    def about(self, post: PostName, kind: str, *, limit: int) -> list[LoggedEvent]:
        """Query backwards by post and kind."""
        query = (
            "SELECT kind, received_at, record, platform, post_id FROM activity_events"
            " WHERE platform = ? AND post_id = ? AND kind = ? ORDER BY sequence DESC LIMIT ?"
        )
        with self._database.reading() as connection:
            return [_logged(*row) for row in run(connection, query, (*post, kind, limit))]

    def forget_events(self, before: Micros) -> None:
        """Delete them."""
        with self._database.writing() as connection:
            run(connection, "DELETE FROM activity_events WHERE received_at < ?", (before,))

    def forget_posts(self, before: Micros) -> None:
        """Delete everything under their names."""
        with self._database.writing() as connection:
            run(connection, _FORGET_COUNTS, (POST_ROLE, before, before))
            run(connection, _FORGET_REPORTERS, (before, before))
            for table in ("activity_posts", "activity_orphans"):
                run(connection, f"DELETE FROM {table} WHERE received_at < ?", (before,))  # noqa: S608  our own words

    def forget_keys(self, before: Micros) -> None:
        """Delete them."""
        with self._database.writing() as connection:
            run(connection, "DELETE FROM activity_keys WHERE received_at < ?", (before,))

    def fold(self, before: int) -> None:
        """Add the sums of what is old in, then delete it."""
        with self._database.writing() as connection:
            run(connection, _FOLD, (FOLDED, FOLDED, before))
            run(connection, _DROP_FOLDED, (FOLDED, before))

    def _named(self, query: str, names: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
        with self._database.reading() as connection:
            return _named(connection, query, names)


class _KnownAuthorError(Exception):
    """Takes a transaction back: an author that was to be new is known."""


def _came_between(connection: Connection, change: Change) -> bool:
    """Tell whether another process made an orphan of a post, or noted it, since the change was worked out."""
    alone = [name for name in change.authors if name not in change.adopted]
    return bool(_named(connection, _ORPHANS, alone) or _named(connection, _NOTED, [*change.orphans]))


def _named(connection: Connection, query: str, names: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Run a query over names and how they are joined: at once over PostgreSQL, else so many as SQLite takes.

    Names are joined and not looked for with IN: SQLite reads the whole table for rows that are IN a list,
    and takes the index of a table that it may only join second. PostgreSQL finds its way by itself.
    """
    names = [*dict.fromkeys(names)]
    if names and is_postgres(connection):
        columns = [*zip(*names, strict=True)]
        text = query.format(columns_of(columns), "JOIN")
        return [tuple(row) for row in run(connection, text, tuple(map(list, columns)))]
    rows = list[tuple[Any, ...]]()
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        marks = ", ".join(f"({', '.join('?' * len(name))})" for name in some)
        values = tuple(value for name in some for value in name)
        rows += [tuple(row) for row in run(connection, query.format(f"VALUES {marks}", "CROSS JOIN"), values)]
    return rows


def _logged(
    kind: str, received_at: Micros, record: bytes, platform: str | None, post_id: str | None
) -> LoggedEvent:
    post = None if platform is None or post_id is None else PostName(platform, post_id)
    return LoggedEvent(kind, received_at, record, post)


def _many(connection: Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> int:
    """Run a statement for each row, if there is one; return how many rows it changed."""
    listed = [tuple(row) for row in rows]
    if statement in _AT_A_TIME:
        return run(connection, statement, listed).rowcount if listed else 0
    return run_rows(connection, statement, listed)
