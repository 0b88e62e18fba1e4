"""`sievert keys`: who may call."""

from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    keys = typer.Typer(
        help="Make, list and revoke API keys, also while the server runs.", no_args_is_help=True
    )
    keys.command()(add)
    keys.command("list")(list_keys)
    keys.command()(revoke)
    app.add_typer(keys, name="keys")


def add(
    name: Annotated[str, typer.Argument(help="Who uses the key.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="posts:write, decisions:read, score, labels:write, banks:read, banks:write, operate or admin; "
            "may be given several times."
        ),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key and print it, this once. Without --scope it may send posts and read decisions."""
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import add_key, open_ledgers

    clock = SystemClock()
    with open_ledgers(settings_from(config, data).settings, clock=clock) as ledgers:
        text, key = add_key(
            ledgers.keys,
            ledgers.audit,
            name=name,
            scopes=tuple(scope or ("posts:write", "decisions:read")),
            actor="command line",
            clock=clock,
        )
    typer.echo(f"{key.key_id} for {key.name} may {', '.join(key.scopes)}; shown this once:", err=True)
    typer.echo(text)


def list_keys(data: DataOption = None, config: ConfigOption = None) -> None:
    """List all keys, without their secrets."""
    from rich.console import Console

    from sievert.cli.id_table import id_table
    from sievert.schema.clock import SystemClock, to_text
    from sievert.serving.wiring import open_ledgers

    with open_ledgers(settings_from(config, data).settings, clock=SystemClock()) as ledgers:
        found = ledgers.keys.list()
    rows = [
        (
            key.key_id,
            key.name,
            " ".join(key.scopes),
            to_text(key.created_at)[:19],
            to_text(key.revoked_at)[:19] if key.revoked_at is not None else "",
        )
        for key in found
    ]
    Console().print(id_table(("id", "name", "scopes", "made", "revoked"), rows))


def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as `sievert keys list` shows it.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key worthless; a running server notices within a second."""
    from sievert.schema.access import AuditNote
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import open_ledgers

    clock = SystemClock()
    with open_ledgers(settings_from(config, data).settings, clock=clock) as ledgers:
        ledgers.keys.revoke(key_id, clock.now())
        ledgers.audit.append([AuditNote(actor="command line", event="key.revoked", subject=key_id)])
    typer.echo(f"{key_id} is revoked")
