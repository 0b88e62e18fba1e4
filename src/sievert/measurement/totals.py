"""From audited draws to totals and shares of all traffic, with intervals.

A draw with probability q speaks for 1 / q posts. Without these weights an audit that looks where harm is
likely reports how well it looked (mistake 10).

- `total`: the mean of value / q (Hansen and Hurwitz 1943, "On the theory of sampling from finite
  populations", Annals of Mathematical Statistics 14), without bias for every design that can draw each
  post whose value is not 0.
- `ratio` and `share`: one such total over another (Hajek 1971). The bias is of the order of one over the
  draws; the variance is that of its linear part.

Two kinds of interval, both of 95 % unless told otherwise:

- *Student's t* where a value may be anything: `total` without a ceiling, and `ratio`. Draws are
  independent and alike, so their mean is about normal once there are many of which none dominates. The
  degrees of freedom are Satterthwaite's (1946), fewer where few draws carry the variance. Where rare harm
  has most of the views, it still is too narrow: state a ceiling.
- *Korn and Graubard 1998* ("Confidence intervals for proportions with small expected number of positive
  counts estimated from survey data", Survey Methodology 24) where a number has known ends: `share`, and
  `total` with a ceiling. It is the exact interval of Clopper and Pearson (1934) for as many plain draws as
  would have the variance that was found. For draws of equal probability it is, but for one draw, Clopper
  and Pearson's own. Errors among removals and harm among posts are rare: there t runs below 0, and the t
  of a logit has nothing to say once none was seen. Theirs has Student's t for a design of few clusters;
  here it stands for a variance that rests on few heavy draws, which is our own addition.

`tests/statistical/totals.json` has how often each held the truth in 10,000 simulated audits.

Where nothing was drawn that counts, or everything did, there is no spread to go by. Then a share's bound
is the exact one for draws that each may count as much as the heaviest did. Student's t has no ends then.

Not covered: reviewers' errors; a sample size chosen after looking; rare posts whose weight is far above
all that were drawn, which the floor of a design bounds.

Legend: m draws; q the probability of a drawn post in one draw.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.binomial import highest_share
from sievert.measurement.quantiles import beta_quantile, student_quantile

Array = npt.NDArray[np.float64]

_MANY = 1e6
"""With this many on both sides Clopper and Pearson's interval is the normal one, to six digits."""

_POISSON = 1e9
_FEWEST = 2.0
_NO_SPREAD = 1e-12


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number of all traffic, its interval, and from how many draws.

    `value` is None where nothing was drawn that it could be measured on, an end where the draws do not
    tell it.
    """

    value: float | None
    low: float | None
    high: float | None
    draws: int


def total(
    values: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    ceiling: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Return the sum of a value over all posts, from the values [m] of those that were drawn.

    `probability` [m] is q as the draw logged it. `ceiling` is the most that value / q can be for any post
    of the frame, and says that no value is negative: for uniform draws the number of posts times the
    highest value, for draws by views all views (of harmful views), for `views_sqrt_p` all views over its
    floor. With it the interval has ends however little was seen.

    Raises:
        InvalidField: numbers are missing or no numbers, a probability is not one, or a value is outside
            of what the ceiling says.
    """
    q = _probabilities(probability)
    expanded = _numbers(values, len(q), "values") / q
    count = len(q)
    value = float(expanded.mean())
    if ceiling is None:
        _check_confidence(confidence)
        return _student(value, expanded - value, confidence)
    if not 0.0 < ceiling < math.inf or not _within(expanded, ceiling):
        raise InvalidField(
            f"A value over its probability is not between 0 and the ceiling of {ceiling:g}.",
            remedy="State the most that any post's value over its probability can be, or no ceiling.",
            field="ceiling",
        )
    scaled = expanded / ceiling
    low, high = _bounded(min(value / ceiling, 1.0), scaled - scaled.mean(), float(count), confidence)
    return Estimate(value=value, low=low * ceiling, high=high * ceiling, draws=count)


def share(
    part: npt.ArrayLike, whole: npt.ArrayLike, probability: npt.ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """Return which share of a whole has a property, such as harmful views of all views, or precision.

    `part` [m] lies between 0 and `whole` [m]; for the share of posts `part` is 0 or 1 and `whole` 1.
    Where nothing of the whole was drawn, the share may be anything.

    Raises:
        InvalidField: as `total`; a part is negative, or more than its whole.
    """
    q = _probabilities(probability)
    some = _numbers(part, len(q), "part")
    every = _numbers(whole, len(q), "whole")
    if not ((some >= 0.0) & (some <= every)).all():
        raise InvalidField(
            "A part is negative, or more than its whole.",
            remedy="Pass parts between 0 and their whole; what may exceed it is a ratio.",
            field="part",
        )
    weight = every / q
    count = len(q)
    if weight.sum() <= 0.0:
        _check_confidence(confidence)
        return Estimate(value=None, low=0.0, high=1.0, draws=count)
    value = min(float((some / q).sum() / weight.sum()), 1.0)
    plain = float(weight.sum() / weight.max())
    residual = (some - value * every) / q / float(weight.mean())
    low, high = _bounded(value, residual, plain, confidence)
    return Estimate(value=value, low=low, high=high, draws=count)


def ratio(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Return one total over another, such as harmful views per harmful post; `share` if one is part of the other.

    Both [m] are values of the posts that were drawn. The denominator's total must not be near 0.

    Raises:
        InvalidField: as `total`.
    """
    q = _probabilities(probability)
    _check_confidence(confidence)
    above = _numbers(numerator, len(q), "numerator")
    below = _numbers(denominator, len(q), "denominator")
    under = float((below / q).mean())
    if under == 0.0:
        return Estimate(value=None, low=None, high=None, draws=len(q))
    value = float((above / q).mean()) / under
    return _student(value, (above - value * below) / q / abs(under), confidence)


def _spread(values: Array) -> float:
    """Return the standard error of the mean of values [m]; 0 for one, of which there is no telling."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _student(value: float, residual: Array, confidence: float) -> Estimate:
    """Return Student's interval around a mean from which draws lie `residual` [m] off.

    Its degrees of freedom are those that the variance's own variance leaves (Satterthwaite 1946).
    """
    count = len(residual)
    spread = _spread(residual)
    if spread <= _NO_SPREAD * abs(value):
        return Estimate(value=value, low=None, high=None, draws=count)
    excess = 1 / _rests(residual) - 1 / count
    freedom = min(count - 1.0, 2 / excess) if excess > 0 else count - 1.0
    reach = student_quantile(confidence, max(freedom, 1.0)) * spread
    return Estimate(value=value, low=value - reach, high=value + reach, draws=count)


def _rests(residual: Array) -> float:
    """Return on how many draws a spread rests: (sum r^2)^2 / sum r^4, of residuals [m] of which one is not 0."""
    square = (residual / np.abs(residual).max()) ** 2
    return float(square.sum() ** 2 / (square @ square))


def _bounded(value: float, residual: Array, plain: float, confidence: float) -> tuple[float, float]:
    """Return both ends for a number in [0, 1], the mean of draws that lie `residual` [m] off it.

    `plain` is how many draws of equal weight the sample is worth if nothing is known of its spread.
    """
    _check_confidence(confidence)
    tail = (1 - confidence) / 2
    spread = _spread(residual)
    untold = value in {0.0, 1.0} or spread <= _NO_SPREAD * value
    size = plain if untold else _worth(value, residual, spread, confidence)
    if min(size * value, size * (1 - value)) > _MANY:
        reach = student_quantile(confidence, _MANY) * math.sqrt(value * (1 - value) / size)
        return value - reach, value + reach
    if value <= 0.5:
        return _exact(size * value, size, tail)
    low, high = _exact(size * (1 - value), size, tail)
    return 1.0 - high, 1.0 - low


def _worth(value: float, residual: Array, spread: float, confidence: float) -> float:
    """Return how many plain draws would tell as much of a share as these do.

    Their spread rests on few draws where few are heavy, and for plain draws on as many as `even` says; by
    as much as Student's t is wider at the former, the sample is worth less.
    """
    draws = value * (1 - value) / spread**2
    even = draws * value * (1 - value) / ((1 - value) ** 3 + value**3)
    wide, usual = (
        student_quantile(confidence, min(max(n, _FEWEST), _MANY)) for n in (_rests(residual), even)
    )
    return draws * min(1.0, usual / wide) ** 2


def _exact(seen: float, size: float, tail: float) -> tuple[float, float]:
    """Return both ends of Clopper and Pearson's interval, for at most half seen of a size that need not be whole.

    Of more draws than `_POISSON` the binomial law is Poisson's, whose bounds fall as draws grow.
    """
    draws = min(size, _POISSON)
    if seen == 0.0 and draws == round(draws):
        return 0.0, highest_share(0, round(draws), confidence=1 - tail) * draws / size
    low = 0.0 if seen == 0.0 else beta_quantile(tail, seen, draws - seen + 1)
    return low * draws / size, beta_quantile(1 - tail, seen + 1, draws - seen) * draws / size


def _within(expanded: Array, ceiling: float) -> bool:
    return bool(((expanded >= 0.0) & (expanded <= ceiling * (1 + 1e-9))).all())


def _probabilities(probability: npt.ArrayLike) -> Array:
    q = np.asarray(probability, np.float64)
    if q.ndim != 1 or not len(q) or not ((q > 0.0) & (q <= 1.0)).all():
        raise InvalidField(
            "Each draw needs the probability it was made with, above 0 and at most 1.",
            remedy="Pass the probabilities that the draw returned, one for each draw, and at least one.",
            field="probability",
        )
    return q


def _numbers(values: npt.ArrayLike, count: int, field: str) -> Array:
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise InvalidField(
            f"There are {count} draws, and not one finite number for each.",
            remedy="Pass one number for each draw, in the order of the draws; a post drawn twice counts twice.",
            field=field,
        )
    return numbers


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise InvalidField(
            f"An interval cannot hold with probability {confidence:g}.",
            remedy="State a confidence between 0 and 1, such as 0.95.",
            field="confidence",
        )
