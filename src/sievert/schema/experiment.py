"""Experiment: a candidate bundle beside the one that decides, judged where they disagree, and acting in clusters if it shall."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.post import PlatformName


class ExperimentState(enum.StrEnum):
    """Whether an experiment goes on."""

    RUNNING = "running"
    STOPPED = "stopped"


class DisputedShare(msgspec.Struct, frozen=True, kw_only=True):
    """Posts that both, only the candidate, or only the control would remove."""

    posts: Annotated[int, Meta(description="how many they are")]
    views: Annotated[float, Meta(description="their share of all views of the window")]
    spread: Annotated[float, Meta(description="the root of their squared shares of views, summed")]
    draws: Annotated[int, Meta(description="draws that fell on them")]
    reports: Annotated[int, Meta(description="reports that they drew")]
    seen: Annotated[int, Meta(description="views that they had")]


class StopRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a candidate that acts stops by itself; harm and imprecision that are proven always stop it.

    A guard metric stops it once the candidate's is proven to exceed the control's by more than so large a part of it.
    """

    days: Annotated[int, Meta(ge=1, le=365, description="after so many days")] = 28
    labels: Annotated[
        int, Meta(ge=40, le=100_000, description="after so many judged draws; as many are drawn")
    ] = 2000
    more_reports: Annotated[float, Meta(ge=0.0, description="reports in a view, as a part more")] = 0.5
    more_appeals: Annotated[float, Meta(ge=0.0, description="appeals against an action, as a part more")] = (
        0.5
    )
    more_heavy: Annotated[
        float, Meta(ge=0.0, description="posts that the heavy model reads, as a part more")
    ] = 0.5


class ActingAnswer(enum.StrEnum):
    """What is known of a candidate that acts."""

    BETTER = "better"
    WORSE = "worse"
    TOO_IMPRECISE = "too imprecise"
    GUARD = "a guard metric is out of bounds"
    SPENT = "its labels are spent"
    OVER = "its days are over"
    UNDECIDED = "undecided"


class Acting(msgspec.Struct, frozen=True, kw_only=True):
    """That a candidate acts in clusters of creators: in how many, and until when."""

    share: Annotated[
        float,
        Meta(
            gt=0.0,
            le=0.5,
            description="the share of clusters in which it acts; in as many the control is compared",
        ),
    ]
    watched: Annotated[
        float, Meta(gt=0.0, le=1.0, description="the least share of their posts that is watched")
    ] = 0.05
    rules: Annotated[StopRules, Meta(description="when it stops by itself")] = StopRules()
    drawn_through: Annotated[Micros, Meta(description="the end of the last day that was drawn from")] = 0
    answer: Annotated[ActingAnswer, Meta(description="what stopped it, or was known last")] = (
        ActingAnswer.UNDECIDED
    )


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment: the window, both models and their lines, what they dispute, and what was drawn."""

    experiment_id: Annotated[str, Meta(description="names it")]
    policy: Annotated[str, Meta(description="the policy whose removals are compared")]
    platform: PlatformName
    since: Annotated[Micros, Meta(description="when its window begins, at the start of a day in UTC")]
    until: Annotated[Micros, Meta(description="when its window ends")]
    candidate: Annotated[str, Meta(description="the bundle that is tried")]
    control: Annotated[tuple[str, ...], Meta(description="the bundles that decided")]
    candidate_line: Annotated[
        float, Meta(description="the probability from which the candidate would remove")
    ]
    control_line: Annotated[float, Meta(description="the probability from which the control would")]
    precision_views: Annotated[float, Meta(description="the precision over views that must be kept")]
    delta: Annotated[float, Meta(description="the chance that an answer is wrong, whenever it is looked at")]
    posts: Annotated[int, Meta(description="posts that both scored")]
    left_out: Annotated[float, Meta(description="the share of views of posts that not both scored")]
    both: Annotated[DisputedShare, Meta(description="what both would remove")]
    only_candidate: Annotated[DisputedShare, Meta(description="what only the candidate would remove")]
    only_control: Annotated[DisputedShare, Meta(description="what only the control would remove")]
    elsewhere: Annotated[DisputedShare, Meta(description="all other posts; nothing of them is drawn")]
    state: Annotated[ExperimentState, Meta(description="whether it goes on")]
    created_at: Annotated[Micros, Meta(description="when its draws were made")]
    created_by: Annotated[str, Meta(description="who made it")]
    changed_at: Annotated[Micros, Meta(description="when its state changed")]
    reason: Annotated[str, Meta(description="why it was stopped, in words")] = ""
    acting: Annotated[
        Acting | None, Meta(description="that the candidate acts in clusters; null: it acts on nothing")
    ] = None
    record_version: RecordVersion = 1
