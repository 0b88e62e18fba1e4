"""Snapshots: the moments at which a post would have been scored, and which revision stood there then.

A post is scored when it comes, when it is edited, at its first report, at view milestones, and each
time its reports have doubled. A moment is when we received what caused it: nothing that was received
later decides whether a snapshot exists. Only its weight knows how many snapshots the post came to.

Legend: m post revisions, n events, s snapshots.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sievert.datasets.history_columns import History, PostColumns
from sievert.schema.clock import Micros
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import EventColumns

Int64s = npt.NDArray[np.int64]

CAUSES = ("created", "first report", "views milestone", "retrigger", "edited")
"""Why a post is scored; a column holds a cause's place in here."""

MILESTONES = (10, 100, 1000, 10_000)
"""Views at which a post is scored again."""

_CREATED, _FIRST_REPORT, _MILESTONE, _RETRIGGER, _EDITED = range(5)
_REVISION_BITS = 31


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """Moments of posts, in the order of time."""

    post: Int64s  # [s] the row of the post's first revision, which events name
    row: Int64s  # [s] the row of the revision that stood there then
    as_of: Int64s  # [s] what was received later does not exist for it
    cause: npt.NDArray[np.int8]  # [s] place in CAUSES
    weight: npt.NDArray[np.float64]  # [s] 1/k for a post with k snapshots

    def __len__(self) -> int:
        """Return s."""
        return len(self.post)


def snapshots(
    history: History, milestones: Sequence[int] = MILESTONES, *, until: Micros | None = None
) -> Snapshots:
    """Return every moment at which a post would have been scored, before `until` if that is given."""
    posts, events = history.posts, history.events
    first = np.flatnonzero(posts.first == np.arange(len(posts)))
    later = np.flatnonzero(posts.first != np.arange(len(posts)))
    views = _milestones(events, milestones)
    reports = events.kind == KIND_WORDS.index("report")
    nth, rows = _nth_of_post(events.post, np.flatnonzero(reports & (events.post >= 0)))
    doubled = (nth >= 2) & ((nth & (nth - 1)) == 0)
    post = [first, posts.first[later], events.post[rows[nth == 1]], events.post[views]]
    post.append(events.post[rows[doubled]])
    as_of = [posts.received_at[first], posts.received_at[later], events.received_at[rows[nth == 1]]]
    as_of += [events.received_at[views], events.received_at[rows[doubled]]]
    causes = (_CREATED, _EDITED, _FIRST_REPORT, _MILESTONE, _RETRIGGER)
    cause = np.repeat(np.array(causes, np.int8), [len(piece) for piece in post])
    return _settled(np.concatenate(post), np.concatenate(as_of), cause, history, until)


def _settled(
    post: Int64s,
    as_of: Int64s,
    cause: npt.NDArray[np.int8],
    history: History,
    until: Micros | None,
) -> Snapshots:
    """Keep one snapshot a moment, none outside the post's life, in order."""
    posts = history.posts
    # What was received before its post is seen by the first look at it.
    alive = (cause == _CREATED) | (as_of > posts.received_at[post])
    alive &= (cause == _CREATED) | (as_of < _deleted_at(history)[post])
    if until is not None:
        alive &= as_of < until
    post, as_of, cause = post[alive], as_of[alive], cause[alive]
    order = np.lexsort((cause, as_of, post))
    post, as_of, cause = post[order], as_of[order], cause[order]
    new = np.append(True, (post[1:] != post[:-1]) | (as_of[1:] != as_of[:-1]))[: len(post)]
    post, as_of, cause = post[new], as_of[new], cause[new]
    count = np.bincount(post, minlength=len(posts))
    row = _revision_as_of(posts, post, as_of)
    order = np.lexsort((post, as_of))
    return Snapshots(
        post=post[order],
        row=row[order],
        as_of=as_of[order],
        cause=cause[order],
        weight=1.0 / count[post[order]],
    )


def _milestones(events: EventColumns, milestones: Sequence[int]) -> npt.NDArray[np.intp]:
    """Return the events by which the views of a post reached a milestone."""
    rows = np.flatnonzero((events.kind == KIND_WORDS.index("views")) & (events.post >= 0))
    rows = rows[np.argsort(events.post[rows], kind="stable")]
    post, amount = events.post[rows], events.amount[rows]
    total = np.cumsum(amount)
    starts = np.flatnonzero(np.append(True, post[1:] != post[:-1])[: len(post)])
    before_post = np.repeat(total[starts] - amount[starts], np.diff(np.append(starts, len(post))))
    after = total - before_post
    marks = np.sort(np.asarray(milestones, np.int64))
    reached = np.searchsorted(marks, after, side="right")
    return rows[reached > np.searchsorted(marks, after - amount, side="right")]


def _nth_of_post(post: Int64s, rows: npt.NDArray[np.intp]) -> tuple[Int64s, npt.NDArray[np.intp]]:
    """Return for these events, post by post, the how-manieth of its post each is, and the events."""
    rows = rows[np.argsort(post[rows], kind="stable")]
    its = post[rows]
    starts = np.flatnonzero(np.append(True, its[1:] != its[:-1])[: len(its)])
    nth = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows)))) + 1
    return nth, rows


def _deleted_at(history: History) -> Int64s:
    """Return when each post [m] was known to be taken down by its creator; the end of time if never."""
    deleted = np.full(len(history.posts), np.iinfo(np.int64).max)
    gone = (history.events.kind == KIND_WORDS.index("delete")) & (history.events.post >= 0)
    np.minimum.at(deleted, history.events.post[gone], history.events.received_at[gone])
    return deleted


def _revision_as_of(posts: PostColumns, post: Int64s, as_of: Int64s) -> Int64s:
    """Return the row [s] of the highest revision that had been received by then.

    Revisions and snapshots are laid on one time line; along it, the highest revision so far is carried
    on. Post and revision stand in one number, so that a post's numbers are all above the last post's.
    """
    keys = (posts.first << _REVISION_BITS) | posts.revision
    every_post = np.concatenate([posts.first, post])
    every_time = np.concatenate([posts.received_at, as_of])
    every_key = np.concatenate([keys, post << _REVISION_BITS])
    asks = np.repeat([0, 1], [len(posts), len(post)])
    order = np.lexsort((asks, every_time, every_post))
    carried = np.empty(len(order), np.int64)
    carried[order] = np.maximum.accumulate(every_key[order]) if len(order) else every_key
    by_key = np.argsort(keys)
    return by_key[np.searchsorted(keys, carried[len(posts) :], sorter=by_key)]
