"""Behaviour rows as of any time in the past, out of a whole history.

What counts for a row at a time is what had been received by then, and nothing else: a row does not
change when everything later is deleted (pitfalls 1 and 2). Give it the same events in the same order as
a live store took them, and it gives the same rows.

Legend: n events, p posts, a accounts, q questions.
"""

import dataclasses

import numpy as np

from sievert.features.behaviour.counting import (
    COUNTS,
    KIND,
    THOUSAND,
    Count,
    Moves,
    Reputation,
    first_of_each_actor,
    moves_of_creators,
    moves_of_posts,
    moves_of_reporters,
    publications,
)
from sievert.features.behaviour.reporters import reliability
from sievert.features.behaviour.rows import AsOf, BehaviourSpec, Rows, behaviour_rows
from sievert.features.behaviour.tallies import FactIndex, MoveIndex
from sievert.schema.history import NOBODY, EventColumns, Int64s

_AT_ONCE = 20_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Posts of a history, numbered from 0."""

    creator: Int64s  # [p] the account, or NOBODY
    created_at: Int64s  # [p]
    received_at: Int64s  # [p]


class BehaviourHistory:
    """Everything that happened, ready to be asked as of any time."""

    def __init__(self, posts: Published, events: EventColumns, *, accounts: int) -> None:
        """Index the events, in the order in which they were received; what repeats counts once.

        Comments must have been scored: their `code` says what they say. Accounts have numbers below
        `accounts`.
        """
        # By the sender's clock a post may come before it was published; live counters mend that too.
        posts = dataclasses.replace(posts, created_at=np.minimum(posts.created_at, posts.received_at))
        self._posts = posts
        events = events.take(first_of_each_actor(events))
        count = len(posts.creator)
        self._reporters = MoveIndex(moves_of_reporters(events), subjects=accounts, counts=len(Reputation))
        on_posts = Moves.joined(
            moves_of_posts(events, self._report_weights(events)),
            publications(posts.created_at, posts.received_at),
        )
        on_creators = moves_of_creators(
            on_posts, events, creator=posts.creator, received_at=posts.received_at
        )
        self._of_posts = MoveIndex(on_posts, subjects=count, counts=COUNTS)
        self._of_creators = MoveIndex(on_creators, subjects=accounts, counts=COUNTS)
        login = events.kind == KIND["login"]
        told = (login | (events.kind == KIND["profile"])) & (events.creator != NOBODY)
        self._facts = FactIndex(
            account=events.creator[told],
            login=login[told],
            code=events.code[told],
            value=events.amount[told],
            at=events.at[told],
            known_at=events.received_at[told],
            accounts=accounts,
        )

    @property
    def created_at(self) -> Int64s:
        """When each post [p] was published, never after it was received."""
        return self._posts.created_at

    def rows(self, post: Int64s, as_of: Int64s, spec: BehaviourSpec) -> Rows:
        """Return the rows [q, F] of posts as of times."""
        parts = [
            behaviour_rows(self.known(post[i : i + _AT_ONCE], as_of[i : i + _AT_ONCE]), spec)
            for i in range(0, max(len(post), 1), _AT_ONCE)
        ]
        return np.concatenate(parts)

    def known(self, post: Int64s, as_of: Int64s) -> AsOf:
        """Return all that was known of posts [q] as of times [q], the creators' without the posts' own.

        A post that had not been received yet has no creator yet.
        """
        came = self._posts.received_at[post] <= as_of
        creator = np.where(came, self._posts.creator[post], NOBODY)
        own = self._of_posts.tallies(post, as_of)
        others = self._of_creators.tallies(creator, as_of)
        others[creator != NOBODY] -= own[creator != NOBODY]
        return AsOf(
            as_of=as_of,
            created_at=self._posts.created_at[post],
            own=own,
            others=others,
            facts=self._facts.facts(creator, as_of),
            has_creator=creator != NOBODY,
        )

    def known_of_creators(self, creator: Int64s, as_of: Int64s) -> AsOf:
        """Return all that was known of accounts [q] as of times [q], over all their posts; no post is its own."""
        others = self._of_creators.tallies(creator, as_of)
        return AsOf(
            as_of=as_of,
            created_at=as_of,
            own=np.zeros_like(others),
            others=others,
            facts=self._facts.facts(creator, as_of),
            has_creator=creator != NOBODY,
        )

    def views(self, post: Int64s, as_of: Int64s) -> Int64s:
        """Return how many views of posts [q] had been received as of times [q]."""
        parts = [
            self._of_posts.tallies(post[i : i + _AT_ONCE], as_of[i : i + _AT_ONCE])[:, Count.VIEWS, 0]
            for i in range(0, max(len(post), 1), _AT_ONCE)
        ]
        return np.concatenate(parts)

    def _report_weights(self, events: EventColumns) -> Int64s:
        """Return what each report weighs [n]: by what was known of the reporter before it came."""
        weights = np.zeros(len(events), np.int64)
        report = np.flatnonzero(events.kind == KIND["report"])
        before = self._reporters.tallies(events.actor[report], events.received_at[report] - 1)
        weights[report] = np.rint(
            reliability(before[:, Reputation.CONFIRMED, 0], before[:, Reputation.REJECTED, 0]) * THOUSAND
        )
        return weights
