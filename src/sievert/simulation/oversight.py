"""People who look on the platform's behalf: moderators who follow reports up, experts who label a sample.

Both err. What they find reaches the platform when they found it, not when the post appeared.
"""

import dataclasses

import numpy as np

from sievert.schema.clock import DAY, HOUR
from sievert.schema.history import EventColumns, Int8s, Int64s
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.simulation.columns import Waiting
from sievert.simulation.draws import Bools, Floats, Purpose
from sievert.simulation.posting import Posts
from sievert.simulation.settings import WorldSettings
from sievert.simulation.tick import KIND, Tick, happened

HEADS = (HARM, *LABELLED)
"""What experts are asked about, in this order."""

_VERDICT_HOURS = 6.0
_LABEL_DAYS = 0.7


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What experts say: n answers, one for each post and head."""

    post: Int64s  # [n]
    head: Int8s  # [n] place in HEADS
    value: Floats  # [n] 1: it is, 0: it is not
    at: Int64s  # [n]
    probability: Floats  # [n] with which the post was drawn for labelling


def verdicts(settings: WorldSettings, reported: EventColumns, harmful: Bools, tick: Tick) -> EventColumns:
    """Return what moderators find, hours later, about a share of reports; `harmful` [n] is the truth."""
    rng = tick.draw(Purpose.VERDICTS)
    chosen = rng.random(len(reported)) < settings.reviewed
    found = harmful ^ (rng.random(len(reported)) < settings.moderator_error)
    late = (rng.exponential(_VERDICT_HOURS, len(reported)) * HOUR).astype(np.int64)
    return happened(
        "verdict",
        (reported.at + late)[chosen],
        post=reported.post[chosen],
        amount=found[chosen].astype(np.int64),
    )


def is_report(events: EventColumns) -> Bools:
    """Return which events are reports [n]."""
    return np.asarray(events.kind == KIND["report"], dtype=np.bool_)


class Experts:
    """Draw a balanced sample of new posts, and label it later."""

    def __init__(self, settings: WorldSettings) -> None:
        """Take how much is labelled."""
        self._settings = settings
        self._waiting: Waiting[Labels] = Waiting()

    def label(self, posts: Posts, tick: Tick) -> Labels:
        """Take new posts in; return the labels that are ready in this step."""
        settings, rng = self._settings, tick.draw(Purpose.LABELS)
        harmful = posts.policy >= 0
        half = settings.labelled / 2
        probability = np.where(
            harmful, min(1.0, half / settings.prevalence), min(1.0, half / (1 - settings.prevalence))
        )
        drawn = np.flatnonzero(rng.random(len(posts)) < probability)
        many, heads = len(drawn), len(HEADS)
        truth = np.empty((many, heads), dtype=np.bool_)
        truth[:, 1:] = posts.policies[drawn, None] >> np.arange(heads - 1) & 1
        truth[:, 1:] ^= rng.random((many, heads - 1)) < settings.expert_error / (heads - 1)
        truth[:, 0] = truth[:, 1:].any(axis=1)
        at = posts.received_at[drawn] + (rng.exponential(_LABEL_DAYS, many) * DAY).astype(np.int64)
        labels = Labels(
            post=np.repeat(posts.number[drawn], heads),
            head=np.tile(np.arange(heads, dtype=np.int8), many),
            value=truth.reshape(-1).astype(np.float64),
            at=np.repeat(at, heads),
            probability=np.repeat(probability[drawn], heads),
        )
        return self._waiting.exchange(labels, labels.at, before=tick.end)
