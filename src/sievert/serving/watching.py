"""The path's observer: every batch becomes metrics, and news for the live page."""

import time
from collections.abc import Callable

import numpy as np

from sievert.policy.reasons import NAMED, kind_of, reason_text
from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.clock import Clock
from sievert.schema.decision import Language, Outcome, Stage
from sievert.serving.live import NOTABLE_A_SECOND, NotableDecision, Told
from sievert.serving.telemetry import Metrics
from sievert.serving.tracing import Spans

Publish = Callable[[Told], None]
"""Takes what a batch came to."""


class PathObserver:
    """Hears of batches in the worker's thread; `publish` must bring news over to the event loop."""

    def __init__(
        self, metrics: Metrics, clock: Clock, *, publish: Publish, spans: Spans | None = None
    ) -> None:
        """Count on these metrics; `spans` takes what each batch did, if anybody wants to see that."""
        self._metrics = metrics
        self._clock = clock
        self._publish = publish
        self._spans = spans
        self._began = 0
        self._laps: list[tuple[str, int]] = []
        self._lap = 0.0

    def begin(self) -> None:
        """Start the watch: a batch sets out."""
        self._lap = time.perf_counter()
        if self._spans is not None:
            self._began = time.time_ns()
            self._laps.clear()

    def end(self, what: str, records: int) -> None:
        """Stop the watch: a batch of so many records is on its way no more."""
        if self._spans is not None and records:
            self._spans.batch(what, records, self._laps, self._began)

    def lap(self, stage: str) -> None:
        """Note that `stage` has just ended."""
        now = time.perf_counter()
        self._metrics.stage_seconds.labels(stage).inc(now - self._lap)
        if self._spans is not None:
            self._laps.append((stage, time.time_ns()))
        self._lap = now

    def batch_decided(self, posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch) -> None:
        """Count a batch that became durable, and pass on what is notable in it."""
        if not len(posts):
            return
        metrics = self._metrics
        metrics.batch_posts.observe(len(posts))
        counts = np.bincount(decided.outcome, minlength=len(Outcome)).tolist()
        outcomes = {outcome.word: count for outcome, count in zip(Outcome, counts, strict=True) if count}
        for word, count in outcomes.items():
            (metrics.decided_anew if posts.causes else metrics.posts).labels(word).inc(count)
        self._count_models(posts, scored)
        self._count_policies(decided)
        rows = [row for row in decided.reasons if row not in decided.isolated_for][:NOTABLE_A_SECOND]
        notable = [self._notable(posts, scored, decided, row) for row in rows]
        self._publish(
            Told(
                outcomes={} if posts.causes else outcomes,
                demoted=len(decided.demoted_for),
                anew=len(posts.causes or ()),
                asked_anew=len(decided.queued_for) if posts.causes else 0,
                notable=notable,
            )
        )

    def _count_models(self, posts: PostBatch, scored: ScoredBatch) -> None:
        metrics = self._metrics
        for cause in posts.causes or ():
            metrics.triggers.labels(cause.trigger).inc()
        stages = np.bincount(scored.stage, minlength=len(Stage)).tolist()
        for stage, count in zip(Stage, stages, strict=True):
            if count:
                metrics.stages.labels(stage.word).inc(count)
        pictured = np.zeros(len(posts), np.bool_)
        pictured[list(posts.pictures)] = True
        for lane, mask in (("text", ~pictured), ("pictures", pictured)):
            for stage, count in zip(
                Stage, np.bincount(scored.stage[mask], minlength=len(Stage)).tolist(), strict=True
            ):
                if count:
                    metrics.lanes.labels(lane, stage.word).inc(count)
        languages = np.bincount(scored.language, minlength=len(Language)).tolist()
        for language, count in zip(Language, languages, strict=True):
            if count:
                metrics.languages.labels(language.word).inc(count)

    def _count_policies(self, decided: DecidedBatch) -> None:
        metrics = self._metrics
        for reasons in decided.reasons.values():
            for match in {reason.match for reason in reasons if reason.match}:
                metrics.bank_matches.labels(match.bank, match.kind).inc()
            stated = {(one.policy, one.rule) for one in reasons if kind_of(one)[0] in NAMED}
            for policy, rule in stated:
                metrics.rule_posts.labels(policy, rule).inc()
        for outcome, named in (
            (Outcome.DEMOTE, decided.demoted_for),
            (Outcome.REVIEW, decided.queued_for),
            (Outcome.REMOVE, decided.removed_for),
        ):
            for policy in named.values():
                metrics.policies.labels(policy, outcome.word).inc()
        for row in np.flatnonzero(decided.would > decided.outcome).tolist():
            metrics.held_back.labels(
                Outcome(int(decided.outcome[row])).word, Outcome(int(decided.would[row])).word
            ).inc()

    def _notable(
        self, posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch, row: int
    ) -> NotableDecision:
        reasons = decided.reasons[row]
        policy = (
            decided.removed_for.get(row)
            or decided.queued_for.get(row)
            or decided.demoted_for.get(row)
            or reasons[0].policy
        )
        probability = float(scored.of(policy)[row]) if scored.has(policy) else float(scored.harm[row])
        post = posts.posts[row]
        return NotableDecision(
            at=self._clock.now(),
            id=post.id,
            platform=post.platform,
            decision=Outcome(int(decided.outcome[row])).word,
            demoted=row in decided.demoted_for,
            policy=policy,
            probability=round(probability, 4),
            language=Language(int(scored.language[row])).word,
            stage=Stage(int(scored.stage[row])).word,
            trigger=posts.cause(row).trigger,
            reasons=tuple(dict.fromkeys(reason_text(reason) for reason in reasons)),
        )
