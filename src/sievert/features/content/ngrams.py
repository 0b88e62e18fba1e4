"""Hashed n-grams and content facts of a batch of texts, in one compiled pass over its bytes.

For each post: words and pairs of words, and runs of 3 to 5 characters inside words, over the
normalised text; where normalising changed a word, the word as written as well. Training asks for
the indices (`index_batch`), serving for the weighted sums (`score_batch`); both run the same walk.

Feature hashing after Weinberger et al. 2009 (arXiv 0902.2206), without the sign hash: a linear
model learns around collisions. What normalising does is told in `normal.py`.

Legend: n posts, S content facts, K columns of a weight table.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numba as nb
import numpy as np
import numpy.typing as npt

from sievert.features.content.fold import FoldTables
from sievert.features.content.tokens import STATS
from sievert.features.content.walk import remember, room_for, walk
from sievert.schema.batch import TextColumn

KERNEL_VERSION = 1
"""Changes whenever the same text would yield other indices or facts; part of the feature spec."""


KnownWords = npt.NDArray[np.uint8]
"""A lexicon as bits, one a word's hash; some strangers share a bit with a word of it."""

EVERY_WORD: KnownWords = np.full(1, 255, np.uint8)
"""The lexicon that has every word."""

_BITS_A_WORD = 32
_CONTRACTED = ("'s", "'d", "'t", "'ll", "'re", "'ve", "'m")
_MAY_CONTRACT = 300
"""So many of the most frequent words are known with these endings as well."""


def known_words(words: Sequence[str], fold: FoldTables) -> KnownWords:
    """Return a lexicon, most frequent words first, as what a walk over texts looks words up in."""
    if not words:
        return EVERY_WORD
    endings = [word + end for word, end in itertools.product(words[:_MAY_CONTRACT], _CONTRACTED)]
    column = TextColumn.of([*words, *endings])
    known = np.zeros(1 << (_BITS_A_WORD * len(column) // 8 - 1).bit_length(), np.uint8)
    remember(column.data, column.offsets, fold.index, fold.folded, fold.plain, fold.kind, known)
    return known


@dataclasses.dataclass(frozen=True, slots=True)
class IndexedBatch:
    """The n-grams of n posts, for building a training matrix.

    Post i has its word indices in `indices[starts[2i]:starts[2i + 1]]` and its character indices in
    `indices[starts[2i + 1]:starts[2i + 2]]`. Each occurrence weighs 1 / sqrt(length of its part).
    """

    indices: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]  # [2n + 1]
    stats: npt.NDArray[np.float32]  # [n, S]


def index_batch(text: TextColumn, fold: FoldTables, *, bits: int) -> IndexedBatch:
    """Return the hashed n-grams and content facts of each post; indices are below 2**bits."""
    count = len(text)
    stats = np.zeros((count, len(STATS)), np.float32)
    starts = np.zeros(2 * count + 1, np.int64)
    # A byte can open a word, a raw word, a pair and three character runs, plus edges.
    indices = np.empty(8 * len(text.data) + 16 * count + 16, np.uint32)
    total = _index(
        text.data, text.offsets, fold.index, fold.folded, fold.plain, fold.kind, bits, indices, starts, stats
    )
    return IndexedBatch(indices=indices[:total].copy(), starts=starts, stats=stats)


@dataclasses.dataclass(frozen=True, slots=True)
class SummedBatch:
    """What a weight table says about n posts, and what the walk noticed on the way."""

    sums: npt.NDArray[np.float32]  # [n, K]
    stats: npt.NDArray[np.float32]  # [n, S]
    unknown: npt.NDArray[np.int32]  # [n, 2] words that the lexicon lacks, and words


def score_batch(
    text: TextColumn,
    fold: FoldTables,
    *,
    table: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    known: KnownWords = EVERY_WORD,
) -> SummedBatch:
    """Return the weighted sums of the n-grams of each post, its content facts, its unknown words.

    Shapes: table [2**bits, K] int8; scale [K] float32 turns a column's int8 steps into weights.
    """
    count = len(text)
    sums = np.zeros((count, table.shape[1]), np.float32)
    stats = np.zeros((count, len(STATS)), np.float32)
    unknown = np.zeros((count, 2), np.int32)
    _score(
        text.data,
        text.offsets,
        fold.index,
        fold.folded,
        fold.plain,
        fold.kind,
        table,
        scale,
        known,
        sums,
        stats,
        unknown,
    )
    return SummedBatch(sums=sums, stats=stats, unknown=unknown)


@nb.njit(nogil=True, cache=True)
def _index(data, offsets, pages, folded, plain, kind, bits, indices, starts, stats):
    room = room_for(offsets)
    scratch = np.empty((5, room + 2), np.uint32)
    words = np.empty(3 * room + 8, np.uint32)
    chars = np.empty(5 * room + 8, np.uint32)
    mask = np.uint64((1 << bits) - 1)
    unknown = np.empty(2, np.int32)
    total = 0
    for i in range(offsets.shape[0] - 1):
        n_words, n_chars = walk(
            data,
            offsets[i],
            offsets[i + 1],
            pages,
            folded,
            plain,
            kind,
            mask,
            scratch,
            words,
            chars,
            stats[i],
            EVERY_WORD,
            unknown,
        )
        starts[2 * i] = total
        indices[total : total + n_words] = words[:n_words]
        total += n_words
        starts[2 * i + 1] = total
        indices[total : total + n_chars] = chars[:n_chars]
        total += n_chars
    starts[2 * (offsets.shape[0] - 1)] = total
    return total


@nb.njit(nogil=True, cache=True)
def _score(data, offsets, pages, folded, plain, kind, table, scale, known, sums, stats, unknown):
    room = room_for(offsets)
    scratch = np.empty((5, room + 2), np.uint32)
    words = np.empty(3 * room + 8, np.uint32)
    chars = np.empty(5 * room + 8, np.uint32)
    columns = table.shape[1]
    total = np.empty(columns, np.int32)
    mask = np.uint64(table.shape[0] - 1)
    for i in range(offsets.shape[0] - 1):
        n_words, n_chars = walk(
            data,
            offsets[i],
            offsets[i + 1],
            pages,
            folded,
            plain,
            kind,
            mask,
            scratch,
            words,
            chars,
            stats[i],
            known,
            unknown[i],
        )
        for part in range(2):
            picked = words if part == 0 else chars
            n_picked = n_words if part == 0 else n_chars
            if n_picked == 0:
                continue
            total[:] = 0
            for j in range(n_picked):
                row = table[picked[j]]
                for k in range(columns):
                    total[k] += row[k]
            root = np.float32(1.0) / np.sqrt(np.float32(n_picked))
            for k in range(columns):
                sums[i, k] += np.float32(total[k]) * scale[k] * root
