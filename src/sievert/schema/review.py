"""Verdict, Settlement and Appeal: what people find about a post, and what authors say against an action."""

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
    record_version: RecordVersion = 1

    @property
    def harmful(self) -> bool:
        """Tell whether any policy is violated."""
        return bool(self.violates)


class Appeal(msgspec.Struct, frozen=True, kw_only=True):
    """An author's word against an action; another reviewer than before decides."""

    appeal_id: Annotated[str, Meta(description="derived from the action and the author")]
    action_id: Annotated[str, Meta(description="the action that it is against")]
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
