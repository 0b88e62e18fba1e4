"""Three sources that say whether a post is harmful: experts, reports, comments; each as of a time.

Experts are few and right; reports are many and noisy, and come as soft labels of the exposure model
(`exposure.py`), each report counting for what its reporter is worth (`reporters.py`); comments say
something about posts that nobody reports. The sources stay apart: what trains on them decides how much
each may say. An unlabelled post is unknown, and never harmless.

Legend: m post revisions; soft labels stand at the row of a post's first revision, expert ones at the
revision that was looked at.
"""

import dataclasses
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from sievert.datasets.exposure import ExposureModel, fit_exposure
from sievert.datasets.history_checks import POLICY_WORDS
from sievert.datasets.history_columns import History
from sievert.datasets.reporters import (
    counted_reports,
    damping_weights,
    reliability_weights,
    reports_of,
    verdicts_of,
)
from sievert.schema.clock import Micros
from sievert.schema.event import KIND_WORDS, REASON_WORDS
from sievert.schema.history import EventColumns
from sievert.schema.taxonomy import HARM

Floats = npt.NDArray[np.float64]

EXPERT = "expert"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExpertLabels:
    """What experts said; NaN where none did."""

    value: Floats  # [m] from 0 to 1, the mean where several spoke
    sampling_probability: Floats  # [m] NaN where unknown


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SoftLabels:
    """What one noisy source makes of every post that was there in time."""

    value: Floats  # [m] probability of harm; NaN at later revisions and later posts
    evidence: Floats  # [m] log-likelihood ratio, without the prior; 0 says nothing
    hits: Floats  # [m] reports or disappointed comments, each counting for its weight
    trials: Floats  # [m] views or comments
    model: ExposureModel


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """The three sources side by side, as of one time."""

    policy: str
    until: Micros
    expert: ExpertLabels
    reports: SoftLabels
    comments: SoftLabels | None  # None where nobody judged the comments


def supervise(
    history: History,
    *,
    until: Micros,
    rng: np.random.Generator,
    policy: str = HARM,
    disappointed: Collection[int] | None = None,
) -> Supervision:
    """Return what was known of posts before `until`; what came later does not exist.

    `disappointed` are the codes (`EventColumns.code`) by which comments are called disappointed.
    """
    expert = expert_labels(history, until=until, policy=policy)
    return Supervision(
        policy=policy,
        until=until,
        expert=expert,
        reports=report_labels(history, expert, until=until, rng=rng, policy=policy),
        comments=None
        if disappointed is None
        else comment_labels(history, expert, until=until, rng=rng, disappointed=disappointed),
    )


def expert_labels(
    history: History, *, until: Micros, policy: str = HARM, source: str = EXPERT
) -> ExpertLabels:
    """Return what one source said of each post revision before `until`; labels without a time count."""
    labels, rows = history.labels, len(history.posts)
    mine = (labels.policy == POLICY_WORDS.index(policy)) & (labels.at < until)
    mine &= labels.source == (labels.sources.index(source) if source in labels.sources else -1)
    row = labels.row[mine]
    said = np.bincount(row, minlength=rows)
    total = np.bincount(row, labels.value[mine], minlength=rows)
    probability = np.full(rows, np.nan)
    probability[row] = labels.sampling_probability[mine]
    value = np.full(rows, np.nan)
    np.divide(total, said, out=value, where=said > 0)
    return ExpertLabels(value=value, sampling_probability=probability)


def report_labels(
    history: History,
    expert: ExpertLabels,
    *,
    until: Micros,
    rng: np.random.Generator,
    policy: str = HARM,
    likeness: float = 1.0,
) -> SoftLabels:
    """Return what reports make of each post; `likeness` is how much joint reporting is damped."""
    posts, events = len(history.posts), history.events
    named = policy if policy in REASON_WORDS else None
    reports = reports_of(events, until=until, policy=named)
    weight = reliability_weights(reports, verdicts_of(events, posts, until=until))
    weight = weight * damping_weights(reports, likeness=likeness)
    hits = counted_reports(reports, weight, posts)
    views = _count(events, posts, "views", until)
    return _soft(history, expert, hits, views, until=until, rng=rng)


def comment_labels(
    history: History,
    expert: ExpertLabels,
    *,
    until: Micros,
    rng: np.random.Generator,
    disappointed: Collection[int],
) -> SoftLabels:
    """Return what the share of disappointed comments makes of each post."""
    posts, events = len(history.posts), history.events
    calls = np.isin(events.code, list(disappointed))
    hits = _count(events, posts, "comment", until, among=calls)
    return _soft(history, expert, hits, _count(events, posts, "comment", until), until=until, rng=rng)


def _soft(
    history: History,
    expert: ExpertLabels,
    hits: Floats,
    trials: Floats,
    *,
    until: Micros,
    rng: np.random.Generator,
) -> SoftLabels:
    posts = history.posts
    there = (posts.first == np.arange(len(posts))) & (posts.received_at < until)
    label = np.where(np.isfinite(expert.value), expert.value > 0.5, np.nan)
    drawn = np.where(np.isfinite(expert.sampling_probability), expert.sampling_probability, 1.0)
    model = fit_exposure(
        hits[there], trials[there], rng=rng, label=label[there], label_weight=1.0 / drawn[there]
    )
    return SoftLabels(
        value=np.where(there, model.soft_label(hits, trials), np.nan),
        evidence=np.where(there, model.log_ratio(hits, trials), np.nan),
        hits=hits,
        trials=trials,
        model=model,
    )


def _count(
    events: EventColumns, posts: int, kind: str, until: Micros, *, among: npt.NDArray[np.bool_] | None = None
) -> Floats:
    """Return how much of a kind of event each post [m] had before `until`."""
    wanted = (events.kind == KIND_WORDS.index(kind)) & (events.received_at < until) & (events.post >= 0)
    if among is not None:
        wanted &= among
    return np.bincount(events.post[wanted], events.amount[wanted], minlength=posts).astype(np.float64)
