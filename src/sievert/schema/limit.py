"""AccountLimit: an account that repeats itself may post less or reach people later, for a while; reversible."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.post import PlatformName

LimitId = Annotated[str, Meta(description="derived from the account, the policy and the last post")]


class AccountLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may do less of, why, and until when. Offered to the platform by webhook."""

    limit_id: LimitId
    platform: PlatformName
    creator_id: Annotated[str, Meta(description="the account, by the platform's id")]
    policy: Annotated[str, Meta(description="the policy whose rule asks for it")]
    posts_per_hour: Annotated[int | None, Meta(description="so many posts an hour at most; null: any number")]
    reach_delay_minutes: Annotated[
        int | None, Meta(description="its posts are shown to others so much later; null: at once")
    ]
    because: Annotated[tuple[str, ...], Meta(description="the removals that it rests on; they still stand")]
    needed: Annotated[int, Meta(ge=2, description="with fewer of them standing it is lifted")]
    imposed_at: Annotated[Micros, Meta(description="since when")]
    expires_at: Annotated[Micros, Meta(description="when it is lifted by itself")]
    lifted_at: Annotated[Micros | None, Meta(description="when it was lifted; null: it holds")] = None
    lifted_by: Annotated[
        str | None, Meta(description="who lifted it: sievert, a key or the command line")
    ] = None
    record_version: RecordVersion = 1
