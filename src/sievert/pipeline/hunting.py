"""A bank learns of a hash: posts of the past that show something like it are found, and decided anew.

The hunt asks the hashes of all pictures that are remembered for the new entries alone. What a post was
thought to be stays as it was; what is new is the match. It goes on in turns, so that new posts are not
kept waiting: a few entries are looked for, then their posts decided about, some at a time. Only when all
of that is done is it noted how far the hunt came; after a crash the same entries are hunted for again,
and find what was decided.

Pictures like material with minors are let go of altogether, whoever showed them and whatever became of
the posts; what isolated posts said is forgotten.

Not covered: texts. Those of plainly allowed posts are not kept, so that a text bank speaks of what comes.
"""

import collections
import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from sievert.pipeline.again import (
    Again,
    batch_again,
    decide_again,
    is_isolated,
    probabilities_in,
    scored_again,
    worth_deciding,
)
from sievert.pipeline.by_arm import again_by_arm
from sievert.pipeline.path import Parts
from sievert.schema.bank import Bank, BankEntry, BankKind
from sievert.schema.clock import Micros
from sievert.schema.decision import BANK, Cause, Stage
from sievert.schema.post import PostKey
from sievert.scoring.banks.hunting import past_pictures
from sievert.stores.activity.base import PostName
from sievert.stores.banks.base import BankStore
from sievert.stores.pictures.base import PicturedPost, PictureHashes, PictureLog

AT_ONCE = 100
"""Posts that are decided anew in one turn."""

ENTRIES_AT_ONCE = 250
"""New entries that are looked for in one turn."""

Flooded = Callable[[Bank, BankEntry, int], None]
"""Hears of an entry that was put in quarantine, and how many posts it matched."""

_STAGES = {stage.word: stage for stage in Stage}


@dataclasses.dataclass(slots=True)
class _Call:
    """What calls for deciding a post anew: entries, the newest of them, and the pictures that they are like."""

    newest: int = 0
    entry_ids: set[str] = dataclasses.field(default_factory=set)
    pictures: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class _Work:
    """What is left to do about some entries."""

    upto: int  # number of the last of them
    todo: collections.deque[dict[PicturedPost, _Call]]
    gone: set[str]  # pictures that must be forgotten altogether
    isolated: set[PostName]  # posts that may show one
    beside: set[str] = dataclasses.field(default_factory=set)  # other pictures of posts that were isolated


class Hunter:
    """Hunts for what is new in the banks; for the thread that walks the path."""

    def __init__(self, banks: BankStore, log: PictureLog, *, flooded: Flooded = lambda *_: None) -> None:
        """Hunt from where the last hunt ended, or for all entries where there was none."""
        self._banks = banks
        self._log = log
        self._flooded = flooded
        self._past: PictureHashes | None = None  # as of the generation, while a hunt goes on
        self._generation = -1
        self._work: _Work | None = None

    def hunt(self, parts: Parts) -> int:
        """Decide anew about posts that show what a new entry knows; return how many posts were looked at.

        Raises:
            StoreUnavailable: what was not made durable is hunted for again the next time.
        """
        found = 0
        while (some := self.hunt_some(parts)) is not None:
            found += some
        return found

    def hunt_some(self, parts: Parts) -> int | None:
        """Take one turn; return how many posts were looked at, or None if there is nothing to hunt for.

        Raises:
            StoreUnavailable: as `hunt`.
        """
        try:
            return self._turn(parts)
        except BaseException:
            self._work = self._past = None  # begin anew from what is durable
            raise

    def _turn(self, parts: Parts) -> int | None:
        if parts.banks is None or parts.pictures is None:
            return None
        if self._work is None:
            self._work = self._begin(parts)
            if self._work is None:
                self._past = None
                return None
        work, looked_at = self._work, 0
        if work.todo:
            calls = work.todo.popleft()
            looked_at = len(calls)
            self._decide(calls, work, parts)
        if not work.todo:
            self._end(work, parts)
            self._work = None
        return looked_at

    def _begin(self, parts: Parts) -> _Work | None:
        entries = next(self._banks.all_entries(after=self._banks.hunted()), [])[:ENTRIES_AT_ONCE]
        if not entries or parts.banks is None:
            return None
        generation = self._banks.generation
        if self._past is None or generation != self._generation:
            # What comes from now on meets banks that know these entries already.
            parts.banks.refresh()
            self._past, self._generation = self._log.hashes(), generation
        work = _Work(upto=entries[-1][0], todo=collections.deque(), gone=set(), isolated=set())
        calls: dict[PicturedPost, _Call] = {}
        for bank in self._banks.banks():
            new = {one.entry_id: (number, one) for number, one in entries if one.bank == bank.name}
            if new and bank.enabled and bank.kind is not BankKind.ALLOW:
                self._call(bank, new, self._past, calls=calls, work=work, parts=parts)
        # Of the revisions of a post that show something, the newest counts.
        newest = {PostName(post.platform, post.post_id): post for post in sorted(calls)}
        posts = sorted(newest.values(), key=lambda post: (post.received_at, post))
        for begin in range(0, len(posts), AT_ONCE):
            work.todo.append({post: calls[post] for post in posts[begin : begin + AT_ONCE]})
        return work

    def _call(
        self,
        bank: Bank,
        new: dict[str, tuple[int, BankEntry]],
        past: PictureHashes,
        *,
        calls: dict[PicturedPost, _Call],
        work: _Work,
        parts: Parts,
    ) -> None:
        """Add the posts that the new entries of a bank call for."""
        like = past_pictures(bank, [one for _, one in new.values()], past)
        shown = {sha256: self._log.posts_with([sha256]) for sha256 in like}
        if bank.kind is BankKind.MINORS:
            work.gone |= like.keys()
            work.isolated |= {PostName(one.platform, one.post_id) for some in shown.values() for one in some}
            drowned = frozenset[str]()
        else:
            entries = {entry_id: one for entry_id, (_, one) in new.items()}
            drowned = self._banks.quarantined() | self._drowned(
                bank, entries, like, shown, now=parts.clock.now()
            )
        for sha256, entry_ids in like.items():
            for entry_id in set(entry_ids) - drowned:
                for post in shown[sha256]:
                    call = calls.setdefault(post, _Call())
                    call.newest = max(call.newest, new[entry_id][0])
                    call.entry_ids.add(entry_id)
                    if sha256 not in call.pictures:
                        call.pictures.append(sha256)

    def _drowned(
        self,
        bank: Bank,
        entries: dict[str, BankEntry],
        like: dict[str, list[str]],
        shown: dict[str, list[PicturedPost]],
        *,
        now: Micros,
    ) -> frozenset[str]:
        """Put entries in quarantine that match more posts of the past than their bank permits in an hour."""
        posts: dict[str, set[PicturedPost]] = collections.defaultdict(set)
        for sha256, entry_ids in like.items():
            for entry_id in entry_ids:
                posts[entry_id].update(shown[sha256])
        drowned = {entry_id for entry_id, some in posts.items() if len(some) > bank.flood_per_hour}
        for entry_id in drowned:
            self._banks.quarantine(entry_id, now)
            self._flooded(bank, entries[entry_id], len(posts[entry_id]))
        return frozenset(drowned)

    def _decide(self, calls: dict[PicturedPost, _Call], work: _Work, parts: Parts) -> None:
        names = [PostName(post.platform, post.post_id) for post in calls]
        causes = [Cause(BANK, call.newest) for call in calls.values()]
        called = {post.key: call for post, call in calls.items()}
        again = [
            one
            for one in worth_deciding(names, causes, parts)
            # What an older revision showed calls for nothing, nor does what was matched before.
            if one.post.key in called and not called[one.post.key].entry_ids <= _matched(one)
        ]
        for some, own in again_by_arm(again, parts):
            self._decide_some(some, called, work, own)

    def _decide_some(
        self, again: list[Again], called: Mapping[PostKey, _Call], work: _Work, parts: Parts
    ) -> None:
        if parts.banks is None or parts.pictures is None:
            return
        posts = batch_again(again, parts)
        pictures = {
            row: posts.pictures.get(row) or parts.pictures.named(called[one.post.key].pictures)
            for row, one in enumerate(again)
        }
        known = parts.banks.glance(dataclasses.replace(posts, pictures=pictures))
        latest = [dataclasses.replace(one, first=one.trail[-1]) for one in again]
        p = probabilities_in([one.first for one in latest], parts.bundle.policy_heads)
        stage = np.array([_STAGES[one.first.stage] for one in latest], np.int8)
        # What another bundle thought of a post says nothing here, and what it said is not kept.
        stale = np.array(
            [not one.kept and one.first.bundle != parts.bundle.version for one in latest], np.bool_
        )
        p[stale], stage[stale] = 0.0, Stage.BANK
        scored = known.scored(scored_again(latest, p, parts.bundle, stage=stage))
        decide_again(again, known.posts, scored, parts, now=parts.clock.now(), matches=known.matches)
        work.beside.update(known.gone)
        work.isolated.update(PostName(again[row].post.platform, again[row].post.id) for row in known.isolated)

    def _end(self, work: _Work, parts: Parts) -> None:
        """Forget what must not be kept, and note how far the hunt came."""
        for name in work.isolated:
            trail = parts.journal.trail(name.platform, name.id, most=1)
            if trail and is_isolated(trail[-1]):
                parts.journal.forget_post(name.platform, name.id)
                if parts.reviews is not None:
                    parts.reviews.withdraw(name.platform, name.id)
        parts.latents.forget_posts(work.isolated)
        if parts.dial is not None:
            parts.dial.skipped.forget_posts(work.isolated)
        if parts.pictures is not None:
            parts.pictures.forget(sorted(work.gone))
            parts.pictures.let_go(sorted(work.beside - work.gone))
        self._banks.set_hunted(work.upto)


def _matched(one: Again) -> set[str]:
    """Return the entries that the newest decision about a post names already."""
    return {reason.match.entry_id for reason in one.trail[-1].reasons if reason.match is not None}
