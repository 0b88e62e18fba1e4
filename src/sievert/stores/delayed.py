"""Removals that wait for their time; kept with the decision that drew them, let go with the action itself."""

import abc
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.clock import Micros
from sievert.schema.delay import DelayedRemoval
from sievert.stores.database import Database
from sievert.stores.statements import insert
from sievert.stores.tables import delayed


class DelayedRemovals(abc.ABC):
    """Keeps removals until they are done, or taken back before that."""

    @abc.abstractmethod
    def of_post(self, platform: str, post_id: str) -> list[DelayedRemoval]:
        """Return those of a post, of whatever revision: whoever finds it harmless lets them go."""

    @abc.abstractmethod
    def due(self, now: Micros, *, limit: int) -> list[DelayedRemoval]:
        """Return those whose time has come, oldest first."""

    @abc.abstractmethod
    def that_views_end(self, *, limit: int) -> list[DelayedRemoval]:
        """Return those that a number of views ends, the one that ends last first."""

    @abc.abstractmethod
    def waiting(self) -> int:
        """Count them."""


class MemoryDelayed(DelayedRemovals):
    """Keeps them in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: dict[str, DelayedRemoval] = {}

    def add(self, new: tuple[DelayedRemoval, ...]) -> None:
        """Put in those that do not wait yet."""
        for one in new:
            self._waiting.setdefault(one.action.action_id, one)

    def let_go(self, action_ids: tuple[str, ...]) -> None:
        """Drop some; those that do not wait are passed over."""
        for name in action_ids:
            self._waiting.pop(name, None)

    def of_post(self, platform: str, post_id: str) -> list[DelayedRemoval]:
        """Walk the dictionary."""
        return [
            one
            for one in self._waiting.values()
            if (one.action.platform, one.action.post_id) == (platform, post_id)
        ]

    def due(self, now: Micros, *, limit: int) -> list[DelayedRemoval]:
        """Walk the dictionary."""
        due = [one for one in self._waiting.values() if one.release_at <= now]
        return sorted(due, key=lambda one: one.release_at)[:limit]

    def that_views_end(self, *, limit: int) -> list[DelayedRemoval]:
        """Walk the dictionary."""
        some = [one for one in self._waiting.values() if one.most_views is not None]
        return sorted(some, key=lambda one: -one.release_at)[:limit]

    def waiting(self) -> int:
        """Count the dictionary."""
        return len(self._waiting)


class SqlDelayed(DelayedRemovals):
    """Keeps them in the table `delayed`."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def add(self, connection: Connection, new: tuple[DelayedRemoval, ...]) -> None:
        """Insert inside a transaction those that do not wait yet."""
        rows = [
            {
                "action_id": one.action.action_id,
                "platform": one.action.platform,
                "post_id": one.action.post_id,
                "release_at": one.release_at,
                "most_views": one.most_views,
                "record": msgspec.json.encode(one),
            }
            for one in new
        ]
        if rows:
            connection.execute(insert(connection, delayed).on_conflict_do_nothing(), rows)

    def let_go(self, connection: Connection, action_ids: tuple[str, ...]) -> None:
        """Delete inside a transaction; those that do not wait are passed over."""
        if action_ids:
            connection.execute(
                sa.delete(delayed).where(delayed.c.action_id == sa.bindparam("gone")),
                [{"gone": name} for name in action_ids],
            )

    def of_post(self, platform: str, post_id: str) -> list[DelayedRemoval]:
        """Query by post."""
        query = sa.select(delayed.c.record)
        return self._read(query.where(delayed.c.platform == platform, delayed.c.post_id == post_id))

    def due(self, now: Micros, *, limit: int) -> list[DelayedRemoval]:
        """Query by time."""
        query = sa.select(delayed.c.record).where(delayed.c.release_at <= now)
        return self._read(query.order_by(delayed.c.release_at).limit(limit))

    def that_views_end(self, *, limit: int) -> list[DelayedRemoval]:
        """Query by bound."""
        query = sa.select(delayed.c.record).where(delayed.c.most_views.is_not(None))
        return self._read(query.order_by(delayed.c.release_at.desc()).limit(limit))

    def waiting(self) -> int:
        """Count in the database."""
        with self._database.reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(delayed)).scalar_one())

    def _read(self, query: sa.Select[tuple[Any]]) -> list[DelayedRemoval]:
        with self._database.reading() as connection:
            records = connection.execute(query).scalars().all()
        return [msgspec.json.decode(record, type=DelayedRemoval) for record in records]
