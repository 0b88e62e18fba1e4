"""Decisions become cases: review tasks, ordered by the harm that looking prevents."""

from collections.abc import Mapping

import numpy as np

from sievert.schema.action import Case
from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import NO_EVIDENCE, Evidence
from sievert.schema.identity import keyed_id
from sievert.schema.taxonomy import HARM

_FOREMOST = 1e9
"""More views than any forecast."""


def cases_for(
    posts: PostBatch,
    scored: ScoredBatch,
    decided: DecidedBatch,
    evidence: Mapping[int, Evidence],
    *,
    key: bytes,
    now: Micros,
) -> tuple[Case, ...]:
    """Return one case for each post that a person shall look at, with the evidence of its row.

    A case's priority is the harmful views that looking prevents: its probability under the policy (of any
    harm where the policy has no head, 1 where a bank holds something like it) times its forecast views and
    one, so that what has no forecast is ordered by probability alone. What is isolated has none and comes
    before all else. Ids follow from `key` as well: a known answer, which is a decision's case asked again, must not
    show by its id.
    """
    cases = []
    for row, policy in sorted(decided.queued_for.items()):
        post, shown = posts.posts[row], evidence.get(row, NO_EVIDENCE)
        decision = posts.decision_id(row)
        matches = tuple(
            reason.match for reason in decided.reasons[row] if reason.match and reason.policy == policy
        )
        # Of what is isolated nothing is told but the match itself.
        pictures = () if row in decided.isolated_for else posts.pictures.get(row, ())
        p = 1.0 if matches else float(scored.of(policy if scored.has(policy) else HARM)[row])
        views = 0.0
        if decided.forecast is not None:
            views = _FOREMOST if row in decided.isolated_for else float(np.nan_to_num(decided.forecast[row]))
        cases.append(
            Case(
                case_id=keyed_id("c", key, decision),
                decision_id=decision,
                platform=post.platform,
                post_id=post.id,
                revision=post.revision,
                policy=policy,
                opened_at=now,
                priority=p * (1.0 + views),
                spans=shown.spans,
                nearest=shown.nearest,
                matches=matches,
                probability=p,
                pictures=tuple(seen.facts.sha256 for seen in pictures),
            )
        )
    return tuple(cases)
