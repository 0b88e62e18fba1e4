"""What each event counts for: the one definition that live counters and histories share.

An event moves counters of the post it happened to and of the post's creator. Every counter is kept
three times: as a total, and twice with weights that halve with age, in a week and in six hours. The
weights are integers fixed when the event happened (forward decay, Cormode et al. 2009), so a sum does
not depend on the order in which events arrive: what comes late ends up where it belongs, to the bit.

Forward weights grow without end; they start anew every sixteen half-lives. What is older than the
epoch before the present one weighs less than 2^-16 and is not read. An epoch of the week's
weights holds a whole number of those of the hours' weights, so that one number tells both.

Legend: n events, m moves.
"""

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import DAY, HOUR
from sievert.schema.event import KIND_WORDS, REACTION_WORDS, REASON_WORDS
from sievert.schema.history import NOBODY, EventColumns, Int16s, Int64s


class Role(enum.IntEnum):
    """As what a subject is counted."""

    POST = 0
    CREATOR = 1
    REPORTER = 2


class Count(enum.IntEnum):
    """What is counted of a post, and of all posts of a creator."""

    POSTS = 0
    VIEWS = 1
    GOOD_REACTIONS = 2
    BAD_REACTIONS = 3
    SHARES = 4
    COMMENTS = 5
    DISAPPOINTED = 6  # comments that say the post should not be there
    QUARRELS = 7  # comments that attack somebody
    REPORTS = 8
    REPORT_WEIGHT = 9  # reports by the reliability of who reports, in thousandths
    HIDES = 10
    BLOCKS = 11
    FOUND_HARMFUL = 12
    FOUND_HARMLESS = 13
    EDITS = 14
    DELETES = 15
    REASONS = 16  # the first of as many as there are reasons of reports


COUNTS = Count.REASONS + len(REASON_WORDS)
"""How many counters a post or a creator has."""


class Reputation(enum.IntEnum):
    """What is counted of somebody who reports."""

    MADE = 0
    CONFIRMED = 1
    REJECTED = 2


class Said(enum.IntEnum):
    """What a comment says, as far as anything."""

    NOTHING = 0
    DISAPPOINTED = 1
    QUARREL = 2


class Tempo(enum.IntEnum):
    """How a counter forgets."""

    TOTAL = 0
    WEEK = 1
    HOURS = 2


HALF_LIFE = (0, 7 * DAY, 6 * HOUR)
"""Microseconds after which an event weighs half, by tempo; a total does not forget."""

EPOCH_HALF_LIVES = 16
SCALE = 1 << 12
"""What an event weighs that happens when an epoch begins; at its end it weighs 2^16 times as much."""

THOUSAND = 1000

ONCE_AN_ACTOR = ("report", "hide", "block")
"""Kinds that one account can cause once for one post: a crowd must be a crowd."""

_GOOD = frozenset(("like", "love", "laugh", "wow"))
_SIMPLE = {
    "views": Count.VIEWS,
    "share": Count.SHARES,
    "comment": Count.COMMENTS,
    "report": Count.REPORTS,
    "hide": Count.HIDES,
    "block": Count.BLOCKS,
    "edit": Count.EDITS,
    "delete": Count.DELETES,
}
_NONE = -1
_COUNT_OF_KIND = np.array([_SIMPLE.get(word, _NONE) for word in KIND_WORDS], np.int16)
_IS_GOOD = np.array([word in _GOOD for word in REACTION_WORDS])
KIND = {word: place for place, word in enumerate(KIND_WORDS)}


@dataclasses.dataclass(frozen=True, slots=True)
class Moves:
    """Counters that move: each row adds `amount` to one counter of one subject."""

    subject: Int64s  # [m]
    count: Int16s  # [m] Count or Reputation
    amount: Int64s  # [m]
    at: Int64s  # [m] when it happened
    known_at: Int64s  # [m] from when on it counts

    def __len__(self) -> int:
        """Return m."""
        return len(self.subject)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Moves":
        """Return these rows."""
        return Moves(
            self.subject[rows], self.count[rows], self.amount[rows], self.at[rows], self.known_at[rows]
        )

    @classmethod
    def joined(cls, *parts: "Moves") -> "Moves":
        """Put moves behind one another."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in dataclasses.fields(cls)
            )
        )


def weight_at(at: Int64s, tempo: Tempo) -> Int64s:
    """Return the forward weight [n] of events that happened at these times."""
    if tempo is Tempo.TOTAL:
        return np.ones(len(at), np.int64)
    half_life = HALF_LIFE[tempo]
    into = at % (half_life * EPOCH_HALF_LIVES)
    weight: Int64s = np.rint(np.exp2(into / half_life) * SCALE).astype(np.int64)
    return weight


def moves_of_posts(events: EventColumns, report_weight: Int64s) -> Moves:
    """Return what events move on the posts that they happened to.

    `report_weight` [n] is how reliable whoever reported was, in thousandths; it is looked at where an
    event is a report.
    """
    kind, code = events.kind, events.code
    ones = np.ones(len(events), np.int64)
    happened = events.post != NOBODY
    parts = [_moves(events, happened & (_COUNT_OF_KIND[kind] != _NONE), _COUNT_OF_KIND[kind], events.amount)]

    reaction = happened & (kind == KIND["reaction"])
    which = np.where(_IS_GOOD[np.where(reaction, code, 0)], Count.GOOD_REACTIONS, Count.BAD_REACTIONS)
    parts.append(_moves(events, reaction, which, ones))

    said = happened & (kind == KIND["comment"]) & (code != Said.NOTHING)
    which = np.where(code == Said.DISAPPOINTED, Count.DISAPPOINTED, Count.QUARRELS)
    parts.append(_moves(events, said, which, ones))

    report = happened & (kind == KIND["report"])
    parts.append(_moves(events, report, np.full(len(events), Count.REPORT_WEIGHT), report_weight))
    parts.append(_moves(events, report, code + np.int16(Count.REASONS), ones))

    verdict = happened & (kind == KIND["verdict"])
    which = np.where(events.amount > 0, Count.FOUND_HARMFUL, Count.FOUND_HARMLESS)
    parts.append(_moves(events, verdict, which, ones))
    return Moves.joined(*parts)


def moves_of_creators(
    on_posts: Moves, events: EventColumns, *, creator: Int64s, received_at: Int64s
) -> Moves:
    """Return what moves on creators: all that moves on their posts, and blocks that name no post.

    `creator` [posts] says who published each post, NOBODY if that is not known; `received_at` [posts]
    when the post came: what happened to it earlier counts for its creator from then on.
    """
    of_posts = Moves(
        creator[on_posts.subject],
        on_posts.count,
        on_posts.amount,
        on_posts.at,
        np.maximum(on_posts.known_at, received_at[on_posts.subject]),
    )
    bare = (events.kind == KIND["block"]) & (events.post == NOBODY) & (events.creator != NOBODY)
    blocks = Moves(
        events.creator[bare],
        np.full(bare.sum(), Count.BLOCKS, np.int16),
        events.amount[bare],
        events.at[bare],
        events.received_at[bare],
    )
    return Moves.joined(of_posts.take(of_posts.subject != NOBODY), blocks)


def publications(created_at: Int64s, received_at: Int64s) -> Moves:
    """Return the moves that posts make by being published; their numbers are 0 to n - 1."""
    n = len(created_at)
    return Moves(
        np.arange(n, dtype=np.int64),
        np.full(n, Count.POSTS, np.int16),
        np.ones(n, np.int64),
        created_at,
        received_at,
    )


def moves_of_reporters(events: EventColumns) -> Moves:
    """Return what reports, and the verdicts that came after them, move on those who reported.

    A report is confirmed or rejected by the first verdict about its post. Who reports what was decided
    already shows nothing about themselves.
    """
    report = np.flatnonzero((events.kind == KIND["report"]) & (events.actor != NOBODY))
    made = Moves(
        events.actor[report],
        np.full(len(report), Reputation.MADE, np.int16),
        np.ones(len(report), np.int64),
        events.at[report],
        events.received_at[report],
    )
    verdict = np.flatnonzero(events.kind == KIND["verdict"])
    decided, first = np.unique(events.post[verdict], return_index=True)
    first = verdict[first]  # [decided posts] the row of each post's first verdict
    place = np.searchsorted(decided, events.post[report])
    known = place < len(decided)
    known[known] = decided[place[known]] == events.post[report][known]
    before = np.zeros(len(report), np.bool_)
    before[known] = report[known] < first[place[known]]
    by = first[place[before]]
    settled = Moves(
        events.actor[report[before]],
        np.where(events.amount[by] > 0, Reputation.CONFIRMED, Reputation.REJECTED).astype(np.int16),
        np.ones(len(by), np.int64),
        events.received_at[by],
        events.received_at[by],
    )
    return Moves.joined(made, settled)


def first_of_each_actor(events: EventColumns) -> npt.NDArray[np.bool_]:
    """Mark the rows [n] that count: an account reports, hides or blocks over the same post once."""
    counts = np.ones(len(events), np.bool_)
    for word in ONCE_AN_ACTOR:
        rows = np.flatnonzero((events.kind == KIND[word]) & (events.actor != NOBODY))
        target = np.where(events.post[rows] != NOBODY, events.post[rows], -2 - events.creator[rows])
        pairs = np.stack([target, events.actor[rows]], axis=1)
        _, first = np.unique(pairs, axis=0, return_index=True)
        again = np.ones(len(rows), np.bool_)
        again[first] = False
        counts[rows[again]] = False
    return counts


def _moves(
    events: EventColumns, rows: npt.NDArray[np.bool_], count: npt.NDArray[np.integer], amount: Int64s
) -> Moves:
    return Moves(
        events.post[rows],
        count[rows].astype(np.int16),
        amount[rows],
        events.at[rows],
        events.received_at[rows],
    )
