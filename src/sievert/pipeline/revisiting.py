"""Posts of the past are revisited: those of an account that was limited, and those that another bundle may see otherwise.

An account's newest posts were decided about before it changed, or before others of its posts were removed: they
are decided anew, with what is known of the account now. They are called for like posts that people react to, and
wait for the same budget. A limit is heard of for an hour, also after a restart; what was decided for it is found.

Under another bundle, posts whose text is kept and that nobody has settled are read anew by all its models, those
of most harmful views first, when there is time and within the same budget. How far that came is seen by the posts:
one whose newest decision is by this bundle is done. Only when none is left is the bundle noted; after a crash the
same posts are looked for again.

Not covered: plainly allowed posts. Of an account they are decided anew with what was thought of their text, under
another bundle not at all: their texts are not kept.
"""

import hashlib
import heapq
from collections.abc import Collection

from sievert.pipeline.again import is_isolated, worth_deciding
from sievert.pipeline.anew import Call
from sievert.pipeline.called import harmful_views
from sievert.pipeline.path import Parts
from sievert.pipeline.spare_time import look_anew
from sievert.pipeline.triggers import Revisit
from sievert.schema.clock import DAY, HOUR, Micros
from sievert.schema.decision import ACCOUNT, BUNDLE, Cause, Decision, Outcome
from sievert.schema.limit import LimitCause
from sievert.stores.activity.base import PostName
from sievert.stores.journal.base import DecisionFilter
from sievert.stores.limits import AccountLimits
from sievert.stores.pasts import AccountPasts

HEARD: Micros = HOUR
"""For how long a limit is heard of."""

LIMITS_AT_ONCE = 200
"""Limits whose posts are called for in one turn; the others have the next one."""

AT_ONCE = 32
"""Posts that are read anew in one turn: a tenth of a core-second, so that new posts hardly wait."""

A_PAGE = 1000
"""Decisions that are looked through in one turn."""

MOST_LOOKED_THROUGH = 100_000
"""Decisions that are looked through for posts that another bundle may see otherwise, the newest."""


class AccountRevisit:
    """Calls for the posts of accounts that were limited; for the thread that walks the path."""

    def __init__(self, limits: AccountLimits, pasts: AccountPasts) -> None:
        """Ask these for limits, and for the newest posts of accounts."""
        self._limits, self._pasts = limits, pasts
        self._heard: dict[str, Micros] = {}

    def call(self, parts: Parts) -> int:
        """Call for the posts of accounts that were limited since the last time; return how many wait for it."""
        revisit, now = parts.triggers.revisit(ACCOUNT), parts.clock.now()
        if revisit is None or parts.bundle.update is None:
            return 0
        called = 0
        # Of a new account nothing became known that was not known of its posts.
        heard = [one for one in self._limits.imposed(now - HEARD) if one.cause != LimitCause.NEW]
        for limit in [one for one in heard if one.limit_id not in self._heard][:LIMITS_AT_ONCE]:
            account = PostName(limit.platform, limit.creator_id)
            calls = self._calls(account, limit.policy, Cause(ACCOUNT, limit.imposed_at), revisit, parts)
            parts.anew.wait(calls)
            self._heard[limit.limit_id] = limit.imposed_at
            called += len(calls)
        self._heard = {name: at for name, at in self._heard.items() if at >= now - HEARD}
        return called

    def _calls(
        self, account: PostName, policy: str, cause: Cause, revisit: Revisit, parts: Parts
    ) -> list[Call]:
        past = self._pasts.of([account], policy).get(account)
        names = [
            PostName(account.platform, post_id) for post_id in dict.fromkeys(past.recent if past else ())
        ]
        names = names[-revisit.posts :]
        since = parts.clock.now() - revisit.days * DAY
        again = worth_deciding(names, [cause] * len(names), parts)
        recent = [one for one in again if one.first.received_at >= since]
        views = parts.counters.views([one.name for one in recent]).tolist()
        return [
            Call(one.name, cause, harmful_views(one.trail[-1], seen))
            for one, seen in zip(recent, views, strict=True)
        ]


class BundleRevisit:
    """Has posts of the past decided anew by another bundle; for the thread that walks the path."""

    def __init__(self) -> None:
        """Begin with none."""
        self._begin()

    def _begin(self) -> None:
        self._ended = False
        self._cursor: str | None = None
        self._looked_through = 0
        self._seen: set[PostName] | None = set()  # while decisions are looked through
        self._found: list[tuple[float, PostName]] = []  # the least harmful first

    def __len__(self) -> int:
        """Return how many posts wait, as far as that is known."""
        return len(self._found)

    def take_turn(self, parts: Parts) -> int | None:
        """Look through some decisions or read some posts anew; return how many, or None if there is nothing to do.

        Nothing (0) is done where the budget of this second is spent.

        Raises:
            StoreUnavailable: what was not made durable is looked for again the next time.
        """
        revisit, bundle = parts.triggers.revisit(BUNDLE), parts.bundle.version
        if self._ended or revisit is None:
            return None
        try:
            if self._seen is not None:
                if not self._looked_through and parts.journal.looked_anew_by() == bundle:
                    self._ended = True
                    return None
                return self._look_through(self._seen, revisit, parts)
            if self._found:
                return self._read_anew(parts)
            parts.journal.note_looked_anew(bundle)
            self._ended = True
        except BaseException:
            self._begin()
            raise
        return None

    def forget_posts(self, posts: Collection[PostName]) -> None:
        """Look at none of these anew."""
        self._found = [one for one in self._found if one[1] not in posts]
        heapq.heapify(self._found)  # one that is sorted stays as it is
        if self._seen is not None:
            self._seen.difference_update(posts)

    def _look_through(self, seen: set[PostName], revisit: Revisit, parts: Parts) -> int:
        since = parts.clock.now() - revisit.days * DAY
        wanted = DecisionFilter(since=since, kept=True)
        page = parts.journal.decisions(wanted, cursor=self._cursor, limit=A_PAGE)
        newest = dict[PostName, Decision]()
        for one in page.items:  # the newest first
            name = PostName(one.platform, one.post_id)
            if name not in seen:
                seen.add(name)
                newest[name] = one
        speaking = _speaking(parts)
        waits = {
            name: one for name, one in newest.items() if one.received_at >= since and _waits(one, speaking)
        }
        views = parts.counters.views([*waits]).tolist()
        for (name, one), count in zip(waits.items(), views, strict=True):
            heapq.heappush(self._found, (harmful_views(one, count), name))
            if len(self._found) > revisit.posts:
                heapq.heappop(self._found)
        self._cursor = page.cursor
        self._looked_through += A_PAGE
        if page.cursor is None or self._looked_through >= MOST_LOOKED_THROUGH:
            self._found.sort()
            self._seen = None
        return len(page.items)

    def _read_anew(self, parts: Parts) -> int:
        room = parts.anew.spend(min(AT_ONCE, len(self._found)))
        if not room:
            return 0
        names = [self._found.pop()[1] for _ in range(room)]
        # A post is decided anew once by a bundle, whatever decides in between.
        cause = Cause(BUNDLE, bundle_number(parts.bundle.version))
        # What people found stands, whatever a model says.
        settled = parts.reviews.settled(names) if parts.reviews is not None else {}
        speaking = _speaking(parts)
        again = [
            one
            for one in worth_deciding(names, [cause] * len(names), parts)
            if one.kept and _waits(one.trail[-1], speaking) and one.name not in settled
        ]
        if again:
            dial = parts.dial
            began = dial.cpu() if dial is not None else 0.0
            look_anew(
                again, parts, shares=parts.shares if dial is None else dial.wanted, now=parts.clock.now()
            )
            if dial is not None:
                dial.leave_out(began)
        return len(names)


def bundle_number(version: str) -> int:
    """Return the number by which causes name a bundle."""
    return int.from_bytes(hashlib.blake2b(version.encode(), digest_size=6).digest())


def _speaking(parts: Parts) -> set[str]:
    """Return the bundles that decide now: the server's own, and that of a candidate that acts."""
    candidate = parts.candidate
    acting = {candidate.bundle.version} if candidate is not None and candidate.arms() else set[str]()
    return {parts.bundle.version} | acting


def _waits(newest: Decision, speaking: Collection[str]) -> bool:
    """Tell whether a post is still looked at, and none of these bundles has spoken yet."""
    removed = newest.outcome == Outcome.REMOVE.word or is_isolated(newest)
    return newest.bundle not in speaking and not removed
