"""The pieces of a batch stream: lines out of any pieces, answers that wait, groups of singles."""

import asyncio
import contextlib
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Gauge

from sievert.errors import InvalidField, Overloaded
from sievert.pipeline.lines import LineSplitter, OverlongLine
from sievert.serving import spool as spool_module
from sievert.serving.micro_batch import MOST, MicroBatcher
from sievert.serving.spool import Spool, SpoolRoom
from sievert.serving.worker import Worker


@given(st.lists(st.binary(max_size=12), max_size=8), st.data())
def test_lines_do_not_depend_on_how_a_body_was_cut(lines, data):
    body = b"\n".join(line.replace(b"\n", b"") for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    splitter = LineSplitter(limit=8)
    found = [line for piece in pieces for line in splitter.feed(piece)] + splitter.end()

    expected = body.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert found == [line if len(line) <= 8 else OverlongLine(len(line)) for line in expected]


def test_an_endless_line_is_never_held():
    splitter = LineSplitter(limit=100)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
        assert splitter._tail == []
    (line, *_) = splitter.feed(b"\nnext\n")
    assert line == OverlongLine(1_000_000)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30), st.randoms(use_true_random=False))
def test_a_spool_gives_back_what_was_put_in(pieces, rng):
    async def scenario():
        with Spool(SpoolRoom(400), memory_bytes=30) as spool:

            async def write():
                for piece in pieces:
                    await spool.put(piece)
                    if rng.random() < 0.3:
                        await asyncio.sleep(0)
                spool.end()

            writing = asyncio.ensure_future(write())
            out = b""
            while piece := await spool.get():
                out += piece
                assert spool.on_disk <= 100
                if rng.random() < 0.3:
                    await asyncio.sleep(0)
            await writing
            return out

    assert asyncio.run(scenario()) == b"".join(pieces)


async def filled(spool, pieces):
    for piece in pieces:
        await spool.put(piece)
    spool.end()


async def a_while():
    for _ in range(300):
        await asyncio.sleep(0)


def test_spools_share_a_room_and_none_needs_that_another_is_read():
    async def scenario():
        room = SpoolRoom(400)
        with contextlib.ExitStack() as unread, Spool(room, memory_bytes=10) as mine:
            pieces = [b"%09d\n" % number for number in range(50)]
            others = [unread.enter_context(Spool(room, memory_bytes=10)) for _ in range(7)]
            writing = [asyncio.ensure_future(filled(spool, pieces)) for spool in (*others, mine)]
            await a_while()
            held = [spool.on_disk for spool in (*others, mine)]
            out = b""
            while piece := await asyncio.wait_for(mine.get(), 30):
                out += piece
            for task in writing:
                task.cancel()
        return held, out == b"".join(pieces)

    held, whole = asyncio.run(scenario())
    assert held == [100] * 4 + [0] * 4
    assert whole


def test_whoever_waits_for_room_gets_what_another_leaves():
    async def scenario():
        room = SpoolRoom(40)
        with Spool(room, memory_bytes=10) as late:
            with contextlib.ExitStack() as early:
                for spool in [early.enter_context(Spool(room, memory_bytes=10)) for _ in range(4)]:
                    await spool.put(b"x" * 10)
                    await spool.put(b"y" * 10)
                writing = asyncio.ensure_future(filled(late, [b"a" * 10, b"b" * 10]))
                await a_while()
                waited = not writing.done()
            await asyncio.wait_for(writing, 30)
        return waited

    assert asyncio.run(scenario())


def test_a_file_that_is_never_read_to_its_end_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(spool_module, "_PIECE", 1)

    async def scenario():
        longest, out = 0, b""
        with Spool(SpoolRoom(400), memory_bytes=10) as spool:
            pieces = [b"%09d\n" % number for number in range(100)]
            writing = asyncio.ensure_future(filled(spool, pieces))
            while piece := await spool.get():
                out += piece
                await asyncio.sleep(0)
                if spool._file is not None:
                    longest = max(longest, os.fstat(spool._file.fileno()).st_size)
            await writing
        return longest, out == b"".join(pieces)

    assert asyncio.run(scenario()) == (100, True)


class Bench:
    """A batcher over a walk that is told what to do."""

    def __init__(self, walk, capacity=1000, **more):
        self.sizes = []

        def counted(records):
            self.sizes.append(len(records))
            return walk(records)

        self.worker = Worker(capacity=capacity, gauge=Gauge("waiting", "x", registry=None))
        self.batcher = MicroBatcher(self.worker, counted, capacity=capacity, **more)


def test_singles_that_come_together_travel_together_and_each_gets_its_own_answer():
    bench = Bench(lambda records: [record.decode() for record in records])

    async def scenario():
        bench.batcher.start()
        names = [f"r{number}" for number in range(700)]
        answers = await asyncio.gather(*(bench.batcher.submit(name.encode()) for name in names))
        await bench.batcher.close()
        bench.worker.close()
        return answers == names

    assert asyncio.run(scenario())
    assert sum(bench.sizes) == 700
    assert max(bench.sizes) == MOST
    assert len(bench.sizes) <= 5


def test_an_error_of_one_is_not_an_error_of_its_neighbours():
    def walk(records):
        return [InvalidField("bad") if record == b"bad" else record for record in records]

    bench = Bench(walk)

    async def scenario():
        bench.batcher.start()
        records = [b"a", b"bad", b"b"]
        answers = await asyncio.gather(*map(bench.batcher.submit, records), return_exceptions=True)
        await bench.batcher.close()
        bench.worker.close()
        return answers

    answers = asyncio.run(scenario())
    assert answers[::2] == [b"a", b"b"]
    assert isinstance(answers[1], InvalidField)


def test_a_batch_that_fails_fails_for_all_in_it_and_the_next_one_goes_on():
    calls = []

    def walk(records):
        calls.append(records)
        if len(calls) == 1:
            raise OSError("disk")
        return records

    bench = Bench(walk)

    async def scenario():
        bench.batcher.start()
        first = await asyncio.gather(*map(bench.batcher.submit, [b"a", b"b"]), return_exceptions=True)
        second = await bench.batcher.submit(b"c")
        await bench.batcher.close()
        bench.worker.close()
        return first, second

    first, second = asyncio.run(scenario())
    assert [type(error) for error in first] == [OSError, OSError]
    assert second == b"c"


def test_whoever_waits_is_answered_before_the_batcher_closes():
    bench = Bench(lambda records: records)

    async def scenario():
        bench.batcher.start()
        waiting = [asyncio.ensure_future(bench.batcher.submit(b"%d" % number)) for number in range(600)]
        await asyncio.sleep(0)
        await bench.batcher.close()
        bench.worker.close()
        return await asyncio.gather(*waiting)

    assert len(asyncio.run(scenario())) == 600


def test_beyond_capacity_singles_are_turned_away():
    async def scenario():
        bench = Bench(lambda records: records, capacity=10)
        waiting = [asyncio.ensure_future(bench.batcher.submit(b"x")) for _ in range(10)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as raised:
            await bench.batcher.submit(b"one too many")
        bench.batcher.start()
        await asyncio.gather(*waiting)
        await bench.batcher.close()
        bench.worker.close()
        return raised.value

    assert asyncio.run(scenario()).retry_after >= 1


def test_singles_that_wait_are_counted_in_bytes_too():
    async def scenario():
        bench = Bench(lambda records: records, most_bytes=100)
        waiting = [asyncio.ensure_future(bench.batcher.submit(b"x" * 30)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as raised:
            await bench.batcher.submit(b"x" * 11)
        waiting.append(asyncio.ensure_future(bench.batcher.submit(b"x" * 10)))
        bench.batcher.start()
        await asyncio.gather(*waiting)
        assert await bench.batcher.submit(b"y" * 100)
        await bench.batcher.close()
        bench.worker.close()
        return raised.value

    assert asyncio.run(scenario()).retry_after >= 1


def test_a_worker_wakes_streams_when_there_is_room_again():
    async def scenario():
        worker = Worker(capacity=3, gauge=Gauge("waiting", "x", registry=None))
        running = [asyncio.ensure_future(worker.run(random.random, posts=2)) for _ in range(2)]
        await asyncio.sleep(0)
        full = worker.full
        await asyncio.wait_for(worker.until_room(), 5)
        await asyncio.gather(*running)
        worker.close()
        return full

    assert asyncio.run(scenario())
