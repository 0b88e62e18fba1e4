"""`sievert train creators`: a model of creators from a history with edges."""

from pathlib import Path
from typing import Annotated

import typer

from sievert.cli.training_options import Overrides, RecipeFile, RunOut


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
) -> None:
    """Train a model of creators on who is joined to whom, on confirmed violations and on rates of reports.

    Needs the extra `train`. The run folder tells all; killed and started again, a run goes on. GraphSAGE is
    written as a graph too, which `sievert creators embed` serves.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Training a model of creators"):
        from sievert.training.creators import train_creators
    from sievert.cli.learning_progress import stages
    from sievert.cli.times import time_from
    from sievert.datasets.creator_history import read_creator_history
    from sievert.models import save_model
    from sievert.schema.clock import SystemClock
    from sievert.training.creator_data import data_of
    from sievert.training.creator_graph import export_creators
    from sievert.training.creator_recipe import CreatorsRecipe
    from sievert.training.recipes import read_recipe

    console = Console(stderr=True)
    chosen = read_recipe(CreatorsRecipe, recipe, overrides or ())
    now = SystemClock().now()
    data = data_of(
        read_creator_history(history), time_from(as_of, now), until=time_from(until, now) if until else now
    )
    with stages(console) as advance:
        model, result = train_creators(chosen, data, out, advance=advance)
    save_model(model, out / "model")
    if chosen.model == "graphsage":
        export_creators(model, data.names, out / "served", seed=chosen.seed)
    said = "; ".join(
        f"{name} {one.value:.3f}" for name, one in result.metrics.items() if one.value is not None
    )
    console.print(f"{said}; {out / 'CARD.md'} tells the rest", highlight=False)
