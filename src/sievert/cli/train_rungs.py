"""`sievert train` for the ladder: its rungs learn from material, and the heavy one is rounded to bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

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

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Entries of the recipe to change, such as seed=7; dots lead into nested parts.",
        show_default=False,
    ),
]
Material = Annotated[Path, typer.Option(help="A folder made by `sievert data material`.")]
RunOut = Annotated[Path, typer.Option(help="The run folder, made if missing; a run in it goes on.")]
RecipeFile = Annotated[Path | None, typer.Option(help="A recipe file, instead of the one that ships.")]


def register(train: typer.Typer) -> None:
    """Add the commands to those of `train`."""
    train.command("quantise")(quantise)
    for name, about in _RUNGS.items():
        command = _pictured_rung(name) if name in _PICTURED else _rung(name)
        train.command(name, help=f"{about}\n\n{_OF_RUNGS}")(command)


def quantise(
    overrides: Overrides = None,
    *,
    run: Annotated[Path, typer.Option(help="The folder of a finished run of `sievert train multimodal`.")],
    material: Material,
    out: RunOut,
    recipe: RecipeFile = None,
) -> None:
    """Round a trained multimodal model to bytes, let it learn on so, and write its graphs in three variants.

    Needs the extra `train`. The run folder's card and quantised.json tell what that costs and gains; killed and
    started again, it goes on.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Rounding a model"):
        from sievert.training.quantising import quantise_run
    from sievert.cli.learning_progress import stages
    from sievert.cli.learning_tables import quantised_table
    from sievert.training.material import read_material
    from sievert.training.quantise_recipe import QuantiseRecipe
    from sievert.training.recipes import read_recipe

    console = Console(stderr=True)
    chosen = read_recipe(QuantiseRecipe, recipe, overrides or ())
    with stages(console) as advance:
        _, table = quantise_run(run, read_material(material), chosen, out, advance=advance)
    Console().print(quantised_table(table))
    console.print(f"graphs written to {out}; {out / 'CARD.md'} tells the rest", highlight=False)


def _rung(name: str) -> Callable[..., None]:
    """Return the command that trains a rung of the ladder."""

    def rung(
        overrides: Overrides = None, *, material: Material, out: RunOut, recipe: RecipeFile = None
    ) -> None:
        _train_rung(name, material, out, recipe, overrides or [])

    return rung


def _pictured_rung(name: str) -> Callable[..., None]:
    """Return the command that trains a rung of the ladder which looks at pictures."""

    def rung(
        overrides: Overrides = None,
        *,
        material: Material,
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


def _train_rung(name: str, material: Path, out: Path, recipe: Path | None, overrides: list[str]) -> None:
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
