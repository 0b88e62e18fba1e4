"""How much of a kind of event posts had had as of times: plain counts, neither faded nor shared out.

Legend: q questions.
"""

import numpy as np
import numpy.typing as npt

from sievert.schema.event import KIND_WORDS
from sievert.schema.history import EventColumns

Int64s = npt.NDArray[np.int64]

_RANK_BITS = 32


class CountsAsOf:
    """Events of one kind that happened to some posts, ready to be counted as of any time."""

    def __init__(self, events: EventColumns, kind: str, posts: Int64s) -> None:
        """Index the events of a kind that happened to these posts, each named once."""
        self._posts = np.sort(posts)
        rows = np.flatnonzero((events.kind == KIND_WORDS.index(kind)) & np.isin(events.post, self._posts))
        self._times = np.unique(events.received_at[rows])
        key = self._keys(events.post[rows], events.received_at[rows])
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        self._sum = np.concatenate([[0], np.cumsum(events.amount[rows][order])])

    def by(self, post: Int64s, at: Int64s) -> npt.NDArray[np.float32]:
        """Return what posts [q] had had that had been received by these times [q]."""
        begin = np.searchsorted(self._key, np.searchsorted(self._posts, post) << _RANK_BITS)
        end = np.searchsorted(self._key, self._keys(post, at + 1))
        found: npt.NDArray[np.float32] = (self._sum[end] - self._sum[begin]).astype(np.float32)
        return found

    def _keys(self, post: Int64s, at: Int64s) -> Int64s:
        """Number posts and times so that those of a post stand together, in the order of time."""
        keys: Int64s = (np.searchsorted(self._posts, post) << _RANK_BITS) | np.searchsorted(self._times, at)
        return keys
