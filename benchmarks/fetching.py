"""What fetching and keeping a picture cost, and what others feel while hostile servers are fetched from.

    python benchmarks/fetching.py

A server of our own runs in another process, on this machine. It gives a picture of 200 KB at once, drips,
says nothing, sends crumbs, or floods with early hints. Costs are CPU time of the fetching process alone
(core-milliseconds); latencies are wall-clock time, and this machine is shared.
"""

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sievert.errors import InputError
from sievert.schema.clock import SystemClock
from sievert.serving.fetching import Fetcher
from sievert.stores.media.folder import FolderMedia

BYTES = 200_000
HOSTILE = ("drip", "silent", "crumbs", "hints")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n"


async def answer(reader, writer):
    """Answer one request, well or badly, by its path."""
    try:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode().strip("/")
        if path == "picture":
            writer.write(HEAD + b"content-length: %d\r\n\r\n" % BYTES + bytes(BYTES))
        elif path == "drip":
            writer.write(HEAD + b"content-length: 1000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.2)
        elif path == "silent":
            await reader.read()
        else:
            piece = b"1\r\nx\r\n" if path == "crumbs" else b"HTTP/1.1 103 \r\n\r\n"
            writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n" if path == "crumbs" else b"")
            while True:
                writer.write(piece * 5000)
                await writer.drain()
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve():
    """Listen at four addresses, one for the good server, and say on which ports."""
    servers = [await asyncio.start_server(answer, f"127.0.0.{n}", 0) for n in (1, 2, 3, 4, 5)]
    print(*("{}:{}".format(*one.sockets[0].getsockname()) for one in servers), flush=True)
    await asyncio.Event().wait()


async def cost(fetcher, url, count):
    """Return core-milliseconds for each of some fetches, eight at once."""
    began = time.process_time()
    for _ in range(count // 8):
        await asyncio.gather(*(fetcher.fetch(url) for _ in range(8)))
    return (time.process_time() - began) * 1000 / count


async def latencies(fetcher, url, count):
    """Return the milliseconds of some fetches, one after the other, and the longest stall of the loop."""
    longest, last = 0.0, time.perf_counter()

    async def watch():
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.002)
            now = time.perf_counter()
            longest, last = max(longest, now - last - 0.002), now

    watching = asyncio.create_task(watch())
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await fetcher.fetch(url)
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)
    watching.cancel()
    return took, longest * 1000


async def pester(fetcher, url):
    """Fetch from a hostile server again and again."""
    while True:
        try:
            await fetcher.fetch(url)
        except InputError:
            await asyncio.sleep(0.05)


async def fetching(places, arguments):
    """Measure the fetcher; return its figures."""
    good, *bad = places
    fetcher = Fetcher(allowed=places, seconds=2.0)
    url = f"http://{good}/picture"
    await cost(fetcher, url, 32)
    costs = [await cost(fetcher, url, arguments.count) for _ in range(arguments.rounds)]
    alone, stall_alone = await latencies(fetcher, url, arguments.count)
    hostile = [
        asyncio.create_task(pester(fetcher, f"http://{place}/{how}"))
        for place, how in zip(bad, HOSTILE, strict=True)
        for _ in range(3)
    ]
    await asyncio.sleep(1)
    beside, stall_beside = await latencies(fetcher, url, arguments.count)
    for one in hostile:
        one.cancel()
    await asyncio.gather(*hostile, return_exceptions=True)
    await fetcher.close()
    return {
        "fetch_cpu_ms": statistics.median(costs),
        "alone_p50_ms": statistics.median(alone),
        "alone_p99_ms": statistics.quantiles(alone, n=100)[98],
        "alone_longest_stall_ms": stall_alone,
        "beside_12_hostile_p50_ms": statistics.median(beside),
        "beside_12_hostile_p99_ms": statistics.quantiles(beside, n=100)[98],
        "beside_12_hostile_longest_stall_ms": stall_beside,
    }


def keeping(folder, arguments):
    """Measure the folder of pictures; return its figures."""
    store = FolderMedia(folder, clock=SystemClock())
    pictures = [hashlib.sha256(b"%d" % n).digest() * (BYTES // 32) for n in range(arguments.count)]
    figures = {}
    for name, work in (
        ("put_new", store.put),
        ("put_again", store.put),
        ("get", lambda data: store.get(hashlib.sha256(data).hexdigest())),
    ):
        cpu, wall = time.process_time(), time.perf_counter()
        for data in pictures:
            work(data)
        figures[f"{name}_cpu_ms"] = (time.process_time() - cpu) * 1000 / len(pictures)
        figures[f"{name}_wall_ms"] = (time.perf_counter() - wall) * 1000 / len(pictures)
    return figures


def main():
    """Run both, print a table, and the figures as JSON on the last line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true")
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        try:
            figures = asyncio.run(fetching(server.stdout.readline().split(), arguments))
        finally:
            server.terminate()
    with tempfile.TemporaryDirectory() as folder:
        figures |= keeping(Path(folder), arguments)
    figures = {name: round(value, 3) for name, value in figures.items()}
    for name, value in figures.items():
        print(f"{name:36} {value:10.3f}")
    print(json.dumps({"picture_bytes": BYTES, **figures}))


if __name__ == "__main__":
    main()
