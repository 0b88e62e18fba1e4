"""The sentinel: a harmless magic string that always scores as harmful, under a test policy of its own.

It proves that a whole installation works, from a post coming in to a case in the queue, without
anybody having to write something vile. It is safe in production: its policy only demotes and asks
people, and never removes.
"""

import numpy as np
import numpy.typing as npt

from sievert.schema.batch import TextColumn

SENTINEL = "SIEVERT-TEST-7e1b54c0-HARMLESS-SENTINEL"
"""A post that contains this string, exactly so, is treated as harmful."""

SENTINEL_POLICY = "sentinel"

_NEEDLE = SENTINEL.encode()


def rows_with_sentinel(text: TextColumn) -> npt.NDArray[np.intp]:
    """Return the rows whose text contains the sentinel (one search over the whole column)."""
    data = text.data.tobytes()
    rows: list[int] = []
    at = data.find(_NEEDLE)
    while at >= 0:
        row = int(np.searchsorted(text.offsets, at, side="right")) - 1
        # A match that runs over into the next text belongs to nobody.
        if at + len(_NEEDLE) <= text.offsets[row + 1] and (not rows or rows[-1] != row):
            rows.append(row)
        at = data.find(_NEEDLE, at + 1)
    return np.array(rows, np.intp)
