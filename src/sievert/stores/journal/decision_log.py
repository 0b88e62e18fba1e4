"""All decisions of a window as Arrow batches of one schema, read beside a running server, for training elsewhere.

Plainly allowed posts come first, as they lie in segments or in PostgreSQL; then all other decisions, oldest
first. No text is among them: what a post said is known by its digest.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa

from sievert.schema.arm import Acted
from sievert.schema.clock import Micros
from sievert.schema.decision import CREATED, Decision, Language, Outcome, Stage, decision_id
from sievert.schema.post import PostKey
from sievert.stores.database import Database
from sievert.stores.journal.shared_tables import allowed, allowed_facts
from sievert.stores.segments.segment import Segment, SegmentFacts
from sievert.stores.tables import decisions

AT_ONCE = 10_000
"""Decisions that are in memory at a time."""

_TIME = pa.timestamp("us", tz="UTC")

DECISION_LOG = pa.schema(
    [
        ("decision_id", pa.string()),
        ("platform", pa.string()),
        ("post_id", pa.string()),
        ("revision", pa.int32()),
        ("creator_id", pa.string()),
        ("created_at", _TIME),
        ("received_at", _TIME),
        ("decided_at", _TIME),
        ("trigger", pa.string()),
        ("outcome", pa.string()),
        ("would", pa.string()),
        ("probability", pa.float32()),
        ("policies", pa.map_(pa.string(), pa.float32())),
        ("language", pa.string()),
        ("stage", pa.string()),
        ("bundle", pa.string()),
        ("policy_set", pa.string()),
        ("content_digest", pa.string()),
        ("forecast", pa.float64()),
        ("certificate", pa.string()),
        ("reasons", pa.string()),  # a JSON array, as the API tells them
        ("experiment", pa.string()),  # where a candidate acted; null outside of its clusters
        ("arm", pa.string()),
        ("propensity", pa.float64()),
        ("watched", pa.float64()),  # the chance with which it is watched, 0 if it is not
    ]
)
"""The columns, named as fields of a decision are."""

_WORDS_OF_LANGUAGE = {one.value: one.word for one in Language}
_WORDS_OF_STAGE = {one.value: one.word for one in Stage}


class DecisionLog:
    """Reads all decisions of one data folder or PostgreSQL database."""

    def __init__(self, database: Database, segments: Path | None) -> None:
        """Speak of one database and of the folder with its segments; None where a table has what they have."""
        self._database = database
        self._segments = segments

    def batches(self, *, since: Micros, until: Micros) -> Iterator[pa.RecordBatch]:
        """Yield what was decided within a window, since <= decided_at < until.

        Raises:
            StoreCorrupt: a segment is not what was written.
            StoreUnavailable: the database cannot be read.
        """
        if self._segments is None:
            yield from self._of_table(since, until)
        else:
            for path in sorted(self._segments.glob("*.arrow")):
                yield from _of_segment(path, since, until)
        yield from self._of_records(since, until)

    def _of_table(self, since: Micros, until: Micros) -> Iterator[pa.RecordBatch]:
        names = ("platform", "id", "revision", "creator_id", "created_at", "received_at", "decided_at")
        columns = (*(allowed.c[name] for name in (*names, "language", "stage", "digest")), allowed.c.scores)
        with self._database.reading() as connection:
            told = connection.execute(sa.select(allowed_facts.c.number, allowed_facts.c.record)).all()
            for number, record in told:
                facts = msgspec.json.decode(record, type=SegmentFacts)
                query = sa.select(*columns).where(
                    allowed.c.facts == number, allowed.c.decided_at >= since, allowed.c.decided_at < until
                )
                found = connection.execution_options(yield_per=AT_ONCE).execute(query)
                for rows in found.partitions(AT_ONCE):
                    *cells, scores = zip(*rows, strict=True)
                    kept = np.frombuffer(b"".join(scores), "<f4").reshape(len(rows), -1)
                    keys = (*names, "language", "stage", "digest")
                    yield _plain(dict(zip(keys, cells, strict=True)), kept, facts)

    def _of_records(self, since: Micros, until: Micros) -> Iterator[pa.RecordBatch]:
        query = (
            sa.select(decisions.c.record)
            .where(decisions.c.decided_at >= since, decisions.c.decided_at < until)
            .order_by(decisions.c.sequence)
        )
        with self._database.reading() as connection:
            found = connection.execution_options(yield_per=AT_ONCE).execute(query)
            for records in found.scalars().partitions(AT_ONCE):
                yield _told([msgspec.json.decode(one, type=Decision) for one in records])


def _of_segment(path: Path, since: Micros, until: Micros) -> Iterator[pa.RecordBatch]:
    try:
        segment = Segment(path)
    except (OSError, pa.ArrowInvalid):
        return  # just now made, or just now expired
    facts = segment.facts
    heads = ("harm", *(f"p.{head}" for head in facts.heads))
    for number in range(segment.batches):
        batch = segment.batch(number)
        decided = batch.column("decided_at").to_numpy()
        some = batch.filter(pa.array((decided >= since) & (decided < until)))
        if some.num_rows:
            kept = np.stack([some.column(name).to_numpy() for name in heads], axis=1)
            cells = {name: some.column(name).to_pylist() for name in some.schema.names if name not in heads}
            yield _plain(cells, kept, facts)


def _plain(
    cells: dict[str, Sequence[Any]], kept: npt.NDArray[np.float32], facts: SegmentFacts
) -> pa.RecordBatch:
    """Return plainly allowed posts [n] by their cells and what models said of them [n, 1 + P]."""
    n = len(kept)
    by = [facts.of_row(one) for one in cells.get("arm", [0] * n)]
    names = zip(cells["platform"], cells["id"], cells["revision"], strict=True)
    said = {
        "decision_id": [decision_id(PostKey(*name)) for name in names],
        "platform": cells["platform"],
        "post_id": cells["id"],
        "revision": cells["revision"],
        "creator_id": cells["creator_id"],
        "created_at": cells["created_at"],
        "received_at": cells["received_at"],
        "decided_at": cells["decided_at"],
        "trigger": [CREATED] * n,
        "outcome": [Outcome.ALLOW.word] * n,
        "would": [Outcome.ALLOW.word] * n,
        "probability": kept[:, 0],
        "policies": pa.MapArray.from_arrays(
            pa.array(np.arange(n + 1, dtype=np.int32) * len(facts.heads)),
            pa.array([*facts.heads] * n, pa.string()),
            pa.array(kept[:, 1:].ravel(), pa.float32()),
        ),
        "language": [_WORDS_OF_LANGUAGE[one] for one in cells["language"]],
        "stage": [_WORDS_OF_STAGE[one] for one in cells["stage"]],
        "bundle": [one.bundle for one in by],
        "policy_set": [facts.policy_set] * n,
        "content_digest": [one.hex() for one in cells["digest"]],
        "forecast": [None] * n,
        "certificate": [""] * n,
        "reasons": ["[]"] * n,
        **_acted([one.acted for one in by]),
    }
    return batch_of(said)


def _told(some: Sequence[Decision]) -> pa.RecordBatch:
    """Return decisions from their records."""
    said: dict[str, Any] = _acted([one.acted for one in some])
    made = {"policies", "reasons", *said}
    said |= {name: [getattr(one, name) for one in some] for name in DECISION_LOG.names if name not in made}
    said["policies"] = [[*one.policies.items()] for one in some]
    said["reasons"] = [msgspec.json.encode(one.reasons).decode() for one in some]
    return batch_of(said)


def _acted(some: Sequence[Acted | None]) -> dict[str, Any]:
    """Return the columns about experiments."""
    return {
        "experiment": [None if one is None else one.experiment for one in some],
        "arm": [None if one is None else one.arm.value for one in some],
        "propensity": [None if one is None else one.propensity for one in some],
        "watched": [None if one is None else one.chance for one in some],
    }


def batch_of(said: Mapping[str, Any], schema: pa.Schema = DECISION_LOG) -> pa.RecordBatch:
    """Return columns, by name, as a batch of a schema."""
    arrays = [
        said[field.name] if isinstance(said[field.name], pa.Array) else pa.array(said[field.name], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
