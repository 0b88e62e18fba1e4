"""Switches that are off, and those that were: durable, and seen by every process over the same database."""

import abc

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.clock import Micros
from sievert.schema.stop import Stop, StopKind
from sievert.stores.database import Database
from sievert.stores.tables import stops

_MOST = 1000


class Stops(abc.ABC):
    """Keeps stops. Of one kind and policy one holds at a time; a second one changes nothing."""

    @abc.abstractmethod
    def running(self) -> tuple[Stop, ...]:
        """Return the stops that hold, oldest first."""

    @abc.abstractmethod
    def all(self) -> tuple[Stop, ...]:
        """Return the newest thousand, ended ones too, oldest first."""

    @abc.abstractmethod
    def last_end(self, policy: str, kind: str) -> Micros | None:
        """Return when what this kind of switch stops last went on again for a policy, if it ever did.

        A switch for all stops every kind.
        """

    @abc.abstractmethod
    def end(self, kind: str, policy: str, at: Micros) -> Stop | None:
        """End the stop of this kind and policy; return it as it was, None if none held."""


class MemoryStops(Stops):
    """Keeps stops in a list."""

    def __init__(self) -> None:
        """Start with none."""
        self._stops: list[Stop] = []

    def add(self, new: tuple[Stop, ...]) -> None:
        """Append those that do not hold yet."""
        for stop in new:
            if not any((one.kind, one.policy) == (stop.kind, stop.policy) for one in self.running()):
                self._stops.append(stop)

    def running(self) -> tuple[Stop, ...]:
        """Walk the list."""
        return tuple(one for one in self._stops if one.ended_at is None)

    def all(self) -> tuple[Stop, ...]:
        """Return the list's end."""
        return tuple(self._stops[-_MOST:])

    def last_end(self, policy: str, kind: str) -> Micros | None:
        """Walk the list."""
        ended = [
            one.ended_at
            for one in self._stops
            if one.ended_at and one.policy in ("", policy) and one.kind in (kind, StopKind.ALL)
        ]
        return max(ended, default=None)

    def end(self, kind: str, policy: str, at: Micros) -> Stop | None:
        """Replace it."""
        for place, stop in enumerate(self._stops):
            if (stop.kind, stop.policy, stop.ended_at) == (kind, policy, None):
                self._stops[place] = msgspec.structs.replace(stop, ended_at=at)
                return stop
        return None


class SqlStops(Stops):
    """Keeps stops in the table `stops`."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def add(self, connection: Connection, new: tuple[Stop, ...]) -> None:
        """Insert inside a transaction those that do not hold yet."""
        for stop in new:
            held = sa.select(stops.c.sequence).where(
                stops.c.kind == stop.kind, stops.c.policy == stop.policy, stops.c.ended_at.is_(None)
            )
            if connection.execute(held).first() is None:
                row = {"kind": stop.kind, "policy": stop.policy, "ended_at": stop.ended_at}
                connection.execute(sa.insert(stops), [{**row, "record": msgspec.json.encode(stop)}])

    def running(self) -> tuple[Stop, ...]:
        """Query by end."""
        return self._read(sa.select(stops).where(stops.c.ended_at.is_(None)))

    def all(self) -> tuple[Stop, ...]:
        """Query the newest."""
        found = self._read(sa.select(stops).order_by(stops.c.sequence.desc()).limit(_MOST))
        return tuple(sorted(found, key=lambda one: one.since))

    def last_end(self, policy: str, kind: str) -> Micros | None:
        """Query the latest end."""
        query = sa.select(sa.func.max(stops.c.ended_at)).where(
            stops.c.policy.in_(["", policy]), stops.c.kind.in_([kind, StopKind.ALL])
        )
        with self._database.reading() as connection:
            return connection.execute(query).scalar()

    def end(self, kind: str, policy: str, at: Micros) -> Stop | None:
        """Update the row."""
        mine = (stops.c.kind == kind, stops.c.policy == policy, stops.c.ended_at.is_(None))
        with self._database.writing() as connection:
            record = connection.execute(sa.select(stops.c.record).where(*mine)).scalar()
            if record is None:
                return None
            connection.execute(sa.update(stops).where(*mine).values(ended_at=at))
        return msgspec.json.decode(record, type=Stop)

    def _read(self, query: sa.Select[tuple[object, ...]]) -> tuple[Stop, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(
            msgspec.structs.replace(msgspec.json.decode(row["record"], type=Stop), ended_at=row["ended_at"])
            for row in rows
        )
