"""`sievert api`: the part of a server that takes requests; workers decide, with a queue between them."""

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
    app.command()(api)


def api(
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take requests and let workers decide: needs `database_url` and `nats_url`, and a `sievert worker`."""
    from sievert.schema.clock import SystemClock
    from sievert.serving.logs import set_up_logging
    from sievert.serving.queue import Queue
    from sievert.serving.server import address_of, bind, make_server, serve
    from sievert.serving.wiring import first_key, open_doors, with_queue

    settings = settings_from(config, data, host=host, port=port).settings
    require_services(settings, "database_url", "nats_url")
    set_up_logging(form=settings.log_format, level=settings.log_level)
    taken = bind(settings.host, settings.port)
    doors = with_queue(open_doors(settings, clock=SystemClock()), Queue(settings.nats_url))
    key = first_key(doors)

    def started() -> None:
        typer.echo(f"sievert takes requests at {address_of(taken)}")
        typer.echo("lets workers decide; `sievert worker` starts one")
        if key:
            typer.echo(f"admin key, shown this once: {key}")

    serve(make_server(doors, started=started), taken)
    typer.echo("sievert ended; everything it acknowledged is kept")
