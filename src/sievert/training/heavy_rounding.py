"""The image tower of a heavy run is rounded to bytes, and learns on so; floats are kept where that costs quality.

The tower sees pictures of the learning fold, which gives each layer its range, and then the whole model goes on
learning with rounding, by `loop`, in a run folder of its own. Both precisions score the same posts of the time to
calibrate on: if the interval of the difference lies below zero, bytes lose more than noise, and floats are kept.

    RUN2/rounded.json    what was compared, and which of both is kept

The update network stays in floats: it costs little, and its logits decide.

Legend: n posts.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField, StoreCorrupt
from sievert.measurement.paired import Difference, pr_auc_difference
from sievert.models.latent_fusion import LatentFusion
from sievert.scoring.bundle_files import pretty
from sievert.stores.durable import write_durably
from sievert.training.material import Material
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.quantising import learn_rounded
from sievert.training.rounded import RoundedLayer, rounded
from sievert.training.rung import Advance, Floats, drawn_rows, fused_logits
from sievert.training.rung_recipe import RungRecipe

ROUNDED = "rounded.json"
_AT_ONCE = 64
_RESAMPLES = 300


class Rounding(msgspec.Struct, frozen=True, kw_only=True):
    """What rounding the image tower cost on the time to calibrate on, and which precision is kept."""

    format: Literal[1] = 1
    rung: dict[str, Any]  # the recipe of the run that was rounded
    kept: Literal["bytes", "floats"]
    floats: float  # average precision at natural prevalence
    bytes: float
    difference: Difference  # of bytes less floats
    farthest: float  # logits of harm differ by so much at most
    layers: int


def round_tower(
    model: LatentFusion,
    rung: RungRecipe,
    *,
    digest: str,
    material: Material,
    recipe: QuantiseRecipe,
    folder: Path,
    advance: Advance,
) -> Rounding:
    """Round the image tower of a trained model in place; let it learn on in a run folder; compare and tell.

    `digest` names the weights that it comes with.

    Raises:
        InvalidField: the model looks at no pictures, or none are there to be seen.
        ConfigurationError, TrainingStopped, StoreCorrupt: see `loop.fit`.
    """
    fold = material.folds["calibrate"]
    rows = drawn_rows(fold, pictured=rung.by_pictures)  # of no others it says anything
    before = fused_logits(model, fold, rows, rung)[:, 0]
    layers = begin_rounding(model, material, recipe)
    learn_rounded(
        model,
        rung,
        recipe,
        material,
        folder,
        digest=digest,
        about=(
            f"The image tower of a heavy run rounds to bytes in {layers:,} layers, with static scales, and learned on so.",
        ),
        advance=advance,
    )
    model.cpu()
    found = compared(
        fold.harmful()[rows],
        fused_logits(model, fold, rows, rung)[:, 0],
        before,
        prevalence=material.described.populations["calibrate"].prevalence,
        seed=recipe.seed,
    )
    told = Rounding(rung=msgspec.to_builtins(rung), layers=layers, **found)
    write_durably(folder / ROUNDED, pretty(told))
    return told


def begin_rounding(model: LatentFusion, material: Material, recipe: QuantiseRecipe) -> int:
    """Let the image tower see pictures of the learning fold, and round from then on; return how many layers do.

    Raises:
        InvalidField: the model looks at no pictures, or none are there to be seen.
    """
    fold = material.folds["learn"]
    shown = np.flatnonzero(fold.columns["picture"] >= 0)
    if model.image is None or not len(shown):
        raise InvalidField(
            "The run looks at no pictures: it has no tower to round.",
            remedy="Calibrate and export it as it is.",
            field="hears",
        )
    some = np.sort(np.random.default_rng(recipe.seed).permutation(shown)[: recipe.observed])
    batches = [
        batch.pictures
        for part in np.array_split(some, -(-len(some) // _AT_ONCE))
        if (batch := fold.content_batch(part, ["pictures"])).pictures is not None
    ]
    rounded(model.image, batches)
    return sum(isinstance(one, RoundedLayer) for one in model.image.modules())


def read_rounding(folder: Path) -> Rounding | None:
    """Read what a run folder tells of rounding; None where it is no run that rounded.

    Raises:
        StoreCorrupt: it cannot be read.
    """
    path = folder / ROUNDED
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Rounding)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"{path} cannot be read: {error}.", remedy="Round the run anew.") from error


def compared(
    y: npt.NDArray[np.bool_], after: Floats, before: Floats, *, prevalence: float, seed: int
) -> dict[str, Any]:
    """Compare the scores [n] of both precisions for labels y [n]: entries of `Rounding`, by name."""
    ours, theirs, difference = pr_auc_difference(
        y, after, before, prevalence=prevalence, resamples=_RESAMPLES, seed=seed
    )
    return {
        "kept": "floats" if difference.high < 0 else "bytes",
        "bytes": ours,
        "floats": theirs,
        "difference": difference,
        "farthest": float(np.abs(after - before).max()),
    }
