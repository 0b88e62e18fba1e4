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


@nb.njit(nogil=True, cache=True)
def look_up(hashes, wanted, keys, numbers, count, adding):
    """Return the number [n] of each wanted hash in an open table, -1 for others; and those that were added.

    With `adding`, unknown hashes get the next numbers from `count` on.
    """
    mask = np.uint64(keys.shape[0] - 1)
    found = np.full(hashes.shape[0], -1, np.int64)
    added = np.empty(hashes.shape[0] if adding else 0, np.int64)
    fresh = 0
    for i in range(hashes.shape[0]):
        if not wanted[i]:
            continue
        h = hashes[i]
        slot = h & mask
        while keys[slot] != 0 and keys[slot] != h:
            slot = (slot + np.uint64(1)) & mask
        if keys[slot] == 0:
            if not adding:
                continue
            keys[slot] = h
            numbers[slot] = count + fresh
            added[fresh] = i
            fresh += 1
        found[i] = numbers[slot]
    return found, added[:fresh]


@nb.njit(nogil=True, cache=True)
def pairs_within(starts, most):
    """Return all pairs (left, right) of rows that lie in one group; of a group, its first `most` rows pair."""
    count = 0
    for g in range(starts.shape[0] - 1):
        size = min(starts[g + 1] - starts[g], most)
        count += size * (size - 1) // 2
    left, right = np.empty(count, np.int64), np.empty(count, np.int64)
    at = 0
    for g in range(starts.shape[0] - 1):
        stop = starts[g] + min(starts[g + 1] - starts[g], most)
        for i in range(starts[g], stop):
            for j in range(i + 1, stop):
                left[at], right[at] = i, j
                at += 1
    return left, right
