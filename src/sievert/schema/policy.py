"""Policy: a versioned rule set for one category of harm, and Certificate: leave to remove."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Mode(enum.StrEnum):
    """How far a policy may go: off decides nothing, shadow never removes, live removes if certified."""

    OFF = "off"
    SHADOW = "shadow"
    LIVE = "live"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One policy as its YAML file states it.

    `precision_posts` (t) and `precision_views` (t_v) are the guardrail; `floor` (p_min) the least
    probability at which anything may be removed. `demote_at` may not be lower than
    `demote_precision`: then every demoted post has at least that estimated chance of being harmful.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    version: Annotated[int, Meta(ge=1)]
    category: str
    title: str
    mode: Mode = Mode.SHADOW
    precision_posts: Share = 0.95
    precision_views: Share = 0.90
    floor: Share = 0.85
    demote_at: Share = 0.70
    demote_precision: Share = 0.70
    review_at: Share = 0.30
    reviews_per_hour: Annotated[int, Meta(ge=0)] = 60
    live_actions: tuple[str, ...] = ("demote", "review", "remove")
    shadow_actions: tuple[str, ...] = ("demote", "review")
    test_only: bool = False


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Proof, from labelled samples of a named population, that a removal rule keeps its precision.

    It names what it holds for; outside of that it does not hold, and the post goes to people.
    `lambda_posts` and `lambda_views` are l1 and l2 of the removal rule; with l1 at zero and no
    forecast the rule would remove everything above the floor, so it may not be.
    """

    policy: str
    policy_version: int
    platform: str
    bundle: str
    lambda_posts: Annotated[float, Meta(gt=0.0)]
    lambda_views: Annotated[float, Meta(ge=0.0)]
    expires_at: Micros
    issued_at: Micros


class PolicySet(msgspec.Struct, frozen=True, kw_only=True):
    """The policies that are in force together, named by the SHA-256 of what they say."""

    digest: str
    policies: tuple[Policy, ...]

    def named(self, name: str) -> Policy | None:
        """Return the policy of that name, or None."""
        return next((policy for policy in self.policies if policy.name == name), None)
