"""How many more cases each policy may open in the present hour."""

from collections import Counter
from collections.abc import Callable, Iterable

from sievert.schema.action import Case
from sievert.schema.clock import HOUR, Micros
from sievert.schema.policy import PolicySet


class ReviewBudget:
    """Counts the cases of the running hour (full hours of UTC) against each policy's budget.

    After a restart the hour's count is read from the store, so that a crash gives no extra room.
    """

    def __init__(self, policies: PolicySet, *, opened_since: Callable[[str, Micros], int]) -> None:
        """`opened_since(policy, since)` counts the cases that the store holds."""
        self._limits = {policy.name: policy.reviews_per_hour for policy in policies.policies}
        self._opened_since = opened_since
        self._hour = -1
        self._spent: Counter[str] = Counter()

    def room(self, now: Micros) -> dict[str, int]:
        """Return how many cases each policy may still open."""
        hour = now // HOUR
        if hour != self._hour:
            # Read first: if the store does not answer, the hour is still to be begun.
            self._spent = Counter(
                {policy: self._opened_since(policy, hour * HOUR) for policy in self._limits}
            )
            self._hour = hour
        return {policy: max(0, limit - self._spent[policy]) for policy, limit in self._limits.items()}

    def spend(self, cases: Iterable[Case]) -> None:
        """Count cases that were durably opened."""
        self._spent.update(case.policy for case in cases)
