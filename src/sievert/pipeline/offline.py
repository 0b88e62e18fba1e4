"""The same path without a journal: texts in, what would be decided out, nothing recorded.

For scoring files and for measuring. Stages 2 to 6 are the very functions that `path.py` calls; the
review budget is boundless, since nobody is asked.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from sievert.pipeline.banks import Banks, Known
from sievert.pipeline.decode import to_batch
from sievert.policy.rulebook import RuleBook
from sievert.policy.rules import decide
from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.media import SeenPicture
from sievert.schema.policy import PolicySet
from sievert.schema.post import Post
from sievert.scoring.bundle import Bundle
from sievert.scoring.utterances import Shares, score_posts

_BOUNDLESS = 1 << 62
NO_PICTURES: Mapping[int, tuple[SeenPicture, ...]] = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """A batch as it would be decided if its posts came in now."""

    posts: PostBatch
    scored: ScoredBatch
    decided: DecidedBatch
    failures: Mapping[tuple[str, str], int]  # for how many posts a rule (policy, name) failed


def judge(
    posts: list[Post],
    bundle: Bundle,
    policies: PolicySet,
    *,
    now: Micros,
    heavy_share: float = 1.0,
    pictures: Mapping[int, tuple[SeenPicture, ...]] = NO_PICTURES,
    banks: Banks | None = None,
    book: RuleBook | None = None,
) -> Judged:
    """Score and decide posts that were read from a file, all of them by the heavy model unless told.

    `pictures` are those that were opened, by row; `book` are the rules of the policies, where they are
    compiled already. Neither banks nor rules count a flood.
    """
    batch = to_batch(posts, [post.text.encode() for post in posts], received_at=now)
    batch = dataclasses.replace(batch, pictures=dict(pictures))
    known = banks.glance(batch) if banks is not None else Known(batch)
    batch = known.posts
    shares = Shares(text=heavy_share, pictures=heavy_share)
    scored = known.scored(score_posts(bundle, batch, shares=shares, passed=known.passed))
    found = (book or RuleBook(policies, bundle.fold)).find(batch, scored, passed=known.passed)
    decided = decide(
        batch,
        scored,
        policies=policies,
        certificates=(),
        forecast=None,
        review_room={policy.name: _BOUNDLESS for policy in policies.policies},
        now=now,
        matches=known.matches,
        stated=found.stated,
    )
    return Judged(posts=batch, scored=scored.told(), decided=decided, failures=found.failures)
