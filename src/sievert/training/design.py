"""Texts become sparse rows, by the same kernel that serving runs.

Legend: n texts, S content facts, d = 2**bits + S features.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sievert.features.content.fold import FoldTables
from sievert.features.content.ngrams import index_batch
from sievert.features.content.tokens import STATS
from sievert.schema.batch import TextColumn
from sievert.training.kernels import merge

_CHUNK = 4000


@dataclasses.dataclass(frozen=True, slots=True)
class Design:
    """Sparse rows: row i has `values[j]` at feature `columns[j]` for j in starts[i]:starts[i + 1]."""

    starts: npt.NDArray[np.int64]  # [n + 1]
    columns: npt.NDArray[np.int32]  # [entries]
    values: npt.NDArray[np.float32]  # [entries]
    width: int  # d

    def __len__(self) -> int:
        """Return n."""
        return len(self.starts) - 1

    def apart(self, facts: int) -> tuple["Design", npt.NDArray[np.float32]]:
        """Return the n-grams alone, and the last so many features as a dense array [n, facts]."""
        grams = self.width - facts
        row = np.repeat(np.arange(len(self)), np.diff(self.starts))
        fact = self.columns >= grams
        dense = np.zeros((len(self), facts), np.float32)
        dense[row[fact], self.columns[fact] - grams] = self.values[fact]
        starts = np.zeros(len(self) + 1, np.int64)
        np.cumsum(np.bincount(row[~fact], minlength=len(self)), out=starts[1:])
        return Design(
            starts=starts, columns=self.columns[~fact], values=self.values[~fact], width=grams
        ), dense

    def take(self, rows: npt.NDArray[np.intp]) -> "Design":
        """Return the design of these rows, in this order."""
        sizes = (self.starts[1:] - self.starts[:-1])[rows]
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=starts[1:])
        entries = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return Design(
            starts=starts, columns=self.columns[entries], values=self.values[entries], width=self.width
        )


def design(
    texts: Sequence[str], fold: FoldTables, *, bits: int, advance: Callable[[int], None] = lambda _: None
) -> Design:
    """Turn n texts into rows: n-grams at 1 / sqrt(length of their part), then the content facts.

    `advance` hears how many texts each step has done.
    """
    starts, columns, values = [np.zeros(1, np.int64)], [], []
    done = 0
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        indexed = index_batch(TextColumn.of(chunk), fold, bits=bits)
        room = len(indexed.indices) + indexed.stats.size
        some_columns, some_values = np.empty(room, np.int32), np.empty(room, np.float32)
        some_starts = np.zeros(len(chunk) + 1, np.int64)
        size = merge(
            indexed.indices, indexed.starts, indexed.stats, 1 << bits, some_starts, some_columns, some_values
        )
        columns.append(some_columns[:size].copy())
        values.append(some_values[:size].copy())
        starts.append(some_starts[1:] + done)
        done += size
        advance(len(chunk))
    return Design(
        starts=np.concatenate(starts),
        columns=np.concatenate(columns) if columns else np.empty(0, np.int32),
        values=np.concatenate(values) if values else np.empty(0, np.float32),
        width=(1 << bits) + len(STATS),
    )
