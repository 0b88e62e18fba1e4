"""The lists and rules of the policies, asked about every batch; a rule that a flood of posts meets is silent.

A rule that holds for more posts an hour than it states has no consequences from there on, until it held
for fewer within an hour: a word that suddenly stands everywhere would flood the people who review, and
lower the reach of half a platform. Nothing of it is told of the posts, which may be most of the traffic;
whoever watches hears of it. Lists are not silenced: what they ask of people is bounded by the reviews an hour.

Not covered: a restart counts anew, so that a rule speaks of as many posts again.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from sievert.errors import ConfigurationError
from sievert.policy.reasons import RULE, RULE_DEMOTES, kind_of
from sievert.policy.rulebook import NOTHING_STATED, Holds, RuleBook, Stated
from sievert.schema.batch import Floats, PostBatch, ScoredBatch
from sievert.schema.clock import Clock
from sievert.schema.decision import Reason
from sievert.schema.policy import NO_LIST, PolicySet, StatedRule
from sievert.scoring.banks.flood import Flood


class RuleWatch(Protocol):
    """Hears of what goes wrong with rules; for metrics and the audit log."""

    def flooded(self, policy: str, rule: StatedRule, posts: int) -> None:
        """Hear that a rule fell silent, after it held for so many posts within the hour."""
        ...

    def failed(self, policy: str, rule: str, posts: int) -> None:
        """Hear for how many posts a rule's expression failed."""
        ...


class NoRuleWatch:
    """Hears nothing."""

    def flooded(self, policy: str, rule: StatedRule, posts: int) -> None:
        """Ignore the flood."""

    def failed(self, policy: str, rule: str, posts: int) -> None:
        """Ignore the failures."""


class Ruling:
    """Asks a rule book about batches, and counts what rules hold for; any thread may."""

    def __init__(self, book: RuleBook, *, clock: Clock, watch: RuleWatch | None = None) -> None:
        """Begin with no floods."""
        self.book = book
        self._watch = watch or NoRuleWatch()
        self._flood = Flood(clock)
        self._silent: set[tuple[str, str]] = set()
        self._rules = {(rule.policy, rule.stated.name): rule.stated for rule in book.rules}
        self._lock = threading.Lock()

    def refuse_others(self, policies: PolicySet) -> None:
        """Make sure that these are the policies of the book, where either states any rules or lists.

        Raises:
            ConfigurationError: they are not.
        """
        silent = self.book.empty and not any(
            policy.rules or policy.allow != NO_LIST or policy.deny != NO_LIST for policy in policies.policies
        )
        if self.book.digest != policies.digest and not silent:
            raise ConfigurationError(
                "Policies",
                [f"the rules are those of set {self.book.digest}, the policies of {policies.digest}"],
            )

    def look(
        self,
        posts: PostBatch,
        scored: ScoredBatch,
        *,
        forecast: Floats | None = None,
        behaviour: Floats | None = None,
        passed: Collection[tuple[int, int]] = (),
        unread: Collection[int] = (),
        before: Mapping[int, Sequence[Reason]] | None = None,
    ) -> Stated:
        """Return what holds for n posts, by row; each counts towards a flood.

        `before` are the reasons of earlier decisions about the same posts, by row: what was told counts no
        more, and what was found in a text that was not kept (`unread`) still holds. For the others see
        `RuleBook.find`.
        """
        if self.book.empty:
            return NOTHING_STATED
        found = self.book.find(
            posts, scored, forecast=forecast, behaviour=behaviour, passed=passed, unread=unread
        )
        for (policy, rule), failures in found.failures.items():
            self._watch.failed(policy, rule, failures)
        before = before or {}
        stated = dict(found.stated)
        for row in unread:
            if recalled := self.book.recalled(before.get(row, ())):
                stated[row] = (*stated.get(row, ()), *recalled)
        with self._lock:
            heard = {row: self._heard(some, before.get(row, ())) for row, some in stated.items()}
        return {row: some for row, some in heard.items() if some}

    def _heard(self, some: Sequence[Holds], before: Sequence[Reason]) -> tuple[Holds, ...]:
        """Return what of a post's rules and lists has consequences."""
        told = {
            (reason.policy, name)
            for reason in before
            for kind, name in [kind_of(reason)]
            if kind in (RULE, RULE_DEMOTES)
        }
        return tuple(
            one
            for one in some
            if one.kind != RULE or (one.policy, one.name) in told or not self._floods((one.policy, one.name))
        )

    def _floods(self, rule: tuple[str, str]) -> bool:
        posts = self._flood.count("/".join(rule))
        if posts <= self._rules[rule].flood_per_hour:
            self._silent.discard(rule)
            return False
        if rule not in self._silent:
            self._silent.add(rule)
            self._watch.flooded(rule[0], self._rules[rule], posts)
        return True
