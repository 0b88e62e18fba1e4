"""The answer to a question for a threshold: the lowest that labels prove, or why none is.

`measurement.thresholds` proves it, although it is chosen on the same labels; what a threshold would remove
is told beside it. The intervals of precision and recall are those of one threshold looked at by itself:
only that the precision is at least what was asked for is proven at the confidence that was asked for.

Where labels stand for posts that they do not resemble, so does the answer: `sample` refuses balanced sets.

Legend: n posts of a sample.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.power import labels_to_prove
from sievert.measurement.thresholds import Claim, TestedThreshold, ThresholdProof, prove_threshold
from sievert.measurement.totals import Estimate
from sievert.policy.sample import Sample, precision_of, recall_of, sum_over
from sievert.policy.threshold_query import Question


class AtThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """What lies above one threshold: labelled posts, wrong ones among them, and what they stand for."""

    threshold: float
    labelled: int
    wrong: int
    p_value: float
    precision: Estimate
    view_precision: Estimate | None
    recall: Estimate
    removals: Estimate
    harmful_views: Estimate | None


class ThresholdAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The threshold that was asked for, or None with the nearest to it and how many labels are missing.

    `missing` is how many more labelled posts above the threshold it would take, at the precision that is
    seen there; None where no practical number would do. `tested` counts the thresholds that were looked at.
    """

    policy: str
    goal: str
    bounds: dict[str, float]
    confidence: float
    labelled: int
    harmful: int
    attainable: bool
    found: AtThreshold | None
    nearest: AtThreshold | None
    tested: int
    start: int
    missing: int | None
    why: str


def answer_question(
    policy: str, question: Question, sample: Sample, *, most_views: float, confidence: float
) -> ThresholdAnswer:
    """Return the lowest threshold at which a sample's labels prove what the question demands.

    Views are those that came to be, else forecast; above `most_views` they count as that.

    Raises:
        InvalidField: no label can be used, or views are asked about and none are known.
    """
    rows = np.flatnonzero(sample.known)
    if not len(rows):
        raise InvalidField(
            "There is no label that a proof could use.",
            remedy='Give lines "harmful" or "labels"; where some have none, the others need their '
            "sampling_probability.",
            field="labels",
        )
    views = _views(sample, most_views)
    if not views.any() and (question.goal == "harmful_views" or "view_precision" in question.bounds):
        raise InvalidField(
            "The question is about views, and no line has any.",
            remedy='Give lines "views" or "forecast", or ask about posts.',
            field="views",
        )
    y = sample.harmful[rows]
    score = sample.p[rows].astype(np.float64)
    claims = [
        _claim(sample, rows, bound, views if name == "view_precision" else None)
        for name, bound in question.bounds.items()
    ]
    proof = prove_threshold(y, score, claims, delta=1 - confidence)
    told = proof.proven or proof.nearest
    shown = None if told is None else _at(sample, told, views, confidence)
    missing, why = (0, "") if proof.proven else _missing(question, shown, proof)
    return ThresholdAnswer(
        policy=policy,
        goal=question.goal,
        bounds=question.bounds,
        confidence=confidence,
        labelled=len(rows),
        harmful=int(y.sum()),
        attainable=proof.proven is not None,
        found=shown if proof.proven else None,
        nearest=None if proof.proven else shown,
        tested=len(proof.tests),
        start=proof.start,
        missing=missing,
        why=why,
    )


def _views(sample: Sample, most: float) -> npt.NDArray[np.float64]:
    told = np.where(np.isnan(sample.views), sample.forecast.astype(np.float64), sample.views)
    capped: npt.NDArray[np.float64] = np.minimum(np.nan_to_num(told), most)
    return capped


def _claim(
    sample: Sample, rows: npt.NDArray[np.intp], bound: float, views: npt.NDArray[np.float64] | None
) -> Claim:
    """Return the claim about posts, or about views, with what each row counts for by its label."""
    worth = np.ones(len(rows)) if views is None else views[rows]
    weight = sample.label_weight[rows]
    if sample.prevalence is None:
        return Claim(bound=bound, harmful=weight * worth, harmless=weight * worth)
    # Drawn by class: a post's weight tells its label, so both are stated for each.
    y = sample.harmful[rows]
    return Claim(
        bound=bound, harmful=float(weight[y].max()) * worth, harmless=float(weight[~y].max()) * worth
    )


def _at(
    sample: Sample, tested: TestedThreshold, views: npt.NDArray[np.float64], confidence: float
) -> AtThreshold:
    above = sample.p.astype(np.float64) >= tested.threshold
    has_views = bool(views.any())
    return AtThreshold(
        threshold=tested.threshold,
        labelled=tested.posts,
        wrong=tested.wrong,
        p_value=tested.p_value,
        precision=precision_of(sample, above, confidence=confidence),
        view_precision=precision_of(sample, above, views=views, confidence=confidence) if has_views else None,
        recall=recall_of(sample, above, confidence=confidence),
        removals=sum_over(
            sample, above.astype(np.float64), ceiling=1.0, confidence=confidence, weight=sample.weight
        ),
        harmful_views=sum_over(
            sample,
            above * views * sample.harmful,
            ceiling=float(views.max()),
            confidence=confidence,
            weight=sample.label_weight,
        )
        if has_views
        else None,
    )


def _missing(
    question: Question, nearest: AtThreshold | None, proof: ThresholdProof
) -> tuple[int | None, str]:
    """Say how many labels are missing, and why."""
    if nearest is None:
        told = f"the first test needs {proof.start:,} labels above its threshold, weighed by the heaviest"
        return max(proof.start - proof.reached, 1), f"{told}; there are {proof.reached:,} in all"
    seen = {"precision": nearest.precision, "view_precision": nearest.view_precision}
    most = 0
    for name, bound in question.bounds.items():
        found = seen[name]
        value = None if found is None else found.value
        needed = None if value is None else labels_to_prove(bound, true=value, delta=proof.delta)
        if needed is None:
            told = "nothing" if value is None else f"{value:.3f}"
            return (
                None,
                f"{name} is {told} at the best threshold: not enough above {bound:g} for any number of labels",
            )
        most = max(most, needed)
    missing = max(most - nearest.labelled, 1)
    return missing, f"at the precision seen there, {most:,} labels above the threshold would prove it"
