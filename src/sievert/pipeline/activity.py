"""Live counters: events move the integers of a store, and a post's behaviour is read back as of now.

What moves what stands in `features.behaviour.counting`; here it meets the store. Events and posts get
ticks, receipt times that strictly rise from batch to batch even if the machine's clock goes backwards:
what is known as of a tick is what came with that tick or before, and a history can say the same later.

Not covered: events of one id that say different things; the first one counts, whatever the others say.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from sievert.features.behaviour.counting import (
    COUNTS,
    KIND,
    THOUSAND,
    Count,
    Moves,
    Reputation,
    Role,
    moves_of_creators,
    moves_of_posts,
    moves_of_reporters,
    publications,
)
from sievert.features.behaviour.rates import Floats
from sievert.features.behaviour.reporters import STRANGER, reliability
from sievert.features.behaviour.rows import AsOf
from sievert.features.behaviour.tallies import (
    TALLIES,
    UNKNOWN,
    Facts,
    epoch_of,
    oldest_epoch_read,
    tallies_read,
)
from sievert.pipeline.cells import add_moves, facts_of, increase, keys_of, own_publication, subject_of
from sievert.pipeline.event_columns import Numbered, columns_of, fact_names
from sievert.schema.clock import Micros, moment_of
from sievert.schema.event import BaseEvent, Comment, Login, Profile, Report
from sievert.schema.history import MADE, NOBODY, EventColumns, Int64s
from sievert.schema.post import Post
from sievert.scoring.bundle import Bundle
from sievert.stores.activity.base import (
    Activity,
    Author,
    Cell,
    Change,
    PostName,
    Reading,
    Subject,
)
from sievert.stores.activity.memory import merge

E = TypeVar("E", Comment, Report)

CommentReader = Callable[[Sequence[str]], np.ndarray]
"""Says of each comment what it says: features.behaviour.counting.Said."""


class NewPost(NamedTuple):
    """A post that is published."""

    name: PostName
    creator_id: str | None
    created_at: Micros


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a batch of events comes to, before it is durable. n events, p posts that they touch."""

    tick: Micros
    counted: np.ndarray  # [n] False where an event repeats another
    fresh: list[BaseEvent]  # those that count
    authors: dict[PostName, Author]  # of the posts that came
    posts: list[PostName]  # [p]
    before: Int64s  # [p, COUNTS] totals
    after: Int64s  # [p, COUNTS] totals
    change: Change


class ActivityCounters:
    """The live side of behaviour features, over one store. One thread uses it."""

    def __init__(self, store: Activity, *, said: CommentReader, alone: bool = True) -> None:
        """Go on where the store is; `said` reads comments; `alone` if no other process writes there."""
        self._store = store
        self._said = said
        self._tick = store.last_tick()
        self._alone = alone
        # While there are none, and nobody else makes any, nobody need look for them.
        self._orphans = not alone or store.any_orphans()
        self._folded = 0
        self._fresh: dict[PostName, Author] = {}  # noted last, with nothing that happened to them yet

    @property
    def latest(self) -> Micros:
        """The receipt time of the newest batch: as of then everything that came is known."""
        return self._tick

    def tick(self, now: Micros) -> Micros:
        """Return the receipt time of the next batch: now, or just after the last one."""
        self._tick = max(now, self._tick + 1)
        return self._tick

    def register(self, posts: Sequence[NewPost], now: Micros) -> None:
        """Note who published what; a post that was noted before stays as it was noted.

        Raises:
            StoreUnavailable: nothing was noted.
        """
        first = [*{post.name: post for post in reversed(posts)}.values()]
        if not first:
            return
        change = self._registration(first, now)
        self._fresh = {}
        if self._store.commit_if_new(change):
            self._fresh = {name: one for name, one in change.authors.items() if name not in change.adopted}
        else:
            # Seldom: another revision, or a post that came before and was not acknowledged.
            known = self._store.authors([post.name for post in first])
            change = self._registration([post for post in first if post.name not in known], now)
            self._store.commit(change)

    def _registration(self, new: Sequence[NewPost], now: Micros) -> Change:
        """Return what it changes that these posts came; no two may have the same name.

        That a post was published counts for its creator; of the post itself it is known anyway.
        """
        tick = self.tick(now)
        created = np.minimum(np.array([post.created_at for post in new], np.int64), tick)
        change = Change(tick=tick)
        change.authors = {
            post.name: Author(post.creator_id, at, tick)
            for post, at in zip(new, created.tolist(), strict=True)
        }
        creators = Numbered(
            [
                None if post.creator_id is None else PostName(post.name.platform, post.creator_id)
                for post in new
            ]
        )
        moves = publications(created, np.full(len(new), tick, np.int64))
        theirs = dataclasses.replace(moves, subject=creators.numbers)
        add_moves(change, Role.CREATOR, theirs.take(theirs.subject != NOBODY), creators.names)
        self._adopt(change, new)
        return change

    def _adopt(self, change: Change, new: Sequence[NewPost]) -> None:
        """Count for its creator what happened to a post before it came."""
        if not self._orphans:
            return
        change.adopted = self._store.orphans([post.name for post in new])
        waited = [post for post in new if post.name in change.adopted]
        reading = self._store.counts([subject_of(Role.POST, post.name) for post in waited])
        for row, counter, epoch, amounts in zip(
            reading.subject.tolist(),
            reading.counter.tolist(),
            reading.epoch.tolist(),
            reading.amounts.tolist(),
            strict=True,
        ):
            creator = waited[row].creator_id
            if creator is not None:
                cell = Cell(Subject(Role.CREATOR, waited[row].name.platform, creator), counter, epoch)
                increase(change, cell, amounts)

    def take(self, events: Sequence[BaseEvent], now: Micros) -> Taken:
        """Work out what events come to; `commit` makes it durable."""
        tick = self.tick(now)
        self._fresh = {}
        change = Change(tick=tick)
        counted = self._new_ones(events, change)
        fresh = [event for event, counts in zip(events, counted.tolist(), strict=True) if counts]
        posts, accounts, columns = columns_of(fresh, tick)
        comments = [row for row, event in enumerate(fresh) if isinstance(event, Comment)]
        if comments:
            columns.code[comments] = self._said([fresh[row].text for row in comments])  # type: ignore[attr-defined]

        before = self._totals(posts.names)
        authors = self._store.authors(posts.names)
        change.orphans.update(name for name in posts.names if name not in authors)
        creators = accounts.extended(
            [
                PostName(name.platform, authors[name].creator_id or "")
                if name in authors and authors[name].creator_id is not None
                else None
                for name in posts.names
            ]
        )
        decided = before[:, Count.FOUND_HARMFUL] + before[:, Count.FOUND_HARMLESS] > 0
        on_posts = moves_of_posts(columns, self._report_weights(columns, accounts.names))
        on_creators = moves_of_creators(
            on_posts, columns, creator=creators, received_at=np.full(len(posts.names), tick, np.int64)
        )
        add_moves(change, Role.POST, on_posts, posts.names)
        add_moves(change, Role.CREATOR, on_creators, accounts.names)
        self._settle(change, columns, posts.names, accounts.names, decided)
        for event in fresh:
            if isinstance(event, Report) and event.actor_id is not None:
                change.reporters.append((PostName(event.platform, event.post_id), event.actor_id))
            if isinstance(event, Login | Profile):
                subject = Subject(Role.CREATOR, event.platform, event.creator_id)
                change.facts += fact_names(event, subject, tick)
        return Taken(
            tick=tick,
            counted=counted,
            fresh=fresh,
            authors=authors,
            posts=posts.names,
            before=before,
            after=before + _totals_of(on_posts, len(posts.names)),
            change=change,
        )

    def commit(self, taken: Taken) -> None:
        """Make a batch of events durable.

        Raises:
            StoreUnavailable: nothing of it is.
        """
        self._store.commit(taken.change)
        self._orphans = self._orphans or bool(taken.change.orphans)

    def forget(self, now: Micros, *, events_before: Micros, posts_before: Micros) -> None:
        """Forget logged events and posts that were received before these times.

        Counts of long past epochs, whose weights nobody reads any more, are added together now and then.
        """
        self._store.forget_events(events_before)
        epoch = int(epoch_of(np.array(now)))
        if epoch > self._folded:  # every few days: these look at everything
            self._store.forget_posts(posts_before)
            self._store.fold(oldest_epoch_read(now))
            self._store.forget_keys(posts_before)
            self._folded = epoch

    def known(self, names: Sequence[PostName], as_of: Micros, change: Change | None = None) -> AsOf:
        """Return all that is known of posts as of a tick, with a change that is not durable yet."""
        change = change or Change()
        # Of posts that were just noted nothing is in the store that is not known here.
        older = [name for name in names if name not in self._fresh]
        authors = self._fresh | self._store.authors(older) if older else self._fresh
        creators = [authors[name].creator_id if name in authors else None for name in names]
        moments = np.full(len(names), as_of, np.int64)
        own = np.zeros((len(names), COUNTS, TALLIES), np.int64)
        if older:
            rows = np.array([name not in self._fresh for name in names], np.bool_)
            own[rows] = self._tallies([subject_of(Role.POST, name) for name in older], moments, change)
        own[:, Count.POSTS] = own_publication(authors, names, moments)
        theirs = [
            Subject(Role.CREATOR, name.platform, creator or "")
            for name, creator in zip(names, creators, strict=True)
        ]
        has_creator = np.array([creator is not None for creator in creators], np.bool_)
        others = self._tallies(theirs, moments, change)
        others[has_creator] -= own[has_creator]
        others[~has_creator] = 0
        return AsOf(
            as_of=moments,
            created_at=np.array(
                [authors[name].created_at if name in authors else as_of for name in names], np.int64
            ),
            own=own,
            others=others,
            facts=self._facts(theirs, has_creator, as_of, change),
            has_creator=has_creator,
        )

    def of_accounts(self, names: Sequence[PostName], as_of: Micros) -> AsOf:
        """Return what is known of accounts [n] over all their posts as of a tick; no post is their own."""
        moments = np.full(len(names), as_of, np.int64)
        subjects = [subject_of(Role.CREATOR, name) for name in names]
        others = self._tallies(subjects, moments, Change())
        everybody = np.ones(len(names), np.bool_)
        return AsOf(
            as_of=moments,
            created_at=moments,
            own=np.zeros_like(others),
            others=others,
            facts=self._facts(subjects, everybody, as_of, Change()),
            has_creator=everybody,
        )

    def accounts(self, names: Sequence[PostName]) -> tuple[Int64s, Int64s]:
        """Return how many posts came of each account [n], and when it was made as its platform says [n], or UNKNOWN."""
        subjects = [subject_of(Role.CREATOR, name) for name in names]
        reading = self._store.counts(subjects)
        posts = np.zeros(len(names), np.int64)
        rows = reading.counter == Count.POSTS
        np.add.at(posts, reading.subject[rows], reading.amounts[rows, 0])
        told = self._store.facts(subjects)
        made = [one[MADE].value if MADE in one else UNKNOWN for one in told]
        return posts, np.array(made, np.int64)

    def views(self, names: Sequence[PostName]) -> Int64s:
        """Return how often each post was seen so far [n], as far as that is durable."""
        views: Int64s = self._totals(names)[:, Count.VIEWS]
        return views

    def totals_meanwhile(self, taken: Taken) -> Int64s | None:
        """Return the totals [p, COUNTS] of the posts of a batch that is durable; None where nobody else counts."""
        return None if self._alone else self._totals(taken.posts)

    def totals(self, name: PostName) -> Int64s:
        """Return the plain counts of a post [COUNTS], as far as they are durable."""
        totals: Int64s = self._totals([name])[0]
        return totals

    def reliability_of(self, reporters: Sequence[PostName]) -> Floats:
        """Return how far to believe each of these different reporters [n], by what became of their reports."""
        reading = self._store.counts([subject_of(Role.REPORTER, one) for one in reporters])
        known = np.zeros((len(reporters), len(Reputation)), np.int64)
        np.add.at(known, (reading.subject, reading.counter), reading.amounts[:, 0])
        return reliability(known[:, Reputation.CONFIRMED], known[:, Reputation.REJECTED])

    def told(self, name: PostName, kind: type[E], *, most: int) -> list[E]:
        """Return the newest comments or reports about a post that are kept, newest first."""
        tag = str(kind.__struct_config__.tag)
        return [
            msgspec.json.decode(one.record, type=kind) for one in self._store.about(name, tag, limit=most)
        ]

    def _new_ones(self, events: Sequence[BaseEvent], change: Change) -> np.ndarray:
        """Mark the events [n] that count, and note their keys in the change."""
        keys = [keys_of(event) for event in events]
        seen = self._store.known([key for some in keys for key in some])
        counted = np.zeros(len(events), np.bool_)
        for row, some in enumerate(keys):
            if some[0] in seen:
                continue  # the same event again: whatever else it says is not believed
            counted[row] = not seen.intersection(some)
            # An event that repeats what its actor did has an id of its own: it is known from now on.
            change.keys += [key for key in some if key not in seen]
            seen.update(some)
        return counted

    def _totals(self, names: Sequence[PostName]) -> Int64s:
        reading = self._store.counts([subject_of(Role.POST, name) for name in names])
        totals = np.zeros((len(names), COUNTS), np.int64)
        np.add.at(totals, (reading.subject, reading.counter), reading.amounts[:, 0])
        return totals

    def _report_weights(self, columns: EventColumns, accounts: Sequence[PostName]) -> Int64s:
        """Return what each report weighs [n]: by what was known of the reporter before this batch."""
        weights = np.zeros(len(columns), np.int64)
        rows = np.flatnonzero(columns.kind == KIND["report"])
        actors = columns.actor[rows]
        who = [*dict.fromkeys(actors[actors != NOBODY].tolist())]
        believed = np.full(len(accounts) + 1, STRANGER)  # the last row is NOBODY's
        believed[who] = self.reliability_of([accounts[number] for number in who])
        weights[rows] = np.rint(believed[actors] * THOUSAND)
        return weights

    def _settle(
        self,
        change: Change,
        columns: EventColumns,
        posts: Sequence[PostName],
        accounts: Sequence[PostName],
        decided: np.ndarray,
    ) -> None:
        """Count reports for those who made them, and confirm or reject them by first verdicts."""
        verdict = columns.kind == KIND["verdict"]
        open_ones = (
            columns.take(~(verdict & decided[np.where(verdict, columns.post, 0)])) if len(posts) else columns
        )
        add_moves(change, Role.REPORTER, moves_of_reporters(open_ones), accounts)
        rows = np.flatnonzero(open_ones.kind == KIND["verdict"])
        numbers, first = np.unique(open_ones.post[rows], return_index=True)
        reported = self._store.reporters([posts[number] for number in numbers.tolist()])
        for number, row in zip(numbers.tolist(), rows[first].tolist(), strict=True):
            moved = Reputation.CONFIRMED if open_ones.amount[row] > 0 else Reputation.REJECTED
            name = posts[number]
            actors = [PostName(name.platform, actor) for actor in reported.get(name, [])]
            at = np.full(len(actors), change.tick, np.int64)
            moves = Moves(
                np.arange(len(actors), dtype=np.int64),
                np.full(len(actors), moved, np.int16),
                np.ones(len(actors), np.int64),
                at,
                at,
            )
            add_moves(change, Role.REPORTER, moves, actors)

    def _tallies(self, subjects: Sequence[Subject], as_of: Int64s, change: Change) -> Int64s:
        place = {subject: row for row, subject in enumerate(dict.fromkeys(subjects))}
        reading = self._store.counts([*place])
        coming = Reading.of(
            (place[cell.subject], cell.counter, cell.epoch, *amounts)
            for cell, amounts in change.increments.items()
            if cell.subject in place
        )
        out = tallies_read(
            np.concatenate([reading.subject, coming.subject]),
            np.concatenate([reading.counter, coming.counter]),
            np.concatenate([reading.epoch, coming.epoch]),
            np.concatenate([reading.amounts, coming.amounts]),
            as_of=as_of[: len(place)],
            counts=COUNTS,
        )
        return out[[place[subject] for subject in subjects]] if subjects else out

    def _facts(self, subjects: Sequence[Subject], known: np.ndarray, as_of: Micros, change: Change) -> Facts:
        out = np.full((len(subjects), 4), UNKNOWN, np.int64)
        out[:, 2:] = 0
        for row, facts in enumerate(self._store.facts(subjects)):
            for fact in change.facts:
                if fact.subject == subjects[row]:
                    merge(facts, fact)
            if known[row]:
                out[row] = facts_of(facts, as_of)
        return Facts(made_at=out[:, 0], followers=out[:, 1], countries=out[:, 2], new_countries=out[:, 3])


def reader_of(bundle: Bundle) -> CommentReader:
    """Return what reads comments with this bundle; without an update model they say nothing."""
    update = bundle.update
    if update is None:
        return lambda comments: np.zeros(len(comments), np.int16)
    return lambda comments: update.said(comments, bundle.fold)


def new_post(post: Post, now: Micros) -> NewPost:
    """Return what the counters note of a post; one that does not say when it was published is new."""
    created = now if post.created_at is None else moment_of(post.created_at)
    return NewPost(PostName(post.platform, post.id), post.creator_id, created)


def _totals_of(moves: Moves, posts: int) -> Int64s:
    totals = np.zeros((posts, COUNTS), np.int64)
    np.add.at(totals, (moves.subject, moves.count), moves.amount)
    return totals
