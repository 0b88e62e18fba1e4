"""Event: something that happened after a post appeared, as a platform tells it.

One record a kind, told apart by the field `kind`. Every event has an id of its own: the same id again
is the same event, and counts once. `at` is when it happened; when we received it is noted at the door.
"""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from sievert.schema.clock import Moment
from sievert.schema.post import DEFAULT_PLATFORM, Id

MOST_VIEWS = 10_000_000
"""Views that one event may report; a platform that has more to tell sends several."""

CLOCK_AHEAD = 300_000_000
"""An event may have happened so many microseconds after we received it, by the sender's clock. It then
counts as of its receipt; what lies further ahead is refused."""

ReactionWord = Literal["like", "love", "laugh", "wow", "sad", "angry", "dislike"]
ReasonWord = Literal[
    "hate",
    "harassment",
    "threat",
    "spam",
    "sexual",
    "self_harm",
    "graphic_violence",
    "scam",
    "dangerous_goods",
    "other",
]

PostIdOf = Annotated[Id, Meta(description="the post that it happened to, 1 to 128 bytes")]
Actor = Annotated[Id | None, Meta(description="the account that did it, where known")]
Account = Annotated[Id, Meta(description="the account that it is about, 1 to 128 bytes")]


class BaseEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """What every event has."""

    id: Annotated[Id, Meta(description="names the event on its platform; the same id again counts once")]
    at: Annotated[
        Moment,
        Meta(description="when it happened: RFC 3339 with a time zone, or microseconds since 1970"),
    ]
    platform: Annotated[Id, Meta(description="the platform that it happened on, 1 to 128 bytes")] = (
        DEFAULT_PLATFORM
    )


class Views(BaseEvent, frozen=True, kw_only=True, tag="views"):
    """A post was seen so many times more."""

    post_id: PostIdOf
    count: Annotated[int, Meta(ge=1, le=MOST_VIEWS, description="views since the last such event")] = 1


class Reaction(BaseEvent, frozen=True, kw_only=True, tag="reaction"):
    """Somebody reacted to a post."""

    post_id: PostIdOf
    reaction: Annotated[ReactionWord, Meta(description="which one")]
    actor_id: Actor = None


class Share(BaseEvent, frozen=True, kw_only=True, tag="share"):
    """Somebody passed a post on."""

    post_id: PostIdOf
    actor_id: Actor = None


class Comment(BaseEvent, frozen=True, kw_only=True, tag="comment"):
    """Somebody wrote under a post."""

    post_id: PostIdOf
    text: Annotated[str, Meta(max_length=20_000, description="what the comment says")]
    actor_id: Actor = None


class Report(BaseEvent, frozen=True, kw_only=True, tag="report"):
    """Somebody reported a post."""

    post_id: PostIdOf
    reason: Annotated[ReasonWord, Meta(description="what for; a policy's name, or other")] = "other"
    actor_id: Actor = None


class Hide(BaseEvent, frozen=True, kw_only=True, tag="hide"):
    """Somebody asked not to see a post, or such posts."""

    post_id: PostIdOf
    actor_id: Actor = None


class Block(BaseEvent, frozen=True, kw_only=True, tag="block"):
    """Somebody blocked an account."""

    creator_id: Account
    post_id: Annotated[Id | None, Meta(description="the post that led to it, where known")] = None
    actor_id: Actor = None


class Login(BaseEvent, frozen=True, kw_only=True, tag="login"):
    """Somebody logged in to an account."""

    creator_id: Account
    country: Annotated[
        str, Meta(pattern="^[A-Z]{2}$", description="from where: two capital letters (ISO 3166-1)")
    ]


class Profile(BaseEvent, frozen=True, kw_only=True, tag="profile"):
    """Facts about an account as of now: the newest ones hold."""

    creator_id: Account
    account_created_at: Annotated[Moment | None, Meta(description="when the account was made")] = None
    followers: Annotated[
        Annotated[int, Meta(ge=0, le=10_000_000_000)] | None,
        Meta(description="how many accounts follow it"),
    ] = None


class Edit(BaseEvent, frozen=True, kw_only=True, tag="edit"):
    """A post was changed; its new text comes as a post with a higher revision."""

    post_id: PostIdOf
    revision: Annotated[int, Meta(ge=1, le=2**31 - 1, description="the revision that now holds")]


class Delete(BaseEvent, frozen=True, kw_only=True, tag="delete"):
    """The creator took a post down."""

    post_id: PostIdOf


class Verdict(BaseEvent, frozen=True, kw_only=True, tag="verdict"):
    """Somebody who may decide looked at a post: what they found counts for its creator and reporters."""

    post_id: PostIdOf
    harmful: Annotated[bool, Meta(description="whether it breaks the policy")]
    policy: Annotated[str, Meta(max_length=64, description="the policy that was asked about")] = "harm"


Event = Views | Reaction | Share | Comment | Report | Hide | Block | Login | Profile | Edit | Delete | Verdict

KINDS: tuple[type[BaseEvent], ...] = (
    Views,
    Reaction,
    Share,
    Comment,
    Report,
    Hide,
    Block,
    Login,
    Profile,
    Edit,
    Delete,
    Verdict,
)
"""All kinds; a column holds the place of an event's kind in here."""

EVENT_TYPES: dict[str, type[BaseEvent]] = {str(kind.__struct_config__.tag): kind for kind in KINDS}
"""Kinds by their words."""

KIND_WORDS: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in KINDS)
REACTION_WORDS: tuple[str, ...] = get_args(ReactionWord)
REASON_WORDS: tuple[str, ...] = get_args(ReasonWord)
