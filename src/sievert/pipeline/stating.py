"""Statements of reasons, put together from what is stored: the action, the decision behind it, the policy.

The policy is the one in force now; where its version is another than then, the statement says the present one.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from sievert.enforcement.discourse import PLATFORM as DISCOURSE
from sievert.enforcement.dsa import dsa_record, is_stated, limit_record
from sievert.enforcement.limit_statements import limit_statement_of
from sievert.enforcement.statements import statement_of
from sievert.errors import NotFound
from sievert.policy.reasons import (
    BANK,
    DEMOTE,
    DENY_DEMOTES,
    REMOVE,
    RULE_DEMOTES,
    kind_of,
    reason_text,
)
from sievert.schema.action import ActionKind, ActionState
from sievert.schema.clock import Micros
from sievert.schema.decision import HELD_BACK
from sievert.schema.limit import AccountLimit
from sievert.schema.policy import PolicySet
from sievert.schema.statement import LimitStatement, Statement
from sievert.stores.grounds import Ground, Grounds
from sievert.stores.limits import AccountLimits
from sievert.stores.standing import StandingActions

_CALL_FOR: Mapping[str, frozenset[str]] = {
    ActionKind.REMOVE: frozenset({REMOVE}),
    ActionKind.DEMOTE: frozenset({DEMOTE, RULE_DEMOTES, DENY_DEMOTES, BANK, *HELD_BACK}),
    ActionKind.RESTORE: frozenset(),
    ActionKind.ISOLATE: frozenset(),
}
"""The rules that call for an action: an author need not read why nothing else was done."""


class Stores(Protocol):
    """What is needed of stores."""

    @property
    def standing(self) -> StandingActions:
        """Return what was done, and whether it stands."""
        ...

    @property
    def grounds(self) -> Grounds:
        """Return what actions rest on."""
        ...

    @property
    def limits(self) -> AccountLimits:
        """Return the limits of accounts."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stating:
    """States reasons, from these stores and by these policies."""

    stores: Stores
    policies: PolicySet

    def statement(self, action_id: str) -> Statement:
        """Return the statement to the author about an action.

        Raises:
            NotFound: there is no such action, or nothing is said about it.
        """
        state, ground = self._known(action_id)
        return self._statement(state, ground)

    def dsa(self, action_id: str) -> dict[str, Any]:
        """Return the same as a record of the DSA Transparency Database.

        Raises:
            NotFound: there is no such action, or the database does not want to hear of it.
        """
        state, ground = self._known(action_id)
        record = self._dsa(state, ground)
        if record is None:
            raise NotFound(
                f"The DSA Transparency Database does not want to hear of {action_id}.",
                remedy="Ask about an action of a policy in force that lowers reach or removes.",
                field="action_id",
            )
        return record

    def limit(self, limit_id: str) -> LimitStatement:
        """Return the statement about a limit of an account.

        Raises:
            NotFound: there is no such limit.
        """
        limit = self.stores.limits.known(limit_id)
        return limit_statement_of(limit, self.policies.named(limit.policy))

    def limit_dsa(self, limit_id: str) -> dict[str, Any]:
        """Return the same as a record of the DSA Transparency Database.

        Raises:
            NotFound: there is no such limit, or its policy is not in force any more.
        """
        record = self._limit_dsa(self.stores.limits.known(limit_id))
        if record is None:
            raise NotFound(
                f"The DSA Transparency Database does not want to hear of {limit_id}.",
                remedy="Ask about a limit of a policy in force.",
                field="limit_id",
            )
        return record

    def _limit_dsa(self, limit: AccountLimit) -> dict[str, Any] | None:
        policy = self.policies.named(limit.policy)
        if policy is None or policy.test_only:
            return None
        silenced = limit.platform == DISCOURSE
        return limit_record(limit, limit_statement_of(limit, policy), policy, silenced=silenced)

    def all_dsa(self, since: Micros) -> Iterator[dict[str, Any]]:
        """Yield the records of all actions, then of all limits, from a time on; what was taken back is among them."""
        for action in self.stores.grounds.since(since):
            state = self.stores.standing.find(action.action_id) or ActionState(action)
            record = self._dsa(state, self.stores.grounds.of(action))
            if record is not None:
                yield record
        for limit in self.stores.limits.imposed(since):
            record = self._limit_dsa(limit)
            if record is not None:
                yield record

    def _known(self, action_id: str) -> tuple[ActionState, Ground]:
        state = self.stores.standing.known(action_id)
        return state, self.stores.grounds.of(state.action)

    def _statement(self, state: ActionState, ground: Ground) -> Statement:
        reasons = ground.decision.reasons if ground.decision is not None else ()
        return statement_of(
            state,
            ground.decision,
            self.policies.named(state.action.policy),
            reasons=[
                reason_text(reason)
                for reason in reasons
                if reason.policy == state.action.policy and kind_of(reason)[0] in _CALL_FOR[state.action.kind]
            ],
            content_kept="kept" if ground.post is not None else "gone",
        )

    def _dsa(self, state: ActionState, ground: Ground) -> dict[str, Any] | None:
        policy = self.policies.named(state.action.policy)
        if policy is None or policy.test_only or not is_stated(state.action):
            return None
        statement = self._statement(state, ground)
        return dsa_record(state.action, statement, policy, decision=ground.decision, post=ground.post)
