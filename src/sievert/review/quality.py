"""How often each reviewer errs, by known answers, with an interval that says how sure that is.

Of posts that are known to be harmful the share that a reviewer let pass, of harmless ones the share that
they found harmful; each with an exact interval (Clopper and Pearson 1934).

Not covered: known answers may themselves be wrong, and are no sample of what a reviewer usually gets.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.measurement.binomial import highest_share, lowest_share
from sievert.schema.review import GoldAnswer, Verdict

CONFIDENCE = 0.95


class ErrorRate(msgspec.Struct, frozen=True, kw_only=True):
    """A share of errors, as it was counted, with its interval."""

    asked: Annotated[int, Meta(description="known answers that were asked for")]
    wrong: Annotated[int, Meta(description="how many were given wrong")]
    rate: Annotated[float | None, Meta(description="wrong of asked; null where none was")]
    low: Annotated[float, Meta(description="the rate is hardly lower: one side of 0.95")]
    high: Annotated[float, Meta(description="the rate is hardly higher: the other side")]


class ReviewerQuality(msgspec.Struct, frozen=True, kw_only=True):
    """How a reviewer does on known answers."""

    missed: Annotated[ErrorRate, Meta(description="of harmful posts, those found harmless")]
    accused: Annotated[ErrorRate, Meta(description="of harmless posts, those found harmful")]


def qualities(marks: Sequence[tuple[Verdict, GoldAnswer]]) -> dict[str, ReviewerQuality]:
    """Return the quality of each reviewer with a verdict on a known answer, by name.

    A verdict is compared policy by policy in what both judged; one difference makes it wrong.
    """
    counts: dict[str, dict[bool, list[int]]] = {}
    for verdict, answer in marks:
        common = set(verdict.judged).intersection(answer.judged)
        right = common.intersection(verdict.violates) == common.intersection(answer.violates)
        of_kind = counts.setdefault(verdict.reviewer, {True: [0, 0], False: [0, 0]})[bool(answer.violates)]
        of_kind[0] += 1
        of_kind[1] += not right
    return {
        name: ReviewerQuality(missed=error_rate(*both[True]), accused=error_rate(*both[False]))
        for name, both in sorted(counts.items())
    }


def error_rate(asked: int, wrong: int) -> ErrorRate:
    """Return a rate with its exact interval."""
    one_side = 1 - (1 - CONFIDENCE) / 2
    return ErrorRate(
        asked=asked,
        wrong=wrong,
        rate=wrong / asked if asked else None,
        low=lowest_share(wrong, asked, confidence=one_side) if asked else 0.0,
        high=highest_share(wrong, asked, confidence=one_side) if asked else 1.0,
    )
