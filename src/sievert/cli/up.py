"""`sievert up`: the server."""

import shlex

import typer

from sievert.cli.options import ConfigOption, DataOption, HostOption, PortOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(up)


def up(
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Start the server. The first start of a data folder makes an admin key and prints it once."""
    from sievert.cli.clocks import clock_of
    from sievert.schema.clock import SystemClock
    from sievert.serving.logs import set_up_logging
    from sievert.serving.server import address_of, bind, make_server, serve
    from sievert.serving.settings import Settings
    from sievert.serving.wiring import first_key, open_doors

    settings = settings_from(config, data, host=host, port=port).settings
    set_up_logging(form=settings.log_format, level=settings.log_level)
    taken = bind(settings.host, settings.port)
    # A rehearsal is shown at the time where it stands; whoever signs in lives in ours.
    doors = open_doors(settings, clock=clock_of(settings), wall=SystemClock())
    key = first_key(doors)

    def started() -> None:
        address = address_of(taken)
        typer.echo(f"sievert is up at {address}")
        typer.echo(f"scores with {doors.parts.bundle.version}, keeps data in {settings.data_folder}")
        usual = settings.data_folder == Settings().data_folder
        where = "" if usual else f" --data {shlex.quote(settings.data_folder)}"
        if key:
            typer.echo(f"admin key, shown this once: {key}")
            typer.echo(f"live page: {address}/#key={key}")
        else:
            typer.echo(
                f"live page: {address}, which asks for a key; `sievert keys add NAME{where}` makes one"
            )
        if not doors.stores.people.all():
            typer.echo(
                f"people sign in at {address}/sign-in; nobody can yet: `sievert people add NAME --role "
                f"moderator{where}` lets somebody in"
            )

    serve(make_server(doors, started=started), taken)
    typer.echo("sievert ended; everything it acknowledged is kept")
