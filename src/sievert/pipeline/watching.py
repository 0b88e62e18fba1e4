"""Accounts that are new or suddenly change are found as their posts come, and limited; nothing where no policy asks.

Of an account that may be limited its newest posts are known by name: they are decided anew if it is (`revisiting.py`).

What an account was like is read and written once a batch, in the transaction of the batch's decisions: a post
counts once at most, and a restart forgets nothing. A process that dies between writing down what is plainly
allowed and that transaction leaves those few posts uncounted.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Protocol

import msgspec

from sievert.enforcement.watching import (
    WatchedPost,
    answered,
    is_changed,
    limit_at,
    new_until,
    with_post,
)
from sievert.pipeline.activity import ActivityCounters, new_post
from sievert.schema.batch import PostBatch, ScoredBatch
from sievert.schema.clock import DAY, Micros
from sievert.schema.limit import RECENT_POSTS, AccountLimit, AccountPast, LimitCause
from sievert.schema.policy import Mode, Policy, PolicySet
from sievert.stores.activity.base import PostName
from sievert.stores.limits import AccountLimits
from sievert.stores.pasts import AccountPasts

Accounts = dict[PostName, list[int]]
"""Accounts, named by platform and id, and the rows of their posts."""


class Stores(Protocol):
    """What is needed of stores."""

    @property
    def limits(self) -> AccountLimits:
        """Return the limits of accounts."""
        ...

    @property
    def pasts(self) -> AccountPasts:
        """Return what accounts were like."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the posts of a batch come to: limits that are due, and what their accounts are like now."""

    limits: tuple[AccountLimit, ...] = ()
    pasts: tuple[AccountPast, ...] = ()


NOTHING_WATCHED = Watched()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Watches accounts over these stores; `key` makes the draws that break ties this installation's own."""

    stores: Stores
    policies: PolicySet
    counters: ActivityCounters
    key: bytes

    def look(self, posts: PostBatch, scored: ScoredBatch, now: Micros) -> Watched:
        """Return what these new posts come to; they are noted as published already."""
        limits, pasts = list[AccountLimit](), list[AccountPast]()
        for policy in self.policies.policies:
            limits_any = policy.limit_new or policy.limit_changed or policy.limit_after
            if policy.mode is Mode.OFF or limits_any is None:
                continue
            accounts = _accounts_of(posts, policy)
            watched = self._watched(posts, scored, policy, accounts, now)
            for past, limit in self._looked_at(policy, accounts, watched, now):
                pasts.append(past)
                if limit is not None:
                    limits.append(limit)
        return Watched(limits=tuple(limits), pasts=tuple(pasts))

    def _watched(
        self, posts: PostBatch, scored: ScoredBatch, policy: Policy, accounts: Accounts, now: Micros
    ) -> Mapping[int, WatchedPost]:
        """Return the posts of accounts by row."""
        speaks = scored.has(policy.name)
        probabilities = scored.of(policy.name) if speaks else None
        found = {}
        for row in (row for rows in accounts.values() for row in rows):
            post = posts.posts[row]
            found[row] = WatchedPost(
                published_at=min(new_post(post, now).created_at, now),
                probability=float(probabilities[row]) if probabilities is not None else None,
                draws=self._draws(policy.name, post.platform, post.id),
                decision_id=posts.decision_id(row),
                post_id=post.id,
                revision=post.revision,
            )
        return found

    def _looked_at(
        self, policy: Policy, accounts: Accounts, watched: Mapping[int, WatchedPost], now: Micros
    ) -> list[tuple[AccountPast, AccountLimit | None]]:
        """Return each account's past as it is now, with the limit that is due if one is."""
        known = self.stores.pasts.of([*accounts], policy.name)
        pasts = {
            name: known.get(name)
            or AccountPast(
                platform=name.platform,
                creator_id=name.id,
                policy=policy.name,
                first_at=watched[rows[0]].published_at,
                last_at=watched[rows[0]].published_at,
            )
            for name, rows in accounts.items()
        }
        made = self._made(
            policy, pasts, accounts, strange=[name for name in accounts if name not in known], now=now
        )
        found = []
        for name, rows in accounts.items():
            past, limit = pasts[name], None
            for row in rows:
                if policy.limit_changed is not None:
                    past = with_post(past, watched[row], policy.limit_changed)
                past, due = self._due(policy, past, watched[row], made, now, limited=limit is not None)
                limit = due or limit
            recent = (*past.recent, *(watched[row].post_id for row in rows))[-RECENT_POSTS:]
            found.append((msgspec.structs.replace(past, recent=recent), limit))
        return found

    def _due(
        self,
        policy: Policy,
        past: AccountPast,
        post: WatchedPost,
        made: Mapping[PostName, Micros],
        now: Micros,
        *,
        limited: bool,
    ) -> tuple[AccountPast, AccountLimit | None]:
        """Return the past, and the limit that a post calls for; one at a time under a policy."""
        name, fresh, change = PostName(past.platform, past.creator_id), policy.limit_new, policy.limit_changed
        if change is not None and is_changed(past, change):
            until = now + round(change.for_days * DAY)
            due = limit_at(past, post, change, cause=LimitCause.CHANGED, now=now, until=until)
            return answered(past, until), None if limited or self._limited(past) else due
        if fresh is None or past.limited_as_new or name not in made or limited:
            return past, None
        until_old = new_until(past, fresh, made_at=made[name], now=now)
        if until_old is None or self._limited(past):
            return past, None
        due = limit_at(past, post, fresh, cause=LimitCause.NEW, now=now, until=until_old)
        return msgspec.structs.replace(past, limited_as_new=True), due

    def _made(
        self,
        policy: Policy,
        pasts: dict[PostName, AccountPast],
        accounts: Accounts,
        *,
        strange: list[PostName],
        now: Micros,
    ) -> dict[PostName, Micros]:
        """Return when accounts were made that may be new, and note of strange ones whether they were here before."""
        if policy.limit_new is None:
            return {}
        since = now - round(policy.limit_new.younger_days * DAY)
        asked = [
            name
            for name, past in pasts.items()
            if name in strange or (past.first_at > since and not past.limited_as_new)
        ]
        if not asked:
            return {}
        counts, made = self.counters.accounts(asked)
        for name, count in zip(asked, counts.tolist(), strict=True):
            if name in strange and count > len(accounts[name]):
                pasts[name] = msgspec.structs.replace(pasts[name], here_before=True)
        return dict(zip(asked, made.tolist(), strict=True))

    def _limited(self, past: AccountPast) -> bool:
        held = self.stores.limits.holding(past.platform, past.creator_id)
        return any(one.policy == past.policy for one in held)

    def _draws(self, policy: str, platform: str, post_id: str) -> tuple[float, float]:
        said = f"{policy}\x00{platform}\x00{post_id}".encode()
        drawn = hashlib.blake2b(said, key=self.key, digest_size=16).digest()
        first, second = int.from_bytes(drawn[:8]), int.from_bytes(drawn[8:])
        return (first + 1) / 2**64, (second + 1) / 2**64


def _accounts_of(posts: PostBatch, policy: Policy) -> Accounts:
    """Return the accounts that published the new posts of a batch; those that the policy allows are left alone."""
    accounts: Accounts = {}
    for row, post in enumerate(posts.posts):
        if post.creator_id is None or post.revision:
            continue
        if post.creator_id not in policy.allow.creators.get(post.platform, ()):
            accounts.setdefault(PostName(post.platform, post.creator_id), []).append(row)
    return accounts
