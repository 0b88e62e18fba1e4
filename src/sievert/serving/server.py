"""The process around the application: a socket that is surely ours, signals, a drained end."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable

import uvicorn
from litestar import Litestar

from sievert.errors import ConfigurationError
from sievert.pipeline.collector import settle_collector
from sievert.serving.app import make_app
from sievert.serving.connections import (
    BACKLOG,
    QUEUE,
    AtTheDoor,
    Silence,
    most_connections,
    protocol,
    raise_handle_limit,
)
from sievert.serving.doors import Doors
from sievert.serving.turning_away import SinglesAtTheDoor

MOST_HEADER_BYTES = 32 << 10
"""A request line with its headers may be this long; what is longer is refused before it is held."""

GRACE_SECONDS = 20
"""How long requests may take to end once the server was asked to."""

TICKS_A_SECOND = 10
"""How often uvicorn calls `on_tick`."""


def bind(host: str, port: int) -> socket.socket:
    """Take a port before anything slow is done.

    Raises:
        ConfigurationError: somebody else has it, or there is no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise ConfigurationError(
            "Settings",
            [f"port {port} of {host} cannot be taken: {error.strerror}. Choose another with --port."],
        ) from error
    return taken


def address_of(taken: socket.socket) -> str:
    """Return the address that a browser on this machine can open."""
    return url_of(*taken.getsockname()[:2])


def url_of(host: str, port: int) -> str:
    """Return the address under which this machine reaches a server that listens on a host."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


class Server(uvicorn.Server):
    """Uvicorn with an eye on its connections, and two more moments: it takes requests; it is to end."""

    def __init__(
        self,
        app: Litestar,
        *,
        connections: int,
        at_the_door: AtTheDoor,
        started: Callable[[], None],
        ending: Callable[[], None],
    ) -> None:
        """Call `started` once requests are taken, `ending` before open ones are waited for.

        At most `connections` are open at once; `at_the_door` may answer a request before it is read.
        """
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            # The other parser that uvicorn knows reads request lines and headers of any length.
            http=protocol(connections, at_the_door),
            backlog=BACKLOG,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            lifespan="on",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._started = started
        self._ending = ending
        self._silence = Silence()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(QUEUE)  # the loop takes BACKLOG at once, and would let no more wait
        if not self.should_exit:
            self._started()

    async def on_tick(self, counter: int) -> bool:
        """Look once a second for connections that want nothing."""
        if counter % TICKS_A_SECOND == 0:
            self._silence.end_long([*self.server_state.connections], asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, which would go on for ever, then wait for the rest."""
        self._ending()
        await super().shutdown(sockets)


def make_server(doors: Doors, *, started: Callable[[], None]) -> Server:
    """Put a server around these parts."""
    most = most_connections(doors.settings.connections, handles=raise_handle_limit())
    return Server(
        make_app(doors),
        connections=most,
        at_the_door=SinglesAtTheDoor(doors.batcher.refuse_if_full, doors.metrics),
        started=started,
        ending=doors.feed.drain,
    )


def serve(server: Server, taken: socket.socket) -> None:
    """Serve until a signal comes; then drain, close and return."""
    # Uvicorn raises the signal once more when it has ended; it must not kill what closes after it.
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.closing(taken):
            settle_collector()
            server.run(sockets=[taken])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(number: int, frame: object) -> None:
    del number, frame
