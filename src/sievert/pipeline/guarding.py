"""What the path hears from the guardrail, and what the guardrail hears from the path.

Before each batch: which certificates permit anything now. A number in the store says whether that changed,
whoever changed it, so that a withdrawal takes effect with the next batch. After it: which posts stood above
a policy's floor, with probability and forecast as they were, in shadow too. They are recorded in the
transaction of the decisions.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from sievert.guardrail.frames import would_remove
from sievert.guardrail.ledger import draw_due, hear, settle
from sievert.guardrail.promotion import expire
from sievert.guardrail.telling import Announce, silent
from sievert.policy.removable import may_remove, removable, views_of
from sievert.policy.removal import counted_views
from sievert.policy.rulebook import NOTHING_STATED, Stated
from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.certificate import Certificate, Running
from sievert.schema.clock import Micros
from sievert.schema.guardrail import CertificateState, Crossing, KeptCertificate, names_of
from sievert.schema.policy import PolicySet
from sievert.schema.review import Settlement
from sievert.stores.guardrail.base import GuardrailStore

Settlements = Iterable[tuple[int, Settlement]]
"""Settlements with their numbers, in order."""


class SettlementSource(Protocol):
    """Where settlements come from: the store of reviews."""

    def __call__(self, *, after: int, limit: int) -> Settlements:
        """Return settlements behind a number, oldest first."""
        ...


def no_settlements(*, after: int, limit: int) -> Settlements:
    """Return nothing: nobody reviews here."""
    del after, limit
    return ()


SETTLEMENTS_A_STEP = 500


class Guard:
    """Knows the certificates that are active, and tells the guardrail of crossings."""

    def __init__(
        self,
        store: GuardrailStore,
        policies: PolicySet,
        *,
        announce: Announce = silent,
        settlements: SettlementSource = no_settlements,
    ) -> None:
        """Ask this store; `announce` writes messages about audits that are put before people."""
        self._settlements = settlements
        self.store = store
        self._policies = policies
        self._announce = announce
        self._seen = -1
        self._active: tuple[Certificate, ...] = ()
        self._names: dict[tuple[str, Running], str] = {}

    def certificates(self) -> tuple[Certificate, ...]:
        """Return what permits removals at present, read anew when anything changed.

        Raises:
            StoreUnavailable: nobody can say what is permitted.
        """
        version = self.store.version
        if version != self._seen:
            self._active = tuple(
                one.certificate for one in self.store.certificates() if one.state is CertificateState.ACTIVE
            )
            self._seen = version
        return self._active

    def crossings(
        self,
        posts: PostBatch,
        scored: ScoredBatch,
        decided: DecidedBatch,
        *,
        running: Running,
        now: Micros,
        stated: Stated = NOTHING_STATED,
    ) -> tuple[Crossing, ...]:
        """Return the posts of a batch that stand above the floor of a policy that may ever remove."""
        found = []
        for policy in self._policies.policies:
            rows = removable(scored, decided, policy, stated=stated) if may_remove(policy) else []
            if not rows:
                continue
            under = self._under(policy.name, running)
            p = scored.of(policy.name)[rows]
            views = counted_views(views_of(decided, len(posts))[np.array(rows)], policy)
            for row, one_p, one_views in zip(rows, p.tolist(), views.tolist(), strict=True):
                post = posts.posts[row]
                removed = decided.removed_for.get(row) == policy.name
                found.append(
                    Crossing(
                        policy=policy.name,
                        platform=post.platform,
                        post_id=post.id,
                        revision=post.revision,
                        decision_id=posts.decision_id(row),
                        p=one_p,
                        views=one_views,
                        at=now,
                        under=under,
                        heavy_share=running.heavy_share,
                        image_heavy_share=running.image_heavy_share,
                        certificate=decided.permitted_by.get(row, "") if removed else "",
                    )
                )
        return tuple(found)

    def would_have_removed(self, policy: str, since: Micros, until: Micros) -> tuple[int, Micros | None]:
        """Count the posts that a policy's active certificates would have removed in shadow; tell since when that was watched.

        A policy that has just gone live has no other past.

        Raises:
            StoreUnavailable: the guardrail's store cannot be asked.
        """
        stated, times = self._policies.named(policy), list[Micros]()
        for kept in self.store.certificates(policy):
            if kept.state is CertificateState.ACTIVE and stated is not None:
                platform, promoted = kept.certificate.platform, min(until, kept.changed_at)
                found = self.store.crossings(policy, platform, since=since, until=promoted)
                in_shadow = [one for _, one in found if not one.certificate]
                times += [one.at for one in would_remove(in_shadow, stated, kept.certificate)]
        return len(times), min(times, default=None)

    def _under(self, name: str, running: Running) -> str:
        found = self._names.get((name, running))
        if found is None:
            policy = self._policies.named(name)
            if policy is None:
                raise AssertionError("A policy of the set is in the set.")
            found = self._names[name, running] = names_of(policy, running)
        return found

    def step(self, *, now: Micros, rate: float) -> list[KeptCertificate]:
        """Take in settlements, let the monitors hear, draw what is due; return what was withdrawn.

        Raises:
            StoreUnavailable: somebody else changed the records meanwhile; the next step finds what is left.
        """
        settled = [*self._settlements(after=self.store.read(), limit=SETTLEMENTS_A_STEP)]
        if settled:
            settle(self.store, [one for _, one in settled], now=now, read=settled[-1][0])
        expire(self.store, now=now)
        withdrawn = hear(self.store, self._policies, now=now)
        draw_due(self.store, self._policies, now=now, rate=rate, announce=self._announce)
        return withdrawn
