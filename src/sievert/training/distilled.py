"""The light model learns from the heavy one: vectors of n-grams into a small network.

It begins as the linear model that was learned from labels, as the first K numbers of every vector, and
goes on with more numbers a vector and a hidden layer, on soft labels: of each text part label, part
what the heavy model thinks of it (Hinton, Vinyals and Dean 2015, arXiv 1503.02531). The heavy model
also speaks where no label is known. Texts that it finds likeliest to be harm count more, since the
light model has to be right about whom to send on, and not about the rest.

Legend: n rows, d features (the last S are content facts), H logistic heads, K = H + language columns,
D width of a vector, W hidden units.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sievert.features.content.tokens import STATS
from sievert.scoring.bundle import Bundle
from sievert.training.design import Design
from sievert.training.kernels import run_network_epoch
from sievert.training.light_linear import LANGUAGE, Advance, Lesson
from sievert.training.light_recipe import Distilling, LightRecipe
from sievert.training.solver import LightNetwork, LinearHeads

_SMALL = 0.02
"""Standard deviation of the numbers of an n-gram that the linear model does not have."""
_SQUARE = 0.05
"""What AdaGrad begins with, so that what was learned is not thrown away by the first long steps."""


Teacher = Callable[[Bundle, list[str]], npt.NDArray[np.float32]]
"""Says what it thinks of n texts as logits [n, H]; a light bundle tells it which passages to read."""


def learning_from(
    teacher: Teacher, recipe: LightRecipe, *, advance: Advance
) -> Callable[[Lesson], LightNetwork]:
    """Return how a linear light model goes on: to learn from a teacher who reads `LANGUAGE`."""

    def learn(lesson: Lesson) -> LightNetwork:
        thinks = np.full((len(lesson.y), len(recipe.heads)), np.nan, np.float32)
        asked = [at for at, row in enumerate(lesson.rows) if row.language == LANGUAGE]
        thinks[asked] = teacher(lesson.bundle, [lesson.rows[at].text for at in asked])
        epochs = recipe.distilling.epochs
        return distil(
            lesson.linear,
            lesson.x,
            lesson.y,
            lesson.weight,
            teacher=thinks,
            settings=recipe.distilling,
            dropout=recipe.solver.dropout,
            seed=recipe.seed,
            epoch_done=lambda epoch: advance("learn from heavy", epoch + 1, epochs),
        )

    return learn


def distil(
    linear: LinearHeads,
    x: Design,
    y: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
    *,
    teacher: npt.NDArray[np.float32],
    settings: Distilling,
    dropout: float,
    seed: int,
    epoch_done: Callable[[int], None] = lambda _: None,
) -> LightNetwork:
    """Learn n rows.

    Shapes: y, weight [n, K], as for the linear model; teacher [n, H] logits, NaN where the heavy model
    was not asked. `dropout` is the chance that an occurrence of an n-gram is left out.
    """
    y, weight = _softened(y, weight, teacher, settings)
    grams, facts = x.apart(len(STATS))
    rng = np.random.default_rng(seed)
    net = _begin(linear, settings, rng)
    squares = tuple(np.full(one.shape, _SQUARE, np.float32) for one in net)
    total, averaged = tuple(np.zeros_like(one) for one in net), 0
    for epoch in range(settings.epochs):
        run_network_epoch(
            grams.starts, grams.columns, grams.values, facts, y, weight, rng.permutation(len(x)),
            teacher.shape[1], np.float32(settings.rate), np.float32(dropout),
            np.uint64(rng.integers(1, 2**63)), net, squares,
        )  # fmt: skip
        if 2 * epoch + 1 >= settings.epochs:
            averaged += 1
            for mean, one in zip(total, net, strict=True):
                np.add(mean, one, out=mean)
        epoch_done(epoch)
    vectors, dense, bias, hidden, hidden_bias, spoken = (one / np.float32(averaged) for one in total)
    return LightNetwork(
        vectors=vectors, dense=dense, bias=bias[0], hidden=hidden, hidden_bias=hidden_bias[0], spoken=spoken
    )


def _begin(
    linear: LinearHeads, settings: Distilling, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], ...]:
    """Return a network that says what the linear model says: its hidden units are not heard yet."""
    features, columns = linear.weights.shape
    grams, width, units = features - len(STATS), settings.width, settings.units
    vectors = rng.normal(0.0, _SMALL, (grams, width)).astype(np.float32)
    vectors[:, :columns] = linear.weights[:grams]
    inputs = width + len(STATS)
    return (
        vectors,
        linear.weights[grams:].copy(),
        linear.bias[None, :].copy(),
        (rng.normal(0.0, 1.0, (inputs, units)) / np.sqrt(inputs)).astype(np.float32),
        np.zeros((1, units), np.float32),
        np.zeros((units, columns), np.float32),
    )


def _softened(
    y: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
    teacher: npt.NDArray[np.float32],
    settings: Distilling,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return soft labels and weights [n, K]: what the teacher thinks counts for `settings.teacher`."""
    heads = teacher.shape[1]
    asked = ~np.isnan(teacher)
    thinks = 1.0 / (1.0 + np.exp(-np.where(asked, teacher, 0.0)))
    known = weight[:, :heads] > 0
    share = np.where(asked, np.where(known, settings.teacher, 1.0), 0.0)
    y, weight = y.copy(), weight.copy()
    y[:, :heads] = share * thinks + (1.0 - share) * y[:, :heads]
    for head in range(heads):
        column = weight[:, head]
        column[asked[:, head] & ~known[:, head]] = settings.unlabelled * np.median(column[known[:, head]])
    spoken = teacher[asked[:, 0], 0]
    if len(spoken):
        top = np.flatnonzero(asked[:, 0])[spoken >= np.quantile(spoken, 1.0 - settings.top_share)]
        weight[top, :heads] *= settings.top_counts
    return y, weight
