"""`sievert statements`: the reasons for actions, as the EU's DSA Transparency Database takes them."""

from pathlib import Path
from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from

TOGETHER = 100
"""Statements that the database takes in one request."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(statements)


def statements(
    since: Annotated[str, typer.Option("--since", help="From when on: 2027-01-31T12:00:00Z, or 2h, 3d ago.")],
    out: Annotated[Path, typer.Option("--out", help="A new NDJSON file: one request's body a line.")],
    format_: Annotated[str, typer.Option("--format", help="dsa: the only one yet.")] = "dsa",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a statement for each action since a time; each is checked, and what is wrong is not written."""
    import msgspec

    from sievert.cli.times import time_from
    from sievert.enforcement.dsa_fields import problems_of
    from sievert.pipeline.stating import Stating
    from sievert.policy.loading import load_policies
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import open_ledgers, policies_path

    if format_ != "dsa":
        raise typer.BadParameter("--format takes dsa")
    if out.exists():
        raise typer.BadParameter(f"{out} is there already: name a new file")
    clock, settings = SystemClock(), settings_from(config, data).settings
    right, wrong = [], 0
    with open_ledgers(settings, clock=clock) as ledgers:
        stating = Stating(stores=ledgers, policies=load_policies(policies_path(settings)))
        for record in stating.all_dsa(time_from(since, clock.now())):
            if problems := problems_of(record):
                wrong += 1
                typer.echo(f"{record.get('puid')}: {'; '.join(problems)}", err=True)
            else:
                right.append(record)
    bodies = [{"statements": right[at : at + TOGETHER]} for at in range(0, len(right), TOGETHER)]
    out.write_bytes(msgspec.json.Encoder().encode_lines(bodies))
    typer.echo(f"{len(right):,} statements in {len(bodies):,} requests of at most {TOGETHER}: {out}")
    if wrong:
        typer.echo(f"{wrong:,} were wrong and are not among them", err=True)
        raise typer.Exit(1)
