"""`sievert demo`: a server, example posts through its real API, and a page to watch them on."""

import contextlib
import itertools
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sievert.cli.options import settings_from

if TYPE_CHECKING:
    import socket

    import httpx

    from sievert.serving.server import Server

_RETRIES = 60
_SLICE = 0.5
"""Seconds between two batches of examples."""

_BATCH = 500
"""Posts of a batch when there is no rate."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(demo)


def demo(
    posts: Annotated[int | None, typer.Option(min=1, help="End after so many posts.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Posts a second; 0 is as fast as it goes.")] = 20.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    exit_after: Annotated[float | None, typer.Option(min=0, help="End after so many seconds.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep the data here, instead of dropping it.")
    ] = None,
) -> None:
    """Start a server, send example posts through its API, and print the address of a page to watch.

    Runs until Ctrl-C, unless it is told how many posts or seconds to run for.
    """
    # However it is ended, the server stops and the temporary folder goes. Windows has no hang-up.
    for ending in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(ending, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sievert-demo-")))
        typer.echo("loading the model (the very first start compiles its kernels, half a minute)")
        address, key, failed = stack.enter_context(_server(folder, port))
        typer.echo("streaming example posts of our own writing through the real API; watch them here:")
        typer.echo(f"\n    {address}/#key={key}\n")
        if posts is None and exit_after is None:
            typer.echo("Ctrl-C ends it")
        counts: Counter[str] = Counter()
        with contextlib.suppress(KeyboardInterrupt):
            _send_examples(address, key, counts, most=posts, rate=rate, seconds=exit_after, failed=failed)
        told = ", ".join(f"{count:,} {decision}" for decision, count in counts.most_common())
        typer.echo(f"{counts.total():,} posts decided: {told}")


@contextlib.contextmanager
def _server(folder: Path, port: int) -> Iterator[tuple[str, str, threading.Event]]:
    """Run a server in a thread; give its address, a key, and an event that tells of its end."""
    from sievert.errors import StoreUnavailable
    from sievert.schema.clock import SystemClock
    from sievert.serving.logs import set_up_logging
    from sievert.serving.server import address_of, bind, make_server
    from sievert.serving.wiring import add_key, open_doors

    set_up_logging(form="console", level="warning")
    settings = settings_from(None, folder, port=port).settings
    taken = bind(settings.host, settings.port)
    clock = SystemClock()
    doors = open_doors(settings, clock=clock)
    key, _ = add_key(
        doors.stores.keys,
        doors.stores.audit,
        name="demo",
        scopes=("posts:write", "decisions:read"),
        actor="demo",
        clock=clock,
    )
    started, ended = threading.Event(), threading.Event()
    server = make_server(doors, started=started.set)
    thread = threading.Thread(target=_run, args=(server, taken, ended), name="sievert-server")
    thread.start()
    try:
        while not started.wait(0.1):
            if ended.is_set():
                raise StoreUnavailable("The server did not start.", remedy="Run `sievert doctor`.")
        yield address_of(taken), key, ended
    finally:
        server.should_exit = True
        thread.join()


def _run(server: "Server", taken: "socket.socket", ended: threading.Event) -> None:
    try:
        with contextlib.closing(taken):
            server.run(sockets=[taken])
    finally:
        ended.set()


def _send_examples(
    address: str,
    key: str,
    counts: Counter[str],
    *,
    most: int | None,
    rate: float,
    seconds: float | None,
    failed: threading.Event,
) -> None:
    """Send batch after batch, each when the one before was answered, until enough is sent."""
    import time
    from random import Random

    import httpx
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from sievert.cli.example_posts import example_posts

    began = time.monotonic()
    random = Random()  # noqa: S311  which example comes next is no secret
    examples = itertools.islice(example_posts(random, prefix=f"demo-{random.getrandbits(32):08x}"), most)
    console = Console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    size = max(1, round(rate * _SLICE)) if rate else _BATCH
    with (
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("0 posts")
        sent = 0
        while batch := list(itertools.islice(examples, size)):
            for answer in _send(client, batch, failed):
                counts[answer.get("decision") or answer["title"]] += 1
            sent += len(batch)
            progress.update(task, description=f"{counts.total():,} posts decided")
            pause = began + sent / rate - time.monotonic() if rate else 0.0
            left = began + seconds - time.monotonic() if seconds is not None else pause
            if failed.wait(max(0.0, min(pause, left))) or (seconds is not None and left <= pause):
                return
        if seconds is not None:
            failed.wait(max(0.0, began + seconds - time.monotonic()))


def _send(
    client: "httpx.Client", batch: list[dict[str, Any]], failed: threading.Event
) -> list[dict[str, Any]]:
    """Send a batch; when the server is full, come back when it says."""
    import msgspec

    from sievert.errors import Overloaded

    body = b"\n".join(msgspec.json.encode(post) for post in batch)
    for _ in range(_RETRIES):
        answer = client.post(
            "/api/v1/posts:batch", content=body, headers={"Content-Type": "application/x-ndjson"}
        )
        if answer.status_code != 429:
            answer.raise_for_status()
            return [msgspec.json.decode(line) for line in answer.content.splitlines()]
        failed.wait(float(answer.headers.get("Retry-After", "1")))
    raise Overloaded("The server stayed full.", remedy="Lower --rate.")
