"""`sievert audit`: what was done, and whether the log still says what was written."""

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    audit = typer.Typer(help="The append-only log of actions and keys.", no_args_is_help=True)

    @audit.callback()
    def _group() -> None:
        """Keep `verify` a command of its own, also while it is alone."""

    audit.command()(verify)
    app.add_typer(audit, name="audit")


def verify(data: DataOption = None, config: ConfigOption = None) -> None:
    """Walk the whole chain and print its head; keep the head elsewhere, to notice a new chain."""
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import open_ledgers

    with open_ledgers(settings_from(config, data).settings, clock=SystemClock()) as ledgers:
        (entries, head), emptied = ledgers.audit.walked()
    typer.echo(f"{entries:,} entries, unbroken; head {head}")
    for forgetting, lines in emptied.items():
        typer.echo(f"{lines:,} of them emptied for the forgetting {forgetting}")
