"""Reports as a teacher: unlabelled posts get soft labels, from which a rung learns beside or before experts' labels.

The exposure model (`datasets.exposure`) is fitted on the unlabelled posts that are learned from, with the
labelled posts of the run as anchors: these say what rates of reports harmful and harmless posts have, and
bend the share of harm by nothing. Its posterior is the soft label. A post that nobody reported and few saw
keeps the prior.

*Drawn* are half of the posts by their posterior, as harm is rare, and half evenly; the same draw is made
again by the same seed.

Assumed: people report a post by what it is and by how often it was seen. Whoever reports in concert, a
brigade, is believed here: material counts reports plainly, not by reporter (`datasets.reporters` does).

Legend: u unlabelled posts, p labelled posts, n posts of a batch.
"""

import dataclasses
from collections.abc import Collection

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from sievert.datasets.exposure import Anchors, ExposureModel, fit_exposure_to
from sievert.models.batch import PostBatch
from sievert.training.batches import Batches, Make, ShuffledBatches, Tensors
from sievert.training.losses import Supervision
from sievert.training.material import MaterialFold
from sievert.training.rung_batches import flattened, posts_of, without_words
from sievert.training.rung_recipe import RungRecipe
from sievert.training.unlabelled import Unlabelled

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BESIDE = "beside "
"""Begins the names of tensors of unlabelled posts."""

HEARD_ALONE = frozenset({"tokens", "pictures", "thumbnail", "facts", "pooled"})
"""What is known of unlabelled posts: their content, and neither behaviour nor n-grams."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reported:
    """Unlabelled posts, and what reports say of them."""

    spare: Unlabelled
    rows: Rows  # [n] drawn
    soft: Floats  # [u] probability of harm
    model: ExposureModel

    def supervision(self, rows: Rows) -> Supervision:
        """Return what is known about unlabelled posts [n]: a soft label of harm, reports and views."""
        reports, views = (
            torch.from_numpy(self.spare.columns[name][rows]) for name in ("reports", "report_views")
        )
        policies = len(self.spare.posts.described.heads) - 1
        return Supervision(
            harm=torch.from_numpy(self.soft[rows].astype(np.float32)),
            harm_known=torch.ones(len(rows), dtype=torch.bool),
            policies=torch.zeros(len(rows), policies),
            policies_known=torch.zeros(len(rows), policies, dtype=torch.bool),
            reports=reports,
            views=views,
            forecast=views,  # what came is the best guess at what would have
            weight=torch.ones(len(rows)),
        )

    def tensors(self, rows: Rows, recipe: RungRecipe) -> Tensors:
        """Return unlabelled posts [n] with what a rung hears of them, and what is known, as tensors."""
        return flattened(heard_alone(self.spare, rows, recipe), self.supervision(rows))

    def batches(self, recipe: RungRecipe) -> Batches:
        """Return the posts that were drawn, in batches."""

        def make(places: Rows, _: np.random.Generator) -> Tensors:
            return self.tensors(self.rows[places], recipe)

        lengths = self.spare.posts.lengths()[self.rows].tolist()
        return ShuffledBatches(
            len(self.rows),
            size=recipe.batch,
            seed=recipe.seed,
            make=make,
            lengths=lengths if "tokens" in recipe.hears else None,
        )

    def beside(self, make: Make, recipe: RungRecipe) -> Make:
        """Return what makes batches of labelled posts with as many unlabelled ones beside them."""

        def both(posts: Rows, rng: np.random.Generator) -> Tensors:
            labelled = make(posts, rng)
            rows = np.sort(rng.choice(self.rows, min(len(posts), len(self.rows)), replace=False))
            soft = {f"{BESIDE}{name}": one for name, one in self.tensors(rows, recipe).items()}
            return {**labelled, **soft}

        return both


def reported(spare: Unlabelled, learn: MaterialFold, recipe: RungRecipe) -> Reported:
    """Fit the exposure model with the posts that a recipe learns from as anchors, and draw posts."""
    rng = np.random.default_rng((recipe.seed, len(spare)))
    order, starts = posts_of(learn, msgspec.structs.replace(recipe, harmful_times=1))
    one = order[starts[:-1]]  # reports until the fold's end are the same at every snapshot
    columns = learn.columns
    anchors = Anchors(
        hits=columns["reports"][one].astype(np.float64),
        trials=columns["report_views"][one].astype(np.float64),
        label=learn.harmful()[one].astype(np.float64),
        weight=columns["stands_for"][one].astype(np.float64),
    )
    hits, trials = (spare.columns[name].astype(np.float64) for name in ("reports", "report_views"))
    mine = spare.rows(held=False)
    model = fit_exposure_to(hits[mine], trials[mine], anchors, rng=rng)
    soft = model.soft_label(hits, trials)
    return Reported(spare, drawn_by(soft, mine, recipe.reports.posts, rng), soft, model)


def drawn_by(soft: Floats, rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """Return at most so many of the posts [n], half drawn by their soft labels [u] and half evenly."""
    if len(rows) <= most:
        return rows
    # The largest of log p + Gumbel noise are a draw by p without replacement (Efraimidis and Spirakis 2006).
    key = np.log(np.maximum(soft[rows], 1e-300)) + rng.gumbel(size=len(rows))
    order = rows[np.argsort(-key, kind="stable")]
    half = most // 2
    return np.sort(np.concatenate([order[:half], rng.permutation(order[half:])[: most - half]]))


def heard_alone(spare: Unlabelled, rows: Rows, recipe: RungRecipe) -> PostBatch:
    """Return unlabelled posts [n] with what a rung hears of them: behaviour is not known."""
    parts: Collection[str] = HEARD_ALONE.intersection(recipe.hears)
    return without_words(spare.posts.content_batch(rows, parts), recipe)
