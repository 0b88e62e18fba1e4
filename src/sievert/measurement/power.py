"""How many labels a proof will need, before they are collected.

An exact binomial test (Clopper and Pearson 1934) proves a precision of at least t when, of n audits, k or
fewer are wrong. For each k there is a smallest n at which that is proof; with a true precision above t
the chance that no more than k of these n are wrong grows with k. The first k whose chance reaches the
power asked for gives the number of labels: fewer would more often end in "not enough evidence".

People err, and by how much is bounded (`certificate.ReviewError`): a true precision then looks lower than
it is, and so does the one that must be exceeded.

Not covered: that the precision which is put in is the true one. Taken from a few labels it is a guess.
"""

from sievert.errors import InvalidField
from sievert.measurement.certificate import ReviewError
from sievert.measurement.quantiles import beta_below

POWER = 0.8
"""The chance to succeed that a number of labels is stated for, unless told otherwise."""

MOST_LABELS = 100_000
"""A precision that would need more labels than this is not told from the bound."""


def labels_to_prove(
    precision: float, *, true: float, delta: float, power: float = POWER, review: ReviewError | None = None
) -> int | None:
    """Return how many labels an exact test at error rate `delta` needs to prove a precision.

    `true` is the precision that is really there. None where it does not exceed the one to be proven, or
    by so little that no practical number would do.

    Raises:
        InvalidField: a number is not a share strictly between 0 and 1; the true precision may be 1.
    """
    if not (0 < precision < 1 and 0 < delta < 1 and 0 < power < 1 and 0 <= true <= 1):
        raise InvalidField(
            f"A precision of {precision:g} cannot be proven of {true:g} at {delta:g} with power {power:g}.",
            remedy="State shares strictly between 0 and 1.",
            field="precision",
        )
    error = review or ReviewError()
    wrong, seen_wrong = 1 - error.looks_like(precision), 1 - error.looks_like(true)
    if seen_wrong >= wrong:
        return None

    def suffices(allowed: int) -> bool:
        labels = _fewest(allowed, wrong, delta)
        return labels > MOST_LABELS or _at_most(allowed, labels, seen_wrong) >= power

    least, most = -1, 0
    while not suffices(most):
        least, most = most, 2 * most + 1
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if suffices(middle) else (middle, most)
    labels = _fewest(most, wrong, delta)
    return labels if labels <= MOST_LABELS else None


def fewest_labels(allowed: int, *, precision: float, delta: float) -> int:
    """Return the fewest labels of which so many may be wrong and the precision is still proven."""
    return _fewest(allowed, 1 - precision, delta)


def _fewest(allowed: int, wrong: float, delta: float) -> int:
    low, high = allowed, allowed + 1
    while _at_most(allowed, high, wrong) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _at_most(allowed, middle, wrong) > delta else (low, middle)
    return high


def _at_most(seen: int, of: int, share: float) -> float:
    """Return the chance of `seen` or fewer among more draws, by the beta law: quick for thousands of them."""
    if share <= 0.0:
        return 1.0
    return beta_below(1.0 - share, of - seen, seen + 1) if of > seen else 1.0
