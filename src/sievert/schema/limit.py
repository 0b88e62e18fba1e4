"""AccountLimit: an account may post less or reach people later, for a while; reversible. AccountPast: what it was like."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.post import PlatformName, PostId, Revision

LimitId = Annotated[str, Meta(description="derived from the account, the policy and the last post")]
CreatorId = Annotated[str, Meta(description="the account, by the platform's id")]


class LimitCause(enum.StrEnum):
    """Why an account is limited: repeated removals, being new, or a sudden change."""

    REMOVALS = "removals"
    NEW = "new"
    CHANGED = "changed"


class AccountLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may do less of, why, and until when. Offered to the platform by webhook."""

    limit_id: LimitId
    platform: PlatformName
    creator_id: CreatorId
    policy: Annotated[str, Meta(description="the policy whose rule asks for it")]
    cause: Annotated[str, Meta(description="why", extra_json_schema={"enum": [*map(str, LimitCause)]})] = (
        LimitCause.REMOVALS
    )
    posts_per_hour: Annotated[int | None, Meta(description="so many posts an hour at most; null: any number")]
    reach_delay_minutes: Annotated[
        int | None, Meta(description="its posts are shown to others so much later; null: at once")
    ]
    because: Annotated[
        tuple[str, ...], Meta(description="the removals that it rests on, if on any; they still stand")
    ]
    needed: Annotated[int, Meta(ge=0, description="with fewer of them standing it is lifted")]
    decision_id: Annotated[
        str, Meta(description="the decision about the post at which it was imposed; empty in older records")
    ] = ""
    post_id: Annotated[PostId, Meta(description="that post")] = ""
    revision: Revision = 0
    imposed_at: Annotated[Micros, Meta(description="since when")]
    expires_at: Annotated[Micros, Meta(description="when it is lifted by itself")]
    lifted_at: Annotated[Micros | None, Meta(description="when it was lifted; null: it holds")] = None
    lifted_by: Annotated[
        str | None, Meta(description="who lifted it: sievert, a key or the command line")
    ] = None
    record_version: RecordVersion = 1


HARM_PLACES = 20
"""Probabilities are counted in so many half octaves up to 1; the first place takes all that is smaller."""

PACE_PLACES = 25
"""Times between posts are counted by the power of two of their seconds; the last place takes all longer ones."""

RECENT_POSTS = 20
"""So many of an account's posts are known by name."""


class AccountPast(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's posts were like under one policy, in counts, and what speaks for a change since."""

    platform: PlatformName
    creator_id: CreatorId
    policy: Annotated[str, Meta(description="the policy that watches")]
    first_at: Annotated[Micros, Meta(description="when its first post here was published")]
    last_at: Annotated[Micros, Meta(description="when its latest post was published")]
    posts: Annotated[int, Meta(ge=0, description="posts that were looked at for a change")] = 0
    here_before: Annotated[bool, Meta(description="it had published before anybody watched")] = False
    harm: Annotated[
        tuple[int, ...], Meta(description="posts by probability under the policy, lowest first")
    ] = (0,) * HARM_PLACES
    gaps: Annotated[tuple[int, ...], Meta(description="times between posts by length, longest first")] = (
        0,
    ) * PACE_PLACES
    harm_evidence: Annotated[float, Meta(description="of a change in what it posts")] = 0.0
    pace_evidence: Annotated[float, Meta(description="of a change in how fast it posts")] = 0.0
    limited_as_new: Annotated[bool, Meta(description="a limit of new accounts was imposed")] = False
    quiet_until: Annotated[Micros, Meta(description="no change counts until then, as one was found")] = 0
    recent: Annotated[
        tuple[PostId, ...],
        Meta(description="its newest posts, oldest first: they are decided anew if it is limited"),
    ] = ()
    record_version: RecordVersion = 1
