"""A test that may be looked at after every label: bet against the claim, and see whether the money grows.

The claim to refute says that the mean of outcomes y in [0, 1] lies on one side of a bound. We start with
one coin and stake some of it before each outcome: wealth is multiplied by 1 + s * w * (y - bound). While
the claim holds no stake grows wealth on average, so that wealth ever reaches 1 / delta with probability
delta at most, however often one looks and whenever one stops (Ville 1939; Waudby-Smith and Ramdas 2024,
"Estimating means of bounded random variables by betting"). It must hold for the mean given the past only;
outcomes may depend on each other.

The stake s is positive against "at most the bound" and negative against "at least the bound". It lies
strictly within (-1 / ((1 - bound) * w_max), 1 / (bound * w_max)): beyond, one outcome could take more
than there is. Wealth is kept as its logarithm, and is the mean of a few accounts with one fixed stake each.
The stakes are the best ones against mistakes that are so many times the odds that the bound permits.
`benchmarks/betting.py` compares that with stakes that follow the data (aGRAPA, same paper): for precision
the few fixed ones are never far from the best, and need no history; one that follows the data stakes too
much while no mistake has been seen, unless it is held back, and then it is slow where there are none.

Legend: n outcomes, R repetitions, A accounts.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

Array = npt.NDArray[np.float64]

FEWER_MISTAKES = (0.05, 0.2, 0.4, 0.65)
"""Odds of a mistake, in multiples of the permitted ones, against which evidence above a bound is staked."""

MORE_MISTAKES = (1.5, 2.0, 3.0, 5.0)
"""The same for evidence below a bound."""

_PART = 1 - 1e-9
"""The part of the ruinous stake that may be staked at most, so that rounding cannot ruin either."""


class Bet(msgspec.Struct, frozen=True, kw_only=True):
    """A wager against a claim about a mean, as it stands after what was heard so far.

    `stakes` [A] is fixed before the first outcome, `logs` [A] are log wealths (none: nothing was heard),
    `labels` counts outcomes. A weight is at most `w_max`.

    Raises:
        InvalidField: a stake could ruin the wager, or a number is none.
    """

    bound: float
    stakes: tuple[float, ...]
    w_max: float = 1.0
    logs: tuple[float, ...] = ()
    labels: int = 0

    def __post_init__(self) -> None:
        """Refuse a wager that could lose more than it has."""
        check_stakes(self.stakes, self.bound, self.w_max)
        if self.logs and len(self.logs) != len(self.stakes):
            raise InvalidField(
                f"A wager with {len(self.stakes)} stakes has {len(self.logs)} accounts.",
                remedy="Give as many log wealths as stakes, or none for a fresh wager.",
                field="logs",
            )

    def heard(self, y: float, weight: float = 1.0) -> "Bet":
        """Return the wager after an outcome y in [0, 1] with a weight in [0, w_max].

        Raises:
            InvalidField: the outcome or the weight lies outside.
        """
        check_outcome(y, weight, self.w_max)
        logs = self.logs or (0.0,) * len(self.stakes)
        grown = zip(logs, log_factors(self.stakes, self.bound, y, weight), strict=True)
        return msgspec.structs.replace(self, logs=tuple(a + b for a, b in grown), labels=self.labels + 1)

    @property
    def log_evidence(self) -> float:
        """The logarithm of the wealth: the evidence against the claim."""
        return log_mean(self.logs) if self.logs else 0.0

    def proves(self, delta: float) -> bool:
        """Return whether the evidence refutes the claim now, with a false one at most `delta` of the time.

        Keep the first yes: evidence may shrink again later, and what was proven stays proven.

        Raises:
            InvalidField: delta is no probability strictly between 0 and 1.
        """
        if not 0.0 < delta < 1.0:
            raise InvalidField(
                f"A share of false claims of {delta:g} cannot be held.",
                remedy="Choose a delta strictly between 0 and 1, for example 0.05.",
                field="delta",
            )
        return self.log_evidence >= -math.log(delta)


def bet_above(bound: float, *, w_max: float = 1.0) -> Bet:
    """Return a fresh wager that gathers evidence that the mean lies above the bound.

    It tests E[w * (y - bound)] <= 0.

    Raises:
        InvalidField: the bound is not strictly between 0 and 1, or w_max not above 0.
    """
    return Bet(bound=bound, stakes=stakes_against(bound, FEWER_MISTAKES, w_max=w_max), w_max=w_max)


def bet_below(bound: float, *, w_max: float = 1.0) -> Bet:
    """Return a fresh wager that gathers evidence that the mean lies below the bound.

    It tests E[w * (y - bound)] >= 0.

    Raises:
        InvalidField: the bound is not strictly between 0 and 1, or w_max not above 0.
    """
    return Bet(bound=bound, stakes=stakes_against(bound, MORE_MISTAKES, w_max=w_max), w_max=w_max)


def stakes_against(bound: float, odds: tuple[float, ...], *, w_max: float = 1.0) -> tuple[float, ...]:
    """Return the stakes [A] that grow fastest if mistakes have these multiples of the permitted odds.

    For outcomes of 0 or 1 each account is then the likelihood ratio of that mean to the bound.

    Raises:
        InvalidField: the bound is not strictly between 0 and 1, or w_max not above 0.
    """
    _refuse_bound(bound, w_max)
    means = [1 / (1 + times * (1 - bound) / bound) for times in odds]
    return tuple((mean - bound) / (bound * (1 - bound) * w_max) for mean in means)


def log_factors(stakes: tuple[float, ...], bound: float, y: float, weight: float) -> tuple[float, ...]:
    """Return by what the log of each account [A] changes with one outcome."""
    return tuple(math.log1p(stake * weight * (y - bound)) for stake in stakes)


def log_mean(logs: tuple[float, ...]) -> float:
    """Return the log of the mean of what logs [A] stand for, however large."""
    most = max(logs)
    return most + math.log(math.fsum(math.exp(one - most) for one in logs) / len(logs))


def run(bet: Bet, y: npt.ArrayLike, weight: npt.ArrayLike = 1.0) -> Array:
    """Return the log evidence [R, n] after each of the outcomes y [R, n] that a fresh wager hears.

    `weight` is one number, or of the shape of y. It keeps nothing of what `bet` heard before.

    Raises:
        InvalidField: an outcome or a weight lies outside.
    """
    outcomes = np.asarray(y, np.float64)
    weights = np.broadcast_to(np.asarray(weight, np.float64), outcomes.shape)
    check_outcomes(outcomes, weights, bet.w_max)
    gap = weights * (outcomes - bet.bound)
    evidence = np.full(outcomes.shape, -np.inf)
    for stake in bet.stakes:
        evidence = np.logaddexp(evidence, np.log1p(stake * gap).cumsum(axis=-1))
    return evidence - math.log(len(bet.stakes))


def check_stakes(stakes: tuple[float, ...], bound: float, w_max: float) -> None:
    """Refuse stakes of which one outcome could take everything, or that bet both ways.

    Raises:
        InvalidField: it says which.
    """
    _refuse_bound(bound, w_max)
    least, most = -_PART / ((1 - bound) * w_max), _PART / (bound * w_max)
    inside = all(least < stake < most and stake != 0 for stake in stakes)
    if not stakes or not inside or len({stake > 0 for stake in stakes}) > 1:
        raise InvalidField(
            f"A stake of {stakes} on a bound of {bound:g} may lose everything, gain nothing, or bet both ways.",
            remedy=f"Choose stakes of one sign strictly within ({least:g}, {most:g}), and not 0.",
            field="stakes",
        )


def check_outcome(y: float, weight: float, w_max: float) -> None:
    """Refuse an outcome outside [0, 1] or a weight outside [0, w_max]; NaN is outside.

    Raises:
        InvalidField: it says which.
    """
    if not 0.0 <= y <= 1.0:
        raise InvalidField(
            f"An outcome of {y!r} is not within [0, 1].",
            remedy="Give 1 for harmful, 0 for harmless, or a probability between.",
            field="y",
        )
    if not 0.0 <= weight <= w_max:
        raise InvalidField(
            f"A weight of {weight!r} is not within [0, {w_max:g}].",
            remedy="State the largest weight that can come as w_max, before the first outcome.",
            field="weight",
        )


def check_outcomes(y: Array, weight: Array, w_max: float) -> None:
    """Refuse arrays in which an outcome or a weight lies outside, as `check_outcome` does.

    Raises:
        InvalidField: it names the first one.
    """
    wrong = ~((y >= 0.0) & (y <= 1.0) & (weight >= 0.0) & (weight <= w_max))
    if wrong.any():
        first = np.unravel_index(int(wrong.argmax()), wrong.shape)
        check_outcome(float(y[first]), float(weight[first]), w_max)


def _refuse_bound(bound: float, w_max: float) -> None:
    if not 0.0 < bound < 1.0:
        raise InvalidField(
            f"A bound of {bound!r} leaves nothing to bet on.",
            remedy="Choose a bound strictly between 0 and 1, for example 0.95.",
            field="bound",
        )
    if not 0.0 < w_max < math.inf:
        raise InvalidField(
            f"A largest weight of {w_max!r} bounds nothing.",
            remedy="State the largest weight that can come, above 0 and finite.",
            field="w_max",
        )
