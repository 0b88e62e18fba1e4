"""The lowest threshold that labels prove, though it is chosen on the same labels (mistake 7).

Who tries thresholds until one looks right, and then reports what it showed, is fooled by the luckiest.
Here the thresholds stand in an order before any label is looked at: the highest scores first, a start
that needs some labels, then steps of a tenth more. One after the other is tested at the same error rate,
as long as all before it passed (fixed sequence, Maurer, Hothorn and Lehmacher 1995; Learn then Test,
Angelopoulos et al. 2021). So a false claim needs a false proof at the first threshold that does not keep
the precision. There are two such runs, with an early and a late start, and half of the error each.

Posts above the (k + 1)-th score are k plain draws from all posts above it, whatever that score is. Let c
be the score below which the precision is too low. If the first wrong threshold lies below c, then of the
posts above it those that lie above c are draws with just the precision at c, and the others are worse:
the test is exact or careful. What it takes is that harm does not get likelier as scores fall.

Tests: where all posts count alike, exact binomial. Where they do not (sampling weights, views, a stated
prevalence), the mean of weight * (y - t) is tested by a bet whose final wealth is at least 1 / delta with
probability delta at most while precision is no higher than t (Markov's inequality on `betting`'s accounts;
the order of posts does not matter). Several claims hold together if each is proven at the full error rate
(intersection-union, Berger 1982).

Compared in `tests/statistical/test_false_thresholds.py` with choosing on one half and proving on the other,
which needs no order, and finds less.

Not covered: harmless posts that weigh far more than the heaviest one in the file; reviewers' errors;
copies of a post that all stand in the file because the whole traffic of a window does.

Legend: n labelled posts, K thresholds.
"""

import dataclasses
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.betting import FEWER_MISTAKES, stakes_against
from sievert.measurement.binomial import at_most
from sievert.measurement.power import fewest_labels

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MISTAKES_AT_STARTS = (2, 6)
"""Each run starts with the fewest labels of which so many may be mistakes, and its threshold is proven still.

The early start serves small samples and labels that are right almost always; the late one forgives bad
luck among the first. Each run has its part of the error rate.
"""

STEP = 1.1
"""By how much the labels grow from one threshold to the next."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That a share of at least `bound` of what lies above a threshold is harmful, by weight.

    A post counts `harmful` [n] if it is that, and `harmless` [n] if not: the same array, but for samples
    that were drawn by class. 0 counts nothing.
    """

    bound: float
    harmful: Array
    harmless: Array

    def is_plain(self) -> bool:
        """Tell whether all posts count alike."""
        every = (self.harmful[0], self.harmless[0])
        return bool((self.harmful == every[0]).all() and (self.harmless == every[0]).all() and every[0] > 0)


class TestedThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one threshold: how many posts lie above, how many of them wrongly, how sure that is.

    `p_value` is the largest of all claims.
    """

    threshold: float
    posts: int
    wrong: int
    p_value: float
    passed: bool


class ThresholdProof(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest threshold of the unbroken run that passed, or None, and all tests in their order.

    `start` is how many labels, weighed by the heaviest, the first threshold had to have above it, and
    `reached` the most that any has; `delta` is what each test was held to.
    """

    proven: TestedThreshold | None
    delta: float
    start: int
    reached: int
    tests: tuple[TestedThreshold, ...]

    @property
    def nearest(self) -> TestedThreshold | None:
        """The tested threshold with the strongest evidence."""
        return min(self.tests, key=lambda test: test.p_value, default=None)


def prove_threshold(
    y: Bools, score: npt.ArrayLike, claims: Sequence[Claim], *, delta: float
) -> ThresholdProof:
    """Return the lowest threshold on scores [n] at which labels y [n] prove all claims.

    Raises:
        InvalidField: there are no posts or no claims, a number is none, or a weight is negative.
    """
    scores = np.asarray(score, np.float64)
    _refuse_nonsense(y, scores, claims, delta)
    order = np.argsort(-scores, kind="stable")
    ranked, harmful = scores[order], np.asarray(y, bool)[order]
    weighed = [
        Claim(bound=one.bound, harmful=one.harmful[order], harmless=one.harmless[order]) for one in claims
    ]
    # The lowest score is left out: what lies above everything below it is everything.
    ends = np.flatnonzero(ranked[1:] < ranked[:-1]) + 1  # [G] how many posts lie above each distinct score
    worth = np.min([_worth(one) for one in weighed], axis=0)
    part = delta / len(MISTAKES_AT_STARTS)
    bound = max(one.bound for one in claims)
    starts = [fewest_labels(allowed, precision=bound, delta=part) for allowed in MISTAKES_AT_STARTS]
    runs = [
        _run(weighed, ranked, harmful, ends=ends[worth[ends - 1] >= start], worth=worth, delta=part)
        for start in starts
    ]
    tests = tuple(test for run in runs for test in run)
    passed = [test for test in tests if test.passed]
    return ThresholdProof(
        proven=max(passed, key=lambda test: test.posts, default=None),
        delta=part,
        start=starts[0],
        reached=int(worth[ends[-1] - 1]) if len(ends) else 0,
        tests=tests,
    )


def _run(
    claims: Sequence[Claim],
    ranked: Array,
    harmful: Bools,
    *,
    ends: npt.NDArray[np.intp],
    worth: Array,
    delta: float,
) -> list[TestedThreshold]:
    """Test one threshold after the other, of those with so many posts above them, until one is not proven."""
    tests: list[TestedThreshold] = []
    wanted = 0.0
    for count in ends.tolist():
        if worth[count - 1] < wanted:
            continue
        wanted = worth[count - 1] * STEP
        p_value = max(_p_value(one, harmful, count) for one in claims)
        tests.append(
            TestedThreshold(
                threshold=_shortest(float(ranked[count]), float(ranked[count - 1])),
                posts=count,
                wrong=int((~harmful[:count]).sum()),
                p_value=p_value,
                passed=p_value <= delta,
            )
        )
        if not tests[-1].passed:
            break
    return tests


def p_value_above(y: Bools, claim: Claim) -> float:
    """Return how surely labels y [n] of posts that all lie above a threshold prove a claim about it."""
    return _p_value(claim, np.asarray(y, bool), len(y)) if len(y) else 1.0


def _worth(claim: Claim) -> Array:
    """Return how many of the heaviest posts the first k weigh [n], whatever their labels: rising with k."""
    heaviest = np.maximum.accumulate(np.maximum(claim.harmful, claim.harmless))
    worth = np.cumsum(claim.harmful) / np.where(heaviest > 0, heaviest, 1.0)
    rising: Array = np.maximum.accumulate(worth)
    return rising


def _p_value(claim: Claim, harmful: Bools, count: int) -> float:
    y = harmful[:count]
    if claim.is_plain():
        return at_most(int((~y).sum()), count, 1 - claim.bound)
    weight = np.where(y, claim.harmful[:count], claim.harmless[:count])
    heaviest = float(max(claim.harmful[:count].max(), claim.harmless[:count].max()))
    if heaviest <= 0:
        return 1.0
    gain = weight * (y - claim.bound) / heaviest
    logs = [float(np.log1p(stake * gain).sum()) for stake in stakes_against(claim.bound, FEWER_MISTAKES)]
    most = max(logs)
    evidence = most + math.log(math.fsum(math.exp(one - most) for one in logs) / len(logs))
    return math.exp(min(0.0, -evidence))


def _shortest(low: float, high: float) -> float:
    """Return the number with the fewest decimals above `low` and at most `high`: easy to read and to copy."""
    for decimals in range(1, 17):
        number: float = round(math.floor(high * 10**decimals) / 10**decimals, decimals)
        if low < number <= high:
            return number
    return high


def _refuse_nonsense(y: Bools, scores: Array, claims: Sequence[Claim], delta: float) -> None:
    problem = ""
    if not len(scores) or len(y) != len(scores) or not np.isfinite(scores).all():
        problem = "Each labelled post needs one score, and there must be some."
    elif not claims or not 0 < delta < 1:
        problem = "A proof needs a claim and an error rate between 0 and 1."
    else:
        for one in claims:
            for weight in (one.harmful, one.harmless):
                if weight.shape != scores.shape or not (np.isfinite(weight) & (weight >= 0)).all():
                    problem = "Each labelled post needs one weight, finite and not negative."
            if not 0 < one.bound < 1:
                problem = "A bound lies strictly between 0 and 1."
    if problem:
        raise InvalidField(problem, field="claims", remedy="Pass finite numbers, one for each labelled post.")
