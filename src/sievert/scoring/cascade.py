"""From texts to calibrated probabilities: light on everything, heavy on a chosen few.

The heavy model is not in this release's bundle: `choose_for_heavy` chooses nobody, and the stage of
every post is light. What chooses and what scores the few will stand here.
"""

import numpy as np
import numpy.typing as npt

from sievert.schema.batch import ScoredBatch, TextColumn
from sievert.schema.decision import Language, Stage
from sievert.schema.sentinel import SENTINEL_POLICY, rows_with_sentinel
from sievert.scoring.bundle import Bundle
from sievert.scoring.light import LightScores


def choose_for_heavy(bundle: Bundle, scores: LightScores) -> npt.NDArray[np.intp]:
    """Return the rows that the heavy model shall read: none while a bundle has no heavy model."""
    del bundle, scores
    return np.empty(0, np.intp)


def calibrate(bundle: Bundle, scores: LightScores, text: TextColumn) -> ScoredBatch:
    """Turn logits into probabilities at natural prevalence, and let the sentinel speak.

    The sentinel gets probability 1 under its own test policy and as harm, whatever the model says
    and whatever the language.
    """
    heads = (*bundle.policy_heads, SENTINEL_POLICY)
    count = len(text)
    calibrated = np.empty((count, len(bundle.calibrators)), np.float32)
    for h, calibrator in enumerate(bundle.calibrators):
        calibrated[:, h] = calibrator.apply(scores.logits[:, h])
    harm = np.ascontiguousarray(calibrated[:, 0])
    policies = np.zeros((count, len(heads)), np.float32)
    policies[:, :-1] = calibrated[:, 1:]
    language = scores.language.copy()
    stage = np.full(count, Stage.LIGHT, np.int8)
    marked = rows_with_sentinel(text)
    if len(marked):
        harm[marked] = 1.0
        policies[marked, -1] = 1.0
        stage[marked] = Stage.SENTINEL
        language[marked] = Language.ENGLISH
    return ScoredBatch(
        bundle=bundle.version, heads=heads, harm=harm, policies=policies, language=language, stage=stage
    )
