"""What a store of banks promises. The memory twin and the embedded one inherit one contract test.

Every entry has a number that is never used twice, so that an index reads only what is new, and so that
what an index still holds of a dropped entry leads nowhere.
"""

import abc
from collections.abc import Iterator, Sequence

from sievert.errors import NotFound
from sievert.schema.bank import Bank, BankEntry, Signal
from sievert.schema.clock import Micros
from sievert.stores.journal.base import Page

AT_ONCE = 10_000
"""Entries that are read at once when all of them are asked for."""

Numbered = tuple[int, BankEntry]
"""An entry and its number."""

Sizes = dict[tuple[str, Signal], int]
"""How many entries a bank has by signal; what has none is missing."""


class BankStore(abc.ABC):
    """Keeps banks and their entries."""

    @property
    @abc.abstractmethod
    def generation(self) -> int:
        """A number that grows with every change, whichever process made it."""

    @abc.abstractmethod
    def banks(self) -> list[Bank]:
        """Return all banks, by name."""

    @abc.abstractmethod
    def bank(self, name: str) -> Bank:
        """Return a bank.

        Raises:
            NotFound: there is no such bank.
        """

    @abc.abstractmethod
    def put_bank(self, bank: Bank) -> None:
        """Keep a bank, in place of what had its name; its entries stay, and are hunted for anew.

        Raises:
            StoreUnavailable: it is not durable.
        """

    @abc.abstractmethod
    def drop_bank(self, name: str) -> None:
        """Drop a bank with all its entries.

        Raises:
            NotFound: there is no such bank.
        """

    @abc.abstractmethod
    def sizes(self) -> Sizes:
        """Count the entries of all banks by signal."""

    @abc.abstractmethod
    def entries(self, bank: str, *, cursor: str | None = None, limit: int = 100) -> Page[BankEntry]:
        """Return entries of a bank, the newest first.

        Raises:
            InvalidField: the cursor is not one that this method gave.
        """

    @abc.abstractmethod
    def entry(self, entry_id: str) -> BankEntry:
        """Return an entry.

        Raises:
            NotFound: there is no such entry.
        """

    @abc.abstractmethod
    def entries_at(self, numbers: Sequence[int]) -> dict[int, BankEntry]:
        """Return the entries with these numbers, as far as they are still there."""

    @abc.abstractmethod
    def all_entries(self, *, bank: str | None = None, after: int = 0) -> Iterator[list[Numbered]]:
        """Walk over entries in the order of their numbers, from behind a number on, many at once."""

    @abc.abstractmethod
    def add_entries(self, entries: Sequence[BankEntry]) -> int:
        """Add entries, all or none; tell how many are new. One whose id is there already stays as it is.

        Raises:
            NotFound: a bank that an entry names is not there.
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def drop_entries(self, bank: str, entry_ids: Sequence[str]) -> int:
        """Drop entries of a bank; tell how many were there."""

    @abc.abstractmethod
    def quarantine(self, entry_id: str, at: Micros | None) -> None:
        """Put an entry in quarantine as of a time, or let it out (None).

        Raises:
            NotFound: there is no such entry.
        """

    @abc.abstractmethod
    def hunted(self) -> int:
        """Return the number up to which entries were hunted for among posts of the past; 0 for none."""

    @abc.abstractmethod
    def set_hunted(self, number: int) -> None:
        """Note how far the hunt has come.

        Raises:
            StoreUnavailable: it is not durable.
        """

    @abc.abstractmethod
    def quarantined(self) -> frozenset[str]:
        """Return the ids of all entries in quarantine."""


def unknown_bank(name: str) -> NotFound:
    """Return the error that says that there is no such bank."""
    return NotFound(
        f"There is no bank {name[:64]!r}.",
        remedy="List the banks with `sievert bank list`, or make it with `sievert bank add`.",
        field="bank",
    )


def unknown_entry(entry_id: str) -> NotFound:
    """Return the error that says that there is no such entry."""
    return NotFound(
        f"There is no entry {entry_id[:64]!r}.",
        remedy="List a bank's entries with `sievert bank entries NAME`.",
        field="entry_id",
    )
