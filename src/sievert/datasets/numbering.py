"""Names become numbers, and a name that came before is noticed, while a history is read part by part."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.datasets.kernels import hash_texts, insert_unseen
from sievert.schema.history import NOBODY

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FIRST_SLOTS = 1 << 16
_FULL = 0.6


class Numbering:
    """Numbers names from 0 in the order in which they are first met."""

    def __init__(self) -> None:
        """Know nobody."""
        self.names: pa.Array = pa.array([], pa.string())

    def numbers(self, names: pa.Array) -> Int64s:
        """Return the number [n] of each name, new ones included; `NOBODY` for null."""
        found = pc.index_in(names, value_set=self.names)
        unmet = pc.unique(names.filter(pc.and_(pc.is_null(found), pc.is_valid(names))))
        if len(unmet):
            self.names = pa.concat_arrays([self.names, unmet])
            found = pc.index_in(names, value_set=self.names)
        return as_int64(found)

    def known(self, names: pa.Array) -> Int64s:
        """Return the number [n] of each name that was met before; `NOBODY` for others."""
        return as_int64(pc.index_in(names, value_set=self.names))


class SeenKeys:
    """Remembers keys by a 64-bit hash, 13 to 32 bytes each, so that millions of ids need little memory.

    Two different keys may share a hash and count as one: in 20 million that happens with a
    probability of about one in 100,000.
    """

    def __init__(self) -> None:
        """Have seen nothing."""
        self._table = np.zeros(_FIRST_SLOTS, np.uint64)
        self._count = 0

    def seen(self, names: pa.Array, wanted: Bools, *, also: Int64s | None = None) -> Bools:
        """Mark the wanted keys [n] that came before; remember the others.

        A key is a name, and with `also` [n] a number beside it.
        """
        hashes = hash_texts(*_laid_out(names))
        if also is not None:
            hashes = (hashes ^ also.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
        hashes *= np.uint64(0xD6E8FEB86659FD93)
        hashes ^= hashes >> np.uint64(32)
        # Zero marks an empty slot.
        hashes[hashes == 0] = 1
        while self._count + len(hashes) > _FULL * len(self._table):
            self._grow()
        marked = np.zeros(len(hashes), np.bool_)
        self._count += insert_unseen(hashes, wanted, self._table, marked)
        return marked

    def _grow(self) -> None:
        kept = self._table[self._table != 0]
        self._table = np.zeros(2 * len(self._table), np.uint64)
        insert_unseen(kept, np.ones(len(kept), np.bool_), self._table, np.zeros(len(kept), np.bool_))


def as_int64(column: pa.Array, *, missing: int = NOBODY) -> Int64s:
    """Return a column of whole numbers [n] as an array, with a number in place of null."""
    filled = pc.fill_null(column.cast(pa.int64()), missing)
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.int64)


def as_bools(column: pa.Array) -> Bools:
    """Return a column of truths [n] as an array; null is False."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), np.bool_)


def _laid_out(names: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Return the bytes of a column of strings, and the offsets [n + 1] of each."""
    _, offsets, data = names.buffers()
    if offsets is None or not len(names):
        return np.zeros(0, np.uint8), np.zeros(1, np.int32)
    ends = np.frombuffer(offsets, np.int32)[names.offset : names.offset + len(names) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), ends
