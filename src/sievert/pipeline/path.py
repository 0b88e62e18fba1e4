"""The path of a post. Read this file first.

A batch of records comes in as bytes and leaves as answers, and everything between is one function.
Each stage has its price in brackets: core-microseconds a post, measured by `benchmarks/path.py` with
batches of 2,000 posts of mean 98 characters. A billion posts a day on two cores may cost 172.8.
"""

import dataclasses
import functools
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sievert.enforcement.limits import limit_note, one_a_policy
from sievert.enforcement.messages import limit_messages, messages_for
from sievert.enforcement.performing import Performed, performed
from sievert.errors import InputError
from sievert.features.behaviour.rows import Rows, behaviour_rows
from sievert.pipeline.activity import ActivityCounters, new_post
from sievert.pipeline.anew import Anew
from sievert.pipeline.answers import UNOPENED, answer_new, assemble
from sievert.pipeline.arms import Candidate, OfArm
from sievert.pipeline.banks import Banks, Known
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.campaigns import Campaigns
from sievert.pipeline.checking import NOTHING_CHECKED, Checking
from sievert.pipeline.copies import Copies, CopyNames
from sievert.pipeline.creators import LiveCreators
from sievert.pipeline.decode import decode, split_lines, to_batch
from sievert.pipeline.dial import ComputeDial
from sievert.pipeline.evidence import explained
from sievert.pipeline.forecasts import Forecasts
from sievert.pipeline.guarding import Guard
from sievert.pipeline.latents import LatentCache
from sievert.pipeline.likenesses import likenesses
from sievert.pipeline.limiting import Limiting
from sievert.pipeline.pictures import Pictures
from sievert.pipeline.ruling import Ruling
from sievert.pipeline.triggers import Triggers, default_triggers
from sievert.pipeline.watching import NOTHING_WATCHED, Watched, Watching
from sievert.policy.rulebook import Stated
from sievert.policy.rules import decide, hang_on_views
from sievert.review.cases import cases_for
from sievert.schema.action import Case
from sievert.schema.batch import DecidedBatch, Effects, PostBatch, ScoredBatch
from sievert.schema.certificate import Certificate, Running
from sievert.schema.clock import Clock, Micros
from sievert.schema.decision import Answer, Stage
from sievert.schema.guardrail import Crossing
from sievert.schema.media import SeenPicture
from sievert.schema.policy import PolicySet
from sievert.schema.post import MAX_TEXT_BYTES
from sievert.scoring.bundle import Bundle
from sievert.scoring.facets import fused
from sievert.scoring.utterances import Shares, look_at_posts
from sievert.stores.activity.base import PostName
from sievert.stores.journal.base import NEW, Found, Journal
from sievert.stores.reviews.base import ReviewStore

HEAVY_SHARE = 0.03
"""The share of traffic that the heavy model reads, unless the settings say otherwise."""

SHARES = Shares(text=HEAVY_SHARE, pictures=HEAVY_SHARE)
"""The same for each lane: posts of text alone, and posts with pictures."""


class Observer(Protocol):
    """Hears of every recorded batch, and of the time each stage took; for metrics and live pages."""

    def lap(self, stage: str) -> None:
        """Note that `stage` has just ended."""
        ...

    def batch_decided(self, posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch) -> None:
        """Hear of a batch, after it became durable."""
        ...


class NoObserver:
    """Hears nothing."""

    def lap(self, stage: str) -> None:
        """Ignore the time."""

    def batch_decided(self, posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch) -> None:
        """Ignore the batch."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the path is made of; `serving.wiring` chooses the real ones."""

    bundle: Bundle
    policies: PolicySet
    journal: Journal
    clock: Clock
    budgets: Budgets
    counters: ActivityCounters
    ruling: Ruling
    copies: Copies = dataclasses.field(default_factory=Copies)
    campaigns: Campaigns = dataclasses.field(default_factory=Campaigns)
    latents: LatentCache = dataclasses.field(default_factory=LatentCache)
    checking: Checking = NOTHING_CHECKED
    limiting: Limiting | None = None  # None where no account is ever limited
    watching: Watching | None = None  # None where nobody looks for new or changed accounts
    certificates: tuple[Certificate, ...] = ()  # where no guard follows those of a store
    guard: Guard | None = None
    observer: Observer = dataclasses.field(default_factory=NoObserver)
    max_text_bytes: int = MAX_TEXT_BYTES
    shares: Shares = SHARES  # what the heavy model reads where no dial moves that
    dial: ComputeDial | None = None
    triggers: Triggers = dataclasses.field(default_factory=default_triggers)
    anew: Anew = dataclasses.field(default_factory=Anew)  # what triggers called for, and how much a second
    pictures: Pictures | None = None  # None where no post may have any
    banks: Banks | None = None  # None where there are none
    creators: LiveCreators | None = None  # None where no model embeds them
    reviews: ReviewStore | None = None  # what people settled; None where nobody reviews
    case_key: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(32))  # of ids of cases
    candidate: Candidate | None = None  # a bundle that may act in clusters; None where none is loaded
    of_arm: OfArm | None = None  # while it acts: in whose clusters these posts are
    announce: bool = True  # False where no receiver hears of actions and cases: then no message is written

    def __post_init__(self) -> None:
        """Make sure that rules and policies are of one set.

        Raises:
            ConfigurationError: the rules of other policies would decide.
        """
        self.ruling.refuse_others(self.policies)

    @property
    def permits(self) -> tuple[Certificate, ...]:
        """What may permit removals now.

        Raises:
            StoreUnavailable: the guard cannot ask.
        """
        found = self.certificates if self.guard is None else self.guard.certificates()
        if self.of_arm is None or self.of_arm.other is None:
            return found
        both = (self.running, self._running_with(self.of_arm.other))
        return self.of_arm.permitted(found, self.policies, both, now=self.clock.now())

    @property
    def shares_now(self) -> Shares:
        """What the heavy model reads of each lane in this batch."""
        return self.shares if self.dial is None else self.dial.shares

    @property
    def running(self) -> Running:
        """What a certificate must name to hold here."""
        return self._running_with(self.bundle)

    def _running_with(self, bundle: Bundle) -> Running:
        return Running(
            bundle=bundle.version,
            forecaster=bundle.views.name if bundle.views is not None else "",
            triggers=self.triggers.name,
            heavy_share=self.shares_now.text,
            image_heavy_share=self.shares_now.pictures,
        )


def run(records: bytes | Sequence[bytes], parts: Parts) -> list[Answer | InputError]:
    """Take a batch of posts the whole way; return an answer or an error for each record, in order.

    `records` is NDJSON, or a sequence of single JSON documents. When this returns, everything that
    was answered is durable. One thread at a time may call it over one journal.

    Raises:
        StoreUnavailable: nothing could be recorded; nothing of the batch is acknowledged.
    """
    lap = parts.observer.lap if parts.dial is None else parts.dial.timed(parts.observer.lap)
    now = parts.clock.now()

    # 1 decode (1.6): bytes to posts; a bad record gets its own error
    read = decode(
        split_lines(records) if isinstance(records, bytes) else records, max_text_bytes=parts.max_text_bytes
    )
    everything = to_batch(read.posts, read.texts, received_at=now)
    lap("decode")

    # 1b known (0.7): the same post again gets the same answer, other content under its name a conflict
    found = parts.journal.find(everything)
    # ... and pictures: they were opened before they came here (`pictures.py`), and are known by their hashes
    pictures = _pictures(everything, found, parts)
    new = np.flatnonzero(found.status == NEW)
    posts = dataclasses.replace(everything, pictures=pictures).take(new)
    lap("known")

    # 1c noted (10): who published what, so that behaviour finds its creator
    parts.counters.register([new_post(post, now) for post in posts.posts], now)
    lap("noted")

    # 1d banks: what is known already; what must not be kept loses its words and pictures here
    known = parts.banks.look(posts) if parts.banks is not None else Known(posts)
    posts = known.posts
    lap("banks")

    # 2 features and 3 light (3.7), 4 heavy (30 for each 1 % of posts), 5 calibrate (0.2):
    # everything is read by the light model, the likeliest harm by the heavy one as well
    looked = look_at_posts(parts.bundle, posts, shares=parts.shares_now, passed=known.passed, lap=lap)

    # 5b fuse (0.6 for each 1 % of posts that show pictures): what these show, as far as they were encoded, and
    # what is known of behaviour if the fusion model hears that; nothing where the bundle has none
    scored = known.scored(fused(parts.bundle, looked, functools.partial(behaviour_of_new, posts, parts)))
    lap("fuse")

    # 6a forecasts (1.4 where one post in a hundred asks): how often posts will be seen, for those whose
    # decision may hang on that; nothing where the bundle has no forecaster
    names = CopyNames(posts, parts.bundle.fold)
    forecasts = Forecasts(
        posts, bundle=parts.bundle, counters=parts.counters, copies=parts.copies, names=names, now=now
    )
    forecasts.ask(hang_on_views(scored, parts.policies, known.matches, every=parts.ruling.book.asks_views))
    lap("forecasts")

    # 6b rules: lists, words, patterns and expressions of the policies; nothing where none are stated
    stated = parts.ruling.look(posts, scored, forecast=forecasts.views, passed=known.passed)
    forecasts.ask(stated)
    lap("rules")

    # 6 decide (0.2): probabilities, policies and certificates to outcomes with reasons
    decided = _noted(
        parts,
        known,
        posts,
        scored,
        decide(
            posts,
            scored,
            policies=parts.policies,
            certificates=parts.permits,
            forecast=forecasts.views,
            review_room=parts.budgets.reviews.room(now),
            removal_room=parts.budgets.removals.room(now),
            now=now,
            running=parts.running,
            matches=known.matches,
            stated=stated,
        ),
    )
    scored = scored.told()
    lap("decide")

    # 6c check (0.7): what switches, breakers and people forbid goes to people; the rest is done
    checks = parts.campaigns.checked(parts.checking.first(decided, now), names, decided.removed_for, now)
    done = performed(posts, decided, policies=parts.policies, checks=checks, now=now)
    decided, actions = done.decided, done.actions
    lap("check")

    # 7 record, and 8 act and queue (3.3): one durable step, so that no decision lacks its consequence
    cases = cases_for(
        posts,
        scored,
        decided,
        explained(parts.bundle, posts.text, scored, decided),
        key=parts.case_key,
        now=now,
    )
    watched = parts.watching.look(posts, scored, now) if parts.watching is not None else NOTHING_WATCHED
    effects = effects_of(
        posts, scored, done, cases, parts, now=now, stated=stated, names=names, watched=watched
    )
    if len(posts):
        if parts.pictures is not None:
            parts.pictures.note(posts)
        parts.journal.record(
            posts, scored, decided, effects, hashes=found.hashes[new], decided_at=parts.clock.now()
        )
        parts.budgets.spend(cases, actions)
        parts.checking.note(done.stops)
        parts.campaigns.note(names.of(sorted(decided.removed_for)), now)
        # Content that is heard once is not remembered.
        for row in looked.facets.keys() - set(known.isolated) if parts.bundle.listening is not None else ():
            parts.latents.keep(parts.bundle.version, posts.keys[row], looked.facets[row], at=now)
        if parts.pictures is not None:
            parts.pictures.let_go(known.gone)
    lap("record")

    # 9 answer (1.2): whoever sent a post hears what was decided, and only now
    answers = assemble(read, found, answer_new(posts, scored, decided))
    _tell(parts, posts, scored, decided, forecasts, unfused=lambda: known.scored(looked.scored))
    lap("answer")
    return answers


def effects_of(
    posts: PostBatch,
    scored: ScoredBatch,
    done: Performed,
    cases: tuple[Case, ...],
    parts: Parts,
    *,
    now: Micros,
    stated: Stated,
    names: CopyNames,
    watched: Watched = NOTHING_WATCHED,
) -> Effects:
    """Return all that becomes durable with the decisions of a batch, first or later ones."""
    decided, actions = done.decided, done.actions
    repeated = parts.limiting.after(actions, now) if parts.limiting is not None else ()
    limits = one_a_policy(repeated, watched.limits)
    crossings: tuple[Crossing, ...] = ()
    if parts.guard is not None:
        # Posts above a floor, whatever was done to them.
        crossings = parts.guard.crossings(
            posts, scored, decided, running=parts.running, now=now, stated=stated
        )
    return Effects(
        actions=actions,
        cases=cases,
        messages=(*messages_for(actions, cases), *limit_messages(limits)) if parts.announce else (),
        audit=(*done.audit, *map(limit_note, limits)),
        stops=done.stops,
        delayed=done.delayed,
        limits=limits,
        pasts=watched.pasts,
        likenesses=likenesses(posts, sorted(decided.queued_for), cases, names),
        crossings=crossings,
    )


def _tell(
    parts: Parts,
    posts: PostBatch,
    scored: ScoredBatch,
    decided: DecidedBatch,
    forecasts: Forecasts,
    *,
    unfused: Callable[[], ScoredBatch],
) -> None:
    """Tell of a batch that is durable; what the heavy model had no time for waits, and the dial moves.

    What it had no time for is judged by `unfused` scores: cuts are of the light model, and of no picture's evidence.
    """
    parts.observer.batch_decided(posts, scored, decided)
    if parts.dial is not None:
        skipped = parts.dial.skip(parts.bundle, posts, unfused(), forecasts.views)
        parts.dial.note(posts=len(posts), read=int((scored.stage == Stage.HEAVY).sum()), skipped=skipped)


def _noted(
    parts: Parts, known: Known, posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch
) -> DecidedBatch:
    """Note under which experiment a batch was decided, beside what the bundle says that does not decide here."""
    of_arm, beside = parts.of_arm, None
    if of_arm is None:
        return decided
    if of_arm.other is not None:
        other = dataclasses.replace(parts, bundle=of_arm.other)
        looked = look_at_posts(other.bundle, posts, shares=parts.shares_now, passed=known.passed)
        hears = functools.partial(behaviour_of_new, posts, other)
        beside = known.scored(fused(other.bundle, looked, hears)).told()
    return of_arm.noted(posts, scored.told(), decided, beside)


def behaviour_of_new(posts: PostBatch, parts: Parts, rows: npt.NDArray[np.intp]) -> Rows:
    """Return what the fusion model hears of the behaviour of new posts in these rows, and of their creators."""
    fusion = parts.bundle.listening
    if fusion is None or fusion.spec.behaviour is None:
        raise AssertionError("A bundle whose fusion model hears nobody has nothing to hear.")
    names = [PostName(posts.posts[row].platform, posts.posts[row].id) for row in rows.tolist()]
    known = parts.counters.known(names, parts.counters.latest)
    return behaviour_rows(known, fusion.spec.behaviour)


def _pictures(posts: PostBatch, found: Found, parts: Parts) -> dict[int, tuple[SeenPicture, ...]]:
    """Return the pictures of new posts by row; a post of which one is not known is marked, and not decided about."""
    rows = [row for row, post in enumerate(posts.posts) if post.media and found.status[row] == NEW]
    if not rows:
        return {}
    some = [posts.posts[row] for row in rows]
    seen = parts.pictures.seen(some) if parts.pictures is not None else {}
    whole = {row: seen.get(at, ()) for at, row in enumerate(rows)}
    for row, post in zip(rows, some, strict=True):
        if len(whole[row]) < len(post.media):
            found.status[row] = UNOPENED
            del whole[row]
    return whole
