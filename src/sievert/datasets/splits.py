"""Splits of a history: by time, by time with creators that training never saw; and what a random one hides.

A post belongs to the fold in whose time it was received, and its rows end with that time: a snapshot
that a training post came to later is in no fold. A post that nearly repeats one of an earlier fold is
dropped, since a model would be tested on what it learned by heart; so are copies and revisions.

Legend: m post revisions, s snapshots, k rows of a fold.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sievert.datasets.folds import FOLDS
from sievert.datasets.history_columns import History, PostColumns
from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.datasets.snapshots import Snapshots
from sievert.errors import InvalidField
from sievert.features.content.fold import FoldTables
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision
from sievert.schema.batch import TextColumn
from sievert.schema.clock import Micros

Int64s = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Rows = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

DROPPED = -1
"""The fold of what may be in none."""

_CHUNK = 4000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Which fold each post is in, and until when each fold may know anything."""

    fold: Codes  # [m] place in folds.FOLDS, or DROPPED
    group: Int64s  # [m] near-duplicates, copies and revisions share a number
    until: tuple[Micros, Micros, Micros]  # for train, calibration, test: labels known before

    def of_snapshots(self, taken: Snapshots) -> Codes:
        """Return the fold [s] of each snapshot; DROPPED for one that was taken after its fold's time."""
        fold = self.fold[taken.row]
        late = taken.as_of >= np.array(self.until, np.int64)[fold]
        return np.where(late, np.int8(DROPPED), fold)


def split_by_time(
    history: History, *, calibrate_from: Micros, test_from: Micros, end: Micros, tables: FoldTables
) -> TimeSplit:
    """Split posts by when they were received: train, calibration, test.

    Labels of a fold are those known before its `until`: training knows none that came after
    `calibrate_from`, as it would not have, had it run then. The test fold may wait until `end`.

    Raises:
        InvalidField: the three times are not in order.
    """
    if not calibrate_from < test_from < end:
        raise InvalidField(
            "A split by time needs calibrate_from < test_from < end.",
            remedy="Give the three times in this order.",
            field="test_from",
        )
    posts = history.posts
    bounds = np.array([calibrate_from, test_from, end], np.int64)
    fold = np.searchsorted(bounds, posts.received_at, side="right").astype(np.int8)
    fold[fold >= len(FOLDS)] = DROPPED
    group = duplicate_groups(posts, tables)
    earliest = np.full(int(group.max(initial=-1)) + 1, len(FOLDS), np.int8)
    used = fold != DROPPED
    np.minimum.at(earliest, group[used], fold[used])
    fold[used & (fold > earliest[group])] = DROPPED
    return TimeSplit(fold=fold, group=group, until=(calibrate_from, test_from, end))


def cold_start(split: TimeSplit, posts: PostColumns, *, share: float, rng: np.random.Generator) -> TimeSplit:
    """Narrow a split to creators that training never saw.

    A share of all creators is drawn by `rng` and leaves training; calibration and test keep only posts
    of creators without a post in training. Posts without a creator leave them, since nobody knows.
    """
    creators = int(posts.creator.max(initial=-1)) + 1
    drawn = rng.random(creators) < share
    named = posts.creator >= 0
    who = np.maximum(posts.creator, 0)
    fold = split.fold.copy()
    if creators:
        fold[(fold == 0) & named & drawn[who]] = DROPPED
        seen = np.zeros(creators, np.bool_)
        seen[posts.creator[(fold == 0) & named]] = True
        fold[(fold > 0) & (~named | seen[who])] = DROPPED
    else:
        fold[fold > 0] = DROPPED
    return dataclasses.replace(split, fold=fold)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SplitGap:
    """PR-AUC as a random split would have it, and as time has it."""

    random: float
    by_time: float

    @property
    def gap(self) -> float:
        """By how much a random split flatters."""
        return self.random - self.by_time


Scorer = Callable[[Rows, Rows], Floats]
"""Learns from the first rows [k] and returns scores of the second ones."""


def random_split_gap(
    fold: Codes, harmful: Bools, scorer: Scorer, *, prevalence: float, rng: np.random.Generator
) -> SplitGap:
    """Measure what a random split would have promised beyond what the split by time shows.

    `fold` [m] is of a split by time, `harmful` [m] the labels. The random split has folds of the same
    sizes, drawn from the same rows, and ignores near-duplicates and time, as the mistake does. It is
    for this report only: nothing else in this room splits at random.
    """
    train, test = np.flatnonzero(fold == 0), np.flatnonzero(fold == len(FOLDS) - 1)
    mixed = rng.permutation(np.concatenate([train, test]))
    measured = []
    for learn, held in ((mixed[: len(train)], mixed[len(train) :]), (train, test)):
        score = scorer(np.sort(learn), np.sort(held))
        y = harmful[np.sort(held)]
        measured.append(average_precision(y, score, natural_weights(y, prevalence=prevalence)))
    return SplitGap(random=measured[0], by_time=measured[1])


def duplicate_groups(posts: PostColumns, tables: FoldTables) -> Int64s:
    """Return a group number for each post [m]: near-duplicates, copies and revisions share one."""
    text = posts.text
    chunks = []
    for start in range(0, len(text), _CHUNK):
        stop = min(start + _CHUNK, len(text))
        ends = text.offsets[start : stop + 1]
        chunks.append(TextColumn(data=text.data[ends[0] : ends[-1]], offsets=ends - ends[0]))
    if not chunks:
        return np.empty(0, np.int64)
    origin = np.where(posts.copy_of >= 0, posts.copy_of, posts.first)
    # A copy of a copy is followed to the first; a circle of copies ends after as many steps.
    for _ in range(32):
        further = origin[origin]
        if np.array_equal(further, origin):
            break
        origin = further
    return near_duplicate_groups(chunks, tables, ties=[str(row) for row in origin.tolist()])
