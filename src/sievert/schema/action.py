"""Action, Case and the messages about them: what a decision sets in motion."""

import enum
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import Match, Nearest, RecordVersion, Spans
from sievert.schema.media import Sha256
from sievert.schema.post import PlatformName, PostId, Revision

DecisionId = Annotated[str, Meta(description="the decision that set it in motion")]


class ActionKind(enum.StrEnum):
    """What can be done to content. Each is reversible; `demote` lowers its reach.

    `isolate` shows it to nobody but the designated person, whatever the platform's moderators may see.
    `restore` takes earlier actions back.
    """

    DEMOTE = "demote"
    REMOVE = "remove"
    ISOLATE = "isolate"
    RESTORE = "restore"


class CaseKind(enum.StrEnum):
    """What asks a person: a decision, an audit of removals, an appeal, a known answer, or a measurement."""

    DECISION = "decision"
    AUDIT = "audit"
    APPEAL = "appeal"
    GOLD = "gold"
    MEASUREMENT = "measurement"


class CaseState(enum.StrEnum):
    """How a case stands: it waits, somebody has it, it is closed, another case stands for it, or nobody may look."""

    OPEN = "open"
    CLAIMED = "claimed"
    SETTLED = "settled"
    JOINED = "joined"
    WITHDRAWN = "withdrawn"


HEAVY_FROM = 0.8
"""From this probability on a case without pictures counts as heavy, too."""

OURSELVES = "sievert"
"""Who acted, where no person did."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What was really done to a post, offered to the platform by webhook."""

    action_id: Annotated[str, Meta(description="derived from the decision and the kind")]
    decision_id: DecisionId
    platform: PlatformName
    post_id: PostId
    revision: Revision
    kind: Annotated[
        str, Meta(description="what was done", extra_json_schema={"enum": [*map(str, ActionKind)]})
    ]
    policy: Annotated[str, Meta(description="the policy for which it was done")]
    performed_at: Annotated[Micros, Meta(description="when it was done")]
    by: Annotated[str, Meta(description="who did it: sievert, or a person")] = OURSELVES
    case_id: Annotated[str | None, Meta(description="the case whose verdict called for it, if one did")] = (
        None
    )
    undoes: Annotated[tuple[str, ...], Meta(description="the actions that a restore takes back")] = ()
    expires_at: Annotated[Micros | None, Meta(description="when it is taken back by itself, if ever")] = None
    creator_id: Annotated[str | None, Meta(description="who published the post, where that was told")] = None
    propensity: Annotated[
        float | None,
        Meta(description="the chance with which it was drawn to be done at this time, where it was drawn"),
    ] = None
    as_copy: Annotated[
        bool,
        Meta(description="done while people are asked about many copies of one text; no breaker counts it"),
    ] = False
    record_version: RecordVersion = 1


class ActionState(NamedTuple):
    """An action and what became of it: `undone_by` names what took it back, None while it stands."""

    action: Action
    undone_by: str | None = None

    @property
    def stands(self) -> bool:
        """Tell whether a post is still demoted, removed or isolated by it."""
        return self.undone_by is None and self.action.kind != ActionKind.RESTORE

    @property
    def automatic(self) -> bool:
        """Tell whether no person did it."""
        return self.action.by == OURSELVES


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A review task for a person."""

    case_id: Annotated[str, Meta(description="derived from the decision")]
    decision_id: DecisionId
    platform: PlatformName
    post_id: PostId
    revision: Revision
    policy: Annotated[str, Meta(description="the policy that asks, and whose budget pays")]
    opened_at: Annotated[Micros, Meta(description="when it was opened")]
    priority: Annotated[float, Meta(description="the larger, the earlier somebody should look")]
    spans: Spans = ()
    nearest: Nearest = ()
    matches: Annotated[tuple[Match, ...], Meta(description="hashes in banks that the post is like")] = ()
    pictures: Annotated[
        tuple[Sha256, ...], Meta(description="its pictures; `GET /api/v1/media/{sha256}` shows one, blurred")
    ] = ()
    state: Annotated[
        str,
        Meta(
            description="open, claimed by a reviewer, settled by verdicts, joined to the case of a near-duplicate, or withdrawn as the post was isolated",
            extra_json_schema={"enum": [*map(str, CaseState)]},
        ),
    ] = "open"
    kind: Annotated[str, Meta(description="what asks", extra_json_schema={"enum": [*map(str, CaseKind)]})] = (
        CaseKind.DECISION
    )
    judges: Annotated[int, Meta(ge=1, le=9, description="people who must agree, each without the others")] = 1
    blind: Annotated[bool, Meta(description="whoever judges sees no score, reason or earlier verdict")] = (
        False
    )
    about: Annotated[str, Meta(description="the appeal or audit that it is for, by its id")] = ""
    probability: Annotated[
        float | None, Meta(description="the chance that made somebody ask, under the policy; null if none")
    ] = None
    record_version: RecordVersion = 1

    @property
    def heavy(self) -> bool:
        """Tell whether looking at it weighs on whoever looks: it has pictures, or is likely harmful."""
        return bool(self.pictures) or (self.probability or 0.0) >= HEAVY_FROM


class OutboxMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook message, durable before anything is acknowledged, sent at least once.

    `state` is pending, delivered or dead. `body` is the exact JSON that is signed and sent.
    """

    message_id: str
    kind: str
    created_at: Micros
    body: bytes
    state: str = "pending"
    attempts: int = 0
    next_attempt_at: Micros = 0
    last_error: str = ""
