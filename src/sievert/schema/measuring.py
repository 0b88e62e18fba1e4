"""Measurement: views drawn from all that people saw, to learn how often they see harm."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.post import PlatformName

BY_DECISIONS = "the decisions made here"
"""What measured where nobody named another model: the very bundle that enforces."""


class ViewStratum(msgspec.Struct, frozen=True, kw_only=True):
    """Views whose posts score alike under the measuring model."""

    weight: Annotated[float, Meta(description="their share of all views of the window")]
    expected: Annotated[float, Meta(description="the share of them that was expected to be of harm")]
    draws: Annotated[int, Meta(description="how many of them are audited")]
    by_day: Annotated[tuple[float, ...], Meta(description="their share of all views, day by day")]


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One draw of views: the window, what measured, the strata, and how many draws each has."""

    measurement_id: Annotated[str, Meta(description="names it")]
    policy: Annotated[str, Meta(description="the policy whose harm is counted, or harm of any kind")]
    platform: PlatformName
    since: Annotated[Micros, Meta(description="when its window begins, at the start of a day in UTC")]
    until: Annotated[Micros, Meta(description="when its window ends")]
    posts: Annotated[int, Meta(description="posts that were seen within the window")]
    unscored: Annotated[float, Meta(description="the share of views of posts that nothing scored")]
    views: Annotated[int, Meta(description="views within the window")]
    measured_by: Annotated[str, Meta(description="the bundle that scored for the strata")]
    decided_by: Annotated[tuple[str, ...], Meta(description="the bundles that decided about these posts")]
    strata: Annotated[tuple[ViewStratum, ...], Meta(description="the strata, in their order")]
    cases: Annotated[int, Meta(description="posts that were put before people")]
    drawn_at: Annotated[Micros, Meta(description="when it was drawn")]
    drawn_by: Annotated[str, Meta(description="who drew it")]
    record_version: RecordVersion = 1
