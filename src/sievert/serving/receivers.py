"""How a webhook's receiver is called: at addresses of the public internet, or at a host that a setting lists.

A name is looked up for each connection and every address behind it is checked; what was checked is what is
called, so that a name which changes its mind in between leads nowhere else. Redirects are not followed.

Not covered: a public address that the network sends on to an inner one.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable
from typing import Any, cast

import httpcore
import httpx

from sievert.serving.destinations import Destination, Stopped, checked, literal, look_up


class NotPublic(httpx.TransportError):
    """A receiver lies inside the network, and no setting lists it."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Sends requests over connections to checked addresses alone."""

    def __init__(self, private_hosts: Collection[str]) -> None:
        """`private_hosts` are the host:port of the own network that may be called."""
        self._pool = httpcore.AsyncConnectionPool(network_backend=_CheckedLine(private_hosts))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            NotPublic: the receiver may not be called.
        """
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=cast("AsyncIterable[bytes]", request.stream),
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """What comes of an answer's body."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Read it piece by piece."""
        async for piece in cast("AsyncIterable[bytes]", self._answer.stream):
            yield piece

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._answer.aclose()


class _CheckedLine(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked."""

    def __init__(self, private_hosts: Collection[str]) -> None:
        self._private_hosts = private_hosts
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the host up, check all that it leads to, and call the first that answers."""
        del local_address, socket_options
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        destination = Destination(
            url=httpx.URL(f"http://{shown}/"),
            host=host,
            port=port,
            listed=shown in self._private_hosts,
        )
        found = [host] if literal(host) is not None else await asyncio.to_thread(look_up, host, port)
        try:
            addresses = checked(destination, found)
        except Stopped as stopped:
            raise NotPublic(f"{stopped.what} The setting webhook_private_hosts lists others.") from stopped
        for address in addresses[:-1]:
            try:
                return await self._real.connect_tcp(str(address), port, timeout=timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._real.connect_tcp(str(addresses[-1]), port, timeout=timeout)
