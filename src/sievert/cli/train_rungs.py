"""`sievert train pretrain`, the rungs of the ladder, and `quantise`: networks that learn from material."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.train_fusion import heavy_rounded
from sievert.cli.training_options import BundleFolder, MaterialFolder, Overrides, RecipeFile, RunOut

if TYPE_CHECKING:
    from sievert.training.material import Material

_RUNGS = {
    "logistic": "Train logistic regression on numbers and on what a frozen encoder says of the text.",
    "max-pool": "Train a text model and an image model apart, of which the larger logit counts.",
    "late-fusion": "Train text and image encoders that a small network joins with the numbers.",
    "multimodal": "Train the heavy model: text and picture look at each other, an update network hears behaviour.",
    "light": "Train the light model on n-grams and numbers, from labels.",
}
"""The recipes of the ladder, in its order."""

_PICTURED = ("max-pool", "late-fusion", "multimodal")
"""Those that look at pictures."""

_OF_RUNGS = "Needs the extra `train`. The run folder tells all; killed and started again, a run goes on."


def register(train: typer.Typer) -> None:
    """Add the commands to `sievert train`."""
    train.command("pretrain")(pretrain)
    train.command("quantise")(quantise)
    for name, about in _RUNGS.items():
        command = _pictured_rung(name) if name in _PICTURED else _rung(name)
        train.command(name, help=f"{about}\n\n{_OF_RUNGS}")(command)
    train.command("heavy")(heavy)


def pretrain(
    overrides: Overrides = None,
    *,
    material: MaterialFolder,
    out: RunOut,
    recipe: RecipeFile = None,
) -> None:
    """Pretrain text and image encoders without labels, by matching posts with what they drew.

    Needs the extra `train`. Rungs begin with them by the entry towers=RUN; killed and started again, a run
    goes on.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Pretraining"):
        from sievert.training.pretraining import pretrain as pretrained
    from sievert.cli.learning_progress import stages
    from sievert.training.material import read_material
    from sievert.training.pretrain_recipe import PretrainRecipe
    from sievert.training.recipes import read_recipe

    console = Console(stderr=True)
    chosen = read_recipe(PretrainRecipe, recipe, overrides or ())
    with stages(console) as advance:
        result = pretrained(chosen, read_material(material), out, advance=advance)
    console.print(
        f"the likeliest of {chosen.pool} replies is the right one for "
        f"{result.metrics['recall_at_1'].value or 0.0:.1%} of held-out posts; "
        f"{out / 'CARD.md'} tells the rest",
        highlight=False,
    )


def quantise(
    overrides: Overrides = None,
    *,
    run: Annotated[Path, typer.Option(help="A finished run of `sievert train multimodal` or `heavy`.")],
    material: MaterialFolder,
    out: RunOut,
    recipe: RecipeFile = None,
) -> None:
    """Round a trained multimodal model, or a heavy run's image tower, to bytes, and let it learn on so.

    Needs the extra `train`. Of a multimodal model graphs are written in three variants; of a heavy run floats are
    kept if rounding loses more than noise. The run folder's card and quantised.json tell what that costs and gains; killed and
    started again, it goes on.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Rounding a model"):
        from sievert.training.quantising import quantise_run
        from sievert.training.run_folder import read_run
    from sievert.cli.learning_progress import stages
    from sievert.cli.learning_tables import quantised_table
    from sievert.training.material import read_material
    from sievert.training.quantise_recipe import QuantiseRecipe
    from sievert.training.recipes import read_recipe

    console = Console(stderr=True)
    chosen = read_recipe(QuantiseRecipe, recipe, overrides or ())
    if read_run(run).config.recipe.get("model") == "latent_fusion":
        heavy_rounded(run, material, chosen, out)
        return
    with stages(console) as advance:
        _, table = quantise_run(run, read_material(material), chosen, out, advance=advance)
    Console().print(quantised_table(table))
    console.print(f"graphs written to {out}; {out / 'CARD.md'} tells the rest", highlight=False)


def heavy(
    overrides: Overrides = None,
    *,
    material: MaterialFolder,
    out: RunOut,
    bundle: BundleFolder = None,
    recipe: RecipeFile = None,
) -> None:
    """Train the fusion model of a bundle: what its cascade says, encodings, pictures and behaviour meet.

    Needs the extra `train`, and material that this bundle was asked about (`sievert data material --said`). The run
    folder tells all; killed and started again, a run goes on.
    """
    from sievert.cli.extras import needing
    from sievert.scoring.bundle import default_bundle_path

    with needing("train", what="Training the fusion model"):
        from sievert.training.heavy_run import refuse_unless_said_by

    def fits(gathered: "Material") -> None:
        refuse_unless_said_by(gathered.described, bundle or default_bundle_path())

    _train_rung("heavy", material, out, recipe, overrides or [], fits=fits)


def _rung(name: str) -> Callable[..., None]:
    """Return the command that trains a rung of the ladder."""

    def rung(
        overrides: Overrides = None, *, material: MaterialFolder, out: RunOut, recipe: RecipeFile = None
    ) -> None:
        _train_rung(name, material, out, recipe, overrides or [])

    return rung


def _pictured_rung(name: str) -> Callable[..., None]:
    """Return the command that trains a rung of the ladder which looks at pictures."""

    def rung(
        overrides: Overrides = None,
        *,
        material: MaterialFolder,
        out: RunOut,
        recipe: RecipeFile = None,
        vision: Annotated[
            str | None,
            typer.Option(
                help=(
                    "The image encoder: a folder as Hugging Face saves it, in place of one that begins at random; "
                    "short for image={tower: FOLDER, rate: 0.1}. Nothing is downloaded."
                )
            ),
        ] = None,
    ) -> None:
        tower = [] if vision is None else [f"image={{tower: {json.dumps(vision)}, rate: 0.1}}"]
        _train_rung(name, material, out, recipe, [*tower, *(overrides or [])])

    return rung


def _train_rung(
    name: str,
    material: Path,
    out: Path,
    recipe: Path | None,
    overrides: list[str],
    *,
    fits: Callable[["Material"], None] = lambda _: None,
) -> None:
    """Train a rung by its name; `fits` refuses material that is not for it."""
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what=f"Training {name}"):
        from sievert.training.pooling import with_pooled
        from sievert.training.rung import train_rung
    from sievert.cli.learning_progress import stages
    from sievert.training.material import read_material
    from sievert.training.recipes import read_recipe, recipe_file
    from sievert.training.rung_recipe import RungRecipe

    console = Console(stderr=True)
    chosen = read_recipe(RungRecipe, recipe or recipe_file(name), overrides)
    gathered = read_material(material)
    fits(gathered)
    with stages(console) as advance:
        if "pooled" in chosen.hears:
            with_pooled(gathered, chosen.text.encoder, advance=advance)
        trained = train_rung(chosen, gathered, out, advance=advance)
    found = trained.result.metrics["pr_auc"].value or 0.0
    console.print(
        f"average precision {found:.3f} at natural prevalence, on the time to calibrate on; "
        f"{out / 'CARD.md'} tells the rest",
        highlight=False,
    )
