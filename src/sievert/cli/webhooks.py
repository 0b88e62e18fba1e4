"""`sievert webhooks`: messages that nobody took."""

from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    webhooks = typer.Typer(help="Look at dead letters and send them again.", no_args_is_help=True)
    webhooks.command()(dead)
    webhooks.command()(resend)
    app.add_typer(webhooks, name="webhooks")


def dead(
    limit: Annotated[int, typer.Option(min=1, help="Letters at most.")] = 100,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """List the messages that were given up, newest first."""
    from rich.console import Console

    from sievert.cli.id_table import id_table
    from sievert.schema.clock import SystemClock, to_text
    from sievert.serving.wiring import open_ledgers

    with open_ledgers(settings_from(config, data).settings, clock=SystemClock()) as ledgers:
        letters = ledgers.outbox.dead(limit)
    rows = [
        (one.message_id, one.kind, to_text(one.created_at)[:19], str(one.attempts), one.last_error)
        for one in letters
    ]
    Console().print(id_table(("id", "kind", "made", "attempts", "last error"), rows))


def resend(
    message_id: Annotated[str, typer.Argument(help="The id, as `sievert webhooks dead` shows it.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Give a dead letter all its attempts anew; a running server sends it."""
    from sievert.schema.access import AuditNote
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import open_ledgers

    clock = SystemClock()
    with open_ledgers(settings_from(config, data).settings, clock=clock) as ledgers:
        ledgers.outbox.revive(message_id, clock.now())
        ledgers.audit.append([AuditNote(actor="command line", event="webhook.resent", subject=message_id)])
    typer.echo(f"{message_id} is pending again")
