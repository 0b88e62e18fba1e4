"""Experiment: a candidate bundle beside the one that decides, on the same posts, judged where they disagree."""

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


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment: the window, both models and their lines, what they dispute, and what was drawn."""

    experiment_id: Annotated[str, Meta(description="names it")]
    policy: Annotated[str, Meta(description="the policy whose removals are compared")]
    platform: PlatformName
    since: Annotated[Micros, Meta(description="when its window begins, at the start of a day in UTC")]
    until: Annotated[Micros, Meta(description="when its window ends")]
    candidate: Annotated[str, Meta(description="the bundle that acts on nothing")]
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
    record_version: RecordVersion = 1
