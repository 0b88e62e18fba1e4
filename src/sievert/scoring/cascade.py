"""From texts to calibrated probabilities: light on everything, heavy on the few that deserve it.

The heavy model reads the posts that the light model finds likeliest to be harm, as many as a share
of traffic allows; they are judged by both together, everybody else by the light model. The cut is
a fixed score that belongs to the share, not a rank within the batch: what happens to a post does not
depend on who comes with it.

An added head sends on a share of its own beside that: what its light half finds likely.

Legend: n posts of a batch, m <= n of them for heavy, H heads (harm first), T added heads of text.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import LogitMap
from sievert.schema.batch import ScoredBatch, TextColumn
from sievert.schema.decision import Language, Stage
from sievert.schema.sentinel import SENTINEL_POLICY, rows_with_sentinel
from sievert.scoring.bundle import Bundle, load_bundle, mixed
from sievert.scoring.light import LightScores, light_scores
from sievert.scoring.passages import heavy_logits, heavy_logits_and_encodings
from sievert.scoring.rereading import FirstLook, first_look, light_logits_again

HARM_COLUMN = 0

Cuts = npt.NDArray[np.float64]
"""The light logit of harm from which the heavy model reads, [1] for all texts or [n] for each."""


def no_lap(stage: str) -> None:
    """Ignore the time."""


def score(
    bundle: Bundle, text: TextColumn, *, heavy_share: float, lap: Callable[[str], None] = no_lap
) -> ScoredBatch:
    """Score a batch of texts.

    `heavy_share` is the share of traffic that the heavy model may read, 0 to 1; `lap` hears the name
    of each stage when it ends.
    """
    return score_from(bundle, text, cuts=cuts_for(bundle, heavy_share), lap=lap)


def load_warm(folder: Path) -> Bundle:
    """Load a bundle, and score once: its compiled kernels load, or compile on a first start, before a post comes.

    Raises:
        BundleError: a part is missing, altered, or made for other feature definitions.
    """
    bundle = load_bundle(folder)
    score(bundle, TextColumn.of(["warm"]), heavy_share=1.0)
    return bundle


def cuts_for(bundle: Bundle, share: float) -> Cuts:
    """Return the cut [1] for a share of traffic; without a heavy model nothing is read by it."""
    return np.array([np.inf if bundle.heavy is None else bundle.heavy.cut(share)]).reshape(1)


def score_from(
    bundle: Bundle, text: TextColumn, *, cuts: Cuts, lap: Callable[[str], None] = no_lap
) -> ScoredBatch:
    """Score a batch of texts; the heavy model reads those at or above their cut."""
    # 2 features and 3 light: one compiled pass over the batch's bytes feeds the light model
    first = look(bundle, text)
    light = first.light
    lap("light")

    # 4 heavy: the few that deserve a second look
    rows = choose_for_heavy(bundle, light, cuts=cuts)
    heavy, _ = second_look(bundle, first, text, rows)
    lap("heavy")

    # 5 calibrate: logits to probabilities at natural prevalence
    scored = calibrate(bundle, light, text, rows, heavy)
    lap("calibrate")
    return scored


def look(bundle: Bundle, text: TextColumn) -> FirstLook:
    """Have the light model look at n texts."""
    if bundle.heavy is None:
        return FirstLook(light=light_scores(bundle, text), read_again=np.empty(0, np.intp))
    heavy = bundle.heavy
    return first_look(
        bundle, text, model=heavy.model, known=heavy.known, strange_from=heavy.spec.strange_from
    )


def choose_for_heavy(bundle: Bundle, light: LightScores, *, cuts: Cuts) -> npt.NDArray[np.intp]:
    """Return the rows [m] that the heavy model shall read, in a language it knows.

    They are the likeliest harm, and what added heads call for, where the heavy model reads anything at all.
    """
    if bundle.heavy is None:
        return np.empty(0, np.intp)
    chosen = light.logits[:, HARM_COLUMN] >= cuts
    if bundle.added.of_text:
        called = bundle.added.calls(light.logits[:, len(bundle.manifest.heads) :])
        chosen |= called & np.isfinite(cuts)
    return np.flatnonzero(chosen & (light.language == Language.ENGLISH))


def second_look(
    bundle: Bundle, first: FirstLook, text: TextColumn, rows: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the logits [m, H + T] of both models together for the chosen rows, and encodings [m, d].

    There are no encodings where no fusion model hears them: d is 0.
    """
    if bundle.heavy is None or not len(rows):
        return np.empty((0, first.light.logits.shape[1]), np.float32), np.empty((0, 0), np.float32)
    texts = text.texts(rows)
    model = bundle.heavy.model
    light = first.light.logits[rows]
    new = np.flatnonzero(~np.isin(rows, first.read_again))
    if len(new):
        light[new] = light_logits_again(model, bundle, [texts[at] for at in new.tolist()], light[new])
    counts = np.concatenate([bundle.heavy.weights, bundle.added.counts])
    if bundle.fusion is None or not bundle.fusion.spec.text_width:
        return mixed(counts, heavy_logits(model, bundle, texts), light), np.empty((len(rows), 0), np.float32)
    heavy, encodings = heavy_logits_and_encodings(model, bundle, texts)
    return mixed(counts, heavy, light), encodings


def calibrate(
    bundle: Bundle,
    light: LightScores,
    text: TextColumn,
    rows: npt.NDArray[np.intp],
    heavy: npt.NDArray[np.float32],
) -> ScoredBatch:
    """Turn logits into probabilities at natural prevalence, and let the sentinel speak.

    The sentinel gets probability 1 under its own test policy and as harm, whatever the model says
    and whatever the language.
    """
    calibrated = _apply(bundle.light_maps, light.logits)
    stage = np.full(len(text), Stage.LIGHT, np.int8)
    if bundle.heavy is not None and len(rows):
        calibrated[rows] = _apply(bundle.heavy_maps, heavy)
        stage[rows] = Stage.HEAVY
    harm = np.ascontiguousarray(calibrated[:, HARM_COLUMN])
    heads = (*bundle.policy_heads, SENTINEL_POLICY)
    policies = np.zeros((len(text), len(heads)), np.float32)
    policies[:, : calibrated.shape[1] - 1] = calibrated[:, 1:]  # heads of pictures follow: 0 without one
    language = light.language.copy()
    marked = rows_with_sentinel(text)
    if len(marked):
        harm[marked] = 1.0
        policies[marked, -1] = 1.0
        stage[marked] = Stage.SENTINEL
        language[marked] = Language.ENGLISH
    return ScoredBatch(
        bundle=bundle.version, heads=heads, harm=harm, policies=policies, language=language, stage=stage
    )


def _apply(calibrators: tuple[LogitMap, ...], logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    out = np.empty(logits.shape, np.float32)
    for h, calibrator in enumerate(calibrators):
        out[:, h] = calibrator.apply(logits[:, h])
    return out
