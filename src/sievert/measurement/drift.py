"""Has anything moved? Scores between two windows, and probabilities beside what people found.

Scores move when posts change, when the model does, or when somebody games it; that alone says nothing about errors.
Told is the largest distance of both distributions (Kolmogorov 1933, Smirnov 1939) beside what chance alone reaches in
95 of 100 pairs of windows, and how the share above each line of a policy moved.

Probabilities drift when what is stated stops being what is true. For posts that were judged, whatever they were drawn
by, as long as it was not what people would find, the mean of found less stated is 0 while probabilities are right; a
bound on it that holds at every look (`running_mean`) says when it is not. That one calls for other probabilities.

Not covered: which of the two windows is the odd one; a drift that leaves the mean alone.

Legend: n posts before, m now, k judged posts.
"""

import math
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.errors import InvalidField
from sievert.measurement.binomial import both_ends
from sievert.measurement.running_mean import mean_bounds

_QUANTILE = 1.358
"""Of Kolmogorov's law, at 95 %."""

SMALL = 0.02
"""A distance that large windows tell from none, and that nobody needs to look at."""


class ScoreDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far the distributions of scores in two windows lie apart, and where; `chance` is what chance reaches."""

    before: Annotated[int, Meta(description="posts of the window before")]
    now: Annotated[int, Meta(description="posts of the window now")]
    distance: Annotated[float, Meta(description="the largest distance of both distributions, from 0 to 1")]
    at: Annotated[float, Meta(description="the score at which they lie so far apart")]
    chance: Annotated[float, Meta(description="what chance alone stays below in 95 of 100 pairs of windows")]

    @property
    def moved(self) -> bool:
        """Tell whether it is more than chance, and enough to be looked at."""
        return self.distance > max(self.chance, SMALL)


class ShareDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Which share of posts lies from a line on, before and now, and the interval of the difference."""

    line: float
    before: float
    now: float
    low: float
    high: float

    @property
    def moved(self) -> bool:
        """Tell whether the interval leaves out 0."""
        return self.low > 0.0 or self.high < 0.0


class CalibrationDrift(msgspec.Struct, frozen=True, kw_only=True):
    """What was stated of judged posts beside what was found; `low` and `high` bound found less stated."""

    judged: Annotated[int, Meta(description="posts that were judged")]
    stated: Annotated[float | None, Meta(description="the share of them that was stated to be harmful")]
    found: Annotated[float | None, Meta(description="the share that people found")]
    low: Annotated[float, Meta(description="found less stated is at least this")]
    high: Annotated[float, Meta(description="and at most this, however often it is asked")]

    @property
    def moved(self) -> bool:
        """Tell whether what is stated is proven not to be what is found."""
        return self.low > 0.0 or self.high < 0.0


def score_drift(before: npt.ArrayLike, now: npt.ArrayLike) -> ScoreDrift:
    """Compare scores [n] of one window with those [m] of another.

    Raises:
        InvalidField: a window is empty.
    """
    old, new = np.sort(np.asarray(before, np.float64)), np.sort(np.asarray(now, np.float64))
    _refuse_empty(len(old), len(new))
    places = np.concatenate([old, new])
    apart = np.abs(
        np.searchsorted(old, places, side="right") / len(old)
        - np.searchsorted(new, places, side="right") / len(new)
    )
    most = int(apart.argmax())
    return ScoreDrift(
        before=len(old),
        now=len(new),
        distance=float(apart[most]),
        at=float(places[most]),
        chance=_QUANTILE * math.sqrt((len(old) + len(new)) / (len(old) * len(new))),
    )


def share_drift(before: npt.ArrayLike, now: npt.ArrayLike, line: float) -> ShareDrift:
    """Compare the share of scores from a line on; the interval joins the exact ones of both (Zou and Donner 2008).

    Raises:
        InvalidField: a window is empty.
    """
    old, new = np.asarray(before, np.float64), np.asarray(now, np.float64)
    _refuse_empty(len(old), len(new))
    (a, a_ends), (b, b_ends) = (
        (count / len(some), both_ends(count, len(some), 0.95))
        for some in (old, new)
        for count in [int((some >= line).sum())]
    )
    return ShareDrift(
        line=line,
        before=a,
        now=b,
        low=b - a - math.hypot(b - b_ends[0], a_ends[1] - a),
        high=b - a + math.hypot(b_ends[1] - b, a - a_ends[0]),
    )


def calibration_drift(
    stated: npt.ArrayLike, found: npt.ArrayLike, *, delta: float = 0.05
) -> CalibrationDrift:
    """Compare probabilities [k] with what people found [k] of the same posts.

    Raises:
        InvalidField: a probability is none, or not each has a finding.
    """
    p, y = np.asarray(stated, np.float64), np.asarray(found, np.float64)
    if p.shape != y.shape or not ((p >= 0.0) & (p <= 1.0)).all():
        raise InvalidField(
            "Each judged post needs a probability between 0 and 1, and what was found.",
            remedy="Pass one of each for every post.",
            field="stated",
        )
    low, high = mean_bounds(y - p, least=-1.0, most=1.0, delta=delta)
    some = len(p) > 0
    return CalibrationDrift(
        judged=len(p),
        stated=float(p.mean()) if some else None,
        found=float(y.mean()) if some else None,
        low=low,
        high=high,
    )


def _refuse_empty(before: int, now: int) -> None:
    if not before or not now:
        raise InvalidField(
            f"There are {before} posts before and {now} now; both windows need some.",
            remedy="Name longer windows.",
            field="since",
        )
