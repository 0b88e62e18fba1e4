"""`sievert worker`: the part of a server that decides what `sievert api` puts into the queue."""

import asyncio
import signal

import typer

from sievert.cli.options import ConfigOption, DataOption, require_services, settings_from


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(worker)


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
    require_services(settings, "database_url", "nats_url")
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
