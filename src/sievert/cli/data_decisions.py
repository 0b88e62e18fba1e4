"""`sievert data decisions`: the decision log as one Parquet file, for training and for looking at elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def decisions(
    *,
    out: Annotated[Path, typer.Option(help="Where the log goes, such as decisions.parquet.")],
    since: Annotated[
        str, typer.Option(help="Decided since: 2027-01-31T12:00:00Z, or 7d ago; all of it if not said.")
    ] = "1970-01-01T00:00:00Z",
    until: Annotated[
        str | None, typer.Option(help="Decided before this; until now if not said.", show_default=False)
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write every decision, one a row, with what models said and what was forecast; no text is in it.

    Plainly allowed posts are there as well, as long as the server keeps them. A running server does not mind.
    """
    import contextlib

    import pyarrow.parquet as pq
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from sievert.cli.clocks import clock_of
    from sievert.cli.times import time_from
    from sievert.errors import InvalidField
    from sievert.serving.wiring import open_ledgers
    from sievert.stores.durable import sync_folder
    from sievert.stores.journal.decision_log import DECISION_LOG

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    now = clock.now()
    window = time_from(since, now), now if until is None else time_from(until, now)
    if window[0] >= window[1]:
        raise InvalidField(
            "The window ends before it begins.", field="--until", remedy="Name a later moment than --since."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.parent / f".{out.name}.unfinished"
    rows, console = 0, Console(stderr=True)
    try:
        with (
            open_ledgers(settings, clock=clock) as ledgers,
            pq.ParquetWriter(beside, DECISION_LOG, compression="zstd") as file,
            Progress(
                SpinnerColumn(),
                TextColumn("{task.completed:,.0f} decisions"),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            ) as progress,
        ):
            task = progress.add_task("decisions", total=None)
            for batch in ledgers.decisions.log.batches(since=window[0], until=window[1]):
                file.write_batch(batch)
                rows += batch.num_rows
                progress.update(task, completed=rows)
        beside.replace(out)
        sync_folder(out.parent)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    typer.echo(f"{rows:,} decisions in {out}")
