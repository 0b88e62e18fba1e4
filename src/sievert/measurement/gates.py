"""Does a candidate go on? Four gates against the champion, each of which must let it through.

- *quality*: PR-AUC of both on the same labelled posts, each weighed by one over its chance of being asked about; the
  interval of the difference (`paired`) must lie above 0. One that lies below refuses; anything else is no reason to
  change what runs.
- *fairness*: no group has, after the correction for many, a rate that is worse under the candidate than elsewhere, where
  it is not so under the champion too (`fairness`).
- *cost*: a post costs at most so much more.
- *certificate*: where the champion removes under a certificate, the candidate has nothing that lets it: going on means
  shadow, and a certificate of its own. It is told, and stops nobody from being tried.

An equal candidate is let through by chance in about half of the interval's error rate, with few labels in more
(`benchmarks/gates.py`). Passing promotes nothing: it lets the candidate be tried beside the champion (`experiments`),
where what it would change is judged.

Not covered: labels that are wrong in the same way as the candidate; groups that nobody named.

Legend: n labelled posts.
"""

import enum
from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.fairness import GroupGap, RateKind, group_gaps
from sievert.measurement.paired import Difference, pr_auc_difference

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DEARER = 1.1
"""A candidate may cost so many times what the champion costs."""

FEWEST = 20
"""Labelled posts of each kind without which nothing is said about quality."""


class GateAnswer(enum.StrEnum):
    """What gates come to."""

    TRY = "try"
    KEEP = "keep"
    REFUSE = "refuse"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate: its name, whether the candidate is let through, and why in words."""

    name: str
    passed: bool
    why: str


class Gated(msgspec.Struct, frozen=True, kw_only=True):
    """What all gates say of a candidate."""

    answer: GateAnswer
    gates: tuple[Gate, ...]
    champion: float | None = None
    candidate: float | None = None
    difference: Difference | None = None


def gated(
    y: npt.ArrayLike,
    champion: npt.ArrayLike,
    candidate: npt.ArrayLike,
    *,
    prevalence: float,
    weight: npt.ArrayLike | None = None,
    groups: Mapping[str, Mask] | None = None,
    line: float = 0.5,
    costs: tuple[float, float] | None = None,
    certified: bool = False,
    confidence: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> Gated:
    """Ask every gate about a candidate, on posts that neither of both learned from.

    `y` [n] is what people found, both scores [n] are probabilities, `weight` [n] one over the chance of each label;
    `groups` [n] are looked at where a post would be flagged from `line` on; `costs` are core-microseconds a post, of
    the champion and of the candidate; `certified` says whether the champion removes under a certificate.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
    """
    harmful = np.asarray(y, bool)
    old, new = np.asarray(champion, np.float64), np.asarray(candidate, np.float64)
    sampling = None if weight is None else np.asarray(weight, np.float64)
    named = groups or {}
    found = [
        _worse_in(group_gaps(harmful, score >= line, named, prevalence=prevalence, weight=sampling))
        for score in (old, new)
    ]
    gates = [_cost(costs), _fairness(found[1] - found[0], len(named))]
    if certified:
        gates.append(
            Gate(
                name="certificate",
                passed=True,
                why="the champion's certificate does not name the candidate: it removes nothing before its own",
            )
        )
    few = min(int(harmful.sum()), int((~harmful).sum()))
    if few < FEWEST:
        why = f"{few} labelled posts of one kind; {FEWEST} of each are needed"
        return Gated(answer=GateAnswer.KEEP, gates=(Gate(name="quality", passed=False, why=why), *gates))
    b, a, difference = pr_auc_difference(
        harmful,
        new,
        old,
        prevalence=prevalence,
        weight=sampling,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    better, worse = difference.low > 0.0, difference.high < 0.0
    told = f"PR-AUC {b:.3f} beside {a:.3f}, {difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    every = (Gate(name="quality", passed=better, why=told), *gates)
    answer = GateAnswer.KEEP
    if worse or not all(one.passed for one in gates):
        answer = GateAnswer.REFUSE
    elif better:
        answer = GateAnswer.TRY
    return Gated(answer=answer, gates=every, champion=a, candidate=b, difference=difference)


def _cost(costs: tuple[float, float] | None) -> Gate:
    if costs is None:
        return Gate(name="cost", passed=True, why="not measured")
    before, after = costs
    return Gate(
        name="cost",
        passed=after <= DEARER * before,
        why=f"{after:.1f} core-microseconds a post beside {before:.1f}; at most {DEARER:g} times as many",
    )


def _fairness(fresh: set[tuple[str, RateKind]], groups: int) -> Gate:
    if not groups:
        return Gate(name="fairness", passed=True, why="no groups were named")
    why = ", ".join(f"{group}: {rate}" for group, rate in sorted(fresh)) or f"nothing new in {groups} groups"
    return Gate(name="fairness", passed=not fresh, why=why)


def _worse_in(gaps: tuple[GroupGap, ...]) -> set[tuple[str, RateKind]]:
    return {(one.group, one.rate) for one in gaps if one.found and _worse_here(one)}


def _worse_here(one: GroupGap) -> bool:
    return one.gap < 0 if one.rate is RateKind.PRECISION else one.gap > 0
