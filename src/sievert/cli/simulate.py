"""`sievert simulate`: a synthetic social network, written as a folder of tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sievert.simulation.album import Album
    from sievert.simulation.recording import Counts
    from sievert.simulation.settings import WorldSettings
    from sievert.simulation.writer import Writer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(simulate)


def simulate(
    out: Annotated[
        Path | None, typer.Option(help="Where the history goes; an empty folder, made if missing.")
    ] = None,
    creators: Annotated[int, typer.Option(min=100, help="Accounts on the first day.")] = 10_000,
    days: Annotated[float, typer.Option(min=0.05, help="How long the world goes on.")] = 14.0,
    posts_per_day: Annotated[
        float | None, typer.Option(min=1, help="Posts on the first day; half a post a creator if not said.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same world.")] = 1,
    *,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Labelled texts to write posts from: NDJSON, also .gz, with text, harmful and labels or policy."
        ),
    ] = None,
    step_minutes: Annotated[int, typer.Option(min=1, help="A step; must divide a day.")] = 60,
    images: Annotated[
        bool, typer.Option("--images", help="Draw the images too; a server gets them with their posts.")
    ] = False,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Write posts.ndjson and events.ndjson too.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            help="Tell a running server instead of a folder: its address, such as http://127.0.0.1:8600."
        ),
    ] = None,
    key: Annotated[
        str, typer.Option(envvar="KEY", help="A key of that server, with posts:write and events:write.")
    ] = "",
) -> None:
    """Simulate a social network whose truth is known, and write what happens there as tables.

    Posts, events, labels, accounts and edges are what a platform knows; truth.parquet is what only the
    world knows: which posts harm, and the views that each would have had if nothing had been done.
    """
    import time

    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.errors import InvalidField
    from sievert.schema.clock import DAY, HOUR
    from sievert.simulation.album import Album
    from sievert.simulation.recording import Extra, write_history
    from sievert.simulation.settings import WorldSettings
    from sievert.simulation.world import World
    from sievert.simulation.writer import Writer

    if (out is None) == (to is None):
        raise InvalidField(
            "The world needs one place to go to.",
            remedy="Name a folder with --out, or a running server with --to.",
            field="out",
        )
    settings = WorldSettings(
        seed=seed, creators=creators, posts_per_day=posts_per_day, step=step_minutes * HOUR // 60
    )
    steps = max(1, round(days * DAY / settings.step))
    if out is None:
        album = Album() if images else None
        _tell(settings, Writer(corpus=texts), str(to), key, steps=steps, album=album)
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidField(
            f"{out} is not an empty folder.", remedy="Name another folder with --out.", field="out"
        )
    began = time.monotonic()
    extras = [extra for extra, wanted in ((Extra.IMAGES, images), (Extra.NDJSON, ndjson)) if wanted]
    world = World(settings, Writer(corpus=texts))
    with stages(Console(stderr=True)) as advance:
        counts = write_history(
            world,
            out,
            lambda done, of: advance("simulate", done, of),
            steps=steps,
            extras=extras,
        )
    _print(counts, out, time.monotonic() - began)


def _tell(
    settings: "WorldSettings",
    writer: "Writer",
    address: str,
    key: str,
    *,
    steps: int,
    album: "Album | None",
) -> None:
    """Send a world's posts and events to a server, as fast as it takes them; the last step ends now.

    Raises:
        StoreUnavailable, Overloaded: the server does not answer, or stayed full.
        Unauthenticated: it does not take the key.
    """
    import dataclasses
    import threading
    from collections import Counter

    import httpx
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.cli.platform_client import EVENTS, POSTS, Client
    from sievert.errors import Unauthenticated
    from sievert.schema.clock import SystemClock
    from sievert.simulation.records import step_records
    from sievert.simulation.world import World

    # A server refuses what lies in its future.
    world = World(dataclasses.replace(settings, start=SystemClock().now() - steps * settings.step), writer)
    told: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    with (
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http,
        stages(Console(stderr=True)) as advance,
    ):
        client = Client(http, ended=threading.Event(), problems=problems)
        for done in range(1, steps + 1):
            records = step_records(world.advance(), world.accounts, album=album)
            try:
                for answer in client.send(POSTS, records.posts):
                    told[f"posts: {answer['decision']}"] += 1
                for answer in client.send(EVENTS, records.events):
                    told["events counted" if answer["counted"] else "events that repeat others"] += 1
            except httpx.HTTPStatusError as error:
                raise Unauthenticated(
                    f"The server at {address} answers {error.response.status_code}.",
                    remedy="Name a key with --key or in $KEY: "
                    "`sievert keys add world --scope posts:write --scope events:write`.",
                ) from error
            advance("tell", done, steps)
    for what, count in sorted((told + problems).items()):
        typer.echo(f"{count:,} {what}")


def _print(counts: "Counts", out: Path, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, title=f"written to {out}")
    table.add_column()
    table.add_column(justify="right")
    for name, value in (
        ("posts", f"{counts.posts:,}"),
        ("events", f"{counts.events:,}"),
        ("accounts", f"{counts.accounts:,}"),
        ("harmful posts", f"{counts.harmful / max(1, counts.posts):.2%}"),
        ("views by people", f"{counts.views:,}"),
        ("of these, on the top 1 % of posts", f"{counts.top_views:.0%}"),
        ("seconds", f"{seconds:.0f}"),
    ):
        table.add_row(name, value)
    Console().print(table)
