"""Statement and LimitStatement: what is said to an author about an action, or a limit, in words and as facts."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.post import PlatformName, PostId, Revision


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The reasons for an action, for the author of the post. It never holds the post's text."""

    action_id: Annotated[str, Meta(description="the action; an appeal names it")]
    platform: PlatformName
    post_id: PostId
    revision: Revision
    kind: Annotated[str, Meta(description="what was done")]
    policy: Annotated[str, Meta(description="the policy for which it was done")]
    performed_at: Annotated[Micros, Meta(description="when it was done")]
    expires_at: Annotated[Micros | None, Meta(description="when it is taken back by itself, if ever")]
    by: Annotated[str, Meta(description="who did it: sievert, or a person")]
    found_automatically: Annotated[bool, Meta(description="a model or a list found it, no person told of it")]
    decided_automatically: Annotated[bool, Meta(description="no person looked at it before it was done")]
    reasons: Annotated[tuple[str, ...], Meta(description="every rule of the policy that applied, in words")]
    appeal: Annotated[str, Meta(description="how the author can appeal, and who decides then")]
    taken_back_by: Annotated[str | None, Meta(description="the action that took it back, if one did")]
    content: Annotated[
        str,
        Meta(
            description="whether the text that it was about is kept here",
            extra_json_schema={"enum": ["kept", "gone"]},
        ),
    ]
    text: Annotated[str, Meta(description="all of it as plain text, for the author")]
    record_version: RecordVersion = 1


class LimitStatement(msgspec.Struct, frozen=True, kw_only=True):
    """The reasons for a limit of an account, for whoever has it."""

    limit_id: Annotated[str, Meta(description="the limit; an appeal names it")]
    platform: PlatformName
    creator_id: Annotated[str, Meta(description="the account, by the platform's id")]
    policy: Annotated[str, Meta(description="the policy whose rule asks for it")]
    cause: Annotated[str, Meta(description="why: removals, new or changed")]
    imposed_at: Annotated[Micros, Meta(description="since when")]
    expires_at: Annotated[Micros, Meta(description="when it ends by itself")]
    lifted_at: Annotated[Micros | None, Meta(description="when it was lifted; null: it holds")]
    appeal: Annotated[str, Meta(description="how it can be appealed, and who decides then")]
    text: Annotated[str, Meta(description="all of it as plain text")]
    record_version: RecordVersion = 1
