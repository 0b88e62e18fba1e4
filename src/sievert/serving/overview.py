"""How it stands, in a few numbers: harm that people see, harm kept from them, precision, queue, load, drift.

Everything is read from records that are few: measurements, audits, what stood above a policy's floor. What would need
all posts of a week is left to commands (`sievert drift`, `sievert prevalence`).
"""

import threading
import time
from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from sievert.errors import InvalidField
from sievert.guardrail.acting import is_acting
from sievert.guardrail.measuring import Panels, estimated, panels_of, waiting
from sievert.guardrail.standing import PrecisionSeen, Standing, standings
from sievert.measurement.drift import CalibrationDrift, ScoreDrift, calibration_drift, score_drift
from sievert.measurement.harmful_views import PER
from sievert.measurement.misjudged import Judged
from sievert.measurement.totals import Estimate
from sievert.pipeline.path import Parts
from sievert.schema.clock import DAY, SECOND, Micros
from sievert.schema.decision import Stage
from sievert.schema.experiment import Experiment
from sievert.schema.measuring import Measurement
from sievert.serving.telemetry import Metrics
from sievert.stores.guardrail.base import NOT_ENDED, GuardrailStore
from sievert.stores.reviews.base import ReviewStore, Waits
from sievert.stores.stops import Stops

NOW, BEFORE = 7 * DAY, 28 * DAY
"""The window that drift is told of, and the one before it."""

KEPT: Micros = 300 * SECOND
"""So old may drift be that is told."""

_FEWEST = 30
"""Posts of a window without which its scores are not compared."""


class Prevalence(msgspec.Struct, frozen=True, kw_only=True):
    """The newest measurement of how often people see harm."""

    policy: Annotated[str, Meta(description="the policy whose harm was counted")]
    platform: Annotated[str, Meta(description="the platform")]
    since: Annotated[Micros, Meta(description="the window's beginning")]
    until: Annotated[Micros, Meta(description="its end")]
    waiting: Annotated[
        int, Meta(description="posts that nobody has judged yet; until then there is no number")
    ]
    harmful_views: Annotated[float | None, Meta(description="views of harmful content in 10,000")]
    low: Annotated[float | None, Meta(description="where a 95 % interval begins")]
    high: Annotated[float | None, Meta(description="where it ends")]
    corrected: Annotated[
        bool, Meta(description="reviewers' errors, as known answers tell them, are corrected")
    ]


class PolicyOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One policy on one platform."""

    standing: Annotated[Standing, Meta(description="its promise: certificate, evidence, audits, appeals")]
    forecast: Annotated[
        float | None,
        Meta(
            description="capped views that were forecast for what its newest certificate had removed; null without any"
        ),
    ]
    prevented: Annotated[
        tuple[float, float] | None,
        Meta(
            description="of those, views of harm: from and to, by audits of removals; null before the first"
        ),
    ]
    scores: Annotated[
        ScoreDrift | None,
        Meta(
            description="of what stood above its floor: the last 7 days beside the 28 before; null where it is little"
        ),
    ]
    calibration: Annotated[
        CalibrationDrift | None, Meta(description="of audits judged in the last 7 days; null without any")
    ]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands."""

    at: Annotated[Micros, Meta(description="the moment that it is about")]
    experiments: Annotated[
        list[Experiment], Meta(description="in which a candidate acts, or acted within the last 7 days")
    ]
    prevalence: Annotated[list[Prevalence], Meta(description="by policy and platform, the newest of each")]
    policies: Annotated[
        list[PolicyOverview], Meta(description="each policy on each platform that it is known on")
    ]
    waiting: Annotated[int, Meta(description="cases that wait for people, known answers left out")]
    oldest: Annotated[Micros | None, Meta(description="when the oldest of them was opened")]
    posts: Annotated[int, Meta(description="posts that this server has decided about since it began")]
    posts_per_minute: Annotated[float, Meta(description="on average since then")]
    heavy_share: Annotated[float | None, Meta(description="which share of them the heavy model read")]
    heavy_dial: Annotated[
        float | None, Meta(description="the share of texts that it may read now; null without a dial")
    ]


class KeptDrift:
    """What drift was found, kept for some minutes: it is read from five weeks of records, and a page asks every few seconds."""

    def __init__(self) -> None:
        """Know nothing."""
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], tuple[Micros, ScoreDrift | None, CalibrationDrift | None]] = {}

    def of(
        self, store: GuardrailStore, policy: str, platform: str, *, now: Micros
    ) -> tuple[ScoreDrift | None, CalibrationDrift | None]:
        """Return the drift of scores and of probabilities of a policy on a platform.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._lock:
            known = self._found.get((policy, platform))
            if known is None or not 0 <= now - known[0] < KEPT:
                known = (now, *_drift(store, policy, platform, now=now))
                self._found[policy, platform] = known
            return known[1:]


class _Stores(Protocol):
    @property
    def guardrail(self) -> GuardrailStore: ...
    @property
    def reviews(self) -> ReviewStore: ...
    @property
    def stops(self) -> Stops: ...


def overview_of(
    stores: _Stores, parts: Parts, metrics: Metrics, drift: KeptDrift, *, now: Micros
) -> Overview:
    """Read how it stands.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    store = stores.guardrail
    waits = [one for one in stores.reviews.waits() if one.kind != "gold"]
    posts = int(sum(one.value for family in metrics.posts.collect() for one in family.samples))
    read = {stage: _stage(metrics, stage) for stage in Stage}
    return Overview(
        at=now,
        experiments=[
            one
            for one in store.experiments()
            if one.acting is not None and (is_acting(one) or one.changed_at >= now - NOW)
        ],
        prevalence=_prevalence(store, stores.reviews),
        policies=[
            _policy(store, one, drift, now=now)
            for one in standings(store, parts.policies, parts.running, stops=stores.stops.running(), now=now)
        ],
        waiting=sum(one.cases for one in waits),
        oldest=_oldest(waits),
        posts=posts,
        posts_per_minute=60 * posts / max(time.monotonic() - metrics.began, 1.0),
        heavy_share=read[Stage.HEAVY] / sum(read.values()) if sum(read.values()) else None,
        heavy_dial=None if parts.dial is None else parts.dial.shares.text,
    )


def _oldest(waits: Sequence[Waits]) -> Micros | None:
    return min((one.oldest for one in waits), default=None)


def _stage(metrics: Metrics, stage: Stage) -> float:
    return metrics.registry.get_sample_value("sievert_stages_total", {"stage": stage.word}) or 0.0


def _prevalence(store: GuardrailStore, reviews: ReviewStore) -> list[Prevalence]:
    newest: dict[tuple[str, str], Measurement] = {}
    for one in store.measurements():
        newest[one.policy, one.platform] = one
    return [_measured(store, reviews, one) for one in newest.values()]


def _measured(store: GuardrailStore, reviews: ReviewStore, measurement: Measurement) -> Prevalence:
    left, panels, share = waiting(store, measurement), panels_of(reviews.marks(), measurement.policy), None
    known = bool(panels.missed.asked and panels.accused.asked)
    if not left:
        if not known:
            panels = Panels(missed=Judged.of_nothing(), accused=Judged.of_nothing())
        share = _share(measurement, store, panels)
    value, low, high = (None, None, None) if share is None else (share.value, share.low, share.high)
    return Prevalence(
        policy=measurement.policy,
        platform=measurement.platform,
        since=measurement.since,
        until=measurement.until,
        waiting=left,
        harmful_views=None if value is None else value * PER,
        low=None if low is None else low * PER,
        high=None if high is None else high * PER,
        corrected=known,
    )


def _share(measurement: Measurement, store: GuardrailStore, panels: Panels) -> Estimate | None:
    try:
        return estimated(measurement, store.audits(measurement.measurement_id), panels).share
    except InvalidField:
        return None  # reviewers err so often that they tell nothing, or somebody drew meanwhile


def _policy(store: GuardrailStore, standing: Standing, drift: KeptDrift, *, now: Micros) -> PolicyOverview:
    removed = [one for _, one in store.removals(standing.certificate)] if standing.certificate else []
    forecast = sum(one.views for one in removed) if any(one.views for one in removed) else None
    seen: PrecisionSeen | None = standing.by_views
    scores, calibration = drift.of(store, standing.policy, standing.platform, now=now)
    return PolicyOverview(
        standing=standing,
        forecast=forecast,
        prevented=None
        if forecast is None or seen is None or not seen.audits
        else (forecast * seen.low, forecast * seen.high),
        scores=scores,
        calibration=calibration,
    )


def _drift(
    store: GuardrailStore, policy: str, platform: str, *, now: Micros
) -> tuple[ScoreDrift | None, CalibrationDrift | None]:
    crossed = store.crossings(
        policy, platform, since=now - NOW - BEFORE, until=now + SECOND, through=NOT_ENDED
    )
    was = [one.p for _, one in crossed if one.at < now - NOW]
    new = [one.p for _, one in crossed if one.at >= now - NOW]
    judged = [
        one
        for one in store.judged(policy)
        if one.platform == platform and one.settled_at >= now - NOW and not one.day
    ]
    return (
        score_drift(was, new) if min(len(was), len(new)) >= _FEWEST else None,
        calibration_drift([one.p for one in judged], [one.harmful is True for one in judged])
        if judged
        else None,
    )
