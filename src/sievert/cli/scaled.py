"""`sievert api` and `sievert worker`: a server in two parts, with a queue between them."""

import asyncio
import signal
from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from
from sievert.serving.settings import Settings


def register(app: typer.Typer) -> None:
    """Add both commands to the application."""
    app.command()(api)
    app.command()(worker)


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
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
    _require_both(settings)
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


def worker(data: DataOption = None, config: ConfigOption = None) -> None:
    """Decide what servers put into the queue: needs `database_url` and `nats_url`."""
    from sievert.pipeline.collector import settle_collector
    from sievert.schema.clock import SystemClock
    from sievert.serving.consuming import Consumer
    from sievert.serving.doors import Doors
    from sievert.serving.logs import set_up_logging
    from sievert.serving.queue import Queue
    from sievert.serving.wiring import open_doors

    settings = settings_from(config, data).settings
    _require_both(settings)
    set_up_logging(form=settings.log_format, level=settings.log_level)
    queue = Queue(settings.nats_url)

    async def work(doors: Doors) -> None:
        async with doors.running():
            await queue.open()
            consumer = Consumer(queue, doors)
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, consumer.stop)
            typer.echo(f"sievert works with {doors.parts.bundle.version}")
            await consumer.run()
            await queue.close()

    doors = open_doors(settings, clock=SystemClock())
    settle_collector()
    asyncio.run(work(doors))
    typer.echo("sievert ended; what it had not decided goes to another worker")


def _require_both(settings: Settings) -> None:
    from sievert.errors import ConfigurationError

    missing = [name for name in ("database_url", "nats_url") if not getattr(settings, name)]
    if missing:
        raise ConfigurationError(
            "Settings",
            [f"{name} is not set; a server in parts needs it (`sievert up` does not)." for name in missing],
        )
