"""What comments say and under which posts, kept while a history is read.

Events are kept as numbers only. Whoever learns from comments' words hands an empty `CommentTexts` to
`read_history`, and it holds those of all comments that can be used.

Legend: k comments, m post revisions.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sievert.datasets.history_columns import joined
from sievert.schema.event import KIND_WORDS

Int64s = npt.NDArray[np.int64]

_COMMENT = KIND_WORDS.index("comment")


class CommentTexts:
    """Texts of comments, by the post that they stand under and when they were received."""

    def __init__(self) -> None:
        """Begin with none."""
        self._texts: list[pa.Array] = [pa.array([], pa.string())]
        self._posts: list[Int64s] = []
        self._came: list[Int64s] = []

    def take(self, texts: pa.Array, *, kind: Int64s, post: Int64s, came: Int64s) -> None:
        """Keep the comments among events [n]: their texts, the rows of their posts, when each was received."""
        rows = np.flatnonzero(kind == _COMMENT)
        self._texts.append(texts.take(pa.array(rows)))
        self._posts.append(post[rows])
        self._came.append(came[rows])

    def under(self, posts: Int64s, *, until: npt.NDArray[np.int64], most: int) -> Mapping[int, Sequence[str]]:
        """Return what was said under posts [p] before these times [p]: of each the first `most`, if any."""
        post, came = joined(self._posts), joined(self._came)
        order = np.lexsort((came, post))
        order = order[np.isin(post[order], posts)]
        last = dict(zip(posts.tolist(), until.tolist(), strict=True))
        found: dict[int, list[str]] = {}
        texts = pa.concat_arrays(self._texts).take(pa.array(order)).to_pylist()
        for of, at, text in zip(post[order].tolist(), came[order].tolist(), texts, strict=True):
            if text and at < last[of] and len(said := found.setdefault(of, [])) < most:
                said.append(text)
        return found
