"""What people saw within a window, and what was decided about it first, read beside a running server.

Views come from the log of events, which forgets them after `keep_text_days`. Segments are read as they are:
whatever has no valid frame was never acknowledged, and nothing is cut off here.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from sievert.schema.action import Case, CaseKind
from sievert.schema.clock import DAY, Micros, moment_of
from sievert.schema.decision import CREATED, Decision, Outcome
from sievert.schema.event import EVENT_TYPES, Report, Views
from sievert.schema.taxonomy import HARM
from sievert.stores.database import Database
from sievert.stores.journal.shared_tables import allowed, allowed_facts
from sievert.stores.segments.segment import Segment, SegmentFacts
from sievert.stores.tables import activity_events, cases, decisions

_WORDS = {kind: word for word, kind in EVENT_TYPES.items()}

E = TypeVar("E", Views, Report)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FirstDecision:
    """What the first decision about a post's newest revision said."""

    revision: int
    p: float
    bundle: str


class SeenPosts:
    """Reads views and first decisions of one data folder."""

    def __init__(self, database: Database, segments: Path | None) -> None:
        """Speak of one database and of the folder with its segments; None where a table has what they have."""
        self._database = database
        self._segments = segments

    def views(
        self, platform: str, *, since: Micros, until: Micros, of: Container[str] | None = None
    ) -> dict[tuple[str, Micros], int]:
        """Return how often each post (or each of these) was seen on each day, by its beginning; since <= day < until."""
        found: dict[tuple[str, Micros], int] = {}
        for one in self._events(Views, platform, since, until):
            if of is None or one.post_id in of:
                key = (one.post_id, moment_of(one.at) // DAY * DAY)
                found[key] = found.get(key, 0) + one.count
        return found

    def reports(
        self, platform: str, *, since: Micros, until: Micros, of: Container[str] | None = None
    ) -> Counter[str]:
        """Count the reports of each post (or each of these) that were made within the time."""
        told = self._events(Report, platform, since, until)
        return Counter(one.post_id for one in told if of is None or one.post_id in of)

    def watched(self, platform: str, experiment: str, *, since: Micros, until: Micros) -> list[Decision]:
        """Return the first decisions about posts that an experiment watches, made since <= t < until.

        A post is watched as it first came: each revision would be another draw, and whoever edits would count more.
        """
        return [
            one
            for one in self._kept_first(platform, since, until)
            if one.revision == 0
            and one.acted is not None
            and one.acted.experiment == experiment
            and one.acted.chance > 0
        ]

    def appeals(self, platform: str, *, since: Micros, until: Micros) -> Counter[str]:
        """Count the appeals about each post that were filed within the time."""
        query = sa.select(cases.c.record).where(
            cases.c.kind == CaseKind.APPEAL, cases.c.at >= since, cases.c.at < until
        )
        with self._database.reading() as connection:
            read = [msgspec.json.decode(one, type=Case) for one in connection.execute(query).scalars()]
        return Counter(one.post_id for one in read if one.platform == platform)

    def removed(self, platform: str, *, since: Micros, until: Micros) -> dict[str, float]:
        """Return the posts that were removed by a decision, with the views that were forecast for it, or 0."""
        query = sa.select(decisions.c.record).where(
            decisions.c.platform == platform,
            decisions.c.outcome == Outcome.REMOVE.word,
            decisions.c.decided_at >= since,
            decisions.c.decided_at < until,
        )
        found: dict[str, float] = {}
        with self._database.reading() as connection:
            for record in connection.execute(query).scalars():
                one = msgspec.json.decode(record, type=Decision)
                found.setdefault(one.post_id, one.forecast or 0.0)
        return found

    def _events(self, kind: type[E], platform: str, since: Micros, until: Micros) -> Iterator[E]:
        query = sa.select(activity_events.c.record).where(
            activity_events.c.kind == _WORDS[kind], activity_events.c.received_at >= since
        )
        read = msgspec.json.Decoder(kind)
        with self._database.reading() as connection:
            for record in connection.execute(query).scalars():
                one = read.decode(record)
                if one.platform == platform and since <= moment_of(one.at) < until:
                    yield one

    def first_decisions(
        self, platform: str, head: str, *, since: Micros, until: Micros
    ) -> dict[str, FirstDecision]:
        """Return the first decision about the newest revision of each post decided about within the time.

        Posts of which the head says nothing are left out.
        """
        found: dict[str, FirstDecision] = {}
        window = since, until
        for post_id, revision, p, bundle in (
            self._of_table(platform, head, window)
            if self._segments is None
            else itertools.chain.from_iterable(
                _rows(path, platform, head, window) for path in sorted(self._segments.glob("*.arrow"))
            )
        ):
            _newest(found, post_id, FirstDecision(revision=revision, p=p, bundle=bundle))
        for one in self._kept_first(platform, since, until):
            said = one.probability if head == HARM else one.policies.get(head)
            if said is not None:
                _newest(found, one.post_id, FirstDecision(revision=one.revision, p=said, bundle=one.bundle))
        return found

    def _kept_first(self, platform: str, since: Micros, until: Micros) -> Iterator[Decision]:
        """Yield the first decisions that are kept whole, made since <= t < until, oldest first."""
        query = sa.select(decisions.c.record).where(
            decisions.c.platform == platform,
            decisions.c.trigger == CREATED,
            decisions.c.decided_at >= since,
            decisions.c.decided_at < until,
        )
        with self._database.reading() as connection:
            for record in connection.execute(query.order_by(decisions.c.sequence)).scalars():
                yield msgspec.json.decode(record, type=Decision)

    def _of_table(
        self, platform: str, head: str, window: tuple[Micros, Micros]
    ) -> Iterator[tuple[str, int, float, str]]:
        """Yield (post, revision, probability, bundle) of plainly allowed posts in PostgreSQL."""
        since, until = window
        query = sa.select(allowed.c.id, allowed.c.revision, allowed.c.scores, allowed.c.facts).where(
            allowed.c.platform == platform, allowed.c.decided_at >= since, allowed.c.decided_at < until
        )
        with self._database.reading() as connection:
            told = connection.execute(sa.select(allowed_facts.c.number, allowed_facts.c.record)).all()
            facts = {number: msgspec.json.decode(record, type=SegmentFacts) for number, record in told}
            for post_id, revision, scores, number in connection.execute(query):
                columns = (HARM, *facts[number].heads)  # as they lie in `scores`
                if head in columns:
                    p = float(np.frombuffer(scores, "<f4")[columns.index(head)])
                    yield post_id, revision, p, facts[number].of_row(0).bundle


def _rows(
    path: Path, platform: str, head: str, window: tuple[Micros, Micros]
) -> Iterator[tuple[str, int, float, str]]:
    """Yield (post, revision, probability, bundle) of a segment's rows."""
    try:
        segment = Segment(path)
    except (OSError, pa.ArrowInvalid):
        return  # just now made, or just now expired
    column = "harm" if head == HARM else f"p.{head}"
    if column not in segment.schema.names:
        return
    since, until = window
    for number in range(segment.batches):
        batch = segment.batch(number)
        decided = batch.column("decided_at").to_numpy()
        mask = pc.equal(batch.column("platform"), platform).to_numpy(zero_copy_only=False)
        some = batch.filter(pa.array(mask & (decided >= since) & (decided < until)))
        arms = some.column("arm").to_pylist() if segment.facts.arms else [0] * some.num_rows
        for post_id, revision, p, arm in zip(
            some.column("id").to_pylist(),
            some.column("revision").to_pylist(),
            some.column(column).to_pylist(),
            arms,
            strict=True,
        ):
            yield post_id, revision, p, segment.facts.of_row(arm).bundle


def _newest(found: dict[str, FirstDecision], post_id: str, one: FirstDecision) -> None:
    known = found.get(post_id)
    if known is None or known.revision <= one.revision:
        found[post_id] = one
