"""DelayedRemoval: a removal that was drawn to be done a little later; bounded, durable, never exempted."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.action import Action
from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion


class DelayedRemoval(msgspec.Struct, frozen=True, kw_only=True):
    """What will be done, when at the latest, and after how many views at the latest."""

    action: Annotated[Action, Meta(description="the removal; when it is done, its time is that of doing")]
    decided_at: Annotated[Micros, Meta(description="when it was drawn")]
    release_at: Annotated[Micros, Meta(description="when it is done at the latest")]
    most_views: Annotated[
        int | None, Meta(description="it is done at once after so many views; null: views do not matter")
    ] = None
    record_version: RecordVersion = 1
