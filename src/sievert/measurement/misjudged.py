"""What people found, corrected by how they err: a share that was seen becomes the share that is true.

Who misses harm with a chance m and accuses the harmless with a chance a sees a share s = r (1 - m) + (1 - r) a
where r is true; so r = (s - a) / (1 - m - a) (Rogan and Gladen 1978, "Estimating prevalence from the results
of a screening test", American Journal of Epidemiology 107). Both chances come from known answers, and are
known only so well. The interval puts the three uncertainties together by how far each alone moves the share
(the method of variance estimates recovery, Zou and Donner 2008, "Construction of confidence limits about
effect measures", Statistics in Medicine 27): the share rises with what was seen and with misses, and falls
with accusations, so that each end is known for each of them.

Where harm is rare, accusations decide: of 250 known harmless posts none may be accused, and one in seventy
of all views could still be. `Judged.of_nothing` says that there are none, where everything that was found
harmful is looked at once more by somebody who does not err; that is few posts.

A post that was drawn often is judged once, and its error then counts as often. `Repeated` says how much; whoever
audits views of few posts and leaves it out claims too much.

Not covered: known answers that are easier, or harder, than what is judged; errors that are likelier on
some posts than on others, and these posts seen more often.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.binomial import both_ends
from sievert.measurement.quantiles import student_quantile
from sievert.measurement.totals import Estimate

_MANY = 1e6
"""Degrees of freedom at which Student's t is the normal law."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """How often known answers of one kind were given wrong, as a case is judged: by however many people."""

    asked: int
    wrong: int

    def __post_init__(self) -> None:
        """Refuse counts that are none.

        Raises:
            InvalidField: more were wrong than were asked.
        """
        if not 0 <= self.wrong <= self.asked:
            raise InvalidField(
                f"{self.wrong} of {self.asked} known answers cannot have been given wrong.",
                remedy="Count the known answers that were asked, and those of them that were given wrong.",
                field="known",
            )

    @classmethod
    def of_nothing(cls) -> "Judged":
        """Return what says that this error does not happen."""
        return cls(asked=0, wrong=0)

    @property
    def rate(self) -> float:
        """The share that was wrong."""
        return self.wrong / self.asked if self.asked else 0.0

    def ends(self, confidence: float) -> tuple[float, float]:
        """Return both ends of the exact interval (Clopper and Pearson 1934)."""
        return both_ends(self.wrong, self.asked, confidence) if self.asked else (0.0, 0.0)


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """How unevenly draws fell on posts: the sum over posts of squared weight, less the same over single draws.

    Weights of draws sum to 1. `found` is of posts that were found harmful, `rest` of all others; 0 where no post
    was drawn twice.
    """

    found: float = 0.0
    rest: float = 0.0


def repeated(post: npt.ArrayLike, weight: npt.ArrayLike, harmful: npt.ArrayLike) -> Repeated:
    """Return how unevenly draws [m] fell on posts: `post` numbers them, `harmful` is what was found of each."""
    numbers = np.unique(np.asarray(post), return_inverse=True)[1]
    each = np.asarray(weight, np.float64)
    whole = np.bincount(numbers, each) ** 2 - np.bincount(numbers, each**2)
    found = np.zeros(len(whole), bool)
    found[numbers] = np.asarray(harmful, bool)
    return Repeated(found=float(whole[found].sum()), rest=float(whole[~found].sum()))


def corrected(
    seen: Estimate,
    *,
    missed: Judged,
    accused: Judged,
    again: Repeated = Repeated(),  # noqa: B008 - it is frozen
    confidence: float = 0.95,
) -> Estimate:
    """Return the true share behind a share that people saw, with an interval of the same confidence.

    `missed` is of known harmful posts, `accused` of known harmless ones. `seen` keeps the confidence that
    it was made with, which must be this one.

    Raises:
        InvalidField: they err so often that what they say tells nothing.
    """
    m, a = missed.rate, accused.rate
    m_low, m_high = missed.ends(confidence)
    a_low, a_high = accused.ends(confidence)
    if m_high + a_high >= 1.0:
        raise InvalidField(
            "Judges who err that often tell nothing: as many harmless posts may be called harmful as harmful ones.",
            remedy="Ask more known answers, or judge by more people.",
            field="known",
        )
    if seen.value is None or seen.low is None or seen.high is None:
        return seen
    value = _unclipped(seen.value, m, a)
    # The interval of what was seen has the errors of single draws in it, not that they come together.
    together = m * again.found + a * (1.0 - a) * again.rest
    reach = student_quantile(confidence, _MANY) * math.sqrt(together) / (1.0 - m - a)
    below = (
        value - _unclipped(seen.low, m, a),
        value - _unclipped(seen.value, m_low, a),
        value - _unclipped(seen.value, m, a_high),
    )
    above = (
        _unclipped(seen.high, m, a) - value,
        _unclipped(seen.value, m_high, a) - value,
        _unclipped(seen.value, m, a_low) - value,
    )
    return Estimate(
        value=_share(value),
        low=_share(value - math.hypot(*below, reach)),
        high=_share(value + math.hypot(*above, reach)),
        draws=seen.draws,
    )


def _unclipped(seen: float, missed: float, accused: float) -> float:
    return (seen - accused) / (1.0 - missed - accused)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)
