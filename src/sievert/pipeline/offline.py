"""The same path without a journal: texts in, what would be decided out, nothing recorded.

For scoring files and for measuring. Stages 2 to 6 are the very functions that `path.py` calls; the
review budget is boundless, since nobody is asked.
"""

import dataclasses

from sievert.pipeline.decode import to_batch
from sievert.policy.rules import decide
from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.policy import PolicySet
from sievert.schema.post import Post
from sievert.scoring.bundle import Bundle
from sievert.scoring.cascade import score

_BOUNDLESS = 1 << 62


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """A batch as it would be decided if its posts came in now."""

    posts: PostBatch
    scored: ScoredBatch
    decided: DecidedBatch


def judge(
    posts: list[Post], bundle: Bundle, policies: PolicySet, *, now: Micros, heavy_share: float = 1.0
) -> Judged:
    """Score and decide posts that were read from a file, all of them by the heavy model unless told."""
    batch = to_batch(posts, [post.text.encode() for post in posts], received_at=now)
    scored = score(bundle, batch.text, heavy_share=heavy_share)
    decided = decide(
        batch,
        scored,
        policies=policies,
        certificates=(),
        forecast=None,
        review_room={policy.name: _BOUNDLESS for policy in policies.policies},
        now=now,
    )
    return Judged(posts=batch, scored=scored, decided=decided)
