"""Plainly allowed posts as rows of an Arrow batch, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.schema.batch import PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import CREATED, Decision, Language, Outcome, Stage, decision_id, shown
from sievert.schema.post import PostKey
from sievert.stores.journal.base import DecisionFilter
from sievert.stores.journal.rows import created_micros
from sievert.stores.segments.segment import SegmentFacts, schema_of


def allowed_batch(
    posts: PostBatch,
    scored: ScoredBatch,
    rows: npt.NDArray[np.intp],
    facts: SegmentFacts,
    *,
    first: int,
    decided_at: Micros,
    arm: int = 0,
) -> pa.RecordBatch:
    """Return these rows of a batch as an Arrow batch; row 0 of the batch has the sequence number `first`."""
    chosen = [posts.posts[row] for row in rows.tolist()]
    count = len(chosen)
    columns = [
        pa.array(first + rows),
        pa.array([post.platform for post in chosen], pa.string()),
        pa.array([post.id for post in chosen], pa.string()),
        pa.array([post.revision for post in chosen], pa.int32()),
        pa.array([post.creator_id for post in chosen], pa.string()),
        pa.array([created_micros(post) for post in chosen], pa.int64()),
        pa.array(np.full(count, posts.received_at)),
        pa.array(np.full(count, decided_at)),
        pa.array(scored.harm[rows]),
        *(pa.array(np.ascontiguousarray(scored.policies[rows, h])) for h in range(len(scored.heads))),
        pa.array(scored.language[rows]),
        pa.array(scored.stage[rows]),
        pa.array([posts.digests[row] for row in rows.tolist()], pa.binary(16)),
        *([pa.array(np.full(count, arm, np.int8))] if facts.arms else []),
    ]
    return pa.record_batch(columns, schema=schema_of(facts))


def allowed_decision(batch: pa.RecordBatch, row: int, facts: SegmentFacts) -> Decision:
    """Return the record of a plainly allowed post, with the very digits that were answered."""
    cell = {name: batch.column(name)[row].as_py() for name in batch.schema.names}
    kept = np.array([cell["harm"], *(cell[f"p.{head}"] for head in facts.heads)], np.float32)
    return plain_decision(cell, kept, facts)


def plain_decision(cell: Mapping[str, Any], kept: npt.NDArray[np.float32], facts: SegmentFacts) -> Decision:
    """Return the record from what is kept of a plainly allowed post: its cells, harm and heads [1 + P]."""
    harm, *policies = shown(kept)
    by = facts.of_row(cell.get("arm"))
    return Decision(
        decision_id=decision_id(PostKey(cell["platform"], cell["id"], cell["revision"])),
        platform=cell["platform"],
        post_id=cell["id"],
        revision=cell["revision"],
        created_at=cell["created_at"],
        received_at=cell["received_at"],
        decided_at=cell["decided_at"],
        trigger=CREATED,
        outcome=Outcome.ALLOW.word,
        would=Outcome.ALLOW.word,
        probability=harm,
        policies=dict(zip(facts.heads, policies, strict=True)),
        language=Language(cell["language"]).word,
        stage=Stage(cell["stage"]).word,
        bundle=by.bundle,
        policy_set=facts.policy_set,
        content_digest=cell["digest"].hex(),
        creator_id=cell["creator_id"],
        acted=by.acted,
        record_version=facts.record_version,
    )


def allowed_mask(batch: pa.RecordBatch, wanted: DecisionFilter) -> npt.NDArray[np.bool_]:
    """Mark the rows that are wanted; policy and outcome were looked at before."""
    mask = np.ones(batch.num_rows, np.bool_)
    if wanted.platform is not None:
        mask &= pc.equal(batch.column("platform"), wanted.platform).to_numpy(zero_copy_only=False)
    decided = batch.column("decided_at").to_numpy()
    if wanted.language is not None:
        codes = [language for language in Language if language.word == wanted.language]
        mask &= np.isin(batch.column("language").to_numpy(), codes)
    if wanted.since is not None:
        mask &= decided >= wanted.since
    if wanted.until is not None:
        mask &= decided < wanted.until
    return mask
