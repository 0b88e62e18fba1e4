"""What fusing adds, on posts later than all that was learned from or calibrated on.

Every line is a way to score the same moments of the same posts: the text alone, as the cascade reads it; the
update model, which adds what behaviour says as evidence; the fusion model without one of its sources; and whole.
A source is switched off in scoring alone: the model learned to do without. On a fusion model that does not hear
people the update model goes on: then both together are a line too. Of a post that nobody touched it is not asked.
"""

import time
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import probability_of
from sievert.errors import InvalidField
from sievert.features.behaviour.rows import CREATORS, FEATURES, OWN, Rows
from sievert.measurement.ranking import Estimate
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle
from sievert.scoring.fusion import Latents, untouched
from sievert.scoring.update import logits_of
from sievert.training.heavy_calibrators import RunCalibrators
from sievert.training.heavy_run import HeavyRun
from sievert.training.material import MaterialFold
from sievert.training.measured_fold import MeasuredFold

Floats = npt.NDArray[np.float64]

RESAMPLES = 300
_WITHOUT: Mapping[str, str] = {
    "fusion without the picture": "pictures",
    "fusion without behaviour": "behaviour",
    "fusion without the creator's context": "context",
}
_TIMED = 64
_ROUNDS = 20


class FusionLine(msgspec.Struct, frozen=True, kw_only=True):
    """How one way to score ranks the test fold."""

    scored_by: str
    pr_auc: Estimate
    recall: Estimate  # at a precision of 0.95
    views_pr_auc: Estimate
    views_recall: Estimate
    created: float  # average precision of posts when they are created


class FusionCost(msgspec.Struct, frozen=True, kw_only=True):
    """Core microseconds by ONNX Runtime on one thread, on the machine that exported."""

    post: float  # a post's fusion, of 64 in a batch
    picture: float | None  # looking at a picture


class FusionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an export says of itself."""

    posts: int
    harmful: int
    prevalence: float
    prevalence_by_views: float
    lines: tuple[FusionLine, ...]
    cost: FusionCost


def report_on(run: HeavyRun, calibrators: RunCalibrators, bundle: Bundle) -> FusionReport:
    """Measure a run on the test fold, and what it costs as it stands in a bundle.

    Raises:
        InvalidField: the fold has posts of one kind only.
    """
    fold = run.material.folds["test"]
    measured = MeasuredFold(fold, "test", resamples=RESAMPLES)
    rows, harm = measured.rows, run.said.heads.index(HARM)
    harm_at = list(calibrators.heads).index(HARM)
    scores: dict[str, Floats] = {
        "text alone": fold.columns["spoken"][fold.columns["content"][rows], harm].astype(np.float64)
    }
    touched = ~untouched(fold.columns["behaviour"][rows])
    if "updated" in fold.columns:
        heard = fold.columns["updated"][rows, harm]
        scores["text and evidence (update model)"] = np.where(touched, heard, scores["text alone"])
    several = len(run.recipe.hears) > 2  # beside what the cascade says
    for name, without in _WITHOUT.items():
        if several and without in run.recipe.hears:
            scores[name] = calibrators.apply(run, fold, rows, without=(without,))[:, harm_at]
    fused = calibrators.apply(run, fold, rows)
    scores["fusion"] = fused[:, harm_at]
    if bundle.update is not None and not run.hears_people:
        content = fold.columns["spoken"][fold.columns["content"][rows]].copy()
        content[:, [run.said.heads.index(head) for head in calibrators.heads]] = fused
        p = probability_of(content.astype(np.float64))
        heard = logits_of(bundle.update.probabilities(p, behaviour_as_served(fold, rows)))[:, harm]
        scores["fusion and evidence (update model)"] = np.where(touched, heard, scores["fusion"])
    return FusionReport(
        posts=len(measured.y),
        harmful=int(measured.y.sum()),
        prevalence=measured.prevalence,
        prevalence_by_views=measured.view_prevalence,
        lines=tuple(_line(name, measured, one) for name, one in scores.items()),
        cost=_cost(bundle),
    )


def behaviour_as_served(fold: MaterialFold, rows: npt.NDArray[np.int64]) -> Rows:
    """Return behaviour rows [n, F] of snapshots [n], as a server computes them."""
    found = np.zeros((len(rows), len(FEATURES)), np.float32)
    found[:, OWN], found[:, CREATORS] = fold.columns["behaviour"][rows], fold.columns["context"][rows]
    return found


def _line(name: str, measured: MeasuredFold, scores: Floats) -> FusionLine:
    found = measured.of(scores)
    return FusionLine(
        scored_by=name,
        pr_auc=found.posts.pr_auc,
        recall=found.posts.recall_at_precision,
        views_pr_auc=found.views.pr_auc,
        views_recall=found.views.recall_at_precision,
        created=found.created,
    )


def _cost(bundle: Bundle) -> FusionCost:
    fusion, picture = bundle.fusion, bundle.picture
    if fusion is None:
        raise InvalidField("The bundle has no fusion model.", remedy="Export one into it.", field="bundle")
    content = np.zeros((_TIMED, len(bundle.manifest.heads)), np.float32)
    nothing = Latents.unknown(_TIMED, text=fusion.spec.text_width, picture=fusion.spec.picture_width)
    post = _seconds(lambda: fusion.logits(content, nothing)) / _TIMED
    look = None
    if picture is not None:
        pixels = np.zeros((3, picture.side, picture.side), np.uint8)
        look = _seconds(lambda: picture.vector(pixels))
    return FusionCost(post=1e6 * post, picture=None if look is None else 1e6 * look)


def _seconds(work: Callable[[], object]) -> float:
    """Return core seconds of one piece of work, by the mean of several after a first one."""
    work()
    began = time.process_time()
    for _ in range(_ROUNDS):
        work()
    return (time.process_time() - began) / _ROUNDS
