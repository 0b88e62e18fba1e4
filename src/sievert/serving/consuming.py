"""A worker: takes batches from the queue, decides them, and lets go of them when they are durable.

A batch that another worker had before is decided alone; one that ends in an error, or with the end of its
worker, again and again is put aside with the reason. While the database does not answer nothing is let go
of, and nothing is put aside.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sievert.errors import Overtaken, SievertError, StoreUnavailable
from sievert.serving.carried import POSTS, Batch, replies_of
from sievert.serving.doors import Doors
from sievert.serving.problems import log_unexpected
from sievert.serving.queue import Queue

MOST_DELIVERIES = 5
"""So often a batch is tried."""

TOGETHER = 5
"""Batches that are fetched at once: five hundred posts walk the path together, and other workers have some too."""

_FETCH_SECONDS = 1.0
_RETRY_SECONDS = 1.0

_log = logging.getLogger("sievert.queue")


class Consumer:
    """Works until it is told to stop."""

    def __init__(self, queue: Queue, doors: Doors, *, most_deliveries: int = MOST_DELIVERIES) -> None:
        """Decide with these doors what comes in this queue."""
        self._queue = queue
        self._doors = doors
        self._most = most_deliveries
        self._stopping = False

    def stop(self) -> None:
        """Finish what was fetched, then end."""
        self._stopping = True

    async def run(self) -> None:
        """Fetch and decide."""
        source = await self._queue.subscription()
        while not self._stopping:
            try:
                messages = await source.fetch(TOGETHER, timeout=_FETCH_SECONDS)
            except TimeoutError:  # of NATS too: nothing waits
                continue
            except Exception as error:  # noqa: BLE001  the server may come back
                log_unexpected(error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                await self._take(messages)
            except Exception as error:  # noqa: BLE001  what was not let go of comes again
                log_unexpected(error)

    async def _take(self, messages: Sequence[Any]) -> None:
        batches = []
        for message in messages:
            try:
                batches.append((message, msgspec.msgpack.decode(message.data, type=Batch)))
            except msgspec.DecodeError as error:
                await self._bury(message, _reason(error))
        together = [one for one in batches if one[1].kind == POSTS and one[0].metadata.num_delivered == 1]
        if together:
            try:
                await self._decide(together)
            except Exception as error:  # noqa: BLE001  one of them is to blame; each gets its turn
                log_unexpected(error)
                for one in together:
                    await self._take_alone(*one)
        for one in batches:
            if one not in together:
                await self._take_alone(*one)

    async def _take_alone(self, message: Any, batch: Batch) -> None:
        tried = message.metadata.num_delivered
        if tried > self._most:
            await self._bury(message, f"its worker ended {tried - 1} times before it was decided")
            return
        try:
            await self._decide([(message, batch)])
        except Exception as error:  # noqa: BLE001  whatever it is, others must have their turn
            log_unexpected(error)
            if tried < self._most:
                await message.nak(delay=_RETRY_SECONDS)
            else:
                await self._bury(message, _reason(error))

    async def _bury(self, message: Any, reason: str) -> None:
        _log.error("a batch was put aside: %s", reason)
        with contextlib.suppress(StoreUnavailable):  # then it comes again
            await self._queue.bury(message.data, reason)
            await message.ack()

    async def _decide(self, batches: Sequence[tuple[Any, Batch]]) -> None:
        first = batches[0][1]
        records = [record for _, batch in batches for record in batch.records]
        work: Callable[[], Sequence[Any]]
        if first.kind == POSTS:
            work = lambda: self._doors.walk(records)  # noqa: E731
        else:
            work = lambda: self._doors.count(records, refused=first.refused)  # noqa: E731
        results = await self._until_durable(work, [message for message, _ in batches], len(records))
        start = 0
        for message, batch in batches:
            some = results[start : start + len(batch.records)]
            start += len(batch.records)
            await self._queue.reply(batch.inbox, replies_of(batch.kind, some))
            await message.ack()

    async def _until_durable(
        self, work: Callable[[], Sequence[Any]], messages: Sequence[Any], posts: int
    ) -> Sequence[Any]:
        while True:
            try:
                return await self._doors.worker.run(work, posts=posts)
            except Overtaken:
                raise  # the database answers; the batch comes again
            except StoreUnavailable as error:
                _log.warning("waiting for the database: %s", error.what)
                for message in messages:
                    await message.in_progress()
                await asyncio.sleep(_RETRY_SECONDS)


def _reason(error: Exception) -> str:
    # Never what an error of somebody else's says: it may quote a post.
    return (
        f"{type(error).__name__}: {error.what}" if isinstance(error, SievertError) else type(error).__name__
    )
