"""The comment model: which comments say that a post should not be there, and which are quarrels.

No corpus of comments is labelled so; the model learns from the comments of the simulated world, whose
moods are known. A linear model over the light model's n-grams is cheap enough for every comment.

Not covered: how people really complain. What it is worth on a platform shows in the platform's own
expert labels, through the features that count its answers.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sievert.features.content.fold import FoldTables
from sievert.features.content.tokens import STATS
from sievert.simulation.writer import MOODS as WRITTEN
from sievert.simulation.writer import TOPICS, Writer
from sievert.training.design import Design, design
from sievert.training.solver import LinearHeads, SolverSettings, fit_heads
from sievert.training.update_recipe import Comments

LEARNED = ("disappointed", "quarrel")
"""The moods that the columns mean, in the order of `scoring.update.MOODS`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CommentModel:
    """A linear model over hashed n-grams, rounded to bytes as it will serve."""

    table: npt.NDArray[np.int8]  # [2**bits, 2]
    scale: npt.NDArray[np.float32]  # [2]
    bias: npt.NDArray[np.float32]  # [2]
    found: dict[str, float]  # by mood: share of held-out comments that are told
    false: dict[str, float]  # by mood: share of other held-out comments that are taken for it


def train_comment_model(
    recipe: Comments, tables: FoldTables, *, seed: int, epoch_done: Callable[[int], None] = lambda _: None
) -> CommentModel:
    """Learn from comments of the simulated world's own grammar."""
    rng = np.random.default_rng(seed)
    mood = rng.integers(0, len(WRITTEN), recipe.texts).astype(np.int8)
    topic = rng.integers(0, TOPICS, recipe.texts).astype(np.int16)
    texts = Writer().comments(mood, topic, rng)
    x, _ = design(texts, tables, bits=recipe.bits).apart(len(STATS))
    y = np.stack([mood == WRITTEN.index(word) for word in LEARNED], axis=1).astype(np.float32)
    solver = SolverSettings(
        epochs=recipe.solver.epochs,
        rate=recipe.solver.rate,
        l2=recipe.solver.l2,
        dropout=recipe.solver.dropout,
    )
    held = np.arange(len(texts)) >= int(0.9 * len(texts))
    heads = fit_heads(
        x.take(np.flatnonzero(~held)),
        y[~held],
        np.ones_like(y[~held]),
        logistic=len(LEARNED),
        settings=solver,
        seed=seed,
        epoch_done=epoch_done,
    )
    scale = np.maximum(np.abs(heads.weights).max(axis=0) / 127, 1e-8).astype(np.float32)
    table = np.round(heads.weights / scale).astype(np.int8)
    rounded = LinearHeads(table * scale, heads.bias)
    told = _told(rounded, x.take(np.flatnonzero(held)))
    is_so = y[held].argmax(axis=1)
    is_so[y[held].max(axis=1) == 0] = -1
    return CommentModel(
        table=table,
        scale=scale,
        bias=heads.bias,
        found={word: float((told == k)[is_so == k].mean()) for k, word in enumerate(LEARNED)},
        false={word: float((told == k)[is_so != k].mean()) for k, word in enumerate(LEARNED)},
    )


def _told(heads: LinearHeads, x: Design) -> npt.NDArray[np.int64]:
    """Return which column [n] speaks, -1 if none does."""
    logits = heads.outputs(x)
    told: npt.NDArray[np.int64] = logits.argmax(axis=1)
    told[logits.max(axis=1) <= 0] = -1
    return told
