"""Posts that nobody labelled, with what they drew: what towers are pretrained on, and reports speak of.

1 posts that drew comments or carry hashtags   2 a draw   3 leave out what later folds show   4 replies

*Drawn* from all posts of the time to learn on, whether or not somebody labelled them; no label comes
along. Some posts of the time to calibrate on are held out, to see how well a matching does on posts that
it did not learn from. What a post drew is what had been received when its fold's time ended.

*Left out* are posts whose text came from the same source as a content of a later fold, or nearly repeats
one: what is measured there was never read here. Held-out posts stand back from the test fold alone, and
from posts that are learned from.

*Replies* are the first comments that a post drew, and its hashtags, which are taken out of its own text:
a text that still had them would be matched by them.

Legend: m post revisions, u unlabelled posts.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sievert.datasets.comment_texts import CommentTexts
from sievert.datasets.history_columns import History
from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.datasets.splits import TimeSplit
from sievert.features.content.collation import PostTokenizer
from sievert.features.content.fold import FoldTables
from sievert.schema.batch import TextColumn
from sievert.training.contents import CHUNK, Contents, starts_of
from sievert.training.counts_as_of import CountsAsOf

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_REPLIES = 4
HELD = 1000
"""Posts that are held out, at most."""

_HASHTAG = re.compile(r"(?<![\w&#])#([^\W\d_]\w*)")
_DRAW = 0x5EED
"""Keeps this draw apart from those of labelled posts, which stay what they are without it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UnlabelledPosts:
    """Posts and what they drew."""

    rows: Int64s  # [u] first revisions, ascending
    held: Bools  # [u] of the time to calibrate on
    texts: Sequence[str]  # [u] without hashtags
    replies: Sequence[str]  # [u]
    drew: int  # posts of the time to learn on that drew anything
    left_out: int  # of those drawn


def without_hashtags(text: str) -> tuple[str, list[str]]:
    """Return a text without its hashtags, and what they say."""
    return " ".join(_HASHTAG.sub(" ", text).split()), _HASHTAG.findall(text)


def unlabelled_posts(
    history: History,
    comments: CommentTexts,
    *,
    split: TimeSplit,
    first: Int64s,
    cluster: Int64s,
    later: Sequence[Int64s],
    tables: FoldTables,
    most: int,
    seed: int,
) -> UnlabelledPosts:
    """Draw at most so many posts among first revisions; `later` are the contents of both later folds.

    `cluster` [m] numbers texts of one source.
    """
    rng = np.random.default_rng((seed, _DRAW))
    rows, said, tags = _that_drew(history, comments, split, first)
    learned = split.fold[rows] == 0
    taken = np.concatenate(
        [rng.permutation(rows[learned])[:most], rng.permutation(rows[~learned])[: min(HELD, most)]]
    )
    rows = np.sort(taken)
    held = split.fold[rows] == 1
    shown = np.unique(np.concatenate(later))
    texts = history.posts.text.texts(np.concatenate([shown, rows]))
    alike = _alike(texts, tables, ties=[str(place) for place in range(len(texts))])
    in_test = np.isin(shown, later[1])
    mine = (cluster[rows], alike[len(shown) :])
    theirs = (cluster[shown], alike[: len(shown)])
    out = np.where(held, _repeats(mine, theirs, in_test), _repeats(mine, theirs, np.ones_like(in_test)))
    kept = ~held & ~out
    out |= held & _repeats(mine, mine, kept)
    left = [row for row, gone in zip(rows.tolist(), out.tolist(), strict=True) if not gone]
    bare = {
        row: without_hashtags(text)[0] for row, text in zip(rows.tolist(), texts[len(shown) :], strict=True)
    }
    return UnlabelledPosts(
        rows=np.array(left, np.int64),
        held=held[~out],
        texts=[bare[row] for row in left],
        replies=["\n".join([*said.get(row, ()), *tags.get(row, ())]) for row in left],
        drew=int(learned.sum()),
        left_out=int(out.sum()),
    )


def unlabelled_columns(
    history: History, posts: UnlabelledPosts, contents: Contents, *, split: TimeSplit, tokens: int
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of unlabelled posts that are not of their content; see `unlabelled.LAYOUT`."""
    end = np.where(posts.held, split.until[1], split.until[0]) - 1
    views, reports = (
        CountsAsOf(history.events, kind, posts.rows).by(posts.rows, end) for kind in ("views", "report")
    )
    return {
        **_reply_tokens(posts.replies, contents, tokens),
        "creator": history.posts.creator[posts.rows].astype(np.int32),
        "alike": _alike(list(posts.texts), contents.tables, ties=list(posts.replies)).astype(np.int32),
        "held": posts.held,
        "reports": reports,
        "report_views": views,
        "row": posts.rows,
    }


def _that_drew(
    history: History, comments: CommentTexts, split: TimeSplit, first: Int64s
) -> tuple[Int64s, Mapping[int, Sequence[str]], Mapping[int, Sequence[str]]]:
    """Return the first revisions of both earlier folds that drew comments or carry hashtags, and these."""
    fold = split.fold[first]
    rows = first[(fold == 0) | (fold == 1)]
    said = comments.under(rows, until=np.array(split.until[:2])[split.fold[rows]], most=MOST_REPLIES)
    tags = {}
    for at in range(0, len(rows), CHUNK):
        some = rows[at : at + CHUNK]
        for row, text in zip(some.tolist(), history.posts.text.texts(some), strict=True):
            if "#" in text and (found := _HASHTAG.findall(text)):
                tags[row] = found
    drew = np.array([row in said or row in tags for row in rows.tolist()], np.bool_)
    return rows[drew], said, tags


def _repeats(mine: tuple[Int64s, Int64s], theirs: tuple[Int64s, Int64s], among: Bools) -> Bools:
    """Return which of mine share a source or a group of alike texts with those of theirs that are among."""
    found: Bools = np.isin(mine[0], theirs[0][among]) | np.isin(mine[1], theirs[1][among])
    return found


def _alike(texts: list[str], tables: FoldTables, *, ties: list[str]) -> Int64s:
    chunks = [TextColumn.of(texts[at : at + CHUNK]) for at in range(0, max(1, len(texts)), CHUNK)]
    return near_duplicate_groups(chunks, tables, ties=ties)


def _reply_tokens(replies: Sequence[str], contents: Contents, tokens: int) -> dict[str, npt.NDArray[Any]]:
    tokenizer = PostTokenizer(contents.tokenizer, tokens=tokens, pad=contents.pad)
    ids, lengths = [], []
    for at in range(0, max(1, len(replies)), CHUNK):
        some = contents.read(list(replies[at : at + CHUNK]))
        table = tokenizer.table(some, [""] * len(some))
        ids.append(table.ids[table.mask].astype(np.uint16))
        lengths.append(table.mask.sum(axis=1))
    return {"reply_ids": np.concatenate(ids), "reply_starts": starts_of(lengths)}
