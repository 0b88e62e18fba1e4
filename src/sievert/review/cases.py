"""Decisions become cases: review tasks, ordered by the harm that looking prevents."""

from collections.abc import Mapping

from sievert.schema.action import Case
from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import NO_EVIDENCE, Evidence


def cases_for(
    posts: PostBatch,
    scored: ScoredBatch,
    decided: DecidedBatch,
    evidence: Mapping[int, Evidence],
    *,
    now: Micros,
) -> tuple[Case, ...]:
    """Return one case for each post that a person shall look at, with the evidence of its row.

    While there is no view forecaster a case's priority is its probability under the policy.
    """
    cases = []
    for row, policy in sorted(decided.queued_for.items()):
        post, shown = posts.posts[row], evidence.get(row, NO_EVIDENCE)
        decision = posts.decision_id(row)
        cases.append(
            Case(
                case_id=f"c_{decision.removeprefix('d_')}",
                decision_id=decision,
                platform=post.platform,
                post_id=post.id,
                revision=post.revision,
                policy=policy,
                opened_at=now,
                priority=float(scored.of(policy)[row]),
                spans=shown.spans,
                nearest=shown.nearest,
            )
        )
    return tuple(cases)
