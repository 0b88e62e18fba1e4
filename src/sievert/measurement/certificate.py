"""Does a removal rule keep its precision? Decided on audited removals, with an error rate that is stated.

The rules form a path of nested sets, from careful to bold, fixed before anything is audited. Of the posts
that the boldest rule would remove in a closed window, some are drawn evenly and some in proportion to
capped views, both with replacement and in numbers that were fixed before; people judge them blindly.
Among the draws that a more careful rule would remove as well, the wrong ones are binomial: the draws of
the even half with the rule's share of wrong posts, those of the other half with its share of wrong views.

A rule passes if both shares are proven (the larger of two exact binomial p-values: intersection-union,
Berger 1982), and the rules are tested one after the other from the careful end, each at the full error
rate, while they pass (fixed sequence, Maurer, Hothorn and Lehmacher 1995; Learn then Test, Angelopoulos
et al. 2021). Testing starts at the first rule that expects enough audits: which one that is hangs on the
frame alone, and not on what was found.

People err. With a chance of at least `miss_at_least` they call a harmful post harmless, with one of at
most `false_at_most` a harmless post harmful; a true precision of t then looks like no more than
`t (1 - miss_at_least) + (1 - t) false_at_most`, and that is what must be exceeded. Both bounds come from
audits that were judged again, and their chance to be wrong is paid for from the same error rate. Misses
make a rule look worse, never better: who has everything that was called harmless judged again, by people
who do not err, needs no bound on them, and pays some five judgements of a hundred for it.

Not covered: that the next window is like this one. That is an assumption; a monitor watches it.

Legend: m audits of a half, K rules on the path.
"""

import dataclasses
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.binomial import at_most, highest_share, lowest_share

FEWEST_AUDITS = 150
"""Audits that a rule must expect in each half before it is tested."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """The audits of one half.

    A post's level says how careful the most careful rule is that still removes it: rule k of the path
    removes it if its level is at least `path[k]`. `mass` says which part of the half's frame, by posts or
    by capped views, has at least each rule's level. Where rules see different views in the same post,
    `counts` says for which rules a draw counts, by chance that is independent of what was found
    (`crossings`); the mass of a rule is then the share of draws that it expects.
    """

    level: Floats  # [m]
    harmful: Bools  # [m]
    mass: Floats  # [K], rising from careful to bold; the last is 1, unless `counts` says otherwise
    counts: Bools | None = None  # [m, K]

    def __len__(self) -> int:
        """Return m."""
        return len(self.level)


class ReviewError(msgspec.Struct, frozen=True, kw_only=True):
    """How people err, at worst for us, and the chance that they err in another way."""

    miss_at_least: float = 0.0
    false_at_most: float = 0.0
    delta: float = 0.0

    def looks_like(self, precision: float) -> float:
        """Return the highest precision that people may see where this is the true one."""
        return precision * (1 - self.miss_at_least) + (1 - precision) * self.false_at_most


class TestedRule(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one rule of the path."""

    level: float
    audits_posts: int
    wrong_posts: int
    audits_views: int
    wrong_views: int
    p_value: float
    passed: bool


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the audits prove: the boldest rule that passed, or None, and every test in order.

    `untested` are the careful rules that expect too few audits; `delta` is what each test was held to.
    """

    proven: int | None
    delta: float
    untested: int
    tests: tuple[TestedRule, ...]

    @property
    def in_words(self) -> str:
        """The finding as a sentence."""
        if self.proven is not None:
            return (
                f"rule {self.proven + 1} of the path keeps its precision, at an error rate of {self.delta:g}"
            )
        if not self.tests:
            return "not enough evidence: no rule expects enough audits"
        return f"not enough evidence: the first rule that could be tested has a p-value of {self.tests[0].p_value:.3g}"


def prove(
    path: Sequence[float],
    posts: Half,
    views: Half,
    *,
    precision_posts: float,
    precision_views: float,
    delta: float,
    review: ReviewError | None = None,
    fewest: int = FEWEST_AUDITS,
) -> Finding:
    """Test the rules of a path, levels falling from careful to bold, on two halves of audits.

    `delta` is the error rate of this attempt, the review bounds included.

    Raises:
        InvalidField: the path does not fall, the halves do not fit it, or no error rate is left.
    """
    levels = np.asarray(path, np.float64)
    error = review or ReviewError()
    left = delta - error.delta
    _refuse_nonsense(levels, posts, views, left)
    bounds = (error.looks_like(precision_posts), error.looks_like(precision_views))
    tests: list[TestedRule] = []
    proven: int | None = None
    expects = np.minimum(len(posts) * posts.mass, len(views) * views.mass) >= fewest
    first = int(expects.argmax()) if expects.any() else len(levels)
    for rule in range(first, len(levels)):
        found = _tested(rule, float(levels[rule]), (posts, views), bounds, left)
        tests.append(found)
        if not found.passed:
            break
        proven = rule
    return Finding(proven=proven, delta=left, untested=first, tests=tuple(tests))


def review_error(
    *, harmful: int, called_harmless: int, harmless: int, called_harmful: int, delta: float
) -> ReviewError:
    """Return bounds on how people err, from audits that were judged again by those who do not err.

    Of `harmful` posts they called `called_harmless` harmless, of `harmless` ones `called_harmful` harmful.
    Each of the two bounds is wrong in at most half of `delta` of all samples (Clopper and Pearson 1934).

    Raises:
        InvalidField: more were called wrongly than there were.
    """
    if not (0 <= called_harmless <= harmful and 0 <= called_harmful <= harmless and 0 < delta < 1):
        raise InvalidField(
            "More audits were judged wrongly than were judged.",
            field="review",
            remedy="Count, of audits judged twice, those of each kind and those called otherwise.",
        )
    confidence = 1 - delta / 2
    return ReviewError(
        miss_at_least=lowest_share(called_harmless, harmful, confidence=confidence) if harmful else 0.0,
        false_at_most=highest_share(called_harmful, harmless, confidence=confidence) if harmless else 1.0,
        delta=delta,
    )


def attempt_delta(delta: float, attempt: int) -> float:
    """Return the error rate of an attempt, from 1: all attempts together spend no more than `delta`.

    The series is fixed ahead, `delta / (n (n + 1))`, so that trying until it passes is no way to pass.

    Raises:
        InvalidField: there is no such attempt, or no such rate.
    """
    if attempt < 1 or not 0 < delta < 1:
        raise InvalidField(
            f"There is no attempt {attempt} at an error rate of {delta}.",
            field="attempt",
            remedy="Attempts count from 1; an error rate lies between 0 and 1.",
        )
    return delta / (attempt * (attempt + 1))


def _tested(
    rule: int, level: float, halves: tuple[Half, Half], bounds: tuple[float, float], delta: float
) -> TestedRule:
    """Test one rule: the larger p-value of both halves."""
    counts: list[tuple[int, int]] = []
    p_value = 0.0
    for half, bound in zip(halves, bounds, strict=True):
        removed = half.level >= level
        if half.counts is not None:
            removed &= half.counts[:, rule]
        audits, wrong = int(removed.sum()), int((removed & ~half.harmful).sum())
        counts.append((audits, wrong))
        p_value = max(p_value, at_most(wrong, audits, 1 - bound) if audits else 1.0)
    return TestedRule(
        level=level,
        audits_posts=counts[0][0],
        wrong_posts=counts[0][1],
        audits_views=counts[1][0],
        wrong_views=counts[1][1],
        p_value=p_value,
        passed=p_value <= delta,
    )


def _refuse_nonsense(levels: Floats, posts: Half, views: Half, delta: float) -> None:
    problem = ""
    if not len(levels) or np.isnan(levels).any() or np.any(np.diff(levels) >= 0):
        problem = "The levels of a path fall from careful to bold."
    else:
        for half in (posts, views):
            problem = problem or _nonsense_of(half, levels)
    if not 0 < delta < 1:
        problem = "The bounds on reviewers leave no error rate for the test."
    if problem:
        raise InvalidField(problem, field="path", remedy="Build both from the same frame, before drawing.")


def _nonsense_of(half: Half, levels: Floats) -> str:
    """Say what is wrong with a half, or nothing."""
    mass = half.mass
    if half.counts is None:
        if len(mass) != len(levels) or np.any(np.diff(mass) < 0) or not math.isclose(float(mass[-1]), 1.0):
            return "The mass of a half rises along the path, and ends at 1."
    elif len(mass) != len(levels) or half.counts.shape != (len(half), len(levels)):
        return "Each rule expects a share of the draws, and each draw counts for each rule or does not."
    if len(half.harmful) != len(half) or np.isnan(half.level).any():
        return "Each audit has a level and a judgement."
    if len(half) and half.level.min() < levels[-1]:
        return "An audit lies outside the frame: the boldest rule would not remove it."
    return ""
