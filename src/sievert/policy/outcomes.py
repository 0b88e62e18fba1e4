"""What one policy's rules come to, on arrays: the outcome of each post if it were the only policy.

The same rules as `rules.decide`, without what only a stream has: the hour's room, the day's removals,
and without hash banks, which no probability speaks for. A test holds both against each other.

Removal hangs on a rule of the path, named by l1 and l2 of `removal.removal_rule`. With an infinite l1 it
is the most careful one: p >= t, whatever the forecast.

Legend: n posts; p [n] probability; v [n] forecast views, NaN where there is no forecast.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sievert.policy.reasons import DEMOTE, REMOVE, REVIEW
from sievert.policy.removal import level_of, removal_rule
from sievert.schema.batch import Codes, Floats
from sievert.schema.decision import Outcome
from sievert.schema.policy import Mode, Policy

Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RemovalRule:
    """One rule of the path: the two multipliers of the removal rule."""

    lambda_posts: float = math.inf
    lambda_views: float = 0.0

    def marks(self, p: Floats, v: Floats, policy: Policy) -> Bools:
        """Mark the posts [n] that the rule removes, whatever their views.

        Raises:
            InvalidField: a number of p is no probability, or views are negative.
        """
        if math.isinf(self.lambda_posts):
            careful: Bools = level_of(p, v, policy, lambda_views=self.lambda_views) == math.inf
            return careful
        return removal_rule(p, v, policy, lambda_posts=self.lambda_posts, lambda_views=self.lambda_views)


CAREFUL = RemovalRule()
"""The most careful rule of every path."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What is done about each post [n]. A post that a person is asked about may be demoted meanwhile."""

    removed: Bools
    demoted: Bools
    asked: Bools

    def codes(self) -> Codes:
        """Return the most severe outcome of each post [n], as `schema.decision.Outcome`."""
        codes = np.zeros(len(self.removed), np.int8)
        for marked, outcome in (
            (self.demoted, Outcome.DEMOTE),
            (self.asked, Outcome.REVIEW),
            (self.removed, Outcome.REMOVE),
        ):
            codes[marked] = outcome
        return codes


def outcomes_of(policy: Policy, p: Floats, v: Floats, *, rule: RemovalRule, readable: Bools) -> Outcomes:
    """Return what a policy does about posts [n], as far as its mode permits and as if the rule were certified.

    `readable` [n] marks texts in a language that the bundle supports; about others a person is asked.

    Raises:
        InvalidField: a number of p is no probability, or views are negative.
    """
    removing = rule.marks(p, v, policy)
    if policy.mode is Mode.OFF:
        nothing = np.zeros(len(p), bool)
        return Outcomes(removed=nothing, demoted=nothing, asked=nothing)
    permitted = policy.live_actions if policy.mode is Mode.LIVE else policy.shadow_actions
    large = np.nan_to_num(v) >= policy.people_above_views
    may_remove = policy.mode is Mode.LIVE and REMOVE in permitted
    removing &= ~large & may_remove
    # As `rules.decide` compares these two: in double precision.
    exactly = p.astype(np.float64)
    demoting = (exactly >= policy.demote_at) & (DEMOTE in permitted)
    asking = (exactly >= policy.review_at) & (REVIEW in permitted)
    removed = removing & readable
    unread = (removing | demoting) & ~readable
    return Outcomes(
        removed=removed, demoted=demoting & readable & ~removed, asked=(asking | unread) & ~removed
    )
