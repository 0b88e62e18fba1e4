"""What a server searches: the entries of all banks that are enabled, by bank and by signal.

It holds hashes and numbers of entries, and asks the store for the rest of an entry when something
matches. New entries are added to what is there. What the store has dropped is found no more at once,
because its number leads nowhere; when a quarter of a bank is such, the bank's part is built anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sievert.schema.bank import Bank, Signal
from sievert.scoring.banks.entries import read_signature
from sievert.scoring.banks.parts import Near, PdqPart, TextPart
from sievert.stores.banks.base import BankStore, Numbered
from sievert.stores.pictures.base import PDQ_BYTES

MOST_HITS = 1000
"""Entries of one bank that one picture or text may be like, the nearest: a bank full of copies costs no more."""

_STALE_SHARE, _STALE_FEW = 1.25, 100


class PictureQuery(NamedTuple):
    """A picture as it is looked for: its file's hash, and the hashes of those frames that have enough in them."""

    sha256: str
    pdq: tuple[bytes, ...]


class Hit(NamedTuple):
    """An entry of a bank that something is like."""

    bank: str
    number: int
    distance: int


class _BankPart:
    """One bank's hashes."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.read = 0  # the number of the last entry that was read
        self.taken = 0
        self.sha256: dict[bytes, int] = {}
        self.exact_texts: dict[bytes, int] = {}
        self.texts = TextPart(bank.max_text_distance)
        self.pdq: PdqPart | None = None

    def take(self, entries: Sequence[Numbered]) -> None:
        """Add entries."""
        pictures: list[Numbered] = []
        signed: list[tuple[int, npt.NDArray[np.uint32]]] = []
        for number, entry in entries:
            match entry.signal:
                case Signal.PDQ:
                    pictures.append((number, entry))
                case Signal.SHA256:
                    self.sha256[bytes.fromhex(entry.value)] = number
                case Signal.TEXT:
                    value = read_signature(entry.value)
                    if isinstance(value, bytes):
                        self.exact_texts[value] = number
                    else:
                        signed.append((number, value))
        if pictures:
            self.pdq = self.pdq or PdqPart()
            hashes = np.frombuffer(b"".join(bytes.fromhex(one.value) for _, one in pictures), np.uint8)
            self.pdq.add(np.array([number for number, _ in pictures]), hashes.reshape(-1, PDQ_BYTES))
        if signed:
            numbers, signatures = zip(*signed, strict=True)
            self.texts.add(np.array(numbers), np.stack(signatures))
        self.read = entries[-1][0]
        self.taken += len(entries)


class BankIndex:
    """Searches the entries of all banks that are enabled."""

    def __init__(self) -> None:
        """Start empty; `refresh` fills it."""
        self._parts: dict[str, _BankPart] = {}
        self._generation = -1

    @property
    def holds_texts(self) -> bool:
        """Whether any bank has texts that are not short."""
        return any(len(part.texts) for part in self._parts.values())

    @property
    def holds_short_texts(self) -> bool:
        """Whether any bank has short texts."""
        return any(part.exact_texts for part in self._parts.values())

    @property
    def holds_pictures(self) -> bool:
        """Whether any bank has hashes of files or of pictures."""
        return any(part.sha256 or part.pdq for part in self._parts.values())

    @property
    def banks(self) -> dict[str, Bank]:
        """The banks that are searched, by name."""
        return {name: part.bank for name, part in self._parts.items()}

    def refresh(self, store: BankStore) -> bool:
        """Read what changed in the store; tell whether anything did.

        Raises:
            MissingExtra: a bank holds PDQ hashes, and what searches them is not installed.
            StoreUnavailable: the store does not answer; the index stays as it was.
        """
        # Read first: what changes while the rest is read is noticed the next time.
        generation = store.generation
        if generation == self._generation:
            return False
        sizes: dict[str, int] = {}
        for (name, _), size in store.sizes().items():
            sizes[name] = sizes.get(name, 0) + size
        parts = {}
        for bank in store.banks():
            if bank.enabled:
                parts[bank.name] = self._part(bank, sizes.get(bank.name, 0))
                for some in store.all_entries(bank=bank.name, after=parts[bank.name].read):
                    parts[bank.name].take(some)
        self._parts, self._generation = parts, generation
        return True

    def pictures(self, queries: Sequence[PictureQuery]) -> list[list[Hit]]:
        """Return what each picture is like; an entry that several frames are like counts by the nearest."""
        found: list[list[Hit]] = [[] for _ in queries]
        frames = [(row, frame) for row, query in enumerate(queries) for frame in query.pdq]
        hashes = np.frombuffer(b"".join(frame for _, frame in frames), np.uint8).reshape(-1, PDQ_BYTES)
        for name, part in self._parts.items():
            if part.sha256:
                for row, query in enumerate(queries):
                    number = part.sha256.get(bytes.fromhex(query.sha256))
                    if number is not None:
                        found[row].append(Hit(name, number, 0))
            if part.pdq and frames:
                near = part.pdq.search(hashes, part.bank.max_distance)
                for row, hits in _nearest(name, (one._replace(query=frames[one.query][0]) for one in near)):
                    found[row] += hits
        return found

    def texts(self, signatures: npt.NDArray[np.uint32]) -> list[list[Hit]]:
        """Return what each of the signatures [m, 100] of texts that are not short is like."""
        found: list[list[Hit]] = [[] for _ in signatures]
        for name, part in self._parts.items():
            if len(part.texts):
                for row, hits in _nearest(name, part.texts.search(signatures)):
                    found[row] += hits
        return found

    def short_text(self, digest: bytes) -> list[Hit]:
        """Return the entries of a text that equals this one."""
        return [
            Hit(name, part.exact_texts[digest], 0)
            for name, part in self._parts.items()
            if digest in part.exact_texts
        ]

    def _part(self, bank: Bank, size: int) -> _BankPart:
        """Return the part of a bank as it is, or an empty one where that will not do any more."""
        part = self._parts.get(bank.name)
        if (
            part is None
            or part.bank.max_text_distance != bank.max_text_distance
            or part.taken > _STALE_SHARE * size + _STALE_FEW
        ):
            return _BankPart(bank)
        part.bank = bank
        return part


def _nearest(bank: str, near: Iterable[Near]) -> Iterator[tuple[int, list[Hit]]]:
    """Return the nearest hits of each query; an entry that several frames are like counts by the nearest."""
    by_query: dict[int, dict[int, int]] = {}
    for query, number, distance in near:
        hits = by_query.setdefault(query, {})
        hits[number] = min(distance, hits.get(number, distance))
    for query, hits in by_query.items():
        first = sorted(hits.items(), key=lambda hit: (hit[1], hit[0]))[:MOST_HITS]
        yield query, [Hit(bank, number, distance) for number, distance in first]
