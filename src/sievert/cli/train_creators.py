"""`sievert train creators`: a model of creators from a history with edges."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.training_options import Overrides, RecipeFile, RunOut

if TYPE_CHECKING:
    from sievert.scoring.creators import CreatorEncoder


def creators(
    overrides: Overrides = None,
    *,
    history: Annotated[Path, typer.Option(help="A folder with posts, events, labels and edges.")],
    as_of: Annotated[
        str, typer.Option("--as-of", help="When the network is looked at; later is what it shall foretell.")
    ],
    out: RunOut,
    until: Annotated[
        str | None, typer.Option("--until", help="Nothing that became known later is learned from.")
    ] = None,
    recipe: RecipeFile = None,
    align_to: Annotated[
        Path | None,
        typer.Option(
            "--align-to",
            help="The folder `served` of the model before: turn the new vectors to lie where its lay.",
        ),
    ] = None,
) -> None:
    """Train a model of creators on who is joined to whom, on confirmed violations and on rates of reports.

    Needs the extra `train`. The run folder tells all; killed and started again, a run goes on. GraphSAGE is
    written as a graph too, which `sievert creators embed` serves.

    With --align-to, who learned from the old model's vectors can read the new ones until they learn anew; the
    mean cosine that is left is said, and stands in `creators.json`.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Training a model of creators"):
        from sievert.training.creators import train_creators
    from sievert.cli.learning_progress import stages
    from sievert.cli.times import time_from
    from sievert.datasets.creator_history import read_creator_history
    from sievert.features.creators.alignment import refuse_too_few
    from sievert.models import save_model
    from sievert.schema.clock import SystemClock
    from sievert.training.creator_data import data_of
    from sievert.training.creator_graph import export_creators, laid_among
    from sievert.training.creator_recipe import CreatorsRecipe
    from sievert.training.recipes import read_recipe

    console = Console(stderr=True)
    chosen = read_recipe(CreatorsRecipe, recipe, overrides or ())
    before = None if align_to is None else _model_before(align_to, chosen.model, chosen.vector)
    now = SystemClock().now()
    data = data_of(
        read_creator_history(history), time_from(as_of, now), until=time_from(until, now) if until else now
    )
    if before:
        refuse_too_few(data.accounts, before.spec.vector)
    with stages(console) as advance:
        model, result = train_creators(chosen, data, out, advance=advance)
    save_model(model, out / "model")
    if chosen.model == "graphsage":
        aligned = laid_among(model, data, before, seed=chosen.seed) if before else None
        named = before.version if before else ""
        export_creators(
            model, data.names, out / "served", seed=chosen.seed, aligned=aligned, aligned_to=named
        )
        if aligned:
            console.print(
                f"laid among the vectors of {named}: mean cosine {aligned.cosine:.2f} "
                f"(unturned {aligned.unturned:.2f}) of {aligned.creators:,} creators",
                highlight=False,
            )
    said = "; ".join(
        f"{name} {one.value:.3f}" for name, one in result.metrics.items() if one.value is not None
    )
    console.print(f"{said}; {out / 'CARD.md'} tells the rest", highlight=False)


def _model_before(folder: Path, model: str, vector: int) -> "CreatorEncoder":
    """Load the model to align to, and refuse before anything is learned what cannot be laid among its vectors."""
    from sievert.errors import InvalidField
    from sievert.scoring.creators import load_creators

    before = load_creators(folder)
    if model != "graphsage" or vector != before.spec.vector:
        raise InvalidField(
            f"A {model} of {vector} numbers cannot be laid among vectors of {before.spec.vector} by graphsage.",
            remedy=f"Train with model=graphsage and vector={before.spec.vector}, or without --align-to.",
            field="align_to",
        )
    return before
