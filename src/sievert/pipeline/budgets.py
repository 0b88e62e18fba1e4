"""How many more cases each policy may open this hour, and how many more posts it may remove today.

After a restart the running hour's and day's counts are read from the store, so that a crash gives no
extra room.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from sievert.schema.action import Action, ActionKind, Case, CaseKind
from sievert.schema.clock import DAY, HOUR, Micros
from sievert.schema.policy import PolicySet
from sievert.stores.records import Records


class Budget:
    """Counts what each policy spent in the running span (full hours or days of UTC) against its limit."""

    def __init__(
        self,
        limits: Mapping[str, int],
        *,
        span: Micros,
        spent_since: Callable[[str, Micros], int],
        holds: Micros | None = None,
    ) -> None:
        """`spent_since(policy, since)` counts what the store holds.

        `holds` is for how long a count is good where others spend too; None: nobody else does.
        """
        self._limits = limits
        self._span = span
        self._spent_since = spent_since
        self._holds = holds
        self._running = -1
        self._read_at: Micros = 0
        self._spent: Counter[str] = Counter()

    def room(self, now: Micros) -> dict[str, int]:
        """Return how much each policy may still spend."""
        running = now // self._span
        stale = self._holds is not None and not 0 <= now - self._read_at < self._holds
        if running != self._running or stale:
            # Read first: if the store does not answer, the span is still to be begun.
            since = running * self._span
            self._spent = Counter({policy: self._spent_since(policy, since) for policy in self._limits})
            self._running, self._read_at = running, now
        return {policy: max(0, limit - self._spent[policy]) for policy, limit in self._limits.items()}

    def spend(self, policies: Iterable[str]) -> None:
        """Count what was durably spent, a policy's name for each."""
        self._spent.update(policies)


@dataclasses.dataclass(frozen=True, slots=True)
class Budgets:
    """What policies may spend: people's time by the hour, removals by the day."""

    reviews: Budget
    removals: Budget

    @classmethod
    def of(
        cls,
        policies: PolicySet,
        *,
        cases: Records[Case],
        actions: Records[Action],
        holds: Micros | None = None,
    ) -> "Budgets":
        """Take the limits from the policies, and what is spent from these stores; see `Budget` for `holds`."""

        def removed_since(policy: str, since: Micros) -> int:
            return actions.count_since(policy, since, kind=ActionKind.REMOVE)

        def asked_since(policy: str, since: Micros) -> int:
            # Audits and appeals are not rationed by the hour, and take nothing from what is.
            return cases.count_since(policy, since, kind=CaseKind.DECISION)

        return cls(
            reviews=Budget(
                {policy.name: policy.reviews_per_hour for policy in policies.policies},
                span=HOUR,
                spent_since=asked_since,
                holds=holds,
            ),
            removals=Budget(
                {policy.name: policy.removals_per_day for policy in policies.policies},
                span=DAY,
                spent_since=removed_since,
                holds=holds,
            ),
        )

    def spend(self, cases: Iterable[Case], actions: Iterable[Action]) -> None:
        """Count cases and actions that are durable."""
        self.reviews.spend(case.policy for case in cases)
        self.removals.spend(action.policy for action in actions if action.kind == ActionKind.REMOVE)
