"""Policy: a versioned rule set for one category of harm."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0.0, le=1.0)]

POLICY_FORMAT = 1
"""Version of the fields that a policy's file may have; files of a later one are not guessed at."""


class Mode(enum.StrEnum):
    """How far a policy may go: off decides nothing, shadow never removes, live removes if certified."""

    OFF = "off"
    SHADOW = "shadow"
    LIVE = "live"


class AppealRoute(enum.StrEnum):
    """Who hears an appeal: another moderator than the first, the policy's owner, or the platform itself."""

    MODERATORS = "moderators"
    OWNER = "owner"
    PLATFORM = "platform"


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a policy says to people: to the author, to those who would have seen the post, to moderators."""

    author: Annotated[str, Meta(max_length=1000)] = ""
    viewers: Annotated[str, Meta(max_length=300)] = ""
    moderators: Annotated[str, Meta(max_length=2000)] = ""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One policy as its YAML file states it.

    The guardrail: `precision_posts` (t) and `precision_views` (t_v) are what removals must keep, proven at
    an error rate of `delta` a year; `floor` (p_min) is the least probability at which anything may be
    removed. Forecast views count up to `most_views`, so that no single post decides; what is forecast to
    get `people_above_views` or more goes to a person, whatever its probability.

    Demotion: `demote_at` may not be lower than `demote_precision`: then every demoted post has at least
    that estimated chance of being harmful. `review_at` asks a person, `reviews_per_hour` at most.
    `removals_per_day` is the quota beyond which people decide, in place of the rule.
    """

    format: int = POLICY_FORMAT
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    version: Annotated[int, Meta(ge=1)]
    category: str
    title: str
    mode: Mode = Mode.SHADOW
    precision_posts: Share = 0.95
    precision_views: Share = 0.90
    delta: Annotated[float, Meta(gt=0.0, lt=0.5)] = 0.05
    floor: Share = 0.85
    most_views: Annotated[float, Meta(gt=0.0)] = 10_000.0
    people_above_views: Annotated[float, Meta(gt=0.0)] = 100_000.0
    removals_per_day: Annotated[int, Meta(ge=0)] = 1_000
    demote_at: Share = 0.70
    demote_precision: Share = 0.70
    review_at: Share = 0.30
    reviews_per_hour: Annotated[int, Meta(ge=0)] = 60
    live_actions: tuple[str, ...] = ("demote", "review", "remove")
    shadow_actions: tuple[str, ...] = ("demote", "review")
    appeal: AppealRoute = AppealRoute.MODERATORS
    words: Words = Words()
    test_only: bool = False


class PolicySet(msgspec.Struct, frozen=True, kw_only=True):
    """The policies that are in force together, named by the SHA-256 of what they say."""

    digest: str
    policies: tuple[Policy, ...]

    def named(self, name: str) -> Policy | None:
        """Return the policy of that name, or None."""
        return next((policy for policy in self.policies if policy.name == name), None)
