"""From material to a bundle with a fusion model, in one go: heavy, calibrate, distil, export.

    OUT/heavy           the run of the fusion model, its calibrators, and in `light` that of the light image model
    OUT/bundle          the bundle with all of it

Each step takes up what stands in its folder, so that a chain that was killed goes on where it was.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from sievert.training.exporting import Exported, export_run
from sievert.training.heavy_calibrators import calibrate
from sievert.training.heavy_run import read_heavy, refuse_unless_said_by
from sievert.training.light_image import DistilRecipe, distil_image
from sievert.training.material import Material
from sievert.training.measured_fold import MeasuredFold
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import train_rung
from sievert.training.rung_recipe import RungRecipe

HEAVY, BUNDLE = "heavy", "bundle"

Advance = Callable[[str, int, int], None]


def run_chain(
    material: Material, bundle: Path, out: Path, *, overrides: Sequence[str] = (), advance: Advance
) -> Exported:
    """Train, calibrate, distil and export; `overrides` change entries of the recipe `heavy`.

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
    calibrators = calibrate(run, advance=advance)
    light = None
    if run.looks:
        light = distil_image(
            run, calibrators, read_recipe(DistilRecipe), advance=_named(advance, "light image model")
        )
    return export_run(run, calibrators, light, bundle=bundle, out=out / BUNDLE, advance=advance)


def _named(advance: Advance, name: str) -> Advance:
    return lambda stage, done, of: advance(f"{stage}: {name}" if stage == "learn" else stage, done, of)
