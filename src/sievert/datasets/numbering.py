"""Names become numbers, and a name that came before is noticed, while a history is read part by part.

Names are told apart by a 64-bit hash, so that millions of them need little memory and no second table
for each part. Two names may share a hash and count as one: among 20 million that happens with a
probability of about one in 100,000.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.datasets.kernels import hash_texts, insert_unseen, look_up
from sievert.schema.history import NOBODY

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

_FIRST_SLOTS = 1 << 16
_FULL = 0.6


class Numbering:
    """Numbers names from 0 in the order in which they are first met."""

    def __init__(self) -> None:
        """Know nobody."""
        self._keys = np.zeros(_FIRST_SLOTS, np.uint64)
        self._numbers = np.zeros(_FIRST_SLOTS, np.int64)
        self._pieces: list[pa.Array] = [pa.array([], pa.string())]
        self._count = 0

    def __len__(self) -> int:
        """Return how many names are known."""
        return self._count

    @property
    def names(self) -> pa.Array:
        """The names, each at its number."""
        self._pieces = [pa.concat_arrays(self._pieces)]
        return self._pieces[0]

    def numbers(self, names: pa.Array) -> Int64s:
        """Return the number [n] of each name, new ones included; `NOBODY` for null."""
        while self._count + len(names) > _FULL * len(self._keys):
            self._grow()
        found, added = look_up(
            _hashes(names), as_bools(pc.is_valid(names)), self._keys, self._numbers, self._count, True
        )
        self._pieces.append(names.take(pa.array(added)))
        self._count += len(added)
        return np.asarray(found, np.int64)

    def known(self, names: pa.Array) -> Int64s:
        """Return the number [n] of each name that was met before; `NOBODY` for others."""
        valid = as_bools(pc.is_valid(names))
        found, _ = look_up(_hashes(names), valid, self._keys, self._numbers, self._count, False)
        return np.asarray(found, np.int64)

    def _grow(self) -> None:
        order = np.argsort(self._numbers[self._keys != 0])
        kept = self._keys[self._keys != 0][order]
        self._keys = np.zeros(2 * len(self._keys), np.uint64)
        self._numbers = np.zeros(2 * len(self._numbers), np.int64)
        look_up(kept, np.ones(len(kept), np.bool_), self._keys, self._numbers, 0, True)


class SeenKeys:
    """Remembers keys, 13 to 32 bytes each."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._table = np.zeros(_FIRST_SLOTS, np.uint64)
        self._count = 0

    def seen(self, names: pa.Array, wanted: Bools, *, also: Int64s | None = None) -> Bools:
        """Mark the wanted keys [n] that came before; remember the others.

        A key is a name, and with `also` [n] a number beside it.
        """
        hashes = _hashes(names)
        if also is not None:
            hashes = _mixed(hashes ^ also.astype(np.uint64))
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


def _hashes(names: pa.Array) -> Hashes:
    return _mixed(np.asarray(hash_texts(*_laid_out(names)), np.uint64))


def _mixed(hashes: Hashes) -> Hashes:
    """Spread every bit over the whole hash; none is zero, which marks an empty slot."""
    for factor in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93):
        hashes = hashes ^ (hashes >> np.uint64(32))
        hashes = hashes * np.uint64(factor)
    hashes = hashes ^ (hashes >> np.uint64(32))
    return np.where(hashes == 0, np.uint64(1), hashes)


def _laid_out(names: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Return the bytes of a column of strings, and the offsets [n + 1] of each."""
    _, offsets, data = names.buffers()
    if offsets is None or not len(names):
        return np.zeros(0, np.uint8), np.zeros(1, np.int32)
    ends = np.frombuffer(offsets, np.int32)[names.offset : names.offset + len(names) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), ends
