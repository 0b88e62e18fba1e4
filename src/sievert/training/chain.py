"""From material to a bundle with a fusion model, in one go: heavy, quantise, calibrate, distil, export.

    OUT/heavy        the run of the fusion model
    OUT/quantised    the same, its image tower rounded to bytes; if that loses more than noise, floats go on
    OUT/bundle       the bundle with all of it

Whichever run goes on has its calibrators, and in `light` the run of the light image model, in its folder.

Each step takes up what stands in its folder, so that a chain that was killed goes on where it was.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from sievert.training.exporting import Exported, export_run
from sievert.training.heavy_calibrators import calibrate
from sievert.training.heavy_rounding import read_rounding, round_tower
from sievert.training.heavy_run import HeavyRun, read_heavy, refuse_unless_said_by
from sievert.training.light_image import DistilRecipe, distil_image
from sievert.training.material import Material
from sievert.training.measured_fold import MeasuredFold
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import train_rung
from sievert.training.rung_recipe import RungRecipe

HEAVY, QUANTISED, BUNDLE = "heavy", "quantised", "bundle"

Advance = Callable[[str, int, int], None]


def run_chain(
    material: Material, bundle: Path, out: Path, *, overrides: Sequence[str] = (), advance: Advance
) -> Exported:
    """Train, round, calibrate, distil and export; `overrides` change entries of the recipe `heavy`.

    Raises:
        ConfigurationError: the material was said by another bundle, a recipe is wrong, or `out` holds other runs.
        BundleError, InvalidField, TrainingStopped, StoreCorrupt: see the steps.
    """
    # Before hours of learning, not after them: the bundle must fit, and there must be something to measure on.
    refuse_unless_said_by(material.described, bundle)
    MeasuredFold(material.folds["test"], "test", resamples=0)
    train_rung(
        read_recipe(RungRecipe, recipe_file(HEAVY), overrides),
        material,
        out / HEAVY,
        advance=_named(advance, HEAVY),
    )
    run = read_heavy(out / HEAVY, material)
    if run.looks:
        run = _rounded(run, out / QUANTISED, advance)
    calibrators = calibrate(run, advance=advance)
    light = None
    if run.looks:
        light = distil_image(
            run, calibrators, read_recipe(DistilRecipe), advance=_named(advance, "light image model")
        )
    return export_run(run, calibrators, light, bundle=bundle, out=out / BUNDLE, advance=advance)


def _rounded(run: HeavyRun, folder: Path, advance: Advance) -> HeavyRun:
    """Return the run that goes on: rounded, or as it was if rounding loses more than noise."""
    rounding = read_rounding(folder)
    if rounding is None:
        spare = read_heavy(run.folder, run.material).model  # rounding changes a model in place
        rounding = round_tower(
            spare,
            run.recipe,
            digest=run.result.weights,
            material=run.material,
            recipe=read_recipe(QuantiseRecipe),
            folder=folder,
            advance=_named(advance, QUANTISED),
        )
    if rounding.kept == "floats":
        return dataclasses.replace(run, rounding=rounding)
    return read_heavy(folder, run.material)


def _named(advance: Advance, name: str) -> Advance:
    return lambda stage, done, of: advance(f"{stage}: {name}" if stage == "learn" else stage, done, of)
