"""Stop: a switch that is off. What it names is not done until it is on again; people decide meanwhile."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.action import ActionKind
from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion

EVERY_POLICY = ""
"""The policy of a stop that holds for all of them."""


class StopKind(enum.StrEnum):
    """What is stopped: removals alone, demotions alone, or all that is done automatically."""

    REMOVALS = "removals"
    DEMOTIONS = "demotions"
    ALL = "all"

    @classmethod
    def of(cls, kind: ActionKind) -> "StopKind":
        """Return the switch that stops one kind of action alone; of what has none, that of all."""
        return _ALONE.get(kind, cls.ALL)


_ALONE = {ActionKind.REMOVE: StopKind.REMOVALS, ActionKind.DEMOTE: StopKind.DEMOTIONS}


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """What is stopped, for which policy, by whom and why.

    Isolated posts are isolated whatever is stopped: that takes nothing from anybody who may see it.
    """

    kind: Annotated[
        str, Meta(description="what is stopped", extra_json_schema={"enum": [*map(str, StopKind)]})
    ]
    policy: Annotated[str, Meta(description="the policy it holds for; empty: every one")] = EVERY_POLICY
    reason: Annotated[str, Meta(max_length=500, description="why")] = ""
    by: Annotated[str, Meta(description="who stopped it: sievert, a key or the command line")]
    since: Annotated[Micros, Meta(description="when it was stopped")]
    ended_at: Annotated[Micros | None, Meta(description="when it went on; null: it is stopped")] = None
    record_version: RecordVersion = 1

    def holds_for(self, policy: str) -> bool:
        """Tell whether it stops a policy."""
        return self.ended_at is None and self.policy in (EVERY_POLICY, policy)
