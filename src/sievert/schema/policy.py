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


class Severity(enum.StrEnum):
    """How bad a wrong delay is: of low severity are terms of service, such as those on spam."""

    LOW = "low"
    HIGH = "high"


class AppealRoute(enum.StrEnum):
    """Who hears an appeal: another moderator than the first, the policy's owner, or the platform itself."""

    MODERATORS = "moderators"
    OWNER = "owner"
    PLATFORM = "platform"


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a policy says to people: to the author, to those who would have seen the post, to moderators."""

    author: Annotated[str, Meta(max_length=1000, description="to whoever published the post")] = ""
    viewers: Annotated[str, Meta(max_length=300, description="to whoever would have seen it")] = ""
    moderators: Annotated[str, Meta(max_length=2000, description="to whoever looks at it")] = ""


RuleName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,39}$",
        description="lower-case letters, digits and hyphens; unique in the policy",
    ),
]


class StatedRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a policy says of posts in words, patterns and numbers. All that is stated must hold together.

    A rule that holds for more posts an hour than `flood_per_hour` has no consequences until it does not.
    """

    name: RuleName
    then: Annotated[
        str | tuple[str, ...],
        Meta(description="demote, review, or both as a list; a rule never removes"),
    ]
    words: Annotated[
        tuple[str, ...],
        Meta(
            description="words or phrases, of which one must stand in the text or in a picture; whole words, in any case, disguised or not"
        ),
    ] = ()
    patterns: Annotated[
        tuple[str, ...],
        Meta(
            description="regular expressions (RE2), of which one must be found in the text or in a picture, in any case"
        ),
    ] = ()
    expression: Annotated[str, Meta(description="a condition (CEL) over the numbers below")] = ""
    at_least: Annotated[float, Meta(ge=0.0, le=1.0, description="the least probability under the policy")] = (
        0.0
    )
    flood_per_hour: Annotated[
        int,
        Meta(
            ge=1,
            description="a rule that holds for more posts an hour has no consequences until it holds for fewer",
        ),
    ] = 500

    @property
    def actions(self) -> tuple[str, ...]:
        """What follows, as a tuple."""
        return (self.then,) if isinstance(self.then, str) else self.then


class StatedList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Creators and domains of links that a policy allows or denies."""

    creators: Annotated[
        dict[str, tuple[str, ...]], Meta(description="ids of creators, under the name of their platform")
    ] = {}
    domains: Annotated[
        tuple[str, ...],
        Meta(description="domains, with all their subdomains, such as example.org"),
    ] = ()


PostsPerHour = Annotated[
    Annotated[int, Meta(ge=1)] | None, Meta(description="so many posts an hour at most; null: any number")
]
ReachDelay = Annotated[
    Annotated[int, Meta(ge=1, le=10_080)] | None,
    Meta(description="its posts are shown to others so much later; null: at once"),
]


class LimitRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After how many removed posts an account is limited, how, and for how long."""

    removed: Annotated[int, Meta(ge=2, description="so many of its posts were removed; never one alone")]
    within_days: Annotated[float, Meta(gt=0.0, le=365.0, description="... within so many days")] = 30.0
    for_days: Annotated[float, Meta(gt=0.0, le=365.0, description="the limit ends after so many days")] = 7.0
    posts_per_hour: PostsPerHour = 1
    reach_delay_minutes: ReachDelay = None


class NewAccountRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Until when a new account is limited, and how."""

    younger_days: Annotated[
        float, Meta(gt=0.0, le=90.0, description="an account is limited until it is so many days old")
    ] = 1.0
    by_first_post: Annotated[
        bool,
        Meta(
            description="where the platform tells no account's age, it counts from the first post here; else such are never new"
        ),
    ] = False
    posts_per_hour: PostsPerHour = 5
    reach_delay_minutes: ReachDelay = None


class ChangeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an account counts as suddenly changed, how it is limited then, and for how long."""

    false_alarm_posts: Annotated[
        int,
        Meta(
            ge=1_000,
            description="an account that stays as it is gets limited at most once in so many posts, on average",
        ),
    ] = 5_000
    harm_from: Annotated[
        Share, Meta(description="posts less likely to violate the policy than this are all alike")
    ] = 0.01
    pace_minutes: Annotated[
        float, Meta(gt=0.0, le=1440.0, description="posts further apart than this are all alike")
    ] = 10.0
    for_days: Annotated[float, Meta(gt=0.0, le=365.0, description="the limit ends after so many days")] = 1.0
    posts_per_hour: PostsPerHour = 1
    reach_delay_minutes: ReachDelay = None


class LegalGround(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The law that what a policy acts on breaks, as the statement of reasons must name it."""

    law: Annotated[str, Meta(min_length=1, max_length=500, description="the law, and its article")]
    explanation: Annotated[
        str, Meta(min_length=1, max_length=2000, description="why what the policy acts on is illegal by it")
    ]
    territories: Annotated[
        tuple[Annotated[str, Meta(pattern="^[A-Z]{2}$")], ...],
        Meta(description="the countries where it holds, by two letters; none: nothing is said of that"),
    ] = ()


NO_LIST = StatedList()


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

    format: Annotated[int, Meta(description="version of the file's fields")] = POLICY_FORMAT
    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9_]{0,39}$",
            description="as the file is named; the head of the same name gives its probabilities",
        ),
    ]
    version: Annotated[int, Meta(ge=1, description="raised with every change; certificates name it")]
    category: Annotated[str, Meta(description="what it is about: a category of the taxonomy, or your own")]
    title: Annotated[str, Meta(description="what it is about, in words")]
    mode: Annotated[
        Mode, Meta(description="off: decides nothing; shadow: never removes; live: removes if certified")
    ] = Mode.SHADOW
    precision_posts: Annotated[
        Share, Meta(description="the share of removed posts that must be harmful, proven")
    ] = 0.95
    precision_views: Annotated[
        Share, Meta(description="the same, of the forecast views that removals prevent")
    ] = 0.90
    delta: Annotated[
        float, Meta(gt=0.0, lt=0.5, description="the error rate that proofs are held to, a year")
    ] = 0.05
    floor: Annotated[Share, Meta(description="the least probability at which anything may be removed")] = 0.85
    most_views: Annotated[float, Meta(gt=0.0, description="forecast views of one post count up to this")] = (
        10_000.0
    )
    people_above_views: Annotated[
        float, Meta(gt=0.0, description="what is forecast to get so many views is left to a person")
    ] = 100_000.0
    removals_per_day: Annotated[
        int, Meta(ge=0, description="beyond so many removals a day people decide")
    ] = 1_000
    removals_flood: Annotated[
        int,
        Meta(
            ge=1,
            description="fewer removals an hour are never a flood; a policy without a past may remove no more",
        ),
    ] = 30
    demotions_flood: Annotated[
        int,
        Meta(
            ge=1,
            description="fewer demotions an hour are never a flood; a policy that is new to a platform may demote no more",
        ),
    ] = 100
    severity: Annotated[
        Severity, Meta(description="low or high; only what is low may be removed a little later")
    ] = Severity.HIGH
    holdout_share: Annotated[
        float,
        Meta(ge=0.0, le=0.2, description="the share of removals that is drawn to be done later; needs low"),
    ] = 0.0
    holdout_minutes: Annotated[
        float, Meta(gt=0.0, le=1440.0, description="so much later they are done at the latest")
    ] = 30.0
    holdout_views: Annotated[int, Meta(ge=1, description="after so many views they are done at once")] = 100
    timing_minutes: Annotated[
        int,
        Meta(
            ge=0,
            le=120,
            description="removals are done after a random number of minutes up to this; needs low",
        ),
    ] = 0
    demotion_days: Annotated[
        Annotated[float, Meta(gt=0.0)] | None,
        Meta(description="after so many days a demotion is taken back by itself; null: never"),
    ] = None
    demote_at: Annotated[Share, Meta(description="from this probability on, reach is lowered")] = 0.70
    demote_precision: Annotated[
        Share,
        Meta(
            description="the least share of demoted posts that shall be harmful; demote_at may not be lower"
        ),
    ] = 0.70
    review_at: Annotated[Share, Meta(description="from this probability on, a person is asked")] = 0.30
    reviews_per_hour: Annotated[int, Meta(ge=0, description="so many cases an hour at most")] = 60
    live_actions: Annotated[
        tuple[str, ...], Meta(description="what the policy may do while live: demote, review, remove")
    ] = ("demote", "review", "remove")
    shadow_actions: Annotated[
        tuple[str, ...], Meta(description="what it may do in shadow: demote, review")
    ] = ("demote", "review")
    limit_after: Annotated[
        LimitRule | None, Meta(description="when an account that repeats itself is limited; null: never")
    ] = None
    limit_new: Annotated[
        NewAccountRule | None, Meta(description="how a new account is limited; null: not at all")
    ] = None
    limit_changed: Annotated[
        ChangeRule | None,
        Meta(description="when an account that suddenly changes is limited; null: never"),
    ] = None
    allow: Annotated[
        StatedList,
        Meta(
            description="whom the model and the policy's rules may not demote or remove; people may be asked"
        ),
    ] = NO_LIST
    deny: Annotated[
        StatedList,
        Meta(description="whose posts are demoted and put before a person, whatever the model says"),
    ] = NO_LIST
    rules: Annotated[
        tuple[StatedRule, ...],
        Meta(description="words, patterns and expressions that demote or ask a person"),
    ] = ()
    appeal: Annotated[AppealRoute, Meta(description="who hears an appeal: moderators, owner or platform")] = (
        AppealRoute.MODERATORS
    )
    words: Annotated[Words, Meta(description="what is said to author, viewers and moderators")] = Words()
    illegal: Annotated[
        LegalGround | None,
        Meta(description="the law on which the policy acts; null: it is a term of service"),
    ] = None
    test_only: Annotated[bool, Meta(description="true for a policy that only proves that all works")] = False


class PolicySet(msgspec.Struct, frozen=True, kw_only=True):
    """The policies that are in force together, named by the SHA-256 of what they say."""

    digest: str
    policies: tuple[Policy, ...]

    def named(self, name: str) -> Policy | None:
        """Return the policy of that name, or None."""
        return next((policy for policy in self.policies if policy.name == name), None)
