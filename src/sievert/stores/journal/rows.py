"""Rows of a decided batch become Decision records; both journals agree here, to the last digit."""

import math

import msgspec

from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.clock import Micros, moment_of
from sievert.schema.decision import Decision, Language, Outcome, Stage, shown
from sievert.schema.post import Post

_PLACES = 2
"""Of a forecast, as it is kept."""


def decision_of(
    posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch, row: int, decided_at: Micros
) -> Decision:
    """Return the record of one row's decision."""
    post = posts.posts[row]
    return Decision(
        decision_id=posts.decision_id(row),
        platform=post.platform,
        post_id=post.id,
        revision=post.revision,
        created_at=created_micros(post),
        received_at=posts.received_at,
        decided_at=decided_at,
        trigger=posts.cause(row).trigger,
        outcome=Outcome(int(decided.outcome[row])).word,
        would=Outcome(int(decided.would[row])).word,
        probability=shown(scored.harm[row : row + 1])[0],
        policies=dict(zip(scored.heads, shown(scored.policies[row]), strict=True)),
        language=Language(int(scored.language[row])).word,
        stage=Stage(int(scored.stage[row])).word,
        bundle=scored.bundle,
        policy_set=decided.policy_set,
        content_digest=posts.digests[row].hex(),
        reasons=decided.reasons.get(row, ()),
        creator_id=post.creator_id,
        forecast=_forecast_of(decided, row),
        certificate=decided.permitted_by.get(row, ""),
        acted=decided.acted(row),
    )


def _forecast_of(decided: DecidedBatch, row: int) -> float | None:
    """Return the forecast that a decision hung on; a plainly allowed post hung on none."""
    plain = decided.outcome[row] == Outcome.ALLOW and row not in decided.reasons
    if plain or decided.forecast is None or math.isnan(decided.forecast[row]):
        return None
    return round(float(decided.forecast[row]), _PLACES)


class _KeptPost(Post, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A post as the database keeps it: the API refuses fields it does not know, a store passes over them."""


def post_of(record: bytes) -> Post:
    """Read a kept post, also one that another release wrote."""
    return Post(**msgspec.structs.asdict(msgspec.json.decode(record, type=_KeptPost)))


def created_micros(post: Post) -> Micros | None:
    """Return when a post was published, as microseconds."""
    return None if post.created_at is None else moment_of(post.created_at)
