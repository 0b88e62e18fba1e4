"""Pictures are fetched by their URLs, and the fetcher cannot be turned against the network it stands in.

What is checked is what is called: a host's addresses are asked for once, every one of them is checked,
and the connection goes to one of these very addresses, so that a name which changes its address between
check and use gains nothing. The certificate is still checked against the name. Redirects are followed by
hand, each under the same rules. Nothing is kept between two fetches: no connection, no cookie.

Time, size and the number of pieces are bounded on the whole: a server that drips is cut off, and so is
one that sends crumbs. Compressed answers are refused unread. At most `at_once` fetches run, few of them with the same host and the same
address, so that a slow host takes its own turns and nobody else's.

Not covered: who owns many hosts at many addresses can take all turns for as long as one fetch may last;
what is behind them waits as long at most, and is told to come again. A name server that never answers
holds one of a few threads for as long as the system asks it.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import httpcore
import httpx

from sievert.errors import InputError
from sievert.schema.media import MAX_PICTURE_BYTES
from sievert.serving.calling import FAILURES, call
from sievert.serving.destinations import (
    Address,
    Destination,
    Result,
    Stopped,
    checked,
    destination_of,
    literal,
    look_up,
    not_public,
)

MOST_REDIRECTS = 3
MOST_ADDRESSES = 3
"""Addresses of one host that are tried, if the first do not take the connection."""

AT_ONCE = 16
"""Fetches that run at once; each may hold a whole picture."""

PER_HOST = 2
PER_ADDRESS = 8
"""Many honest hosts share an address, but one who shows us a thousand names has few addresses."""

FETCH_SECONDS = 10.0
MOST_CRUMBS = 64
CRUMB_BYTES = 256
"""After so many pieces they must have had so many bytes on average: each costs the same, however small."""

_RESOLVERS = 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 425, 429})
_PAGES = ("text/html", "application/xhtml+xml")
Spent = TypeVar("Spent")

Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host for a port; it may block, and raises OSError if there is none."""


def _uncounted(_: str) -> None:
    """Count nothing."""


class Fetcher:
    """Fetches pictures by URL, for one event loop."""

    def __init__(
        self,
        *,
        allowed: Iterable[str] = (),
        seconds: float = FETCH_SECONDS,
        at_once: int = AT_ONCE,
        resolve: Resolve = look_up,
        count: Callable[[str], object] = _uncounted,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Fetch within `seconds` each; `allowed` are host:port of the own network that may be called.

        `count` hears what came of each fetch (a word of `destinations.Result`). `trust` is whom to believe
        about certificates, if not the authorities that browsers believe.
        """
        self._allowed = frozenset(one.lower() for one in allowed)
        self._seconds = seconds
        self._resolve = resolve
        self._count = count
        self._trust = trust
        # Of its own: a name server that never answers must not hold up other threads' work.
        self._threads = concurrent.futures.ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolve")
        self._at_once = at_once
        self._turns = _Turns()

    async def fetch(self, url: str) -> bytes:
        """Return what lies at a URL, at most `MAX_PICTURE_BYTES`; whether it is a picture is not looked at.

        Raises:
            MediaUnavailable: not now; the same may go through later.
            InvalidField: never: the URL, or what it leads to, is wrong.
            TooLarge: never: there is too much of it.
        """
        try:
            found = await self._follow(url)
        except Stopped as stopped:
            self._count(stopped.result.value)
            raise stopped.told() from None
        self._count(Result.FETCHED.value)
        return found

    async def close(self) -> None:
        """Let go of the threads; no fetch may be running."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, url: str) -> bytes:
        destination = destination_of(url, self._allowed)
        host = destination.host[:100]
        budget = _Budget(self._seconds, lambda: _late(host))
        patience = _Budget(self._seconds, _busy)
        for _ in range(MOST_REDIRECTS + 1):
            found = await self._in_turn(destination, budget, patience)
            if isinstance(found, bytes):
                return found
            destination = destination.next(found, self._allowed)
        raise Stopped(Result.REDIRECTS, f"The URL redirects more than {MOST_REDIRECTS} times.")

    async def _in_turn(self, destination: Destination, budget: "_Budget", patience: "_Budget") -> bytes | str:
        """Wait for a turn at the host, at its address, and at all; always in this order, so nobody waits in a ring."""
        # A host that the operator listed is trusted with more, but never with everything.
        most = max(PER_HOST, self._at_once // 2) if destination.listed else PER_HOST
        turn = functools.partial(self._turns.one, patience=patience)
        async with turn(f"host {destination.host}", most):
            addresses = await budget.spend(self._addresses(destination))
            place = f"address {_neighbourhood(addresses[0])}"
            async with turn(place, max(most, PER_ADDRESS)), turn("all", self._at_once):
                return await budget.spend(self._get(destination, addresses))

    async def _addresses(self, destination: Destination) -> list[Address]:
        if literal(destination.host) is not None:
            return checked(destination, [destination.host])
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._threads, self._resolve, destination.host, destination.port
            )
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                raise Stopped(
                    Result.UNREACHABLE, f"No name server answers for {destination.host[:100]}."
                ) from error
            raise not_public(destination, Result.NO_HOST) from error
        return checked(destination, found)

    async def _get(self, destination: Destination, addresses: Sequence[Address]) -> bytes | str:
        """Ask the first address that takes a connection; return the body, or where it redirects to."""
        trust = self._trust = self._trust or httpx.create_ssl_context(trust_env=False)
        stopped = None
        for address in addresses[:MOST_ADDRESSES]:
            try:
                async with call(destination, address, trust=trust) as response:
                    return await _read(destination.host[:100], response)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                stopped = _unconnected(destination.host[:100], error)
            except httpcore.TimeoutException as error:
                raise _late(destination.host[:100]) from error
            except FAILURES as error:
                raise Stopped(
                    Result.BROKEN, f"{destination.host[:100]} broke off, or does not speak HTTP."
                ) from error
        assert stopped is not None  # noqa: S101  there is at least one address
        raise stopped


async def _read(host: str, response: httpcore.Response) -> bytes | str:
    """Read a body piece by piece, as far as it may be read at all; return where it redirects, if it does."""
    _refuse_status(host, response.status)
    headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
    if response.status in _REDIRECTS:
        return headers.get(b"location", "")
    _refuse_headers(host, headers)
    pieces: list[bytes] = []
    size = 0
    async for piece in response.aiter_stream():
        size += len(piece)
        if size > MAX_PICTURE_BYTES:
            raise _too_large(host)
        pieces.append(piece)
        if len(pieces) > MOST_CRUMBS and size < len(pieces) * CRUMB_BYTES:
            raise Stopped(Result.CRUMBS, f"{host} sends the picture in crumbs.")
    if not size:
        raise Stopped(Result.EMPTY, f"{host} answers with nothing.")
    return b"".join(pieces)


def _refuse_headers(host: str, headers: Mapping[bytes, str]) -> None:
    encoding = headers.get(b"content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise Stopped(Result.ENCODING, f"{host} answers compressed, although it was told not to.")
    kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    if kind in _PAGES:
        raise Stopped(Result.TYPE, f"{host} answers with a web page and not with a picture.")
    stated = headers.get(b"content-length", "")
    if stated.isdecimal() and int(stated[:20]) > MAX_PICTURE_BYTES:
        raise _too_large(host)


def _refuse_status(host: str, status: int) -> None:
    if status == 200 or status in _REDIRECTS:
        return
    if status >= 500 or status in _LATER:
        raise Stopped(Result.FAILING, f"{host} answers with the status {status}.")
    raise Stopped(Result.STATUS, f"{host} answers with the status {status} and no picture.")


def _too_large(host: str) -> Stopped:
    return Stopped(Result.SIZE, f"{host} sends more than {MAX_PICTURE_BYTES:,} bytes.")


def _late(host: str) -> Stopped:
    return Stopped(Result.TIMEOUT, f"{host} does not send the picture in time.")


def _unconnected(host: str, error: Exception) -> Stopped:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Stopped(Result.UNREACHABLE, f"{host} has no certificate that holds for its name.")
        cause = cause.__cause__ or cause.__context__
    return Stopped(Result.UNREACHABLE, f"{host} takes no connection.")


def _neighbourhood(address: Address) -> str:
    """Return an address, or the network of an IPv6 one: who has one of those has 2^64."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


def _busy() -> Stopped:
    return Stopped(Result.BUSY, "Too many pictures are being fetched.")


class _Budget:
    """The seconds that all of a fetch may take, or all of its waiting for turns."""

    def __init__(self, seconds: float, over: Callable[[], Stopped]) -> None:
        self._left = seconds
        self._over = over

    async def spend(self, work: Coroutine[Any, Any, Spent]) -> Spent:
        """Await something within what is left."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left):
                return await work
        except TimeoutError:
            raise self._over() from None
        finally:
            self._left -= loop.time() - began


class _Turns:
    """Who may go next, by what they go for; first come, first served."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}

    @contextlib.asynccontextmanager
    async def one(self, name: str, most: int, *, patience: _Budget) -> AsyncIterator[None]:
        """Hold one of at most `most` turns at a place."""
        place = self._places.setdefault(name, _Place(most))
        place.guests += 1  # those who wait are counted too, so that a place lasts while anybody knows it
        try:
            await patience.spend(place.turns.acquire())
            try:
                yield
            finally:
                place.turns.release()
        finally:
            place.guests -= 1
            if not place.guests:
                del self._places[name]


class _Place:
    def __init__(self, most: int) -> None:
        self.turns = asyncio.Semaphore(most)
        self.guests = 0


def fetch_all(
    urls: Sequence[str], *, allowed: Iterable[str] = (), seconds: float = FETCH_SECONDS
) -> list[bytes | InputError]:
    """Fetch pictures for a command line, some at once; return what came of each, in order."""

    async def all_of_them() -> list[bytes | InputError]:
        fetcher = Fetcher(allowed=allowed, seconds=seconds)

        async def one(url: str) -> bytes | InputError:
            try:
                return await fetcher.fetch(url)
            except InputError as error:
                return error

        try:
            return await asyncio.gather(*map(one, urls))
        finally:
            await fetcher.close()

    return asyncio.run(all_of_them())
