"""`sievert console`: the part of a server that people work with; servers and workers decide, over the same database."""

import msgspec
import typer

from sievert.cli.options import (
    ConfigOption,
    DataOption,
    HostOption,
    PortOption,
    require_services,
    settings_from,
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(console)


def console(
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Show pages to people, without a model in memory: needs `database_url`, and servers or workers that decide."""
    from sievert.schema.clock import SystemClock
    from sievert.scoring.cover import load_cover
    from sievert.serving.console import as_console
    from sievert.serving.logs import set_up_logging
    from sievert.serving.server import address_of, bind, make_server, serve
    from sievert.serving.wiring import open_doors

    settings = settings_from(config, data, host=host, port=port).settings
    require_services(settings, "database_url")
    set_up_logging(form=settings.log_format, level=settings.log_level)
    taken = bind(settings.host, settings.port)
    # Of what is scored, nothing is.
    settings = msgspec.structs.replace(settings, creators_model="", candidate="")
    doors = as_console(open_doors(settings, clock=SystemClock(), load=load_cover))

    def started() -> None:
        typer.echo(f"sievert shows pages at {address_of(taken)}")
        typer.echo("people sign in there; `sievert people add NAME --role moderator` lets somebody in")

    serve(make_server(doors, started=started), taken)
    typer.echo("sievert ended; everything that people did is kept")
