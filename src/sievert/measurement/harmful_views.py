"""How often people see harm: which views are audited, and what the audits say.

The number is views of harmful content per 10,000 views. Views are put into a few strata by what a measuring
model says of their posts, with as much of views times root p in each (Dalenius and Hodges 1959, "Minimum
variance stratification", Journal of the American Statistical Association 54); draws are divided among them by
Neyman's rule (1934), and a floor of draws goes to all strata by their views, so that no view is out of reach.
Within a stratum each draw falls on every view with the same chance. So what is found there is a plain binomial,
whatever the model says and however few posts have most of the views.

The interval puts the exact intervals of the strata together by how far each alone moves the sum (Zou and
Donner 2008). In a stratum where nothing was found the exact interval still reaches to some 3.7 over its
draws: that is what harm costs that the model may not see. Draws by views and root p with one interval for all
(`designs.views_sqrt_p`, `totals.share`) are narrower, and too narrow where harm is hidden; see
`benchmarks/prevalence.py`, which has both.

The model that measures must not be the one that enforces. What enforcement sees it removes; what is left is
what it does not see, and by its own scores an audit looks there as rarely as anywhere. And whoever moves its
threshold must not thereby move how the measure is taken (mistake 11).

Not covered: views that nobody told of; posts outside the frame.

Legend: n views' rows of the frame (a post on a day), H strata, m draws.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.binomial import both_ends
from sievert.measurement.designs import PLAIN_SHARE, draw, key_for
from sievert.measurement.totals import Estimate

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

PER = 10_000
"""Views that the number is told for."""

STRATA = 4
"""More of them pay for more intervals than they gain."""

HIDDEN = 0.1
"""The share of harm that draws are divided for as if the model were blind to it, unless told otherwise."""

FEWEST_DRAWS, MOST_DRAWS = 100, 1_000_000
_LEAST_IN_A_STRATUM = 10


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """Views whose posts score alike: their share of all views, what is expected of them, and their draws."""

    weight: float
    expected: float
    draws: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Which stratum [n] each row of the frame belongs to, and what the strata are."""

    stratum: Numbers
    strata: tuple[Stratum, ...]


class DrawPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How many draws an interval so wide is expected to take, and how many plain views would take.

    `expected` is the share of views that are of harm, `half_width` a part of it.
    """

    draws: int
    plain_draws: int
    expected: float
    half_width: float
    hidden: float
    strata: tuple[Stratum, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StratifiedDraws:
    """What was drawn: rows [m] of the frame, each row's stratum [m], and its probability [m] in one draw there."""

    rows: Numbers
    stratum: Numbers
    probability: Array


def designed(
    views: npt.ArrayLike,
    p: npt.ArrayLike,
    *,
    draws: int,
    hidden: float = HIDDEN,
    floor: float = PLAIN_SHARE,
    strata: int = STRATA,
) -> Design:
    """Divide a frame into strata, and draws among them.

    `views` [n] and the measuring model's probabilities `p` [n] are of the frame. A share `hidden` of harm is
    thought to lie as views do, wherever the model looks. All strata together have about `draws`.

    Raises:
        InvalidField: views or probabilities are none, no harm is expected, or a share is none.
    """
    seen, chance = _checked(views, p)
    if not (0.0 <= hidden <= 1.0 and 0.0 < floor <= 1.0 and strata >= 1 and draws >= 1):
        raise InvalidField(
            "Strata need a share of hidden harm within [0, 1] and a floor above 0, and draws to be divided.",
            remedy="Leave these as they are: a tenth of harm hidden, a fifth of draws by views alone.",
            field="hidden",
        )
    order = np.argsort(chance, kind="stable")
    reach = np.cumsum((seen * np.sqrt(chance))[order])
    placed = np.empty(len(seen), np.int64)
    placed[order] = np.minimum((reach / reach[-1] * strata).astype(np.int64), strata - 1)
    # A stratum that one huge post leaps over is none.
    placed = np.unique(np.where(seen > 0, placed, placed[order[-1]]), return_inverse=True)[1].astype(np.int64)
    weight = np.bincount(placed, seen) / seen.sum()
    said = np.bincount(placed, seen * chance) / np.bincount(placed, seen)
    expected = (1.0 - hidden) * said + hidden * float(weight @ said)
    aimed = weight * np.sqrt(expected * (1.0 - expected))
    shares = (1.0 - floor) * aimed / aimed.sum() + floor * weight if aimed.sum() > 0 else weight
    counts = np.maximum(np.rint(draws * shares).astype(np.int64), _LEAST_IN_A_STRATUM)
    return Design(
        stratum=placed,
        strata=tuple(
            Stratum(weight=one, expected=rate, draws=count)
            for one, rate, count in zip(weight.tolist(), expected.tolist(), counts.tolist(), strict=True)
        ),
    )


def draws_for(
    views: npt.ArrayLike,
    p: npt.ArrayLike,
    *,
    half_width: float,
    hidden: float = HIDDEN,
    floor: float = PLAIN_SHARE,
    strata: int = STRATA,
    confidence: float = 0.95,
) -> DrawPlan:
    """Plan draws whose interval reaches about `half_width`, a part of the expected rate, to either side.

    Raises:
        InvalidField: as `designed`, or the width is none.
    """
    if not 0.0 < half_width < 1.0:
        raise InvalidField(
            f"An interval that reaches {half_width:g} of its value to either side cannot be planned.",
            remedy="State a part of the expected rate, for example 0.2.",
            field="half_width",
        )

    def expects(draws: int) -> float:
        """Return the half width if as much is found in each stratum as is expected there."""
        some = designed(views, p, draws=draws, hidden=hidden, floor=floor, strata=strata).strata
        return _half_width([one.expected * one.draws for one in some], some, confidence) / _rate(some)

    draws = _fewest(expects, half_width)
    found = designed(views, p, draws=draws, hidden=hidden, floor=floor, strata=strata).strata
    rate = _rate(found)

    def plainly(draws: int) -> float:
        alone = (Stratum(weight=1.0, expected=rate, draws=draws),)
        return _half_width([rate * draws], alone, confidence) / rate

    return DrawPlan(
        draws=sum(one.draws for one in found),
        plain_draws=_fewest(plainly, half_width),
        expected=rate,
        half_width=expects(draws),
        hidden=hidden,
        strata=found,
    )


def draw_views(names: Sequence[str], views: npt.ArrayLike, design: Design, *, key: bytes) -> StratifiedDraws:
    """Draw each stratum's views by keyed hash, with replacement; strata stand in their order.

    `names` [n] name the rows of the frame, each once. Which row comes where makes no difference.

    Raises:
        InvalidField: as `designs.draw`.
    """
    seen = np.asarray(views, np.float64)
    rows, places, probability = [], [], []
    for place, stratum in enumerate(design.strata):
        members = np.flatnonzero(design.stratum == place)
        drawn = draw(
            [names[row] for row in members.tolist()],
            seen[members],
            key=key_for(key, purpose=f"stratum {place}"),
            count=stratum.draws,
        )
        rows.append(members[drawn.rows])
        places.append(np.full(stratum.draws, place, np.int64))
        probability.append(drawn.probability)
    return StratifiedDraws(
        rows=np.concatenate(rows), stratum=np.concatenate(places), probability=np.concatenate(probability)
    )


def seen_share(
    found: Sequence[int], draws: Sequence[int], weight: Sequence[float], *, confidence: float = 0.95
) -> Estimate:
    """Return the share of views that are of harm, from what was found harmful in each stratum [H].

    A stratum without draws may hold anything; its value is then that of all draws.

    Raises:
        InvalidField: more was found than drawn, or weights are no shares of a whole.
    """
    part = np.asarray(weight, np.float64)
    if not (len(found) == len(draws) == len(part)) or not math.isclose(float(part.sum()), 1.0, abs_tol=1e-6):
        raise InvalidField(
            "Each stratum needs what was found in it, its draws, and its share of views; the shares make one.",
            remedy="Pass the strata of one design, all of them.",
            field="strata",
        )
    if any(not 0 <= some <= count for some, count in zip(found, draws, strict=True)):
        raise InvalidField(
            "More was found in a stratum than was drawn there.",
            remedy="Count a post once for each draw that fell on it.",
            field="found",
        )
    everything = sum(draws)
    if not everything:
        return Estimate(value=None, low=0.0, high=1.0, draws=0)
    overall = sum(found) / everything
    value, below, above = 0.0, 0.0, 0.0
    for some, count, one in zip(found, draws, part.tolist(), strict=True):
        rate = some / count if count else overall
        low, high = both_ends(float(some), count, confidence)
        value += one * rate
        below = math.hypot(below, one * (rate - low))
        above = math.hypot(above, one * (high - rate))
    return Estimate(value=value, low=max(value - below, 0.0), high=min(value + above, 1.0), draws=everything)


def _half_width(found: Sequence[float], strata: Sequence[Stratum], confidence: float) -> float:
    below = above = 0.0
    for some, one in zip(found, strata, strict=True):
        low, high = both_ends(some, one.draws, confidence)
        rate = some / one.draws
        below, above = (
            math.hypot(below, one.weight * (rate - low)),
            math.hypot(above, one.weight * (high - rate)),
        )
    return (below + above) / 2


def _rate(strata: Sequence[Stratum]) -> float:
    return sum(one.weight * one.expected for one in strata)


def _fewest(width: Callable[[int], float], wanted: float) -> int:
    """Return the fewest draws whose width is at most the one wanted; widths fall as draws grow."""
    low, high = FEWEST_DRAWS - 1, FEWEST_DRAWS
    while width(high) > wanted and high < MOST_DRAWS:
        low, high = high, 2 * high
    while high - low > max(1, high // 500):
        middle = (low + high) // 2
        low, high = (middle, high) if width(middle) > wanted else (low, middle)
    return high


def _checked(views: npt.ArrayLike, p: npt.ArrayLike) -> tuple[Array, Array]:
    seen, chance = np.asarray(views, np.float64), np.asarray(p, np.float64)
    right = seen.ndim == 1 and len(seen) > 0 and seen.shape == chance.shape
    if not right or not (np.isfinite(seen) & (seen >= 0)).all() or not ((chance >= 0) & (chance <= 1)).all():
        raise InvalidField(
            "Each row of the frame needs views, 0 or more, and a probability between 0 and 1.",
            remedy="Pass calibrated probabilities of the measuring model, one for each row.",
            field="p",
        )
    if not float(seen @ chance) > 0.0:
        raise InvalidField(
            "The measuring model expects no views of harm anywhere.",
            remedy="Measure with a model whose probabilities are calibrated to traffic, over a window with views.",
            field="p",
        )
    return seen, chance
