"""Limits of accounts, those that hold and those that were lifted."""

import abc

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import NotFound, NotStanding
from sievert.schema.clock import HOUR, Micros
from sievert.schema.limit import AccountLimit
from sievert.stores.database import Database
from sievert.stores.tables import account_limits

_AT_ONCE = 200
"""Limits that are read at a time."""


class AccountLimits(abc.ABC):
    """Keeps limits. One that is written again, lifted, takes the place of itself; it is lifted once."""

    @abc.abstractmethod
    def find(self, limit_id: str) -> AccountLimit | None:
        """Return a limit, or None if there is none of that id."""

    def known(self, limit_id: str) -> AccountLimit:
        """Return a limit.

        Raises:
            NotFound: there is none of that id.
        """
        limit = self.find(limit_id)
        if limit is None:
            raise NotFound(
                f"There is no limit {limit_id[:80]!r}.", remedy="List them with GET /api/v1/limits."
            )
        return limit

    @abc.abstractmethod
    def imposed(self, since: Micros) -> list[AccountLimit]:
        """Return the limits that were imposed from a time on, oldest first, lifted ones too."""

    @abc.abstractmethod
    def holding(self, platform: str, creator_id: str) -> tuple[AccountLimit, ...]:
        """Return the limits that hold for an account, oldest first."""

    @abc.abstractmethod
    def expired(self, now: Micros, *, limit: int) -> list[AccountLimit]:
        """Return limits that hold and should not any more."""

    @abc.abstractmethod
    def newest(self, limit: int) -> list[AccountLimit]:
        """Return limits, newest first, lifted ones too."""


class MemoryLimits(AccountLimits):
    """Keeps limits in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._limits: dict[str, AccountLimit] = {}

    def add(self, limits: tuple[AccountLimit, ...]) -> None:
        """Put limits in.

        Raises:
            NotStanding: one is lifted that does not hold.
        """
        for one in limits:
            known = self._limits.get(one.limit_id)
            if one.lifted_at is not None and (known is None or known.lifted_at is not None):
                raise not_holding(one.limit_id)
        self._limits.update({one.limit_id: one for one in limits})

    def find(self, limit_id: str) -> AccountLimit | None:
        """Look it up."""
        return self._limits.get(limit_id)

    def holding(self, platform: str, creator_id: str) -> tuple[AccountLimit, ...]:
        """Walk the dictionary."""
        return tuple(
            one
            for one in self._limits.values()
            if (one.platform, one.creator_id, one.lifted_at) == (platform, creator_id, None)
        )

    def expired(self, now: Micros, *, limit: int) -> list[AccountLimit]:
        """Walk the dictionary."""
        return [one for one in self._limits.values() if one.lifted_at is None and one.expires_at <= now][
            :limit
        ]

    def newest(self, limit: int) -> list[AccountLimit]:
        """Walk the dictionary backwards."""
        return [*reversed(self._limits.values())][:limit]

    def imposed(self, since: Micros) -> list[AccountLimit]:
        """Walk the dictionary."""
        return [one for one in self._limits.values() if one.imposed_at >= since]


class SqlLimits(AccountLimits):
    """Keeps limits in the table `account_limits`."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def add(self, connection: Connection, limits: tuple[AccountLimit, ...]) -> None:
        """Insert limits inside a transaction, and update those that are lifted.

        Raises:
            NotStanding: one is lifted that does not hold; the transaction must not commit.
        """
        table = account_limits
        for one in limits:
            record = msgspec.json.encode(one)
            if one.lifted_at is None:
                row = {
                    "limit_id": one.limit_id,
                    "platform": one.platform,
                    "creator_id": one.creator_id,
                    "expires_at": one.expires_at,
                    "lifted_at": None,
                    "record": record,
                }
                connection.execute(sa.insert(table), [row])
                continue
            update = (
                sa.update(table)
                .where(table.c.limit_id == one.limit_id, table.c.lifted_at.is_(None))
                .values(lifted_at=one.lifted_at, record=record)
            )
            if connection.execute(update).rowcount == 0:
                raise not_holding(one.limit_id)

    def find(self, limit_id: str) -> AccountLimit | None:
        """Query by id."""
        found = self._read(sa.select(account_limits).where(account_limits.c.limit_id == limit_id))
        return found[0] if found else None

    def holding(self, platform: str, creator_id: str) -> tuple[AccountLimit, ...]:
        """Query by account."""
        table = account_limits
        query = sa.select(table).where(
            table.c.platform == platform, table.c.creator_id == creator_id, table.c.lifted_at.is_(None)
        )
        return tuple(self._read(query.order_by(table.c.sequence)))

    def expired(self, now: Micros, *, limit: int) -> list[AccountLimit]:
        """Query by expiry."""
        table = account_limits
        query = sa.select(table).where(table.c.expires_at <= now, table.c.lifted_at.is_(None))
        return self._read(query.order_by(table.c.expires_at).limit(limit))

    def newest(self, limit: int) -> list[AccountLimit]:
        """Query backwards."""
        return self._read(sa.select(account_limits).order_by(account_limits.c.sequence.desc()).limit(limit))

    def imposed(self, since: Micros) -> list[AccountLimit]:
        """Walk the table backwards, as far as it is young: what is written later was hardly imposed before."""
        query = sa.select(account_limits.c.record).order_by(account_limits.c.sequence.desc())
        found: list[AccountLimit] = []
        with self._database.reading() as connection:
            for record in connection.execution_options(yield_per=_AT_ONCE).execute(query).scalars():
                one = msgspec.json.decode(record, type=AccountLimit)
                if one.imposed_at < since - HOUR:
                    break
                if one.imposed_at >= since:
                    found.append(one)
        return found[::-1]

    def _read(self, query: sa.Select[tuple[object, ...]]) -> list[AccountLimit]:
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [msgspec.json.decode(row["record"], type=AccountLimit) for row in rows]


def not_holding(limit_id: str) -> NotStanding:
    """Say that a limit was lifted before, or never was."""
    return NotStanding(
        f"The limit {limit_id} does not hold any more.", remedy="List limits with GET /api/v1/limits."
    )
