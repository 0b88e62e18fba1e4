"""The light image model learns from the fusion model: numbers of a thumbnail to what a heavy look will say.

It is logistic regression, one row of weights a head, on soft labels (Hinton, Vinyals and Dean 2015, arXiv
1503.02531): the calibrated probabilities that the fusion model gives to posts with pictures, all of what it hears
taken together. Posts are weighed as in traffic, and those that the teacher finds likeliest to be harm count more. What
that moves is set right at the end: a straight map brings the logits to what the teacher says at natural prevalence.

The text's own light model stands beside it in the bundle, and learns in `distilled`.

Not covered: harm that thumbnails do not tell; what a thumbnail can say stands in the card.

Legend: n posts with pictures, F numbers of a thumbnail, K heads.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sievert.calibration.fitting import fit_logit_map
from sievert.calibration.logit_map import probability_of
from sievert.errors import InvalidField, NotFound
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.training.batches import ShuffledBatches, Tensors, picked_from
from sievert.training.heavy_calibrators import RunCalibrators, calibrators_digest
from sievert.training.heavy_run import HeavyRun
from sievert.training.learning import LearnedRecipe
from sievert.training.loop import Task, fit
from sievert.training.material import MaterialFold
from sievert.training.run_folder import RunResult, read_run
from sievert.training.rung import drawn_rows

Floats = npt.NDArray[np.float64]
Advance = Callable[[str, int, int], None]

LIGHT = "light"
"""Where the run stands inside the heavy run's folder."""
_FEWEST = 50
"""Posts with pictures."""
_LEAST_SPREAD = 1e-6


class DistilRecipe(LearnedRecipe, frozen=True, kw_only=True):
    """What `distil` needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "distil"

    top_share: Annotated[float, Meta(gt=0.0, lt=1.0)]
    top_counts: Annotated[float, Meta(ge=1.0, le=100.0)]
    batch: Annotated[int, Meta(ge=1, le=1 << 20)]


class ThumbnailModel(nn.Module):
    """One linear layer on standardised numbers: [n, F] to logits [n, K]."""

    mean: Tensor
    spread: Tensor

    def __init__(self, x: Tensor, heads: int) -> None:
        """Measure means and spreads on rows [n, F]; a number that never differs is not heard."""
        super().__init__()
        spread = x.std(dim=0, correction=0)
        self.register_buffer("mean", x.mean(dim=0))
        self.register_buffer("spread", torch.where(spread < _LEAST_SPREAD, torch.inf, spread))
        self.heads = nn.Linear(x.shape[1], heads)
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n, K]."""
        logits: Tensor = self.heads((x - self.mean) / self.spread)
        return logits

    def plain(self) -> tuple[Floats, Floats]:
        """Return weights [K, F] and biases [K] on numbers as they are."""
        weights = (self.heads.weight.detach() / self.spread).double()
        bias = self.heads.bias.detach().double() - weights @ self.mean.double()
        return weights.numpy(), bias.numpy()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LightImageRun:
    """Weights [F] and bias of each head, to logits at the natural prevalence of the material."""

    heads: tuple[str, ...]
    weights: Floats  # [K, F]
    bias: Floats  # [K]
    result: RunResult

    def logits(self, thumbnails: Floats) -> Floats:
        """Return logits [n, K] of numbers of thumbnails [n, F]."""
        found: Floats = thumbnails @ self.weights.T + self.bias
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Lesson:
    """Posts with pictures: what their thumbnails show, what the teacher says, and for how many each stands."""

    x: npt.NDArray[np.float32]  # [n, F]
    says: npt.NDArray[np.float32]  # [n, K]
    weight: npt.NDArray[np.float32]  # [n] their mean is 1

    def tensors(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(getattr(self, name)) for name in ("x", "says", "weight")}


def distil_image(
    run: HeavyRun, calibrators: RunCalibrators, recipe: DistilRecipe, *, advance: Advance
) -> LightImageRun:
    """Train the light image model of a run that looks at pictures, in its folder, or take up what stands there.

    Raises:
        InvalidField: the run looks at no pictures, or too few posts have one.
        ConfigurationError, TrainingStopped, StoreCorrupt: see `loop.fit`.
    """
    if not run.looks:
        raise InvalidField(
            "The run looks at no pictures: there is nothing to learn of them.",
            remedy="Train a heavy model that hears pictures, or export it without a picture model.",
            field="hears",
        )
    learn, watched = (_lesson(run, calibrators, run.material.folds[name]) for name in ("learn", "calibrate"))
    advance("ask the fusion model", 1, 1)
    top = np.where(_top(learn, recipe.top_share), recipe.top_counts, 1.0).astype(np.float32)
    told = learn.tensors() | {"weight": torch.from_numpy(learn.weight * top)}
    torch.manual_seed(recipe.seed)
    model = ThumbnailModel(told["x"], learn.says.shape[1])

    def loss(net: nn.Module, tensors: Tensors) -> dict[str, Tensor]:
        return {"likeness": _likeness(net(tensors["x"]), tensors)}

    @torch.no_grad()
    def evaluate(net: nn.Module) -> dict[str, float]:
        held = watched.tensors()
        return {"likeness": float(_likeness(net(held["x"].to(next(net.parameters()).device)).cpu(), held))}

    result = fit(
        Task(
            model=model,
            batches=ShuffledBatches(
                len(learn.x), size=recipe.batch, seed=recipe.seed, make=picked_from(told)
            ),
            loss=loss,
            recipe=recipe,
            evaluate=evaluate,
        ),
        folder=light_folder(run),
        data={**run.material.digest(), "weights": run.result.weights, "calibrators": calibrators_digest(run)},
        about=(
            f"The light image model learned what the fusion model says of {len(learn.x):,} posts with pictures.",
            f"It hears {len(THUMBNAIL_FEATURES)} numbers of a thumbnail.",
        ),
        advance=advance,
    )
    weights, bias = _as_said(model.cpu(), watched)
    return LightImageRun(heads=tuple(calibrators.heads), weights=weights, bias=bias, result=result)


def read_light(run: HeavyRun, calibrators: RunCalibrators, *, advance: Advance) -> LightImageRun:
    """Take up the finished run of the light image model in a heavy run's folder.

    Raises:
        NotFound: there is none, or it is not finished.
        ConfigurationError: it learned from another run, or from other calibrators.
        StoreCorrupt: a file of it was altered.
    """
    try:
        read = read_run(light_folder(run))
    except NotFound as error:
        raise NotFound(
            f"The run in {run.folder} has no light image model.",
            remedy="Train it with `sievert train distil`.",
        ) from error
    read.finished()
    return distil_image(run, calibrators, msgspec.convert(read.config.recipe, DistilRecipe), advance=advance)


def light_folder(run: HeavyRun) -> Path:
    """Return where the run of the light image model stands."""
    return run.folder / LIGHT


def _lesson(run: HeavyRun, calibrators: RunCalibrators, fold: MaterialFold) -> _Lesson:
    rows = drawn_rows(fold, pictured=True)
    if len(rows) < _FEWEST:
        raise InvalidField(
            f"Only {len(rows)} posts of a fold have pictures; {_FEWEST} are the fewest to learn from.",
            remedy="Gather material with pictures, of a longer history.",
            field="picture",
        )
    numbers = fold.content_batch(fold.columns["content"][rows].astype(np.int64), ["thumbnail"]).thumbnail
    if numbers is None or not torch.isfinite(numbers.values).all():
        raise InvalidField(
            "A number of a thumbnail is not finite.", remedy="Gather the material anew.", field="thumbnail"
        )
    says = probability_of(calibrators.apply(run, fold, rows))
    weight = fold.columns["stands_for"][rows].astype(np.float32)
    return _Lesson(x=numbers.values.numpy(), says=says, weight=weight / weight.mean())


def _top(lesson: _Lesson, share: float) -> npt.NDArray[np.bool_]:
    """Mark the posts [n] that are the likeliest harm, such a share of traffic by weight."""
    order = np.argsort(-lesson.says[:, 0], kind="stable")
    before = np.cumsum(lesson.weight[order]) - lesson.weight[order]
    found = np.zeros(len(order), np.bool_)
    found[order[before < share * lesson.weight.sum()]] = True
    return found


def _likeness(logits: Tensor, tensors: Tensors) -> Tensor:
    """Return the mean cross-entropy of logits [n, K] and what the teacher says, by weight."""
    each = binary_cross_entropy_with_logits(logits, tensors["says"], reduction="none").sum(dim=1)
    return (each * tensors["weight"]).mean()


def _as_said(model: ThumbnailModel, held: _Lesson) -> tuple[Floats, Floats]:
    """Return weights [K, F] and biases [K] whose logits are, head by head, what the teacher says on posts [n]."""
    weights, bias = model.plain()
    logits = held.x.astype(np.float64) @ weights.T + bias
    # Each post counts as harmful as far as the teacher says so, and as harmless for the rest.
    y = np.repeat([True, False], len(held.x))
    for k in range(len(bias)):
        says = held.says[:, k].astype(np.float64)
        mass = np.concatenate([says, 1 - says]) * np.tile(held.weight.astype(np.float64), 2)
        fitted = fit_logit_map(
            np.tile(logits[:, k], 2), y, mass, prevalence=float(mass[y].sum() / mass.sum())
        )
        slope, height = fitted.line()
        weights[k], bias[k] = slope * weights[k], slope * bias[k] + height
    return weights, bias
