"""`sievert review`: what people settled, as labels that models learn from."""

from pathlib import Path
from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    review = typer.Typer(help="The work of reviewers.", no_args_is_help=True)

    @review.callback()
    def _group() -> None:
        """Keep `labels` a command of its own, also while it is alone."""

    review.command()(labels)
    app.add_typer(review, name="review")


def labels(
    *,
    out: Annotated[Path, typer.Option(help="Where the labels go, such as FOLDER/labels.ndjson.")],
    posts: Annotated[
        Path | None, typer.Option(help="Where their posts go, such as FOLDER/posts.ndjson.")
    ] = None,
    platform: Annotated[str, typer.Option(help="The platform; a history is of one.")] = "default",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write what people settled as labels of a history, and the posts beside them.

    Both in one folder are a history: `sievert data check FOLDER` reads it, and so does
    `sievert data material --history FOLDER --labels review`. A running server does not mind.
    """
    import msgspec

    from sievert.review.exports import rows_of
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import open_ledgers
    from sievert.stores.durable import write_durably

    with open_ledgers(settings_from(config, data).settings, clock=SystemClock()) as ledgers:
        rows = [*rows_of(ledgers.all_labels(), platform=platform)]
    for path in (out, posts):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.json.Encoder()
    write_durably(out, encoder.encode_lines([row.label for row in rows]))
    known = {(row.post["id"], row.post["revision"]): row.post for row in rows}
    if posts is not None:
        write_durably(posts, encoder.encode_lines([*known.values()]))
    typer.echo(f"{len(rows):,} labels of {len(known):,} posts")
