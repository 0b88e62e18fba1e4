"""A bank learns of a hash: posts of the past that show something like it are found, and decided anew.

The hunt asks the hashes of all pictures that are remembered for the new entries alone. What a post was
thought to be stays as it was; what is new is the match. Each entry calls for one decision about a post.

Not covered: texts. Those of plainly allowed posts are not kept, so that a text bank speaks of what comes.
"""

import dataclasses

import numpy as np

from sievert.pipeline.again import (
    batch_again,
    decide_again,
    first_probabilities,
    scored_again,
    worth_deciding,
)
from sievert.pipeline.path import Parts
from sievert.schema.bank import BankKind
from sievert.schema.clock import Micros
from sievert.schema.decision import BANK, Cause, Stage
from sievert.scoring.banks.hunting import past_pictures
from sievert.stores.activity.base import PostName
from sievert.stores.banks.base import BankStore, Numbered
from sievert.stores.pictures.base import PicturedPost, PictureHashes, PictureLog

AT_ONCE = 200
"""Posts that are decided anew in one transaction."""

ENTRIES_AT_ONCE = 250
"""New entries that are hunted for before other work of the thread has its turn."""


_STAGES = {stage.word: stage for stage in Stage}


@dataclasses.dataclass(slots=True)
class _Call:
    """What calls for deciding a post anew: the newest of the entries, and its pictures that they are like."""

    entry: int = 0
    pictures: list[str] = dataclasses.field(default_factory=list)


class Hunter:
    """Hunts for what is new in the banks; for the thread that walks the path."""

    def __init__(self, banks: BankStore, log: PictureLog) -> None:
        """Hunt from where the last hunt ended, or for all entries where there was none."""
        self._banks = banks
        self._log = log
        self._past: PictureHashes | None = None  # while a hunt goes on

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
        """Hunt for the next few new entries; return how many posts were looked at, or None if none is new.

        Raises:
            StoreUnavailable: as `hunt`.
        """
        entries = next(self._banks.all_entries(after=self._banks.hunted()), [])[:ENTRIES_AT_ONCE]
        if parts.banks is None or not entries:
            self._past = None
            return None
        if self._past is None:
            # What comes from now on meets banks that know these entries already.
            parts.banks.refresh()
            self._past = self._log.hashes()
        found = self._hunt(entries, self._past, parts)
        self._banks.set_hunted(entries[-1][0])
        return found

    def _hunt(self, entries: list[Numbered], past: PictureHashes, parts: Parts) -> int:
        calls: dict[PicturedPost, _Call] = {}
        for bank in self._banks.banks():
            new = {one.entry_id: number for number, one in entries if one.bank == bank.name}
            if not (new and bank.enabled) or bank.kind is BankKind.ALLOW:
                continue
            like = past_pictures(bank, [one for _, one in entries if one.bank == bank.name], past)
            for sha256, entry_ids in like.items():
                for post in self._log.posts_with([sha256]):
                    call = calls.setdefault(post, _Call())
                    call.entry = max(call.entry, *(new[one] for one in entry_ids))
                    call.pictures.append(sha256)
        # Of the revisions of a post that show something, the newest counts.
        newest = {PostName(post.platform, post.post_id): post for post in sorted(calls)}
        posts = sorted(newest.values(), key=lambda post: (post.received_at, post))
        now = parts.clock.now()
        for begin in range(0, len(posts), AT_ONCE):
            self._decide({post: calls[post] for post in posts[begin : begin + AT_ONCE]}, parts, now)
        return len(posts)

    def _decide(self, calls: dict[PicturedPost, _Call], parts: Parts, now: Micros) -> None:
        names = [PostName(post.platform, post.post_id) for post in calls]
        causes = [Cause(BANK, call.entry) for call in calls.values()]
        shown = {post.key: call.pictures for post, call in calls.items()}
        # What an older revision showed calls for nothing.
        again = [one for one in worth_deciding(names, causes, parts) if one.post.key in shown]
        if not again or parts.banks is None or parts.pictures is None:
            return  # nothing can be known of pictures here
        posts = batch_again(again, parts)
        posts = dataclasses.replace(
            posts,
            pictures={
                row: posts.pictures.get(row) or parts.pictures.named(shown[one.post.key])
                for row, one in enumerate(again)
            },
        )
        known = parts.banks.glance(posts)
        latest = [dataclasses.replace(one, first=one.trail[-1]) for one in again]
        p = first_probabilities(latest, parts.bundle.policy_heads)
        stage = np.array([_STAGES[one.first.stage] for one in latest], np.int8)
        scored = known.scored(scored_again(latest, p, parts.bundle, stage=stage))
        decide_again(again, known.posts, scored, parts, now=now, matches=known.matches)
        parts.pictures.let_go(known.gone)
        for row in known.isolated:
            parts.journal.forget_post(again[row].post.platform, again[row].post.id)
