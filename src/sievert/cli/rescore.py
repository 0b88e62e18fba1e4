"""`sievert rescore`: posts of the past, decided about once more by any bundle, without a server."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sievert.pipeline.backfill import PieceDone


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(rescore)


def rescore(
    posts: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER", help="Parquet of posts, or a folder with posts*.parquet in it."
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option(help="A folder for the decisions, a file for each row group; the same goes on.")
    ],
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle's folder, instead of the default one.")
    ] = None,
    policies: Annotated[
        Path | None, typer.Option(help="A folder of policies, instead of the default.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Posts published since: 2027-01-31T12:00:00Z; all of them if not said.")
    ] = "1970-01-01T00:00:00Z",
    heavy_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Which share of posts the heavy model may read; 1 is all."),
    ] = 1.0,
    workers: Annotated[
        int, typer.Option(min=1, max=4096, help="Processes; more than one need the extra cluster.")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(help="Address of a Ray cluster whose machines see the same folders, such as auto."),
    ] = None,
) -> None:
    """Decide about posts of the past once more, such as with a new bundle: no server, nothing recorded or done.

    A call that was stopped goes on when it is made again: each row group's file is whole or not there.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from sievert.cli.rescore_cluster import over_cluster
    from sievert.cli.times import time_from
    from sievert.errors import InvalidField
    from sievert.pipeline.backfill import Backfill, pieces_left, planned
    from sievert.pipeline.collector import settle_collector
    from sievert.policy.loading import default_policies_path
    from sievert.schema.clock import SystemClock
    from sievert.scoring.bundle import default_bundle_path

    files = sorted(posts.glob("posts*.parquet")) if posts.is_dir() else [posts]
    if not files or not files[0].is_file():
        raise InvalidField(
            f"{posts} is no Parquet file, and no folder with posts*.parquet in it.",
            field="posts",
            remedy="The columns are those of docs/data-format.md.",
        )
    folders = (bundle or default_bundle_path()).resolve(), (policies or default_policies_path()).resolve()
    begin = time_from(since, SystemClock().now())
    mine = Backfill(*folders, heavy_share=heavy_share, since=begin)
    files, out = [one.resolve() for one in files], out.resolve()
    plan = planned(
        files,
        bundle=mine.bundle.version,
        policy_set=mine.policies.digest,
        heavy_share=heavy_share,
        since=begin,
    )
    left, every = pieces_left(files, out, plan)
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("row groups"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    outcomes: Counter[str] = Counter()
    rows = unread = 0
    why = ""
    with progress:
        task = progress.add_task("row groups", total=every, completed=every - len(left))
        if workers == 1 and cluster is None:
            settle_collector()
            done: Iterator[PieceDone] = map(mine.run, left)
        else:
            done = over_cluster(
                left,
                bundle=folders[0],
                policies=folders[1],
                heavy_share=heavy_share,
                since=begin,
                workers=workers,
                address=cluster,
            )
        for one in done:
            rows, unread, why = rows + one.rows, unread + one.unread, why or one.first_error
            outcomes.update(one.outcomes)
            progress.advance(task)
    typer.echo(
        f"{rows:,} posts decided by {mine.bundle.version}: "
        f"{', '.join(f'{name} {count:,}' for name, count in outcomes.items())}; in {out}"
        + (f"; {every - len(left):,} of {every:,} row groups were there already" if len(left) < every else "")
    )
    if unread:
        typer.echo(f"{unread:,} rows could not be read and are left out; the first: {why}", err=True)
