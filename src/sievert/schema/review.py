"""Claim, Verdict, Settlement and Appeal: who looks, what they find, and what authors say against an action."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.post import PlatformName, PostId, Revision

CaseId = Annotated[str, Meta(description="the case")]
Violates = Annotated[tuple[str, ...], Meta(description="the policies that it violates; none: it may stay")]

MAX_STATEMENT = 2000
"""What an author may say with an appeal, in characters."""


class Turn(enum.StrEnum):
    """What a claim was for: the next case in order, one drawn at random, or a known answer."""

    ORDER = "order"
    RANDOM = "random"
    GOLD = "gold"


class HeldVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict that whoever gave it may still take back; nothing follows from it before its time."""

    violates: Violates
    judged: Annotated[tuple[str, ...], Meta(description="the policies that were looked at")]
    note: Annotated[str, Meta(max_length=2000, description="what the reviewer wrote beside it")] = ""
    given_at: Annotated[Micros, Meta(description="when it was given")]
    until: Annotated[Micros, Meta(description="when it takes effect, unless it is taken back")]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One reviewer has one case, until they give a verdict, give it back, or time runs out."""

    claim_id: Annotated[int, Meta(description="numbers the claims from 1")]
    case_id: CaseId
    reviewer: Annotated[str, Meta(description="who has it, by key or account")]
    claimed_at: Annotated[Micros, Meta(description="since when")]
    expires_at: Annotated[Micros, Meta(description="when it goes back by itself")]
    turn: Annotated[str, Meta(description="what it was for", extra_json_schema={"enum": [*map(str, Turn)]})]
    chance: Annotated[
        float | None,
        Meta(description="of a random turn: with which probability this very case was drawn; else null"),
    ] = None
    heavy: Annotated[bool, Meta(description="it counts against the reviewer's exposure")] = False
    held: Annotated[
        HeldVerdict | None,
        Meta(
            description="a verdict that can still be taken back; while there is one, the claim does not run out"
        ),
    ] = None
    record_version: RecordVersion = 1


class GoldAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known to be right about a case that measures reviewers."""

    case_id: CaseId
    violates: Violates
    judged: Annotated[tuple[str, ...], Meta(description="the policies that the answer is about")]
    added_at: Annotated[Micros, Meta(description="when it was made one")]
    record_version: RecordVersion = 1


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one person found about a post, policy by policy."""

    verdict_id: Annotated[str, Meta(description="derived from the case and the reviewer")]
    case_id: CaseId
    reviewer: Annotated[str, Meta(description="who found it, by key or account")]
    violates: Violates
    judged: Annotated[
        tuple[str, ...], Meta(description="the policies that were looked at; of others it says nothing")
    ]
    given_at: Annotated[Micros, Meta(description="when it was given")]
    seconds: Annotated[float, Meta(ge=0, description="from the claim until then")]
    adjudicates: Annotated[bool, Meta(description="it decides between verdicts that differ")] = False
    note: Annotated[str, Meta(max_length=2000, description="what the reviewer wrote beside it")] = ""
    record_version: RecordVersion = 1


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdicts of a case came to; it closes the case."""

    case_id: CaseId
    kind: Annotated[str, Meta(description="the kind of case")]
    about: Annotated[str, Meta(description="the appeal or audit that the case was for, by its id")] = ""
    decision_id: Annotated[str, Meta(description="the decision that the case was about")]
    platform: PlatformName
    post_id: PostId
    revision: Revision
    policy: Annotated[str, Meta(description="the policy that asked")]
    violates: Violates
    judged: Annotated[tuple[str, ...], Meta(description="the policies that all of them looked at")]
    verdicts: Annotated[tuple[str, ...], Meta(description="the verdicts, the deciding one last")]
    reviewer: Annotated[str, Meta(description="who gave the deciding one")]
    settled_at: Annotated[Micros, Meta(description="when it was settled")]
    lead: Annotated[
        str, Meta(description="the case of a near-duplicate that people looked at in its place, if one")
    ] = ""
    content_digest: Annotated[str, Meta(description="the content that was judged, by its hash")] = ""
    bundle: Annotated[str, Meta(description="the bundle whose evidence was known then")] = ""
    policy_versions: Annotated[
        dict[str, int], Meta(description="the version of each judged policy that was in force")
    ] = {}
    record_version: RecordVersion = 1

    @property
    def harmful(self) -> bool:
        """Tell whether any policy is violated."""
        return bool(self.violates)


class Appeal(msgspec.Struct, frozen=True, kw_only=True):
    """An author's word against an action; another reviewer than before decides."""

    appeal_id: Annotated[str, Meta(description="derived from the action and the author")]
    action_id: Annotated[str, Meta(description="the action, or the limit of an account, that it is against")]
    decision_id: Annotated[str, Meta(description="the decision behind that action")]
    platform: PlatformName
    post_id: PostId
    revision: Revision
    policy: Annotated[str, Meta(description="the policy that the action was for")]
    by: Annotated[str, Meta(description="who appeals, by the platform's id; empty if it does not say")] = ""
    statement: Annotated[str, Meta(max_length=MAX_STATEMENT, description="what the author says")] = ""
    filed_at: Annotated[Micros, Meta(description="when it came")]
    case_id: CaseId
    state: Annotated[
        str,
        Meta(description="how it stands", extra_json_schema={"enum": ["open", "upheld", "overturned"]}),
    ] = "open"
    record_version: RecordVersion = 1
