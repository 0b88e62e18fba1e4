"""Banks in memory, for tests and trials; gone when the process ends."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from sievert.schema.bank import Bank, BankEntry
from sievert.schema.clock import Micros
from sievert.stores.banks.base import AT_ONCE, BankStore, Numbered, Sizes, unknown_bank, unknown_entry
from sievert.stores.journal.base import Page, read_cursor, write_cursor


class MemoryBanks(BankStore):
    """Keeps banks in dictionaries."""

    def __init__(self) -> None:
        """Start empty."""
        self._generation = 0
        self._banks: dict[str, Bank] = {}
        self._entries: dict[int, BankEntry] = {}  # by number, in rising order
        self._numbers: dict[str, int] = {}  # by id
        self._given = 0
        self._hunted = 0

    @property
    def generation(self) -> int:
        """How often anything changed."""
        return self._generation

    def banks(self) -> list[Bank]:
        """Sort the values."""
        return sorted(self._banks.values(), key=lambda bank: bank.name)

    def bank(self, name: str) -> Bank:
        """Look it up."""
        if name not in self._banks:
            raise unknown_bank(name)
        return self._banks[name]

    def put_bank(self, bank: Bank) -> None:
        """Replace it."""
        self._banks[bank.name] = bank
        self._generation += 1
        self._hunted = 0

    def drop_bank(self, name: str) -> None:
        """Walk all entries."""
        self.bank(name)
        del self._banks[name]
        self._drop([entry.entry_id for entry in self._entries.values() if entry.bank == name])
        self._generation += 1

    def sizes(self) -> Sizes:
        """Count."""
        return dict(Counter((entry.bank, entry.signal) for entry in self._entries.values()))

    def entries(self, bank: str, *, cursor: str | None = None, limit: int = 100) -> Page[BankEntry]:
        """Walk all entries backwards."""
        before = read_cursor(cursor, "at")["at"] if cursor else self._given + 1
        found = [
            (number, entry)
            for number, entry in reversed(self._entries.items())
            if number < before and entry.bank == bank
        ]
        last = write_cursor({"at": found[limit - 1][0]}) if len(found) > limit else None
        return Page(items=[entry for _, entry in found[:limit]], cursor=last)

    def entry(self, entry_id: str) -> BankEntry:
        """Look it up."""
        if entry_id not in self._numbers:
            raise unknown_entry(entry_id)
        return self._entries[self._numbers[entry_id]]

    def entries_at(self, numbers: Sequence[int]) -> dict[int, BankEntry]:
        """Look them up."""
        return {number: self._entries[number] for number in numbers if number in self._entries}

    def all_entries(self, *, bank: str | None = None, after: int = 0) -> Iterator[list[Numbered]]:
        """Cut a copy in pieces."""
        found = [
            (number, entry)
            for number, entry in self._entries.items()
            if number > after and bank in (None, entry.bank)
        ]
        for start in range(0, len(found), AT_ONCE):
            yield found[start : start + AT_ONCE]

    def add_entries(self, entries: Sequence[BankEntry]) -> int:
        """Number them."""
        for entry in entries:
            self.bank(entry.bank)
        before = len(self._numbers)
        for entry in entries:
            if entry.entry_id not in self._numbers:
                self._given += 1
                self._numbers[entry.entry_id] = self._given
                self._entries[self._given] = entry
        self._generation += 1
        return len(self._numbers) - before

    def drop_entries(self, bank: str, entry_ids: Sequence[str]) -> int:
        """Drop those that are the bank's."""
        mine = [one for one in dict.fromkeys(entry_ids) if self._is_of(bank, one)]
        self._drop(mine)
        self._generation += 1
        return len(mine)

    def quarantine(self, entry_id: str, at: Micros | None) -> None:
        """Replace the entry."""
        changed = msgspec.structs.replace(self.entry(entry_id), quarantined_at=at)
        self._entries[self._numbers[entry_id]] = changed
        self._generation += 1

    def hunted(self) -> int:
        """Return the number."""
        return self._hunted

    def set_hunted(self, number: int) -> None:
        """Set the number."""
        self._hunted = number

    def quarantined(self) -> frozenset[str]:
        """Walk all entries."""
        return frozenset(
            entry.entry_id for entry in self._entries.values() if entry.quarantined_at is not None
        )

    def _is_of(self, bank: str, entry_id: str) -> bool:
        return entry_id in self._numbers and self._entries[self._numbers[entry_id]].bank == bank

    def _drop(self, entry_ids: Sequence[str]) -> None:
        for entry_id in entry_ids:
            del self._entries[self._numbers.pop(entry_id)]
