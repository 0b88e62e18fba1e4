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
    message_id: Annotated[
        str | None, typer.Argument(help="One message, as its webhook-id or `sievert webhooks dead` shows it.")
    ] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", help="All made from then on: 2027-01-31T12:00:00Z, or 2h, 3d ago."),
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="... and before this time.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Give messages all their attempts anew, dead or delivered within 7 days; a running server sends them."""
    from sievert.cli.times import time_from
    from sievert.schema.access import AuditNote
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import open_ledgers

    if (message_id is None) == (since is None) or (until is not None and since is None):
        raise typer.BadParameter("name one message, or --since")
    clock = SystemClock()
    now = clock.now()
    with open_ledgers(settings_from(config, data).settings, clock=clock) as ledgers:
        if message_id is not None:
            ledgers.outbox.revive(message_id, now)
            told, subject = f"{message_id} is pending again", message_id
        else:
            first = time_from(since or "", now)
            last = time_from(until, now) if until else now
            count = ledgers.outbox.revive_since(first, last, now)
            told, subject = f"{count:,} messages are pending again", f"{first}..{last}"
        ledgers.audit.append([AuditNote(actor="command line", event="webhook.resent", subject=subject)])
    typer.echo(told)
