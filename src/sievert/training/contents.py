"""What posts say and show, as tensors: tokens, n-grams, facts, pictures, and what a frozen encoder says.

Contents are made for all folds at once, so that near-duplicates are found across folds and a picture is
drawn once.

Legend: c contents, t tokens, q pictures, m n-grams.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sievert.datasets.history_columns import History
from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.features.content.collation import PostTokenizer
from sievert.features.content.fold import FoldTables
from sievert.features.content.ngrams import index_batch
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.schema.batch import TextColumn
from sievert.training.material import FOLDS
from sievert.training.packed_pictures import PackedPictures
from sievert.training.said import Speaker
from sievert.training.world_pictures import Picture

Int64s = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
Advance = Callable[[str, int, int], None]

CHUNK = 4000
"""Texts that are read at once."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The pictures of contents, each once."""

    which: npt.NDArray[np.int32]  # [c] which picture a content shows, -1 for none
    pictures: Sequence[Picture]  # [q]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How texts are read.

    `read` takes the disguises off texts, `tokenizer` is the encoder's, and `pooled` gives the mean of what
    it says of tokens (ids, mask) [c, T]; without it no vectors are kept. `speaker` is a bundle that is asked what
    it says of them, or none.
    """

    tables: FoldTables
    read: Callable[[list[str]], list[str]]
    tokenizer: bytes
    pad: int
    pooled: Callable[[Array, Array], npt.NDArray[np.float32]] | None
    speaker: Speaker | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContentColumns:
    """Contents of one fold, as columns of `material.LAYOUT`, and groups [c] of texts that are nearly alike."""

    columns: Mapping[str, Array]
    group: Int64s


class _Settings(Protocol):
    @property
    def tokens(self) -> int: ...
    @property
    def gram_bits(self) -> int: ...
    @property
    def side(self) -> int: ...


def contents_of(
    history: History,
    rows: Sequence[Int64s],
    contents: Contents,
    settings: _Settings,
    draw: Callable[[History, Int64s], Drawn] | None,
    *,
    said: Mapping[int, Sequence[str]] | None = None,
    advance: Advance,
) -> list[ContentColumns]:
    """Return the contents of post revisions, `rows` [c] of them for each fold.

    `said` are the texts of some folds, by their place, where they are not those that the history has.
    """
    every = np.concatenate(rows)
    said = said or {}
    texts = [
        text
        for place, some in enumerate(rows)
        for text in (said[place] if place in said else history.posts.text.texts(some))
    ]
    drawn = (
        Drawn(which=np.full(len(every), -1, np.int32), pictures=[]) if draw is None else draw(history, every)
    )
    chunks = [TextColumn.of(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)]
    group = near_duplicate_groups(chunks, contents.tables, ties=[str(row) for row in range(len(texts))])
    made, at = [], 0
    for number, some in enumerate(rows):
        mine = slice(at, at + len(some))
        words = _words(drawn, mine)
        columns = _texts(texts[mine], words, contents, settings)
        if contents.speaker is not None and number < len(FOLDS):  # the unlabelled teach without it
            columns |= contents.speaker.contents(
                texts[mine], words, functools.partial(advance, f"ask the bundle of {FOLDS[number]}")
            )
        columns |= _pictures(drawn, mine, settings.side)
        made.append(ContentColumns(columns=columns, group=group[mine]))
        at += len(some)
        advance("contents", number + 1, len(rows))
    return made


def _words(drawn: Drawn, mine: slice) -> list[str]:
    return [drawn.pictures[one].words if one >= 0 else "" for one in drawn.which[mine].tolist()]


def _texts(texts: list[str], words: list[str], contents: Contents, settings: _Settings) -> dict[str, Array]:
    tokenizer = PostTokenizer(contents.tokenizer, tokens=settings.tokens, pad=contents.pad)
    ids, lengths, words_at, pooled = [], [], [], []
    grams, sizes, facts = [], [], []
    for at in range(0, max(1, len(texts)), CHUNK):
        said = texts[at : at + CHUNK]
        table = tokenizer.table(contents.read(said), words[at : at + CHUNK])
        length = table.mask.sum(axis=1)
        ids.append(table.ids[table.mask].astype(np.uint16))
        lengths.append(length)
        words_at.append(np.where(table.segment.any(axis=1), table.segment.argmax(axis=1), length))
        if contents.pooled is not None:
            pooled.append(contents.pooled(table.ids, table.mask).astype(np.float16))
        both = [f"{one}\n{shown}" if shown else one for one, shown in zip(said, words[at:], strict=False)]
        indexed = index_batch(TextColumn.of(both), contents.tables, bits=settings.gram_bits)
        grams.append(indexed.indices.astype(np.uint16 if settings.gram_bits <= 16 else np.uint32))
        sizes.append(np.diff(indexed.starts))
        facts.append(indexed.stats.astype(np.float16))
    found: dict[str, Array] = {
        "token_ids": np.concatenate(ids),
        "token_starts": starts_of(lengths),
        "words_at": np.concatenate(words_at).astype(np.uint16),
        "facts": np.concatenate(facts),
        "gram_indices": np.concatenate(grams),
        "gram_starts": starts_of(sizes),
    }
    if pooled:
        found["pooled"] = np.concatenate(pooled)
    return found


def _pictures(drawn: Drawn, mine: slice, side: int) -> dict[str, Array]:
    shown, place = np.unique(drawn.which[mine], return_inverse=True)
    first = int(np.searchsorted(shown, 0))  # -1 stands before all others
    pictures = [drawn.pictures[one] for one in shown[first:].tolist()]
    packed = PackedPictures.of((one.pixels for one in pictures), side)
    thumbnail = np.zeros((len(pictures), len(THUMBNAIL_FEATURES)), np.float16)
    for row, one in enumerate(pictures):
        thumbnail[row] = one.thumbnail
    return {
        "picture": np.maximum(place - first, -1).astype(np.int32),
        "picture_data": packed.data,
        "picture_starts": packed.starts,
        "thumbnail": thumbnail,
    }


def starts_of(lengths: Sequence[Array]) -> Int64s:
    """Return where each of things of these lengths, piece by piece, begins, and where the last ends."""
    return np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
