"""Actions are taken back: one, all that a policy did since a time, or what expired; each with message and note.

What is taken back is durable in one transaction with its restore, its message and its line in the audit log.
Whoever dies in between goes on where it stopped, and takes nothing back twice.
"""

import dataclasses
from collections.abc import Iterator
from typing import Protocol

from sievert.enforcement.effects import audit_notes
from sievert.enforcement.messages import messages_for
from sievert.enforcement.undoing import EXPIRED, done_again, taken_back
from sievert.pipeline.limiting import Limiting
from sievert.schema.action import Action, ActionKind, ActionState
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.policy import PolicySet
from sievert.schema.post import PostKey
from sievert.stores.limits import AccountLimits
from sievert.stores.standing import NEVER, StandingActions

TOGETHER = 200
"""Actions that are taken back in one transaction."""


class Stores(Protocol):
    """What is needed of stores: the embedded ones have it, their memory twins, and the command line's."""

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


NO_POLICIES = PolicySet(digest="", policies=())
"""Freeing an account asks no policy: its limit says what it rests on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """Takes actions back over these stores; `announce` is false where no receiver hears of it."""

    stores: Stores
    announce: bool

    def one(self, action_id: str, *, by: str, now: Micros) -> tuple[Action, ...]:
        """Take one action back; return what was done for that. Of a restore: do again what it took back.

        Raises:
            NotFound: there is no such action.
            NotStanding: it was taken back before, or it took back what had expired or stands for another reason.
        """
        state = self.stores.standing.known(action_id)
        if state.action.kind == ActionKind.RESTORE:
            undone = [self.stores.standing.known(name).action for name in state.action.undoes]
            key = PostKey(state.action.platform, state.action.post_id, state.action.revision)
            past = self.stores.standing.about([key]).get(key, ())
            actions = tuple(done_again(state, undone, past, by=by, now=now))
        else:
            actions = (taken_back(state, by=by, now=now),)
        self._perform(actions)
        return actions

    def since(
        self, policy: str, since: Micros, *, by: str, now: Micros, until: Micros = NEVER
    ) -> Iterator[tuple[Action, ...]]:
        """Take back what a policy did in a time without a person; yield each durable part of it."""
        while some := self.stores.standing.automatic(policy, since, until=until, limit=TOGETHER):
            yield self._restored(some, by=by, now=now)

    def expired(self, now: Micros) -> Iterator[tuple[Action, ...]]:
        """Take back what has expired by now; yield each durable part of it."""
        while some := self.stores.standing.expired(now, limit=TOGETHER):
            yield self._restored(some, by=EXPIRED, now=now)

    def _restored(self, some: list[Action], *, by: str, now: Micros) -> tuple[Action, ...]:
        restores = tuple(taken_back(ActionState(action), by=by, now=now) for action in some)
        self._perform(restores)
        return restores

    def _perform(self, actions: tuple[Action, ...]) -> None:
        messages = messages_for(actions, ()) if self.announce else ()
        self.stores.perform(Effects(actions=actions, messages=messages, audit=audit_notes(actions)))
        Limiting(stores=self.stores, policies=NO_POLICIES, announce=self.announce).free_after(
            actions, actions[0].performed_at
        )
