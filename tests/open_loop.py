"""Requests that are sent when they are due, whatever became of those before, and how long each took since it was due.

A closed loop waits for answers before it asks again, and so asks least when the server is slowest; what it did not
ask is missing from its latencies ("coordinated omission"). Here each request has a moment, evenly or by Poisson, and
its latency counts from that moment: also where the generator was late, no connection was free, or nothing was heard.
"""

import asyncio
import dataclasses
import multiprocessing as mp
import time

import numpy as np

PATIENCE = 30.0  # seconds after which a request is given up

REFUSED, BROKEN, GIVEN_UP = 0, -1, -2
"""What stands for a status where none was heard: no connection, one that ended too early, no answer in time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
    """What became of each request, in the order in which they were due; all arrays have one row a request."""

    due: np.ndarray  # seconds since the first
    seconds: np.ndarray  # from when it was due to the end of its answer
    status: np.ndarray
    retry_after: np.ndarray  # -1 without the header
    bodies: list  # of answers, where they were asked for
    last_sent: float  # seconds after the first was due

    def __len__(self):
        return len(self.due)

    def quantiles_ms(self, *which, of=None):
        """Return quantiles of the latency in milliseconds, of these rows or all."""
        some = self.seconds if of is None else self.seconds[of]
        return [round(float(one) * 1000, 2) for one in np.quantile(some, which)] if len(some) else []


def request(method, path, key, body=b"", *, kind="application/json"):
    """Write a request of HTTP/1.1 as bytes."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self):
        self.open = True
        self._transport = self._head = None
        self._answer = asyncio.get_running_loop().create_future()
        self._held = bytearray()

    def connection_made(self, transport):
        self._transport = transport

    async def ask(self, sent):
        """Send; return (status, retry_after, body)."""
        self._transport.write(sent)
        try:
            return await self._answer  # may be there already: some are turned away unasked
        finally:
            self._answer = asyncio.get_running_loop().create_future()
            self._held.clear()
            self._head = None

    def data_received(self, data):
        self._held += data
        if self._head is None:
            end = self._held.find(b"\r\n\r\n")
            if end < 0:
                return
            first, *lines = bytes(self._held[:end]).lower().split(b"\r\n")
            self._head = {b"status": first.split()[1], **dict(line.split(b": ", 1) for line in lines)}
            self.open = self._head.get(b"connection") != b"close"
            del self._held[: end + 4]
        if (size := self._head.get(b"content-length")) is not None:
            whole = len(self._held) >= int(size)
        else:  # chunked, or it ends with the connection
            whole = b"transfer-encoding" in self._head and self._held.endswith(b"0\r\n\r\n")
        if whole:
            self._done()

    def connection_lost(self, error):
        self.open = False
        if self._head is not None:
            self._done()
        elif not self._answer.done():
            self._answer.set_result((BROKEN, -1, b""))

    def end(self):
        self.open = False
        self._transport.abort()

    def _done(self):
        if not self._answer.done():
            status, retry_after = int(self._head[b"status"]), int(self._head.get(b"retry-after", -1))
            self._answer.set_result((status, retry_after, bytes(self._held)))


class _Connections:
    def __init__(self, port, most, patience):
        self._port, self._patience = port, patience
        self.last_sent = 0.0
        self._room = asyncio.Semaphore(most)
        self._idle = []

    async def answer(self, sent, due):
        """Send on a free connection, or on a new one if there may be more; otherwise wait for one."""
        async with self._room:
            if time.perf_counter() - due > self._patience:
                return GIVEN_UP, -1, b""
            self.last_sent = time.perf_counter()
            connection = None
            while self._idle and connection is None:
                connection = one if (one := self._idle.pop()).open else None
            try:
                if connection is None:
                    _, connection = await asyncio.get_running_loop().create_connection(
                        Connection, "127.0.0.1", self._port
                    )
                return await asyncio.wait_for(connection.ask(sent), self._patience)
            except TimeoutError:
                connection.end()
                return GIVEN_UP, -1, b""
            except OSError:
                return REFUSED, -1, b""
            finally:
                if connection is not None and connection.open:
                    self._idle.append(connection)

    def end(self):
        for one in self._idle:
            one.end()


def moments(count, rate, *, seed=None):
    """Return when requests are due, in seconds: evenly, or with a seed at random (Poisson)."""
    if seed is None:
        return np.arange(count) / rate
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


async def ask_when_due(port, sent, due, *, most=10_000, patience=PATIENCE, keep_bodies=False):
    """Send these requests at these moments, on at most so many connections; return `Answers`.

    One that finds no connection within `patience` seconds is never sent, one that hears nothing is given up.
    """
    connections, clock = _Connections(port, most, patience), time.perf_counter
    began = clock() + 0.05
    found = [None] * len(sent)

    async def one(number):
        status, retry_after, body = await connections.answer(sent[number], began + due[number])
        found[number] = (clock() - began - due[number], status, retry_after, body if keep_bodies else b"")

    tasks = []
    for number, moment in enumerate(due):
        while (early := began + moment - clock()) > 0:  # noqa: ASYNC110  a moment is awaited, no event
            await asyncio.sleep(early)
        tasks.append(asyncio.ensure_future(one(number)))
        if number % 64 == 63:
            await asyncio.sleep(0)  # whoever is late still hears answers
    await asyncio.gather(*tasks)
    connections.end()
    seconds, status, retry_after, bodies = zip(*found, strict=True)
    return Answers(
        due=np.asarray(due),
        seconds=np.array(seconds),
        status=np.array(status),
        retry_after=np.array(retry_after),
        bodies=[*bodies],
        last_sent=connections.last_sent - began,
    )


async def stream_when_due(port, key, path, lines, due, *, tick=0.005):
    """Write lines into one open body when each is due; return seconds to each line's answer, and the answers."""
    clock = time.perf_counter
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    began = clock() + 0.05

    async def write():
        at = 0
        while at < len(lines):
            await asyncio.sleep(tick)
            end = int(np.searchsorted(due, clock() - began, side="right"))
            if end > at:
                piece = b"".join(lines[at:end])
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
                at = end
        writer.write(b"0\r\n\r\n")

    writing = asyncio.ensure_future(write())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        writing.cancel()
        raise RuntimeError(head.decode())
    answers, arrived, half = [], [], b""
    while size := int(await reader.readline(), 16):
        *whole, half = (half + (await reader.readexactly(size + 2))[:-2]).split(b"\n")
        answers += whole
        arrived += [clock() - began] * len(whole)
    await writing
    writer.close()
    return np.array(arrived) - due[: len(arrived)], answers


def _work(pipe):
    while (given := pipe.recv()) is not None:
        work, rows, named = given
        began = time.process_time()
        found = asyncio.run(work(*rows, **named))
        pipe.send((found, time.process_time() - began))


class Elsewhere:
    """A process of its own for these loops, so that they take no time from whoever measures."""

    def __init__(self):
        context = mp.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there,), daemon=True)
        self._process.start()
        there.close()
        self.cpu = 0.0  # seconds that the last loop took

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pipe.send(None)
        self._process.join()

    def begin(self, work, *given, **named):
        """Start a loop; `result` ends it."""
        self._pipe.send((work, given, named))

    def result(self):
        """Wait for what the loop returns.

        Raises:
            EOFError: it failed; what it said stands above.
        """
        found, self.cpu = self._pipe.recv()
        return found

    def run(self, work, *given, **named):
        """Start a loop and wait for it."""
        self.begin(work, *given, **named)
        return self.result()

    @property
    def done(self):
        """Tell whether `result` returns at once."""
        return self._pipe.poll()
