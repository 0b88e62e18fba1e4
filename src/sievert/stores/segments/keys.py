"""Keys of posts become 64-bit hashes, and hashes become rows; compiled.

A hash only narrows the search: whoever looks a key up compares the row itself. The seed is random
for each store, so that nobody can prepare keys that collide.
"""

from collections.abc import Sequence

import numba as nb
import numpy as np
import numpy.typing as npt

from sievert.schema.post import PostKey

Hashes = npt.NDArray[np.uint64]

ANY_REVISION = -1
"""Hashed in place of a revision, to find all revisions of an edited post."""


def hash_keys(keys: Sequence[PostKey], *, seed: int) -> Hashes:
    """Return the hash [n] of each key."""
    encoded = [key.id.encode() for key in keys]
    offsets = np.zeros(len(keys) + 1, np.int64)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    platforms = {key.platform for key in keys} or {""}
    bases = {name: _hash_bytes(np.frombuffer(name.encode(), np.uint8), np.uint64(seed)) for name in platforms}
    if len(bases) == 1:
        base = np.full(len(keys), next(iter(bases.values())), np.uint64)
    else:
        base = np.array([bases[key.platform] for key in keys], np.uint64)
    revisions = np.array([key.revision for key in keys], np.int64)
    return _hash_ids(np.frombuffer(b"".join(encoded), np.uint8), offsets, base, revisions)


@nb.njit(nogil=True, cache=True)
def _hash_bytes(data: npt.NDArray[np.uint8], seed: np.uint64) -> np.uint64:
    h = seed ^ (np.uint64(data.shape[0]) * np.uint64(0x9E3779B97F4A7C15))
    for byte in data:
        h = (h ^ np.uint64(byte)) * np.uint64(0x2127599BF4325C37)
        h ^= h >> np.uint64(29)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x880355F21E6D1965)
    return h ^ (h >> np.uint64(31))


@nb.njit(nogil=True, cache=True)
def _hash_ids(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    base: Hashes,
    revisions: npt.NDArray[np.int64],
) -> Hashes:
    hashes = np.empty(revisions.shape[0], np.uint64)
    for i in range(revisions.shape[0]):
        seed = base[i] ^ (np.uint64(revisions[i]) * np.uint64(0xD6E8FEB86659FD93))
        h = _hash_bytes(data[offsets[i] : offsets[i + 1]], seed)
        # Zero marks an empty slot of the table.
        hashes[i] = h if h != 0 else np.uint64(1)
    return hashes


@nb.njit(nogil=True, cache=True)
def insert(slots: Hashes, rows: npt.NDArray[np.uint32], hashes: Hashes, first_row: int) -> None:
    """Put `hashes` into an open-addressing table as rows `first_row`, `first_row + 1`, ..."""
    for i in range(hashes.shape[0]):
        rows[_take_slot(slots, hashes[i])] = first_row + i


@nb.njit(nogil=True, cache=True)
def insert_alone(slots: Hashes, hashes: Hashes) -> None:
    """Put `hashes` into an open-addressing table that has no rows."""
    for h in hashes:
        _take_slot(slots, h)


@nb.njit(nogil=True, cache=True)
def _take_slot(slots: Hashes, h: np.uint64) -> np.uint64:
    mask = np.uint64(slots.shape[0] - 1)
    at = h & mask
    while slots[at] != 0:
        at = (at + np.uint64(1)) & mask
    slots[at] = h
    return at


@nb.njit(nogil=True, cache=True)
def present(slots: Hashes, hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Mark the hashes that the table holds."""
    mask = np.uint64(slots.shape[0] - 1)
    held = np.zeros(hashes.shape[0], np.bool_)
    for i in range(hashes.shape[0]):
        at = hashes[i] & mask
        while slots[at] != 0:
            if slots[at] == hashes[i]:
                held[i] = True
                break
            at = (at + np.uint64(1)) & mask
    return held


@nb.njit(nogil=True, cache=True)
def rows_of(slots: Hashes, rows: npt.NDArray[np.uint32], wanted: np.uint64) -> list[int]:
    """Return every row of one hash."""
    mask = np.uint64(slots.shape[0] - 1)
    at = wanted & mask
    result = [0 for _ in range(0)]
    while slots[at] != 0:
        if slots[at] == wanted:
            result.append(int(rows[at]))
        at = (at + np.uint64(1)) & mask
    return result


class HashSet:
    """A growing set of hashes: eight bytes a slot, at most half of the slots taken."""

    def __init__(self) -> None:
        """Start empty."""
        self._slots = np.zeros(1 << 12, np.uint64)
        self._count = 0

    def add(self, hashes: Hashes) -> None:
        """Put hashes in; one that is there already stays there once more."""
        self._count += len(hashes)
        if 2 * self._count > len(self._slots):
            before = self._slots[self._slots != 0]
            self._slots = np.zeros(1 << (4 * self._count).bit_length(), np.uint64)
            insert_alone(self._slots, before)
        insert_alone(self._slots, hashes)

    def holds(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Mark the hashes that are in the set."""
        held: npt.NDArray[np.bool_] = present(self._slots, hashes)
        return held


BLOOM_BITS_PER_KEY = 12
_PROBES = 5


@nb.njit(nogil=True, cache=True)
def fill_bloom(bits: npt.NDArray[np.uint64], hashes: Hashes) -> None:
    """Mark hashes in a Bloom filter of 64 * len(bits) bits (Bloom 1970; two halves of one hash)."""
    size = np.uint64(bits.shape[0] * 64)
    for h in hashes:
        step = (h >> np.uint64(33)) | np.uint64(1)
        for k in range(_PROBES):
            bit = (h + np.uint64(k) * step) % size
            bits[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))


@nb.njit(nogil=True, cache=True)
def maybe_in_bloom(bits: npt.NDArray[np.uint64], hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Mark the hashes that the filter may hold; the others it certainly does not."""
    size = np.uint64(bits.shape[0] * 64)
    maybe = np.ones(hashes.shape[0], np.bool_)
    for i in range(hashes.shape[0]):
        h = hashes[i]
        step = (h >> np.uint64(33)) | np.uint64(1)
        for k in range(_PROBES):
            bit = (h + np.uint64(k) * step) % size
            if not (bits[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
                maybe[i] = False
                break
    return maybe
