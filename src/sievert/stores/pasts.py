"""What accounts were like, kept in the same transaction as the decisions about their posts."""

import abc
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.limit import AccountPast
from sievert.stores.database import Database
from sievert.stores.statements import insert
from sievert.stores.tables import account_pasts

_TOGETHER = 300


class AccountPasts(abc.ABC):
    """Keeps one past of each account under each policy; a newer one takes its place."""

    @abc.abstractmethod
    def of(self, accounts: Sequence[tuple[str, str]], policy: str) -> dict[tuple[str, str], AccountPast]:
        """Return the pasts under a policy of these accounts (platform, id); only those that have one."""


class MemoryPasts(AccountPasts):
    """Keeps pasts in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._pasts: dict[tuple[str, str, str], AccountPast] = {}

    def add(self, pasts: tuple[AccountPast, ...]) -> None:
        """Put pasts in."""
        self._pasts.update({(one.platform, one.creator_id, one.policy): one for one in pasts})

    def of(self, accounts: Sequence[tuple[str, str]], policy: str) -> dict[tuple[str, str], AccountPast]:
        """Look them up."""
        found = {one: self._pasts.get((*one, policy)) for one in accounts}
        return {one: past for one, past in found.items() if past is not None}


class SqlPasts(AccountPasts):
    """Keeps pasts in the table `account_pasts`."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def add(self, connection: Connection, pasts: tuple[AccountPast, ...]) -> None:
        """Insert pasts inside a transaction, or put them in the place of older ones."""
        if not pasts:
            return
        put = insert(connection, account_pasts)
        put = put.on_conflict_do_update(
            index_elements=["platform", "creator_id", "policy"], set_={"record": put.excluded.record}
        )
        rows = [
            {
                "platform": one.platform,
                "creator_id": one.creator_id,
                "policy": one.policy,
                "record": msgspec.json.encode(one),
            }
            for one in pasts
        ]
        connection.execute(put, rows)

    def of(self, accounts: Sequence[tuple[str, str]], policy: str) -> dict[tuple[str, str], AccountPast]:
        """Query by account."""
        table, found = account_pasts, dict[tuple[str, str], AccountPast]()
        with self._database.reading() as connection:
            for start in range(0, len(accounts), _TOGETHER):
                some = accounts[start : start + _TOGETHER]
                query = sa.select(table.c.record).where(
                    table.c.policy == policy, sa.tuple_(table.c.platform, table.c.creator_id).in_(some)
                )
                for (record,) in connection.execute(query):
                    past = msgspec.json.decode(record, type=AccountPast)
                    found[past.platform, past.creator_id] = past
        return found
