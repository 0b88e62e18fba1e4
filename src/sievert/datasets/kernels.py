"""The compiled loops of the data sets. What they are for is told where they are called."""

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def hash_texts(data, offsets):
    """Return a 64-bit hash [n] of each text that lies end to end (FNV-1a, bits mixed at the end)."""
    hashed = np.empty(offsets.shape[0] - 1, np.uint64)
    for i in range(hashed.shape[0]):
        h = np.uint64(0xCBF29CE484222325)
        for j in range(offsets[i], offsets[i + 1]):
            h = (h ^ np.uint64(data[j])) * np.uint64(0x100000001B3)
        hashed[i] = h
    return hashed


@nb.njit(nogil=True, cache=True)
def insert_unseen(hashes, wanted, table, seen):
    """Put hashes [n] into an open table, where wanted; mark those that were in it; return how many are new."""
    mask = np.uint64(table.shape[0] - 1)
    fresh = 0
    for i in range(hashes.shape[0]):
        if not wanted[i]:
            continue
        h = hashes[i]
        slot = h & mask
        while table[slot] != 0 and table[slot] != h:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] == h:
            seen[i] = True
        else:
            table[slot] = h
            fresh += 1
    return fresh
