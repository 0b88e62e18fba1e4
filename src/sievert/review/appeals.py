"""An author's appeal becomes a case: it comes before all others, and who judged the post before never gets it."""

import msgspec

from sievert.schema.action import Action, Case, CaseKind
from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id
from sievert.schema.limit import AccountLimit
from sievert.schema.review import Appeal, Settlement

APPEAL_PRIORITY = 1e12
"""More than the worth of any case that a forecast can lead to, isolated posts aside."""

UPHELD, OVERTURNED = "upheld", "overturned"


def appeal_against(
    action: Action | AccountLimit, *, by: str, statement: str, now: Micros
) -> tuple[Appeal, Case]:
    """Return the appeal against an action or a limit, and the case that decides it.

    A limit is judged by the post at which it was imposed.
    """
    name = action.limit_id if isinstance(action, AccountLimit) else action.action_id
    appeal_id = derived_id("p", name)
    case_id = derived_id("c", appeal_id)
    appeal = Appeal(
        appeal_id=appeal_id,
        action_id=name,
        decision_id=action.decision_id,
        platform=action.platform,
        post_id=action.post_id,
        revision=action.revision,
        policy=action.policy,
        by=by,
        statement=statement,
        filed_at=now,
        case_id=case_id,
    )
    case = Case(
        case_id=case_id,
        decision_id=action.decision_id,
        platform=action.platform,
        post_id=action.post_id,
        revision=action.revision,
        policy=action.policy,
        opened_at=now,
        priority=APPEAL_PRIORITY,
        kind=CaseKind.APPEAL,
        about=appeal_id,
    )
    return appeal, case


def decided(appeal: Appeal, settlement: Settlement) -> Appeal:
    """Return an appeal as its case decided it: upheld if the policy is found violated."""
    return msgspec.structs.replace(
        appeal, state=UPHELD if appeal.policy in settlement.violates else OVERTURNED
    )
