"""Groups of texts that are nearly the same, so that no split can separate them.

The signatures are those of `features/content/minhash.py`. Bands find candidates: texts that share 80 %
of their n-grams meet with probability above 0.999. A candidate is believed if at least three quarters of
the two signatures agree.

Not covered: paraphrases; they share meaning and not n-grams. In a crowd of candidates a text is
compared with the crowd's first and with its neighbour only.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from sievert.features.content.fold import FoldTables
from sievert.features.content.minhash import minhash
from sievert.schema.batch import TextColumn

_Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

_PERMUTATIONS = 64
_BANDS = 16
_AGREEMENT = 0.75


def near_duplicate_groups(
    chunks: list[TextColumn], fold: FoldTables, *, ties: list[str]
) -> npt.NDArray[np.int64]:
    """Return a group number for each text [n]; equal numbers mean nearly equal texts.

    `ties` [n] are names; rows with the same name are one group whatever their texts.
    """
    signatures = np.concatenate([minhash(chunk, fold, values=_PERMUTATIONS) for chunk in chunks])
    count = len(signatures)
    parent = np.arange(count)
    tied = _ordered_by(np.unique(np.array(ties), return_inverse=True)[1])
    _join(parent, *tied[0])
    width = _PERMUTATIONS // _BANDS
    for band in range(_BANDS):
        keys = signatures[:, band * width : (band + 1) * width]
        mixed = np.zeros(count, np.uint64)
        for column in keys.T:
            mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        for left, right in _ordered_by(mixed):
            alike = (signatures[left] == signatures[right]).mean(axis=1) >= _AGREEMENT
            _join(parent, left[alike], right[alike])
    return np.array([_root(parent, row) for row in range(count)])


def _ordered_by(keys: npt.NDArray[Any]) -> tuple[_Pairs, _Pairs]:
    """Pair each row with the first row of the same key, and with its neighbour of the same key."""
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    starts = np.flatnonzero(np.append(True, ~same))
    first = order[np.repeat(starts, np.diff(np.append(starts, len(order))))]
    later = np.append(False, same)
    return (order[later], first[later]), (order[1:][same], order[:-1][same])


def _join(parent: npt.NDArray[np.int64], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> None:
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        a, b = _root(parent, one), _root(parent, other)
        parent[max(a, b)] = min(a, b)


def _root(parent: npt.NDArray[np.int64], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row
