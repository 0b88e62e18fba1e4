"""`sievert creators`: vectors of creators out of a history, and who is like whom."""

from pathlib import Path
from typing import Annotated

import typer

_MOST_SIMILAR = 10


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    creators = typer.Typer(help="Make vectors of creators, and compare them.", no_args_is_help=True)
    creators.command("embed")(embed)
    creators.command("similar")(similar)
    app.add_typer(creators, name="creators")


def embed(
    *,
    history: Annotated[Path, typer.Option(help="A folder with posts, events and edges.")],
    model: Annotated[Path, typer.Option(help="The folder `served` of a run of `sievert train creators`.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="As of when; by default with all that is there.")
    ] = None,
) -> None:
    """Write a vector for each creator of a history: id, vector, logits, as of when and by which model."""
    import numpy as np
    from rich.console import Console

    from sievert.cli.times import time_from
    from sievert.datasets.creator_history import read_creator_history
    from sievert.datasets.creator_vectors import write_vectors
    from sievert.schema.clock import SystemClock
    from sievert.scoring.creators import load_creators, numbers_in

    encoder = load_creators(model)
    known = read_creator_history(history)
    now = SystemClock().now()
    moment = now if as_of is None else time_from(as_of, now)
    everybody = np.arange(known.accounts)
    vectors, logits = encoder.embed(known.graph(moment), numbers_in(known.numbers(moment)), everybody)
    write_vectors(out, known.network.accounts, vectors, logits, as_of=moment, version=encoder.version)
    Console(stderr=True).print(f"{len(vectors):,} creators by {encoder.version} in {out}", highlight=False)


def similar(
    creator: Annotated[str, typer.Argument(help="The creator's id.")],
    *,
    vectors: Annotated[Path, typer.Option(help="A file that `sievert creators embed` wrote.")],
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many to name.")] = _MOST_SIMILAR,
) -> None:
    """Name the creators whose vectors point most nearly where this one's does, by their cosine.

    Likeness is a hint where to look, and no evidence against anybody.
    """
    from sievert.datasets.creator_vectors import most_similar, read_vectors

    for name, cosine in most_similar(read_vectors(vectors), creator, most=most):
        typer.echo(f"{cosine:+.3f}  {name}")
