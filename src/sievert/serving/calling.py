"""One call to one checked address: the name is told to the server and in TLS, and never looked up.

The other side decides how its answer is cut into pieces, and each piece costs time in which the server
does nothing else. So the head of an answer, with whatever comes before it, may be short only and is read
a little at a time; crumbs of a body are for the caller to count.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore

from sievert import __version__
from sievert.serving.destinations import Address, Destination

CONNECT_SECONDS = 3.0
PIECE_SECONDS = 3.0
HEAD_BYTES = 32 << 10
"""An answer's status and headers are shorter than this, early hints and the like included."""

HEAD_LINES = 300
"""An answer's head has fewer lines; each costs the same, however short it is."""

FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, OSError)
"""How a call fails, if it does not take too long (`httpcore.TimeoutException`)."""

_HEAD_PIECE = 4 << 10
_HEADERS = [
    (b"Accept", b"image/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
    (b"User-Agent", f"Sievert/{__version__}".encode()),
]


@contextlib.asynccontextmanager
async def call(
    destination: Destination, address: Address, *, trust: ssl.SSLContext
) -> AsyncIterator[httpcore.Response]:
    """Ask a server at an address for what a destination names; give the answer with its body unread.

    Raises:
        httpcore.ConnectError: it takes no connection, or has no certificate for the name.
        httpcore.TimeoutException: connecting, or one piece, took too long.
        httpcore.NetworkError: it broke off.
        httpcore.ProtocolError: it does not speak HTTP, or its head is too long.
    """
    host = destination.host.encode("ascii")
    scheme = destination.url.scheme.encode("ascii")
    line = _Line(address)
    # Of its own for each call: a connection that stayed open would be to a name that another call checked.
    connection = httpcore.AsyncHTTPConnection(
        origin=httpcore.Origin(scheme, host, destination.port),
        ssl_context=trust,
        http2=False,
        network_backend=line,
    )
    request = httpcore.Request(
        "GET",
        httpcore.URL(scheme=scheme, host=host, port=destination.port, target=destination.url.raw_path),
        headers=[(b"Host", destination.authority.encode("ascii")), *_HEADERS],
        extensions={
            "timeout": {
                "connect": CONNECT_SECONDS,
                "read": PIECE_SECONDS,
                "write": PIECE_SECONDS,
                "pool": CONNECT_SECONDS,
            }
        },
    )
    try:
        response = await connection.handle_async_request(request)
        line.head_left = None
        try:
            yield response
        finally:
            await response.aclose()
    finally:
        await connection.aclose()
        # The library forgets a connection whose handshake is cancelled; it would stay open.
        await line.hang_up()


class _Line(httpcore.AsyncNetworkBackend):
    """Connects to one address, whatever the name, and counts the head of what comes."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._real = httpcore.AnyIOBackend()
        self._opened: httpcore.AsyncNetworkStream | None = None
        self.head_left: int | None = HEAD_BYTES
        self.lines_left = HEAD_LINES

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the checked address; the name is of no interest here."""
        del host, local_address, socket_options
        self._opened = await self._real.connect_tcp(str(self._address), port, timeout=timeout)
        return _Metered(self._opened, self)

    async def hang_up(self) -> None:
        """Close what was opened; once more does no harm."""
        if self._opened is not None:
            await self._opened.aclose()


class _Metered(httpcore.AsyncNetworkStream):
    """A stream that reads little at a time, and not much, until the head of the answer is over."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, line: _Line) -> None:
        self._stream = stream
        self._line = line

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read a piece."""
        left = self._line.head_left
        if left is None:
            return await self._stream.read(max_bytes, timeout)
        data = await self._stream.read(min(max_bytes, _HEAD_PIECE), timeout)
        self._line.head_left = left - len(data)
        self._line.lines_left -= data.count(b"\n")
        if self._line.head_left < 0 or self._line.lines_left < 0:
            raise httpcore.RemoteProtocolError("the head of the answer is too long")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Write all of it."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS from here on; the certificate must be for the name."""
        return _Metered(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._line)

    def get_extra_info(self, info: str) -> Any:
        """Tell what the stream tells of itself."""
        return self._stream.get_extra_info(info)
