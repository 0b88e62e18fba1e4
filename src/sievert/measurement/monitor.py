"""Notices when removals stop being right often enough, and seldom cries wolf.

Every audited removal was right (1) or wrong (0). At each audit a new wager starts that precision is below
t, and all wagers go on (`betting`). The evidence is the sum of what they are worth: the Shiryaev-Roberts
form of an e-detector (Shin, Ramdas and Rinaldo 2022, "E-detectors: a nonparametric framework for
sequential change detection"). The wagers that began before a change lose what they had and no more, those
that begin after it grow: old good days cannot hide a bad one.

The promise. While precision is at least t given the past, evidence less the number of audits does not
grow on average. So the average number of audits until evidence first reaches `run_length` is at least
`run_length`, by proof, for precision of exactly t too, and for audits that depend on each other. Nothing
is calibrated by simulation; in truth alarms are rarer, since evidence jumps past the threshold.

The largest wager alone (CUSUM) carries the same promise, but keeps it far too well: its false alarms are
over twenty times rarer than stated and it notices a change later. `benchmarks/monitor.py` measures both.

A rolling window whose length and limit are tuned by simulation comes close, but proves nothing, and each
length is slow for some precision. Weights cost audits: stakes are cut to suit the largest weight that can
come. Sample so that they are even, and they cost nothing.

Not covered: errors of the people who audit; audits that are not a random sample of removals. A change
is noticed after a number of audits, so the days that takes depend on how many a day brings.

Legend: n audits, R repetitions, A accounts.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.betting import (
    check_outcome,
    check_outcomes,
    check_stakes,
    log_factors,
    log_mean,
    stakes_against,
)

Array = npt.NDArray[np.float64]

WATCHED_ODDS = (2.0, 3.0, 4.5)
"""Odds of a mistake, in multiples of the permitted ones, that are watched for."""

_ENOUGH = 1e200
"""Where evidence stays in arrays, long after the alarm, so that it never overflows."""


class Monitor(msgspec.Struct, frozen=True, kw_only=True):
    """A watch over the precision of removals, as it stands after the audits heard so far.

    It fires when precision is below `t`, at most once in `run_length` audits on average while it is not.
    `fired` stays once set; a fresh `monitor` starts anew. `logs` [A] is the log of what the wagers with
    each stake are worth (none: nothing was heard).

    Raises:
        InvalidField: a stake could ruin a wager, or the run length promises nothing.
    """

    t: float
    run_length: float
    stakes: tuple[float, ...]
    w_max: float = 1.0
    logs: tuple[float, ...] = ()
    audits: int = 0
    fired: bool = False

    def __post_init__(self) -> None:
        """Refuse a watch that cannot keep its promise."""
        check_stakes(self.stakes, self.t, self.w_max)
        if self.stakes[0] > 0:
            raise InvalidField(
                "These stakes gather evidence that precision is good, not that it is bad.",
                remedy="Use negative stakes; `monitor` chooses them.",
                field="stakes",
            )
        if not 1.0 < self.run_length < math.inf:
            raise InvalidField(
                f"A run length of {self.run_length!r} audits promises nothing.",
                remedy="State after how many good audits a false alarm is bearable, for example 7300.",
                field="run_length",
            )
        if self.logs and len(self.logs) != len(self.stakes):
            raise InvalidField(
                f"A watch with {len(self.stakes)} stakes has {len(self.logs)} accounts.",
                remedy="Give as many log worths as stakes, or none for a fresh watch.",
                field="logs",
            )

    def heard(self, y: float, weight: float = 1.0) -> "Monitor":
        """Return the watch after one audit: y is 1 for a right removal, 0 for a wrong one, or between.

        Raises:
            InvalidField: the outcome is outside [0, 1] or the weight outside [0, w_max].
        """
        check_outcome(y, weight, self.w_max)
        before = [_one_more(log) for log in self.logs] or [0.0] * len(self.stakes)
        grown = zip(before, log_factors(self.stakes, self.t, y, weight), strict=True)
        after = msgspec.structs.replace(self, logs=tuple(a + b for a, b in grown), audits=self.audits + 1)
        if after.fired or after.log_evidence < math.log(self.run_length):
            return after
        return msgspec.structs.replace(after, fired=True)

    @property
    def log_evidence(self) -> float:
        """The logarithm of the evidence, minus infinity before the first audit."""
        return log_mean(self.logs) if self.logs else -math.inf

    @property
    def evidence(self) -> float:
        """How much speaks for a precision below t now, as a share of what fires; 1 or more fires."""
        return math.exp(min(self.log_evidence - math.log(self.run_length), 700.0))


def monitor(t: float, run_length: float, *, w_max: float = 1.0) -> Monitor:
    """Return a fresh watch for a precision below t, with a stated average run length in audits.

    Raises:
        InvalidField: t is not strictly between 0 and 1, the run length not above 1, or w_max not above 0.
    """
    return Monitor(
        t=t, run_length=run_length, stakes=stakes_against(t, WATCHED_ODDS, w_max=w_max), w_max=w_max
    )


def watch(
    watched: Monitor, y: npt.ArrayLike, weight: npt.ArrayLike = 1.0, *, worth: Array | None = None
) -> tuple[npt.NDArray[np.int64], Array]:
    """Return when fresh watches first fire on audits y [R, n], and what their wagers are worth then.

    The first array [R] counts audits up to the alarm, 0 where there is none. `worth` [R, A], as returned,
    carries watches over from earlier audits; it does not remember that they fired.

    Raises:
        InvalidField: an outcome or a weight lies outside.
    """
    outcomes = np.asarray(y, np.float64)
    weights = np.broadcast_to(np.asarray(weight, np.float64), outcomes.shape)
    check_outcomes(outcomes, weights, watched.w_max)
    gap = weights * (outcomes - watched.t)
    stakes = np.array(watched.stakes)
    held = np.zeros((len(outcomes), len(stakes))) if worth is None else worth.copy()
    first = np.zeros(len(outcomes), np.int64)
    for at in range(outcomes.shape[1]):
        held = (held + 1.0) * (1.0 + gap[:, at, None] * stakes)
        np.minimum(held, _ENOUGH, out=held)
        first[(first == 0) & (held.mean(axis=1) >= watched.run_length)] = at + 1
    return first, held


def _one_more(log: float) -> float:
    """Return log(1 + exp(log)): one wager more, with one coin."""
    return log + math.log1p(math.exp(-log)) if log > 0 else math.log1p(math.exp(log))
