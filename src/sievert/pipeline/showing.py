"""What a reviewer is shown of a case that they have; of a blind one neither score, reason nor finding.

For the thread that walks the path: it reads the journal.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.pipeline.context import PostContext, context_of
from sievert.pipeline.desk import Desk, Given
from sievert.policy.reasons import in_words
from sievert.review.judging import blinded, is_blind
from sievert.review.order import expected_minutes
from sievert.schema.action import Case, CaseKind
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision, Reason
from sievert.schema.media import PictureFacts
from sievert.schema.post import Post
from sievert.schema.review import HeldVerdict, Settlement
from sievert.stores.activity.base import PostName
from sievert.stores.reviews.base import CaseFile


class CaseGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A case, with what its reviewer needs to judge it; of a blind one no score, reason or earlier finding."""

    case: Annotated[Case, Meta(description="what is asked")]
    expires_at: Annotated[Micros, Meta(description="when it goes back to the others")]
    post: Annotated[Post | None, Meta(description="the post, if it is kept; its pictures go by their hashes")]
    blind: Annotated[
        bool, Meta(description="the judge is not told what the machine or other people found")
    ] = False
    pictures: Annotated[
        tuple[PictureFacts, ...], Meta(description="what is known about the post's pictures")
    ] = ()
    context: Annotated[
        PostContext,
        Meta(description="what people wrote and did about the post; comments only if it is blind"),
    ] = PostContext()
    reasons: Annotated[
        tuple[Reason, ...], Meta(description="why it was brought up, in words; none if it is blind")
    ] = ()
    settled: Annotated[
        tuple[Settlement, ...],
        Meta(description="what people found about the post before; none if it is blind"),
    ] = ()
    statement: Annotated[str, Meta(description="of an appeal: what the author says")] = ""
    joined: Annotated[int, Meta(description="how many near-duplicates the verdict settles as well")] = 0
    minutes: Annotated[float, Meta(description="how long such a case takes people")] = 0.0
    held: Annotated[
        HeldVerdict | None, Meta(description="the verdict that was given and can still be taken back, if any")
    ] = None


def shown(desk: Desk, given: Given) -> CaseGiven:
    """Return what the reviewer is shown who has this case.

    Raises:
        StoreUnavailable: it cannot be read.
    """
    file, claim = given.file, given.claim
    asked, blind = file.case, is_blind(file.case)
    parts = desk.parts
    post = parts.journal.post(asked.platform, asked.post_id, asked.revision)
    trail = parts.journal.trail(asked.platform, asked.post_id, asked.revision)
    decision = _decision(asked, trail)
    name = PostName(asked.platform, asked.post_id)
    seen = parts.pictures.seen([post]).get(0, ()) if post is not None and parts.pictures is not None else ()
    return CaseGiven(
        case=blinded(asked),
        expires_at=claim.expires_at,
        post=post,
        blind=blind,
        pictures=tuple(public_facts(one.facts) for one in seen),
        context=context_of(parts, name, trail[-1] if trail else None, blind=blind),
        reasons=() if blind or decision is None else tuple(map(in_words, decision.reasons)),
        settled=() if blind else _found_before(desk, file),
        statement=desk.reviews.appeal(asked.about).statement if asked.kind == CaseKind.APPEAL else "",
        joined=0 if blind else len(file.joined),
        minutes=expected_minutes(desk.reviews.paces()).of(asked.policy, blinded(asked).kind),
        held=claim.held,
    )


def public_facts(facts: PictureFacts) -> PictureFacts:
    """Return what may be told of a picture: not what encoders made of it, which is large and says nothing."""
    return msgspec.structs.replace(facts, vectors=())


def _found_before(desk: Desk, file: CaseFile) -> tuple[Settlement, ...]:
    # What was found about the post of a known answer is that answer.
    if file.case.kind == CaseKind.GOLD:
        return ()
    name = PostName(file.case.platform, file.case.post_id)
    return tuple(desk.reviews.settled([name]).get(name, ()))


def _decision(asked: Case, trail: list[Decision]) -> Decision | None:
    return next((one for one in trail if one.decision_id == asked.decision_id), None)
