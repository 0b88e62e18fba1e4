"""`sievert rehearse`: a simulated network lives on for some days, and then all stands still for whoever owns it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sievert.cli.rehearsal import Gone


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(rehearse)


def rehearse(
    folder: Annotated[
        Path,
        typer.Argument(help="The rehearsal; an empty folder begins one. The working folder if not said."),
    ] = Path(),
    *,
    days: Annotated[float, typer.Option(min=0.02, help="How many simulated days pass.")] = 1.0,
    craze: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="The attack: during these days this share of harmless posts says in jest what else only harm says.",
        ),
    ] = 0.0,
    posts_per_day: Annotated[
        float, typer.Option(min=500, help="The size of the network, heard in the beginning.")
    ] = 3000.0,
    seed: Annotated[
        int,
        typer.Option(min=0, help="The same seed makes the same network and people; heard in the beginning."),
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let a simulated network live some days with a real installation, then stand still.

    People report, review, err and label; what is decided is done. In between every other command works in the
    folder, at the time where the network stands: its sievert.toml, its policy and its data are an installation's.
    """
    import msgspec
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.cli.rehearsal import rehearsed
    from sievert.schema.clock import DAY
    from sievert.serving.logs import set_up_logging

    set_up_logging(form="console", level="error")  # breakers and withdrawals are told by `sievert ledger`
    with (
        rehearsed(
            folder,
            seed=seed,
            posts_per_day=posts_per_day,
            craze_days=days if craze else 0.0,
            craze_share=craze,
        ) as here,
        stages(Console(stderr=True)) as advance,
    ):
        steps = max(1, round(days * DAY / here.world.settings.step))
        for done in range(1, steps + 1):
            here.go_on()
            advance("the network lives", done, steps)
        gone = here.stop()
    if json:
        typer.echo(msgspec.json.encode(gone).decode())
        return
    for line in _told(gone):
        typer.echo(line)


def _told(gone: "Gone") -> list[str]:
    since = gone.since
    wrong = since.removed_wrongly
    verdicts = sum(count for _, count in since.verdicts)
    return [
        (
            f"Day {gone.day:.1f}. {since.posts:,} posts came, {since.harmful_posts:,} of them harmful; people judged "
            f"{verdicts:,} cases, and {gone.waiting:,} wait."
        ),
        (
            f"Removed by certificate: {since.removed:,}, of which harmless in truth: {wrong:,}. Views of harm: "
            f"{since.harmful_views:,}, and {since.harmful_views_without:,} had nothing been done."
        ),
    ]
