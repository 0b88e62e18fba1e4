"""The searches of one bank: near pictures, near texts, and what is exactly the same.

Each returns the numbers of entries. All of them are exact: an entry within the distance is found.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sievert.scoring.banks.entries import TEXT_VALUES, require_pdq
from sievert.stores.pictures.base import PDQ_BYTES


class Near(NamedTuple):
    """An entry that a query is like."""

    query: int  # row of the query
    number: int
    distance: int


class PdqPart:
    """PDQ hashes, all looked at for every query, which is exact at any distance.

    At a million hashes that is as quick as an index of 16 hash tables is at a distance of 31, quicker
    beyond, and takes a tenth of the memory: `benchmarks/banks.py` measures both.
    """

    def __init__(self) -> None:
        """Start empty.

        Raises:
            MissingExtra: the library that searches is not installed.
        """
        require_pdq()
        import faiss  # noqa: PLC0415  an extra

        faiss.omp_set_num_threads(1)  # one query at a time, beside other work
        self._index: Any = faiss.IndexBinaryFlat(8 * PDQ_BYTES)
        self._numbers = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Return how many hashes there are."""
        return len(self._numbers)

    def add(self, numbers: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint8]) -> None:
        """Add hashes [n, 32] with the numbers [n] of their entries."""
        self._index.add(np.ascontiguousarray(hashes))
        self._numbers = np.concatenate([self._numbers, numbers])

    def search(self, hashes: npt.NDArray[np.uint8], distance: int) -> list[Near]:
        """Return the entries within a distance (bits, itself included) of each of the hashes [m, 32]."""
        limits, distances, rows = self._index.range_search(np.ascontiguousarray(hashes), distance + 1)
        queries = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
        found = zip(queries.tolist(), self._numbers[rows].tolist(), distances.tolist(), strict=True)
        return [Near(query, number, int(far)) for query, number, far in found]


class TextPart:
    """Signatures of texts, in as many bands as may differ and one more: one band then is the same."""

    def __init__(self, distance: int) -> None:
        """Find what differs in at most `distance` of 100 values."""
        self.distance = distance
        self._bands = np.array_split(np.arange(TEXT_VALUES), distance + 1)
        self._signatures = np.zeros((0, TEXT_VALUES), np.uint32)
        self._numbers = np.zeros(0, np.int64)
        self._fresh: list[npt.NDArray[np.uint32]] = []
        self._keys: list[npt.NDArray[np.uint64]] = []  # of each band [n], sorted
        self._rows: list[npt.NDArray[np.int64]] = []  # of each band [n], the signatures in that order

    def __len__(self) -> int:
        """Return how many signatures there are."""
        return len(self._numbers)

    def add(self, numbers: npt.NDArray[np.int64], signatures: npt.NDArray[np.uint32]) -> None:
        """Add signatures [n, 100] with the numbers [n] of their entries; they are sorted when next asked."""
        self._fresh.append(signatures)
        self._numbers = np.concatenate([self._numbers, numbers])

    def search(self, signatures: npt.NDArray[np.uint32]) -> list[Near]:
        """Return the entries that are near the signatures [m, 100]."""
        self._sort()
        pairs = []
        for band, keys, rows in zip(self._bands, self._keys, self._rows, strict=True):
            wanted = _band_keys(signatures, band)
            first = np.searchsorted(keys, wanted, side="left")
            counts = np.searchsorted(keys, wanted, side="right") - first
            if counts.any():
                queries = np.repeat(np.arange(len(signatures)), counts)
                within = np.arange(len(queries)) - np.repeat(np.cumsum(counts) - counts, counts)
                pairs.append(np.stack([queries, rows[np.repeat(first, counts) + within]], axis=1))
        if not pairs:
            return []
        queries, entries = np.unique(np.concatenate(pairs), axis=0).T
        differ = np.count_nonzero(signatures[queries] != self._signatures[entries], axis=1)
        near = differ <= self.distance
        found = zip(queries[near], self._numbers[entries[near]], differ[near], strict=True)
        return [Near(int(query), int(number), int(far)) for query, number, far in found]

    def _sort(self) -> None:
        if self._fresh or not self._keys:
            self._signatures = np.concatenate([self._signatures, *self._fresh])
            self._fresh = []
            keys = [_band_keys(self._signatures, band) for band in self._bands]
            self._rows = [np.argsort(one, kind="stable") for one in keys]
            self._keys = [one[order] for one, order in zip(keys, self._rows, strict=True)]


def _band_keys(signatures: npt.NDArray[np.uint32], band: npt.NDArray[np.intp]) -> npt.NDArray[np.uint64]:
    """Mix the values of a band into one number [n]; what it confuses is compared whole afterwards."""
    mixed = np.zeros(len(signatures), np.uint64)
    for column in band:
        mixed = (mixed ^ signatures[:, column]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed
