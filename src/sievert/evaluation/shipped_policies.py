"""What the shipped policies do on held-out texts: how often each threshold speaks, and how often rightly."""

import msgspec
import numpy as np

from sievert.datasets.corpora import Row
from sievert.evaluation.scored_rows import Scores
from sievert.measurement.prevalence import natural_weights
from sievert.policy.loading import default_policies_path, load_policies
from sievert.training.targets import label_matrix


class PolicyPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One threshold of a policy, at the prevalence that its probabilities are calibrated to."""

    policy: str
    rule: str
    at: float
    share: float
    precision: float | None
    recall: float


def measure_policies(
    rows: list[Row], scores: Scores, *, calibrated_to: dict[str, float]
) -> tuple[PolicyPoint, ...]:
    """Measure the policies that ship on n labelled rows with their scores [n]."""
    labels = label_matrix(rows, scores.heads)
    points = []
    for policy in load_policies(default_policies_path()).policies:
        if policy.name not in scores.heads:
            continue  # the sentinel's, which no text of a corpus meets
        known = labels[:, scores.heads.index(policy.name)] >= 0
        y = labels[known, scores.heads.index(policy.name)] == 1
        natural = natural_weights(y, prevalence=calibrated_to[policy.name])
        p = scores.of(policy.name)[known]
        rules = {"review": policy.review_at, "demote": policy.demote_at}
        for rule in (rule for rule in rules if rule in policy.live_actions):
            marked = p >= rules[rule]
            share = float(natural[marked].sum())
            caught = float(natural[marked & y].sum())
            points.append(
                PolicyPoint(
                    policy=policy.name,
                    rule=rule,
                    at=rules[rule],
                    share=share,
                    precision=caught / share if share > 0 else None,
                    recall=caught / float(np.sum(natural[y])),
                )
            )
    return tuple(points)
