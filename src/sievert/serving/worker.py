"""The one thread that walks the path; everybody else waits in its queue, which has an end.

A journal is for one thread, so whatever touches it goes through here. Work that was begun is
finished and recorded even if nobody waits for its answer any more.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from prometheus_client import Gauge

from sievert.errors import Overloaded

T = TypeVar("T")

_RETRY_AFTER = 1


class Worker:
    """Runs one piece of work at a time, in the order of arrival."""

    def __init__(self, *, capacity: int, gauge: Gauge) -> None:
        """`capacity` is how many posts may wait; `gauge` shows how many do."""
        self._capacity = capacity
        self._gauge = gauge
        self._waiting = 0
        self._room: list[asyncio.Future[None]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sievert-path")

    @property
    def waiting(self) -> int:
        """How many posts wait or walk."""
        return self._waiting

    @property
    def full(self) -> bool:
        """Whether newcomers have to come back later."""
        return self._waiting >= self._capacity

    def refuse_if_full(self) -> None:
        """Turn newcomers away at the door.

        Raises:
            Overloaded: the queue is full; says when to come back.
        """
        if self.full:
            raise Overloaded(
                f"{self._waiting:,} posts are waiting already.",
                remedy="Send the same again after the time in Retry-After.",
                retry_after=_RETRY_AFTER,
            )

    async def until_room(self) -> None:
        """Wait until the queue has room: the back-pressure of streams."""
        while self.full:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._room.append(woken)
            await woken

    async def run(self, work: Callable[[], T], *, posts: int = 0) -> T:
        """Run work in the thread and return what it returns; `posts` is its weight in the queue."""
        loop = asyncio.get_running_loop()
        self._weigh(posts)
        future = self._thread.submit(work)
        done = functools.partial(self._weigh, -posts)

        def finished(_: Future[T]) -> None:
            loop.call_soon_threadsafe(done)

        future.add_done_callback(finished)
        # Shielded: whoever stops waiting must not take work back that others may depend on.
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._thread.shutdown(wait=True)

    def _weigh(self, posts: int) -> None:
        self._waiting += posts
        self._gauge.set(self._waiting)
        if not self.full:
            woken, self._room = self._room, []
            for one in woken:
                if not one.done():
                    one.set_result(None)
