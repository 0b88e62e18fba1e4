"""Edges between accounts, groups and pages; of two things that were told of one edge the last holds.

Each change has a number, in the order of commits, so that whoever has read up to a number is told what changed since.
"""

import abc
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from sievert.schema.edge import KeptEdge
from sievert.stores.activity.base import event_key
from sievert.stores.database import Database
from sievert.stores.edges_tables import edges

_TOGETHER = 500


class EdgeStore(abc.ABC):
    """Keeps edges."""

    @abc.abstractmethod
    def put(self, told: Sequence[KeptEdge]) -> int:
        """Keep edges, in the place of what was told of them before; return how many that changed.

        Raises:
            StoreUnavailable: none of it is durable.
        """

    @abc.abstractmethod
    def put_if_new(self, told: Sequence[KeptEdge]) -> int:
        """Keep those of which nothing was told before; return how many.

        Raises:
            StoreUnavailable: none of it is durable.
        """

    @abc.abstractmethod
    def changes(self, *, after: int, limit: int) -> list[tuple[int, KeptEdge]]:
        """Return edges that changed after a number, each with its own, in order.

        Raises:
            StoreUnavailable: the store does not answer.
        """


class MemoryEdges(EdgeStore):
    """Keeps edges in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[bytes, tuple[int, KeptEdge]] = {}
        self._head = 0

    def put(self, told: Sequence[KeptEdge]) -> int:
        """Put them in, last."""
        return self._put(
            {
                key: one
                for key, one in _last(told).items()
                if key not in self._kept or not _same(self._kept[key][1], one)
            }
        )

    def put_if_new(self, told: Sequence[KeptEdge]) -> int:
        """Put them in where nothing is."""
        return self._put({key: one for key, one in _first(told).items() if key not in self._kept})

    def changes(self, *, after: int, limit: int) -> list[tuple[int, KeptEdge]]:
        """Sort the values."""
        return sorted(one for one in self._kept.values() if one[0] > after)[:limit]

    def _put(self, fresh: dict[bytes, KeptEdge]) -> int:
        for key, one in fresh.items():
            self._head += 1
            self._kept[key] = (self._head, one)
        return len(fresh)


class SqlEdges(EdgeStore):
    """Keeps edges in the table `edges`."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def put(self, told: Sequence[KeptEdge]) -> int:
        """Replace rows by new ones, with new numbers."""
        return self._put(_last(told), replace=True)

    def put_if_new(self, told: Sequence[KeptEdge]) -> int:
        """Insert what is not there."""
        return self._put(_first(told), replace=False)

    def changes(self, *, after: int, limit: int) -> list[tuple[int, KeptEdge]]:
        """Query by number."""
        query = sa.select(edges).where(edges.c.sequence > after).order_by(edges.c.sequence).limit(limit)
        with self._database.reading() as connection:
            return [(row.sequence, _of_row(row)) for row in connection.execute(query)]

    def _put(self, told: dict[bytes, KeptEdge], *, replace: bool) -> int:
        if not told:
            return 0
        with self._database.writing() as connection:
            known: dict[bytes, KeptEdge] = {}
            for keys in _parts([*told]):
                rows = connection.execute(sa.select(edges).where(edges.c.key.in_(keys)))
                known |= {row.key: _of_row(row) for row in rows}
            fresh = {
                key: one
                for key, one in told.items()
                if key not in known or (replace and not _same(known[key], one))
            }
            if not fresh:
                return 0
            # Asked before anything is deleted: no number is given out twice.
            head = connection.execute(sa.select(sa.func.max(edges.c.sequence))).scalar() or 0
            for keys in _parts([key for key in fresh if key in known]):
                connection.execute(sa.delete(edges).where(edges.c.key.in_(keys)))
            connection.execute(
                sa.insert(edges),
                [
                    {"sequence": number, "key": key, **one._asdict()}
                    for number, (key, one) in enumerate(fresh.items(), start=head + 1)
                ],
            )
        return len(fresh)


def _key(edge: KeptEdge) -> bytes:
    return event_key(edge.platform, edge.kind, edge.source_id, edge.target_id)


def _last(told: Iterable[KeptEdge]) -> dict[bytes, KeptEdge]:
    return {_key(one): one for one in told}


def _first(told: Iterable[KeptEdge]) -> dict[bytes, KeptEdge]:
    found: dict[bytes, KeptEdge] = {}
    for one in told:
        found.setdefault(_key(one), one)
    return found


def _same(kept: KeptEdge, told: KeptEdge) -> bool:
    """Tell whether nothing new was said: when it came does not count."""
    return (kept.since, kept.until) == (told.since, told.until)


def _parts(keys: list[bytes]) -> Iterable[list[bytes]]:
    return (keys[start : start + _TOGETHER] for start in range(0, len(keys), _TOGETHER))


def _of_row(row: sa.Row[tuple[object, ...]]) -> KeptEdge:
    return KeptEdge(*(getattr(row, name) for name in KeptEdge._fields))
