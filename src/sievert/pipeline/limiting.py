"""Accounts are limited after repeated removals, and freed again: by time, by a person, or with the removals."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import msgspec

from sievert.enforcement.limits import Account, accounts_of, limit_note, limits_for
from sievert.enforcement.messages import limit_messages
from sievert.review.appeals import OVERTURNED
from sievert.schema.action import Action
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, Micros
from sievert.schema.limit import AccountLimit
from sievert.schema.policy import PolicySet
from sievert.schema.review import Appeal
from sievert.stores.limits import AccountLimits
from sievert.stores.standing import StandingActions

TOGETHER = 200


class Stores(Protocol):
    """What is needed of stores."""

    @property
    def standing(self) -> StandingActions:
        """Return what was done, and whether it stands."""
        ...

    @property
    def limits(self) -> AccountLimits:
        """Return the limits of accounts."""
        ...

    def perform(self, effects: Effects) -> None:
        """Make effects durable, all or none."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limiting:
    """Limits and frees accounts over these stores; `announce` is false where no receiver hears of it."""

    stores: Stores
    policies: PolicySet
    announce: bool = True

    def after(self, actions: Sequence[Action], now: Micros) -> tuple[AccountLimit, ...]:
        """Return the limits that are due once these actions are done as well."""
        removed: dict[Account, list[Action]] = {}
        for account in accounts_of(actions):
            policy = self.policies.named(account.policy)
            if policy is None or policy.limit_after is None:
                continue
            held = self.stores.limits.holding(account.platform, account.creator_id)
            if any(one.policy == account.policy for one in held):
                continue
            since = now - round(policy.limit_after.within_days * DAY)
            before = self.stores.standing.removed_of(*account, since)
            mine = [one for one in actions if accounts_of([one]) == [account]]
            removed[account] = [*before, *mine]
        return limits_for(removed, self.policies, now=now)

    def lift(self, limit_id: str, *, by: str, now: Micros) -> AccountLimit:
        """Free an account from a limit.

        Raises:
            NotFound: there is no such limit.
            NotStanding: it was lifted before.
        """
        limit = self.stores.limits.known(limit_id)
        (lifted,) = self._lifted([limit], by=by, now=now)
        self._perform([lifted])
        return lifted

    def free(self, now: Micros) -> int:
        """Free accounts whose limits have expired; return how many."""
        due = self.stores.limits.expired(now, limit=TOGETHER)
        if due:
            self._perform(self._lifted(due, by="sievert", now=now))
        return len(due)

    def free_after(self, restores: Sequence[Action], now: Micros) -> None:
        """Free accounts whose limits do not rest on enough any more, since this was taken back."""
        accounts = {(one.platform, one.creator_id) for one in restores if one.creator_id is not None}
        due = [
            limit
            for platform, creator in sorted(accounts)
            for limit in self.stores.limits.holding(platform, creator)
            if sum(map(self._stands, limit.because)) < limit.needed
        ]
        if due:
            self._perform(self._lifted(due, by="sievert", now=now))

    def freed_by(self, appeal: Appeal, *, by: str, now: Micros) -> Effects:
        """Return what follows for a limit from an appeal that was decided: if it is overturned, it is lifted."""
        limit = self.stores.limits.find(appeal.action_id)
        if limit is None or limit.lifted_at is not None or appeal.state != OVERTURNED:
            return Effects()
        return self._effects(self._lifted([limit], by=by, now=now))

    def _stands(self, action_id: str) -> bool:
        state = self.stores.standing.find(action_id)
        return state is not None and state.stands

    def _lifted(self, limits: Sequence[AccountLimit], *, by: str, now: Micros) -> list[AccountLimit]:
        return [msgspec.structs.replace(one, lifted_at=now, lifted_by=by) for one in limits]

    def _perform(self, limits: list[AccountLimit]) -> None:
        self.stores.perform(self._effects(limits))

    def _effects(self, limits: list[AccountLimit]) -> Effects:
        messages = limit_messages(limits) if self.announce else ()
        return Effects(limits=tuple(limits), messages=messages, audit=tuple(map(limit_note, limits)))
