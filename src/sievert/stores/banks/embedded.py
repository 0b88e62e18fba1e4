"""Banks in the database."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.bank import Bank, BankEntry, Signal
from sievert.schema.clock import Micros
from sievert.stores.banks.base import AT_ONCE, BankStore, Numbered, Sizes, unknown_bank, unknown_entry
from sievert.stores.database import Database
from sievert.stores.journal.base import Page, read_cursor, write_cursor
from sievert.stores.statements import put_fact, run
from sievert.stores.tables import bank_entries, banks

_NUMBERS_AT_ONCE = 900
"""Parameters of one query; SQLite takes at least 999."""

_CHANGED = (
    "INSERT INTO facts (name, value) VALUES ('bank_generation', '1') ON CONFLICT (name) DO UPDATE SET"
    " value = CAST(CAST(facts.value AS BIGINT) + 1 AS TEXT)"
)
_HUNTED = "bank_hunted"
_ADD_ENTRY = (
    "INSERT INTO bank_entries (entry_id, bank, signal, quarantined_at, record) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)


class EmbeddedBanks(BankStore):
    """Keeps banks in the database."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    @property
    def generation(self) -> int:
        """Read the number."""
        with self._database.reading() as connection:
            query = "SELECT value FROM facts WHERE name = 'bank_generation'"
            return int(run(connection, query).scalar() or 0)

    def banks(self) -> list[Bank]:
        """Query all."""
        with self._database.reading() as connection:
            records = connection.execute(sa.select(banks.c.record).order_by(banks.c.name)).scalars().all()
        return [msgspec.json.decode(record, type=Bank) for record in records]

    def bank(self, name: str) -> Bank:
        """Query by name."""
        with self._database.reading() as connection:
            record = connection.execute(sa.select(banks.c.record).where(banks.c.name == name)).scalar()
        if record is None:
            raise unknown_bank(name)
        return msgspec.json.decode(record, type=Bank)

    def put_bank(self, bank: Bank) -> None:
        """Insert or replace a row."""
        with self._database.writing() as connection:
            statement = (
                "INSERT INTO banks (name, record) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET record = excluded.record"
            )
            run(connection, statement, (bank.name, msgspec.json.encode(bank)))
            run(connection, _CHANGED)
            put_fact(connection, _HUNTED, "0")

    def drop_bank(self, name: str) -> None:
        """Delete its row and its entries."""
        with self._database.writing() as connection:
            if not connection.execute(sa.delete(banks).where(banks.c.name == name)).rowcount:
                raise unknown_bank(name)
            connection.execute(sa.delete(bank_entries).where(bank_entries.c.bank == name))
            run(connection, _CHANGED)

    def sizes(self) -> Sizes:
        """Read what triggers count."""
        query = "SELECT bank, signal, entries FROM bank_sizes WHERE entries > 0"
        with self._database.reading() as connection:
            rows = run(connection, query).all()
        return {(bank, Signal(signal)): count for bank, signal, count in rows}

    def entries(self, bank: str, *, cursor: str | None = None, limit: int = 100) -> Page[BankEntry]:
        """Query backwards by number."""
        table = bank_entries
        query = sa.select(table.c.number, table.c.quarantined_at, table.c.record).where(table.c.bank == bank)
        if cursor:
            query = query.where(table.c.number < read_cursor(cursor, "at")["at"])
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(table.c.number.desc()).limit(limit + 1)).all()
        last = write_cursor({"at": found[limit - 1].number}) if len(found) > limit else None
        return Page(items=[_entry(row.quarantined_at, row.record) for row in found[:limit]], cursor=last)

    def entry(self, entry_id: str) -> BankEntry:
        """Query by id."""
        query = sa.select(bank_entries.c.quarantined_at, bank_entries.c.record)
        with self._database.reading() as connection:
            row = connection.execute(query.where(bank_entries.c.entry_id == entry_id)).one_or_none()
        if row is None:
            raise unknown_entry(entry_id)
        return _entry(row.quarantined_at, row.record)

    def entries_at(self, numbers: Sequence[int]) -> dict[int, BankEntry]:
        """Query by number."""
        query = "SELECT number, quarantined_at, record FROM bank_entries WHERE number IN ({})"
        found: dict[int, BankEntry] = {}
        with self._database.reading() as connection:
            for start in range(0, len(numbers), _NUMBERS_AT_ONCE):
                some = tuple(numbers[start : start + _NUMBERS_AT_ONCE])
                rows = run(connection, query.format(", ".join("?" * len(some))), some)
                found |= {number: _entry(at, record) for number, at, record in rows}
        return found

    def all_entries(self, *, bank: str | None = None, after: int = 0) -> Iterator[list[Numbered]]:
        """Query by number, piece by piece; no transaction stays open in between."""
        table = bank_entries
        query = sa.select(table.c.number, table.c.quarantined_at, table.c.record)
        if bank is not None:
            query = query.where(table.c.bank == bank)
        while True:
            piece = query.where(table.c.number > after).order_by(table.c.number).limit(AT_ONCE)
            with self._database.reading() as connection:
                rows = connection.execute(piece).all()
            if not rows:
                return
            after = rows[-1].number
            yield [(row.number, _entry(row.quarantined_at, row.record)) for row in rows]

    def add_entries(self, entries: Sequence[BankEntry]) -> int:
        """Run one transaction."""
        rows = [
            (one.entry_id, one.bank, one.signal.value, one.quarantined_at, msgspec.json.encode(one))
            for one in entries
        ]
        with self._database.writing() as connection:
            for name in dict.fromkeys(one.bank for one in entries):
                if connection.execute(sa.select(banks.c.name).where(banks.c.name == name)).scalar() is None:
                    raise unknown_bank(name)
            added = run(connection, _ADD_ENTRY, rows).rowcount if rows else 0
            run(connection, _CHANGED)
        return added

    def drop_entries(self, bank: str, entry_ids: Sequence[str]) -> int:
        """Delete rows."""
        rows = [(bank, one) for one in dict.fromkeys(entry_ids)]
        with self._database.writing() as connection:
            statement = "DELETE FROM bank_entries WHERE bank = ? AND entry_id = ?"
            dropped = run(connection, statement, rows).rowcount if rows else 0
            run(connection, _CHANGED)
        return dropped

    def quarantine(self, entry_id: str, at: Micros | None) -> None:
        """Set a column: it holds, whatever the record says."""
        with self._database.writing() as connection:
            if not _set_quarantine(connection, entry_id, at):
                raise unknown_entry(entry_id)
            run(connection, _CHANGED)

    def hunted(self) -> int:
        """Read the number."""
        with self._database.reading() as connection:
            query = "SELECT value FROM facts WHERE name = 'bank_hunted'"
            return int(run(connection, query).scalar() or 0)

    def set_hunted(self, number: int) -> None:
        """Write the number."""
        with self._database.writing() as connection:
            put_fact(connection, _HUNTED, str(number))

    def quarantined(self) -> frozenset[str]:
        """Query what the column marks."""
        query = "SELECT entry_id FROM bank_entries WHERE quarantined_at IS NOT NULL"
        with self._database.reading() as connection:
            return frozenset(run(connection, query).scalars())


def _set_quarantine(connection: Connection, entry_id: str, at: Micros | None) -> int:
    table = bank_entries
    return connection.execute(
        sa.update(table).where(table.c.entry_id == entry_id).values(quarantined_at=at)
    ).rowcount


def _entry(quarantined_at: Any, record: bytes) -> BankEntry:
    entry = msgspec.json.decode(record, type=BankEntry)
    if entry.quarantined_at == quarantined_at:
        return entry
    return msgspec.structs.replace(entry, quarantined_at=quarantined_at)
