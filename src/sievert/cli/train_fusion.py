"""`sievert train calibrate`, `distil`, `export` and `chain`: from a heavy run, or material, to a bundle that fuses."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.training_options import BundleFolder, MaterialFolder, Overrides, RecipeFile

if TYPE_CHECKING:
    from sievert.training.exporting import Exported
    from sievert.training.quantise_recipe import QuantiseRecipe

RunFolder = Annotated[Path, typer.Option(help="A run folder of `sievert train heavy`.")]


def register(train: typer.Typer) -> None:
    """Add the commands to `sievert train`."""
    train.command("calibrate")(calibrate)
    train.command("distil")(distil)
    train.command("export")(export)
    train.command("chain")(chain)


def heavy_rounded(run: Path, material: Path, recipe: "QuantiseRecipe", out: Path) -> None:
    """Round the image tower of a heavy run into a run folder, and print what that came to."""
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.training.heavy_rounding import round_tower
    from sievert.training.heavy_run import read_heavy
    from sievert.training.material import read_material

    console = Console(stderr=True)
    read = read_heavy(run, read_material(material))
    with stages(console) as advance:
        found = round_tower(
            read.model,
            read.recipe,
            digest=read.result.weights,
            material=read.material,
            recipe=recipe,
            folder=out,
            advance=advance,
        )
    apart = found.difference
    console.print(
        f"average precision {found.bytes:.3f} with bytes, {found.floats:.3f} with floats: {apart.value:+.4f} "
        f"({apart.low:+.4f} to {apart.high:+.4f}); go on with {out if found.kept == 'bytes' else run}",
        highlight=False,
    )


def calibrate(*, run: RunFolder, material: MaterialFolder) -> None:
    """Fit the calibrators of a heavy run on the time to calibrate on, at natural prevalence, into its folder.

    Needs the extra `train`. Calibrators that stand there are kept.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Calibrating"):
        from sievert.training.heavy_calibrators import calibrate as fit
        from sievert.training.heavy_run import read_heavy
    from sievert.cli.learning_progress import stages
    from sievert.training.material import read_material

    console = Console(stderr=True)
    read = read_heavy(run, read_material(material))
    with stages(console) as advance:
        found = fit(read, advance=advance)
    for head, one in found.heads.items():
        console.print(
            f"{head}: {one.harmful:,} harmful posts, {one.prevalence:.2%} of traffic", highlight=False
        )
    for head, why in found.passed.items():
        console.print(f"{head}: passed through as the cascade says it; {why}", highlight=False)


def distil(
    overrides: Overrides = None, *, run: RunFolder, material: MaterialFolder, recipe: RecipeFile = None
) -> None:
    """Train the light image model on what a calibrated heavy run says of posts with pictures, inside its folder.

    Needs the extra `train`. It says which posts with pictures the heavy model shall read. A run in the folder goes on.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Distilling"):
        from sievert.training.heavy_calibrators import read_calibrators
        from sievert.training.heavy_run import read_heavy
        from sievert.training.light_image import DistilRecipe, distil_image, light_folder
    from sievert.cli.learning_progress import stages
    from sievert.training.material import read_material
    from sievert.training.recipes import read_recipe

    console = Console(stderr=True)
    chosen = read_recipe(DistilRecipe, recipe, overrides or ())
    read = read_heavy(run, read_material(material))
    with stages(console) as advance:
        distil_image(read, read_calibrators(read), chosen, advance=advance)
    console.print(f"{light_folder(read) / 'CARD.md'} tells the rest", highlight=False)


def export(
    *,
    run: RunFolder,
    material: MaterialFolder,
    out: Annotated[Path, typer.Option(help="Where the bundle goes; a folder, made if missing.")],
    bundle: BundleFolder = None,
) -> None:
    """Write a bundle with the fusion model of a heavy run, after it said in ONNX Runtime what it says in torch.

    Needs the extra `train`. FUSION_CARD.md in the bundle tells what fusing adds on later posts, and what it costs.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Exporting"):
        from sievert.training.exporting import export_run
        from sievert.training.heavy_calibrators import read_calibrators
        from sievert.training.heavy_run import read_heavy
        from sievert.training.light_image import read_light
    from sievert.cli.learning_progress import stages
    from sievert.scoring.bundle import default_bundle_path
    from sievert.training.material import read_material

    read = read_heavy(run, read_material(material))
    calibrators = read_calibrators(read)
    with stages(Console(stderr=True)) as advance:
        light = read_light(read, calibrators, advance=advance) if read.looks else None
        found = export_run(
            read, calibrators, light, bundle=bundle or default_bundle_path(), out=out, advance=advance
        )
    _tell(found, out)


def chain(
    overrides: Overrides = None,
    *,
    material: MaterialFolder,
    out: Annotated[Path, typer.Option(help="Where runs and bundle go; a folder, made if missing.")],
    bundle: BundleFolder = None,
) -> None:
    """Run heavy, quantise, calibrate, distil and export in a row; a chain that was stopped goes on.

    Needs the extra `train`. Entries of the recipe `heavy` may be changed.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Training a bundle's fusion model"):
        from sievert.training.chain import BUNDLE, run_chain
    from sievert.cli.learning_progress import stages
    from sievert.scoring.bundle import default_bundle_path
    from sievert.training.material import read_material

    gathered = read_material(material)
    with stages(Console(stderr=True)) as advance:
        found = run_chain(
            gathered, bundle or default_bundle_path(), out, overrides=overrides or (), advance=advance
        )
    _tell(found, out / BUNDLE)


def _tell(found: "Exported", out: Path) -> None:
    from rich.console import Console

    from sievert.cli.learning_tables import fusion_table

    Console().print(fusion_table(found.report))
    Console(stderr=True).print(
        f"{found.version} written to {out}; FUSION_CARD.md tells the rest", highlight=False
    )
